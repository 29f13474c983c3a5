//! Everything that is not a web server.

use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::{settings, stop};

const WORK_PAUSE: Duration = Duration::from_secs(5);

/// Says now and then that it is alive. SIGTERM ends it.
pub fn work() -> ExitCode {
    let index = std::env::var("CF_INSTANCE_INDEX").unwrap_or_default();
    loop {
        println!("worker {index} of version {} is alive", settings::version());
        std::thread::sleep(WORK_PAUSE);
    }
}

/// Prints its arguments and succeeds.
pub fn succeed(arguments: &[String]) -> ExitCode {
    println!(
        "task of version {}: {}",
        settings::version(),
        arguments.join(" ")
    );
    ExitCode::SUCCESS
}

/// Fails.
pub fn fail() -> ExitCode {
    eprintln!("this task fails with status 3");
    ExitCode::from(3)
}

/// Does what makes a program hard to end: ignores SIGTERM, starts programs that leave its session
/// and its parent, and never returns.
pub fn ignore_term() -> ExitCode {
    stop::ignore_term();
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            eprintln!("cannot find this program: {error}");
            return ExitCode::FAILURE;
        }
    };
    // The shell ends at once: what it started is nobody's child any more.
    let script = r#"setsid "$0" orphan & (setsid "$0" orphan &) ; exit 0"#;
    match Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(program)
        .status()
    {
        Ok(status) if status.success() => hang("task"),
        Ok(status) => {
            eprintln!("the shell ended with {status}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("cannot start a shell: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Ignores SIGTERM and does nothing for ever.
pub fn hang(what: &str) -> ExitCode {
    stop::ignore_term();
    println!("{what} {} ignores SIGTERM and hangs", std::process::id());
    loop {
        std::thread::park();
    }
}
