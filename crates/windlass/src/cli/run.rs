//! From parsed words to their doing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::client::AdminClient;
use super::error::CliError;
use super::{Cli, Command, deployment, env, files, follow, identity, process, reload};
use crate::output::{self, Output};
use crate::settings::sources;
use crate::static_server;

/// Does what the command line says and returns the exit status.
pub fn run(cli: Cli) -> ExitCode {
    let output = cli.output;
    match dispatch(cli) {
        Ok(status) => status,
        Err(error) => {
            if output == Output::Json {
                output::complain(&serde_json::json!({ "error": error.to_string() }).to_string());
            } else {
                output::complain(&format!("windlass: {error}"));
            }
            ExitCode::from(error.status())
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode, CliError> {
    let Cli {
        data_dir,
        output,
        command,
    } = cli;
    let flag = data_dir.as_deref();
    // Shims must stay single-threaded: no runtime for them. The roles make their own. Restoring
    // and the demo block.
    match &command {
        Command::Shim { run_dir } => return Ok(crate::roles::shim(run_dir)),
        Command::Stage { arguments } => {
            return Ok(windlass_control::staging::stage_main(arguments.clone()));
        }
        Command::GitSsh { directory, .. } => {
            return Ok(windlass_control::sources::ssh_bridge_main(directory));
        }
        Command::StaticServer { app, check } => return Ok(static_server::run(app, *check)),
        Command::ReloadCheck { arguments } => return Ok(crate::reload_check::run(arguments)),
        Command::Control => return crate::roles::control(),
        Command::Router => return crate::roles::router(),
        Command::Restore {
            file,
            replace,
            settings,
        } => {
            return files::restore(flag, settings, output, file, *replace)
                .map(|()| ExitCode::SUCCESS);
        }
        Command::Demo { app, stay } => return demo(app, *stay, output),
        Command::CheckConfig(flags) => {
            return process::check_config(flag, flags, output).map(|()| ExitCode::SUCCESS);
        }
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Failed(format!("failed to start: {error}")))?;
    runtime
        .block_on(administer(data_dir, output, command))
        .map(|()| ExitCode::SUCCESS)
}

fn demo(app: &Path, stay: bool, output: Output) -> Result<ExitCode, CliError> {
    let options = crate::demo::Options {
        app: app.to_path_buf(),
        stay,
        output,
    };
    match crate::demo::run(&options) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        Err(error) => Err(CliError::Failed(error.to_string())),
    }
}

async fn administer(
    data_dir_flag: Option<PathBuf>,
    output: Output,
    command: Command,
) -> Result<(), CliError> {
    let flag = data_dir_flag.as_deref();
    let data_dir = sources::data_dir(flag, &process::environment())?;
    let client = AdminClient::new(&data_dir);
    match command {
        Command::Up {
            settings,
            take_over: false,
        } => {
            crate::telemetry::start(&process::resolved(flag, &settings)?)?;
            process::up(flag, &settings, output).await
        }
        Command::Up {
            settings,
            take_over: true,
        } => process::take_over(flag, &settings, output).await,
        Command::Reload { program, limit_s } => {
            reload::reload(&data_dir, output, program.as_deref(), limit_s).await
        }
        Command::Down => process::down(&data_dir, output).await,
        Command::Status => process::status(&data_dir, output).await,
        Command::Env { user } => env::print(&client, output, user.as_deref()).await,
        Command::User(command) => identity::user(&client, output, command).await,
        Command::Org(command) => identity::organization(&client, output, command).await,
        Command::Space(command) => identity::space(&client, output, command).await,
        Command::Token(command) => identity::token(&client, output, command).await,
        Command::Deployments { app, active, limit } => {
            deployment::deployments(&client, output, app.as_deref(), active, limit).await
        }
        Command::Deployment(command) => deployment::deployment(&client, output, command).await,
        Command::Tasks { app, active, limit } => {
            deployment::tasks(&client, output, app.as_deref(), active, limit).await
        }
        Command::Task(command) => deployment::task(&client, output, command).await,
        Command::Logs { app, follow, lines } => {
            follow::logs(&client, output, &app, follow, lines).await
        }
        Command::Events { follow, limit } => follow::events(&client, output, follow, limit).await,
        Command::Backup { file } => files::backup(&client, output, &file).await,
        Command::Demo { .. }
        | Command::Restore { .. }
        | Command::CheckConfig(_)
        | Command::Control
        | Command::ReloadCheck { .. }
        | Command::Stage { .. }
        | Command::StaticServer { .. }
        | Command::GitSsh { .. }
        | Command::Router
        | Command::Shim { .. } => Err(CliError::Usage("this command can't be run here".to_owned())),
    }
}
