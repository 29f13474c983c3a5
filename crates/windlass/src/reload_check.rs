//! `windlass reload-check`: a program says whether it can take over from the one that runs.
//!
//! The running supervisor starts it with its own command line behind that word and its
//! [`Question`] as standard input; the [`Verdict`] is one JSON value on standard output. Nothing is
//! changed: the migration of the database is rehearsed on a copy.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use serde::{Deserialize, Serialize};
use windlass_store::Store;

use crate::cli::{self, Cli, Command};
use crate::key_file;
use crate::output;
use crate::private_file;
use crate::role_link;
use crate::settings::{Listen, Ports, Settings};
use crate::supervisor::succession;

/// Longest question, bytes.
const QUESTION_LIMIT_BYTES: u64 = 64 * 1024;
/// Runs that a reason names.
const RUNS_NAMED: usize = 3;

/// Versions of a protocol that a program speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// The oldest.
    pub oldest: u32,
    /// The newest.
    pub newest: u32,
}

/// Protocols that the programs before and after a reload have to share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protocols {
    /// What a supervisor leaves to the next.
    pub succession: Spoken,
    /// Between supervisor and roles.
    pub role_link: Spoken,
    /// Between control and routers; also that of the table file.
    pub router: Spoken,
    /// Between control and shims.
    pub shim: Spoken,
}

/// What the running supervisor tells the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its data directory.
    pub data_dir: PathBuf,
    /// Addresses on which it listens.
    pub listen: Listen,
    /// What it speaks.
    pub protocols: Protocols,
}

/// What the program answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It can take over.
    Passed(Passed),
    /// It can't.
    Refused {
        /// Why, and what to do.
        reason: String,
    },
}

/// A program that can take over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// Its version.
    pub version: String,
    /// Schema version of the database as it is.
    pub schema_before: u32,
    /// Schema version that its control will make of it.
    pub schema_after: u32,
}

impl Protocols {
    /// What this program speaks.
    pub fn own() -> Self {
        let spoken = |oldest, newest| Spoken { oldest, newest };
        Self {
            succession: spoken(succession::OLDEST_VERSION, succession::VERSION),
            role_link: spoken(role_link::OLDEST_VERSION, role_link::VERSION),
            router: spoken(
                windlass_router::protocol::OLDEST_VERSION,
                windlass_router::protocol::VERSION,
            ),
            shim: spoken(
                windlass_runtime::OLDEST_PROTOCOL,
                windlass_runtime::PROTOCOL,
            ),
        }
    }

    /// Why two programs don't understand each other; `None` when they do.
    fn conflict(&self, other: &Self) -> Option<String> {
        let pairs = [
            ("succession", self.succession, other.succession),
            ("role link", self.role_link, other.role_link),
            ("router", self.router, other.router),
            ("shim", self.shim, other.shim),
        ];
        pairs.into_iter().find_map(|(name, own, other)| {
            let shared = own.newest >= other.oldest && other.newest >= own.oldest;
            (!shared).then(|| {
                format!(
                    "it speaks versions {} to {} of the {name} protocol, the running program {} to \
                     {}; reload to a release in between first",
                    own.oldest, own.newest, other.oldest, other.newest
                )
            })
        })
    }
}

/// Answers the question on standard input and returns the exit status.
pub fn run(arguments: &[OsString]) -> ExitCode {
    let verdict = match check(arguments) {
        Ok(passed) => Verdict::Passed(passed),
        Err(reason) => Verdict::Refused { reason },
    };
    let text = serde_json::to_string(&verdict).unwrap_or_default();
    output::line(&text);
    match verdict {
        Verdict::Passed(_) => ExitCode::SUCCESS,
        Verdict::Refused { .. } => ExitCode::FAILURE,
    }
}

fn check(arguments: &[OsString]) -> Result<Passed, String> {
    let mut text = String::new();
    std::io::stdin()
        .take(QUESTION_LIMIT_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| format!("the question can't be read: {error}"))?;
    let question: Question = serde_json::from_str(&text)
        .map_err(|error| format!("the running program's question is not understood: {error}"))?;
    if let Some(conflict) = Protocols::own().conflict(&question.protocols) {
        return Err(conflict);
    }
    let settings = settings_of(arguments)?;
    same_place(&settings, &question)?;
    key_file::read(&settings.key_file).map_err(|error| error.to_string())?;
    understood_shims(&settings.data_dir)?;
    rehearse(&settings)
}

/// Reads the command line of the running `up` as this program understands it.
fn settings_of(arguments: &[OsString]) -> Result<Settings, String> {
    let words = std::iter::once(OsString::from("windlass")).chain(arguments.iter().cloned());
    let parsed = Cli::try_parse_from(words).map_err(|error| {
        let text = error.to_string();
        let text = text.lines().next().unwrap_or_default();
        format!("the command line of the running `windlass up` is not understood: {text}")
    })?;
    let Command::Up { settings, .. } = &parsed.command else {
        return Err("the running program was not started by `windlass up`".to_owned());
    };
    cli::settings(parsed.data_dir.as_deref(), settings).map_err(|error| error.to_string())
}

/// Sockets are handed on, so their addresses can't change.
fn same_place(settings: &Settings, question: &Question) -> Result<(), String> {
    if settings.data_dir != question.data_dir {
        return Err(format!(
            "the data directory would be {} and is {}",
            settings.data_dir.display(),
            question.data_dir.display()
        ));
    }
    if settings.ports == Ports::Auto {
        return Ok(());
    }
    let pairs = [
        ("listen_cf", settings.listen.cf, question.listen.cf),
        (
            "listen_digitalocean",
            settings.listen.digitalocean,
            question.listen.digitalocean,
        ),
        (
            "listen_vercel",
            settings.listen.vercel,
            question.listen.vercel,
        ),
        (
            "listen_router_http",
            settings.listen.router_http,
            question.listen.router_http,
        ),
        (
            "listen_router_https",
            settings.listen.router_https,
            question.listen.router_https,
        ),
        (
            "listen_metrics",
            settings.listen.metrics,
            question.listen.metrics,
        ),
    ];
    for (name, wanted, now) in pairs {
        let is_same =
            wanted.ip() == now.ip() && (wanted.port() == 0 || wanted.port() == now.port());
        if !is_same {
            return Err(format!(
                "setting `{name}` is now {wanted}, but Windlass listens on {now}; addresses change \
                 with `windlass down` and `windlass up` only"
            ));
        }
    }
    Ok(())
}

/// Runs go on under the shim that they were started with, which may be older than the running
/// program.
fn understood_shims(data_dir: &Path) -> Result<(), String> {
    let strange = windlass_runtime::runs_of_other_protocols(data_dir)
        .map_err(|error| format!("the running instances can't be read: {error}"))?;
    if strange.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = strange
        .iter()
        .take(RUNS_NAMED)
        .map(|(run, protocol)| format!("{run} (version {protocol})"))
        .collect();
    Err(format!(
        "{} of the running instances, tasks and builds were started too many releases ago to be \
         understood: {}; restart these apps first",
        strange.len(),
        named.join(", ")
    ))
}

fn rehearse(settings: &Settings) -> Result<Passed, String> {
    let layout = settings.layout();
    let failed = |error: &dyn std::fmt::Display| format!("the migration can't be tried: {error}");
    let scratch = layout.rehearsal_dir();
    private_file::directory(&scratch).map_err(|error| failed(&error))?;
    let rehearsal = Store::rehearse(layout.database(), &scratch);
    let removed = std::fs::remove_dir_all(&scratch);
    let rehearsal = rehearsal.map_err(|error| error.to_string())?;
    removed.map_err(|error| failed(&error))?;
    Ok(Passed {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema_before: rehearsal.from,
        schema_after: rehearsal.to,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_share_a_version_of_everything_pass() {
        let own = Protocols::own();
        assert_eq!(own.conflict(&own), None);
        let mut next = own.clone();
        next.router = Spoken {
            oldest: own.router.newest,
            newest: own.router.newest + 1,
        };
        assert_eq!(own.conflict(&next), None);
        assert_eq!(next.conflict(&own), None);
        next.router.oldest += 1;
        for (one, other) in [(&own, &next), (&next, &own)] {
            let reason = one.conflict(other).expect("a conflict");
            assert!(reason.contains("router protocol"), "{reason}");
        }
    }

    /// What the first supervisor that could reload asks, and what it understands.
    #[test]
    fn the_first_form_of_question_and_verdict_is_understood() {
        let range = r#"{"oldest":1,"newest":1}"#;
        let text = format!(
            r#"{{"data_dir":"/d","listen":{{"cf":"127.0.0.1:1","digitalocean":"127.0.0.1:2",
            "vercel":"127.0.0.1:3","router_http":"127.0.0.1:4","router_https":"127.0.0.1:5",
            "metrics":"127.0.0.1:6"}},"protocols":{{"succession":{range},"role_link":{range},
            "router":{range},"shim":{range},"newer":{range}}},"newer":1}}"#
        );
        let question: Question = serde_json::from_str(&text).expect("understood");
        assert_eq!(question.protocols.shim.newest, 1);
        let text = r#"{"verdict":"passed","version":"9","schema_before":1,"schema_after":2,"x":0}"#;
        let verdict: Verdict = serde_json::from_str(text).expect("understood");
        let passed = Passed {
            version: "9".to_owned(),
            schema_before: 1,
            schema_after: 2,
        };
        assert_eq!(verdict, Verdict::Passed(passed));
        let text = r#"{"verdict":"refused","reason":"no key"}"#;
        let verdict: Verdict = serde_json::from_str(text).expect("understood");
        let reason = "no key".to_owned();
        assert_eq!(verdict, Verdict::Refused { reason });
    }
}
