//! `windlass up|down|status|check-config`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::SettingFlags;
use super::client::AdminClient;
use super::error::CliError;
use crate::ca;
use crate::key_file;
use crate::layout::Layout;
use crate::output::{self, Output};
use crate::private_file;
use crate::program;
use crate::settings::Settings;
use crate::settings::options::Name;
use crate::settings::sources::{Resolved, resolve};
use crate::supervisor::succession::Inheritance;
use crate::supervisor::{self, Ended, Origin, lock};
use crate::telemetry;

/// How often `down` looks whether the supervisor has gone.
const DOWN_POLL: Duration = Duration::from_millis(50);
/// How often `down` says that it still waits.
const DOWN_PROGRESS: Duration = Duration::from_secs(2);
/// How long `status` waits for control: who asks for it may want to know why nothing answers.
const STATUS_LIMIT: Duration = Duration::from_secs(5);
/// What `down` waits beyond the supervisor's own limits.
const DOWN_SPARE: Duration = Duration::from_mins(1);

/// Environment as a map; values that are not UTF-8 are no settings.
pub(super) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Overlays flags, environment, file and defaults.
pub(super) fn resolved(
    data_dir: Option<&Path>,
    flags: &SettingFlags,
) -> Result<Resolved, CliError> {
    let named = [
        (Name::KeyFile, &flags.key_file),
        (Name::Ports, &flags.ports),
        (Name::ListenCf, &flags.listen_cf),
        (Name::ListenDigitalOcean, &flags.listen_digitalocean),
        (Name::ListenVercel, &flags.listen_vercel),
        (Name::ListenRouterHttp, &flags.listen_router_http),
        (Name::ListenRouterHttps, &flags.listen_router_https),
        (Name::ListenMetrics, &flags.listen_metrics),
        (Name::Domain, &flags.domain),
        (Name::Isolation, &flags.isolation),
        (Name::GithubUrl, &flags.github_url),
        (Name::GitlabUrl, &flags.gitlab_url),
        (Name::BitbucketUrl, &flags.bitbucket_url),
        (Name::AllowLoopbackSources, &flags.allow_loopback_sources),
        (Name::GitPollIntervalS, &flags.git_poll_interval_s),
        (Name::WebhookSecret, &flags.webhook_secret),
        (Name::GitSshKeyFile, &flags.git_ssh_key_file),
    ];
    let mut values: BTreeMap<Name, String> = named
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .collect();
    for pair in &flags.set {
        let known = pair.split_once('=').and_then(|(key, value)| {
            let name = Name::ALL.into_iter().find(|name| name.info().name == key)?;
            Some((name, value.to_owned()))
        });
        let Some((name, value)) = known else {
            let text = format!("--set {pair}: give NAME=VALUE of `windlass check-config`");
            return Err(CliError::Usage(text));
        };
        values.insert(name, value);
    }
    Ok(resolve(data_dir, &values, &environment())?)
}

/// The checked settings of a command line.
pub fn settings(data_dir: Option<&Path>, flags: &SettingFlags) -> Result<Settings, CliError> {
    Ok(Settings::check(&resolved(data_dir, flags)?)?)
}

pub(super) async fn up(
    data_dir: Option<&Path>,
    flags: &SettingFlags,
    output: Output,
) -> Result<(), CliError> {
    let settings = settings(data_dir, flags)?;
    let layout = settings.layout();
    let make = |path: &Path| {
        private_file::directory(path).map_err(|source| CliError::File {
            what: "make directory",
            path: path.to_path_buf(),
            source,
        })
    };
    make(layout.root())?;
    make(&layout.run_dir())?;
    let lock = lock::take(&layout.supervisor_lock())?;
    let first_start = !layout.database().exists();
    key_file::read_or_create(&settings.key_file, layout.root(), !first_start)?;
    let certificates = ca::prepare(&settings, ca::today())?;
    let start = supervisor::Start {
        settings,
        certificates,
        arguments: std::env::args_os().skip(1).collect(),
        output,
        origin: Origin::Start(lock),
    };
    supervise(start).await
}

/// The same in the place of a supervisor that has become this program. What can't be done here
/// makes it that program again.
pub(super) async fn take_over(
    data_dir: Option<&Path>,
    flags: &SettingFlags,
    output: Output,
) -> Result<(), CliError> {
    program::take_name();
    let inheritance = Inheritance::receive()?;
    let prepared = || -> Result<_, CliError> {
        inheritance.check().map_err(CliError::Failed)?;
        let resolved = resolved(data_dir, flags)?;
        telemetry::start(&resolved)?;
        let settings = Settings::check(&resolved)?;
        let certificates = ca::prepare(&settings, ca::today())?;
        Ok((settings, certificates))
    };
    match prepared() {
        Ok((settings, certificates)) => {
            let start = supervisor::Start {
                settings,
                certificates,
                arguments: Vec::new(),
                output,
                origin: Origin::Takeover(inheritance),
            };
            supervise(start).await
        }
        Err(error) => {
            let failed = inheritance.give_back(&error.to_string());
            Err(CliError::Failed(format!(
                "{error}; and the program before can't be started again: {failed}"
            )))
        }
    }
}

async fn supervise(start: supervisor::Start) -> Result<(), CliError> {
    #[cfg(windlass_fail)]
    {
        let layout = start.settings.layout();
        crate::crash::list(&layout)
            .and_then(|()| crate::crash::arm(&layout, crate::crash::Mortal::Supervisor))
            .map_err(CliError::Failed)?;
    }
    match supervisor::run(start).await? {
        Ended::Done => Ok(()),
        Ended::Refused(reason) => Err(CliError::Refused(reason)),
        Ended::Late => Err(CliError::Failed(
            "some instances did not stop in time and were killed".to_owned(),
        )),
    }
}

pub(super) async fn down(data_dir: &Path, output: Output) -> Result<(), CliError> {
    let layout = Layout::new(data_dir);
    let path = layout.supervisor_lock();
    let holder = || {
        lock::holder(&path).map_err(|source| CliError::File {
            what: "read",
            path: path.clone(),
            source,
        })
    };
    let Some(pid) = holder()? else {
        return Err(CliError::NotRunning {
            data_dir: data_dir.to_path_buf(),
        });
    };
    kill(Pid::from_raw(pid), Signal::SIGINT).map_err(|error| {
        CliError::Failed(format!(
            "failed to stop pid {pid}: {error}; are you its user?"
        ))
    })?;
    let started = Instant::now();
    let mut said = started;
    let longest = Duration::from_hours(1) + DOWN_SPARE;
    while holder()? == Some(pid) {
        if said.elapsed() >= DOWN_PROGRESS && output == Output::Text {
            said = Instant::now();
            output::line(&format!(
                "stopping, {} s so far",
                started.elapsed().as_secs()
            ));
        }
        if started.elapsed() > longest {
            return Err(CliError::Failed(format!(
                "pid {pid} does not end; look at its output"
            )));
        }
        tokio::time::sleep(DOWN_POLL).await;
    }
    match output {
        Output::Text => output::line("stopped"),
        Output::Json => output::json(&json!({ "stopped": pid })),
    }
    Ok(())
}

pub(super) async fn status(data_dir: &Path, output: Output) -> Result<(), CliError> {
    let layout = Layout::new(data_dir);
    let path = layout.supervisor_lock();
    let holder = lock::holder(&path)
        .map_err(|source| CliError::File {
            what: "read",
            path,
            source,
        })?
        .ok_or_else(|| CliError::NotRunning {
            data_dir: data_dir.to_path_buf(),
        })?;
    let client = AdminClient::new(data_dir).within(STATUS_LIMIT);
    let mut answer = match client.get("/status").await {
        Ok(answer) => answer,
        // The supervisor knows why.
        Err(CliError::NoAnswer(text)) => match std::fs::read_to_string(layout.control_trouble()) {
            Ok(reason) => json!({ "control": reason }),
            Err(_) => json!({ "control": format!("does not answer: {text}") }),
        },
        Err(error) => return Err(error),
    };
    answer["supervisor_pid"] = json!(holder);
    answer["data_dir"] = json!(data_dir);
    match output {
        Output::Json => output::json(&answer),
        Output::Text => {
            for (name, value) in answer.as_object().into_iter().flatten() {
                match value {
                    Value::Object(fields) => {
                        output::line(&format!("{name}:"));
                        for (name, value) in fields {
                            output::line(&format!("  {name}: {}", plain(value)));
                        }
                    }
                    value => output::line(&format!("{name}: {}", plain(value))),
                }
            }
        }
    }
    Ok(())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let pair = |(name, value): (&String, &Value)| format!("{name} {}", plain(value));
            fields.iter().map(pair).collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

pub(super) fn check_config(
    data_dir: Option<&Path>,
    flags: &SettingFlags,
    output: Output,
) -> Result<(), CliError> {
    let resolved = resolved(data_dir, flags)?;
    let settings = Settings::check(&resolved)?;
    let key = match key_file::read(&settings.key_file) {
        Ok(keys) => format!("{} (hidden)", keys[0].id),
        Err(_) if !settings.key_file.exists() => "made at first start".to_owned(),
        Err(error) => return Err(error.into()),
    };
    let rows = resolved.rows();
    if output == Output::Json {
        output::json(&json!({
            "data_dir": settings.data_dir,
            "key": key,
            "settings": rows,
            "exposures": settings.exposures(),
        }));
        return Ok(());
    }
    output::line(&format!("data_dir = {}", settings.data_dir.display()));
    output::line(&format!("key = {key}"));
    let cells = rows.iter().map(|row| {
        vec![
            row.name.to_owned(),
            row.value.clone(),
            row.unit.to_owned(),
            row.source.clone(),
            row.limit.clone(),
            row.meaning.to_owned(),
        ]
    });
    let heads = ["setting", "value", "unit", "from", "allowed", "meaning"];
    output::table(&heads, &cells.collect::<Vec<_>>());
    for text in settings.exposures() {
        output::line(&format!("note: {text}"));
    }
    Ok(())
}
