//! What the demo prints: the story while it happens, and what held.

use std::time::Instant;

use serde_json::{Value, json};

use super::census::Seen;
use super::load::{Counts, Totals};
use super::server::Server;
use crate::output::{self, Output};

/// A statement and whether it held.
#[derive(Debug)]
struct Check {
    name: String,
    ok: bool,
}

/// Checks and numbers so far.
#[derive(Debug)]
pub(super) struct Report {
    output: Output,
    started: Instant,
    checks: Vec<Check>,
    times_to_safe_ms: Vec<f64>,
    totals: Totals,
    orphans: u64,
}

impl Report {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            started: Instant::now(),
            checks: Vec::new(),
            times_to_safe_ms: Vec::new(),
            totals: Totals::default(),
            orphans: 0,
        }
    }

    /// A new part of the story.
    pub(super) fn title(&self, text: &str) {
        self.print(&format!(
            "\n[{:5.1} s] {text}",
            self.started.elapsed().as_secs_f64()
        ));
    }

    /// Something that happened.
    pub(super) fn say(&self, text: &str) {
        self.print(&format!("          {text}"));
    }

    /// Who answers how much, as a bar.
    pub(super) fn shares(&self, counts: &Counts) {
        let total = counts.total();
        let part = |(version, count): (&String, &u64)| {
            format!(
                "version {version} {:>3} % ({count})",
                counts.percent(version)
            )
        };
        let parts: Vec<String> = counts.by_version.iter().map(part).collect();
        self.say(&format!("{total:>5} answers: {}", parts.join("   ")));
    }

    /// A statement: said, and kept for the end.
    pub(super) fn check(&mut self, name: &str, ok: bool, otherwise: &str) {
        if ok {
            self.say(&format!("ok: {name}"));
        } else {
            self.say(&format!("NOT OK: {name}: {otherwise}"));
            self.trouble(&format!("{name}: {otherwise}"));
        }
        self.checks.push(Check {
            name: name.to_owned(),
            ok,
        });
    }

    /// The time to safe of a cancel; `None` when there is none.
    pub(super) fn time_to_safe(&mut self, ms: Option<f64>) {
        if let Some(ms) = ms {
            self.say(&format!("time to safe: {ms} ms"));
            self.times_to_safe_ms.push(ms);
        }
    }

    /// What the visitors of an app saw in its whole story; the numbers of all apps are added up.
    pub(super) fn visits(&mut self, statement: &str, totals: Totals) {
        self.check(statement, totals.failed == 0, &totals.failures.join("; "));
        self.totals.requests += totals.requests;
        self.totals.failed += totals.failed;
        self.totals.cut_by_kill += totals.cut_by_kill;
        self.totals.failures.extend(totals.failures);
    }

    /// What was left over at the end.
    pub(super) fn orphans(&mut self, left: &[Seen]) {
        self.orphans = left.len().try_into().unwrap_or(u64::MAX);
        let commands: Vec<String> = left.iter().map(Seen::command).collect();
        self.check(
            "no process is left over",
            left.is_empty(),
            &commands.join("; "),
        );
    }

    /// How to go on with what stays running.
    pub(super) fn next_steps(&self, server: &Server) {
        let data_dir = output::shell_quote(&server.data_dir().display().to_string());
        let program = output::shell_quote(&server.program().display().to_string());
        let lines = [
            format!("eval \"$({program} env --data-dir {data_dir})\""),
            format!("{program} deployments --data-dir {data_dir}"),
            "curl -H \"Host: hello.$WINDLASS_APPS_DOMAIN\" \"$WINDLASS_ROUTER_HTTP/\"".to_owned(),
            format!("{program} down --data-dir {data_dir}"),
            format!(
                "its files: {}",
                output::shell_quote(&server.home().display().to_string())
            ),
        ];
        self.title("It stays running; to go on by hand");
        for line in lines {
            match self.output {
                Output::Text => self.say(&line),
                Output::Json => output::complain(&line),
            }
        }
    }

    /// How to go on when nothing stays.
    pub(super) fn by_hand(&self) {
        self.title("To go on by hand");
        self.say("./dev demo --stay        the same, and it stays running");
        self.say("./dev up                 a Windlass of your own; it prints the next steps");
    }

    /// Goes to standard error in either form of the output.
    pub(super) fn trouble(&self, text: &str) {
        if self.output == Output::Json {
            output::complain(text);
        }
    }

    /// Prints the summary. True if every statement held.
    pub(super) fn summary(&self) -> bool {
        let failed: Vec<&Check> = self.checks.iter().filter(|check| !check.ok).collect();
        let all_held = failed.is_empty() && !self.checks.is_empty();
        if self.output == Output::Json {
            output::json(&self.value());
            return all_held;
        }
        let times: Vec<String> = self
            .times_to_safe_ms
            .iter()
            .map(ToString::to_string)
            .collect();
        self.title("Summary");
        self.say(&format!("requests sent        {}", self.totals.requests));
        self.say(&format!("requests failed      {}", self.totals.failed));
        self.say(&format!("cut by a kill        {}", self.totals.cut_by_kill));
        self.say(&format!("time to safe         {} ms", times.join(", ")));
        self.say(&format!("processes left over  {}", self.orphans));
        self.say(&format!(
            "statements           {} of {} held",
            self.checks.len() - failed.len(),
            self.checks.len()
        ));
        for check in failed {
            self.say(&format!("did not hold: {}", check.name));
        }
        all_held
    }

    fn value(&self) -> Value {
        let checks: Vec<Value> = self
            .checks
            .iter()
            .map(|check| json!({ "name": check.name, "ok": check.ok }))
            .collect();
        json!({
            "requests_total": self.totals.requests,
            "requests_failed": self.totals.failed,
            "cut_by_kill": self.totals.cut_by_kill,
            "time_to_safe_ms": self.times_to_safe_ms,
            "orphans": self.orphans,
            "checks": checks,
        })
    }

    fn print(&self, text: &str) {
        if self.output == Output::Text {
            output::line(text);
        }
    }
}
