//! The command line of Vercel, where the machine has it: the real client then makes the call that
//! the chapter is about. Nothing is installed for it, so that the demo needs no network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::failure::Failure;

const PROGRAM: &str = "vercel";

/// The client, with the environment that `windlass env` prints.
#[derive(Debug)]
pub(super) struct VercelCli {
    env: BTreeMap<String, String>,
    /// Its own settings and caches lie there, not in the home of whoever runs the demo.
    home: PathBuf,
    /// Its version, for people.
    pub(super) version: String,
}

impl VercelCli {
    /// The client, if it is there.
    pub(super) fn find(env: &BTreeMap<String, String>, home: &Path) -> Option<Self> {
        let cli = Self {
            env: env.clone(),
            home: home.to_owned(),
            version: String::new(),
        };
        let shown = cli.run(&["--version"]).ok()?;
        if !shown.status.success() {
            return None;
        }
        // It says its name too; which of the two streams it takes depends on its version.
        let text = [shown.stdout, shown.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let mut words = text.split_whitespace();
        let version = words.find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
        let version = version.unwrap_or("of unknown version").to_owned();
        Some(Self { version, ..cli })
    }

    /// Sends a call without a body; the answer.
    ///
    /// # Errors
    /// [`Failure::NoAnswer`] when it is refused.
    pub(super) fn call(
        &self,
        api: &str,
        method: &str,
        path: &str,
        header: (&str, &str),
    ) -> Result<Value, Failure> {
        let header = format!("{}: {}", header.0, header.1);
        let arguments = ["api", path, "-X", method, "-H", &header, "--api", api];
        let done = self
            .run(&arguments)
            .map_err(Failure::system("start vercel"))?;
        serde_json::from_slice(&done.stdout).map_err(|_| Failure::NoAnswer {
            request: format!("vercel {}", arguments.join(" ")),
            text: String::from_utf8_lossy(&done.stderr).trim().to_owned(),
        })
    }

    fn run(&self, arguments: &[&str]) -> std::io::Result<Output> {
        Command::new(PROGRAM)
            .args(arguments)
            .arg("--global-config")
            .arg(&self.home)
            .envs(&self.env)
            .env("VERCEL_TELEMETRY_DISABLED", "1")
            .env("NO_UPDATE_NOTIFIER", "1")
            .stdin(Stdio::null())
            .output()
    }
}
