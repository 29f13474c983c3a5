//! The story of the demo, one method a part.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::bits;
use super::census;
use super::failure::{Failure, wait_for};
use super::load::{Load, Visit};
use super::platform::{App, Platform, text};
use super::report::Report;
use super::server::{Role, Server};
use super::shares;

/// Instances of the example.
const INSTANCES: u32 = 4;
/// Visitors that keep their connection, and those that do not.
const KEEPING: usize = 6;
const PASSING: usize = 2;
/// Pause of a visitor between two requests: together they make about 400 requests a second.
const PAUSE: Duration = Duration::from_millis(20);
/// Header with the time to safe.
const TIME_TO_SAFE: &str = "x-windlass-time-to-safe-ms";

/// A running Windlass with the example under load.
pub(super) struct Story<'a> {
    server: &'a mut Server,
    report: &'a mut Report,
    files: PathBuf,
    platform: Platform,
    app: App,
    second: String,
    load: Load,
}

impl<'a> Story<'a> {
    /// Pushes version 1 and lets the visitors in.
    pub(super) fn begin(
        server: &'a mut Server,
        files: &Path,
        report: &'a mut Report,
    ) -> Result<Self, Failure> {
        let platform = Platform::of(server, None)?;
        report.say(&format!(
            "Cloud Foundry API at {}",
            platform.env["WINDLASS_CF_API"]
        ));
        report.title(&format!("Version 1 is pushed, {INSTANCES} instances"));
        let app = platform.push("hello", &version(files, "1", "")?, INSTANCES)?;
        let router = platform.env["WINDLASS_ROUTER_HTTP"]
            .trim_start_matches("http://")
            .parse()
            .map_err(|error| Failure::Unexpected(format!("address of the router: {error}")))?;
        let load = Load::start(Visit {
            router,
            host: app.host.clone(),
            path: "/".to_owned(),
            keeping: KEEPING,
            passing: PASSING,
            pause: PAUSE,
        })?;
        report.say(&format!("visitors come to http://{}/", app.host));
        let second = platform.stage(&app, &version(files, "2", "")?)?;
        let mut story = Self {
            server,
            report,
            files: files.to_path_buf(),
            platform,
            app,
            second,
            load,
        };
        story.shares_are("version 1 answers everything", "1", 100)?;
        Ok(story)
    }

    /// 25 → 50 %, continued once, canceled.
    pub(super) fn canary_is_continued_and_canceled(&mut self) -> Result<(), Failure> {
        self.report
            .title("Version 2 is deployed as a canary: 25 %, then 50 %");
        let canary = self.platform.canary(&self.app, &self.second, &[25, 50])?;
        self.platform.wait_paused(&canary, 1)?;
        self.shares_are("the canary has 25 %", "2", 25)?;
        self.report.say("continue");
        self.platform.resume(&canary)?.ok()?;
        self.platform.wait_paused(&canary, 2)?;
        self.shares_are("the canary has 50 % after continue", "2", 50)?;
        self.cancel("the canary", &canary, "a demo of cancel")
    }

    /// A version that never listens.
    pub(super) fn a_deaf_version_is_canceled(&mut self) -> Result<(), Failure> {
        self.report
            .title("A version that never becomes healthy is deployed");
        let before = self.app_processes();
        let deaf = version(&self.files, "deaf", "HEALTH=deaf\n")?;
        let droplet = self.platform.stage(&self.app, &deaf)?;
        let rolling = json!({ "strategy": "rolling" });
        let guid = self.platform.deploy(&self.app, &droplet, rolling)?;
        wait_for("the start of the deaf version", || {
            let now = self.app_processes();
            Ok(if now > before {
                Ok(())
            } else {
                Err(format!("{now} processes"))
            })
        })?;
        self.cancel("the deaf version", &guid, "it never answers")?;
        let left = self.app_processes();
        self.report.check(
            "nothing of the deaf version is left",
            left == before,
            &format!("{left} processes, {before} before it"),
        );
        Ok(())
    }

    /// A task that ignores SIGTERM and forks away.
    pub(super) fn a_task_that_hides_is_canceled(&mut self) -> Result<(), Failure> {
        self.report
            .title("A task ignores SIGTERM and starts programs that leave its session");
        let task = self
            .platform
            .run_task(&self.app, "./hello task-ignore-term")?;
        let hidden = wait_for("the programs of the task", || {
            let mut found = self.server.census();
            found.retain(|seen| {
                let last = seen.arguments.last().map_or("", String::as_str);
                !seen.is_windlass() && ["orphan", "task-ignore-term"].contains(&last)
            });
            // Not `setsid`, which becomes one of them in a moment.
            let is_hidden = |words: &[String]| {
                words.len() == 2 && words.last().is_some_and(|word| word == "orphan")
            };
            let hidden = found.iter().filter(|seen| is_hidden(&seen.arguments));
            Ok(if hidden.count() == 2 {
                Ok(found)
            } else {
                Err(format!("{found:?}"))
            })
        })?;
        for seen in &hidden {
            self.report
                .say(&format!("running: pid {} {}", seen.pid, seen.command()));
        }
        let started = Instant::now();
        let answer = self.platform.cancel_task(&task)?.ok()?;
        self.report.check(
            "the task is canceling at once",
            answer["state"] == "CANCELING",
            &answer.to_string(),
        );
        let ended = self.platform.wait_task(&task, "FAILED")?;
        let left = census::survivors(&hidden);
        self.report
            .say(&format!("ended after {} ms", started.elapsed().as_millis()));
        let reason = &ended["result"]["failure_reason"];
        self.report.check(
            "the task says that it was canceled",
            reason == "task was cancelled",
            &reason.to_string(),
        );
        self.report.check(
            "nothing of the task is left",
            left.is_empty(),
            &format!("{left:?}"),
        );
        Ok(())
    }

    /// Rolling, to its end.
    pub(super) fn version_three_rolls_out(&mut self) -> Result<(), Failure> {
        self.report
            .title("Version 3 is deployed rolling and finishes");
        let third = self
            .platform
            .stage(&self.app, &version(&self.files, "3", "")?)?;
        let rolling = json!({ "strategy": "rolling", "options": { "max_in_flight": 2 } });
        self.load.section();
        let guid = self.platform.deploy(&self.app, &third, rolling)?;
        self.platform.wait_deployment(&guid, "DEPLOYED")?;
        self.report.shares(&self.load.counts());
        self.shares_are("version 3 answers everything", "3", 100)
    }

    /// `kill -9` of control in the middle of a canary, which is canceled at once.
    pub(super) fn control_is_killed(&mut self) -> Result<(), Failure> {
        self.report
            .title("Control is killed (-9) in the middle of a canary");
        let canary = self.platform.canary(&self.app, &self.second, &[25])?;
        self.platform.wait_paused(&canary, 1)?;
        self.shares_are("the second canary has 25 %", "2", 25)?;
        self.server.kill(Role::Control)?;
        let killed = Instant::now();
        self.cancel("the canary of a killed control", &canary, "after the kill")?;
        self.report.say(&format!(
            "canceled {} ms after the kill",
            killed.elapsed().as_millis()
        ));
        Ok(())
    }

    /// `kill -9` of the router under load.
    pub(super) fn router_is_killed(&mut self) -> Result<(), Failure> {
        self.report.title("The router is killed (-9) under load");
        let before = self.load.totals();
        self.load.router_dies();
        self.server.kill(Role::Router)?;
        let killed = Instant::now();
        self.load.router_is_dead();
        self.load.section();
        wait_for("an answer of the next router", || {
            let counts = self.load.counts();
            Ok(if counts.total() > 0 {
                Ok(())
            } else {
                Err("no answer".to_owned())
            })
        })?;
        self.report.say(&format!(
            "the next router answers after {} ms",
            killed.elapsed().as_millis()
        ));
        self.shares_are("version 3 answers after the router's death", "3", 100)?;
        let now = self.load.totals();
        self.report.say(&format!(
            "{} requests in flight were cut and sent again",
            now.cut_by_kill - before.cut_by_kill
        ));
        self.report.check(
            "every cut request succeeded when it was sent again, no connection was refused",
            now.failed == before.failed,
            &now.failures.join("; "),
        );
        Ok(())
    }

    /// The visitors go.
    pub(super) fn end(self) -> Result<(), Failure> {
        let states = self.platform.instance_states(&self.app)?;
        self.report.check(
            "all instances run",
            states == ["RUNNING"; INSTANCES as usize],
            &states.join(" "),
        );
        self.report.visits("no request failed", self.load.finish());
        Ok(())
    }

    /// Cancels a deployment that the base can carry, and waits for its outcome.
    fn cancel(&mut self, what: &str, guid: &str, reason: &str) -> Result<(), Failure> {
        let from = {
            let deployment = self.platform.deployment(guid)?;
            text(&deployment["status"], "reason")?
        };
        self.report.say(&format!("cancel ({from})"));
        let answer = self.platform.cancel(guid, reason)?;
        let safe = answer
            .header(TIME_TO_SAFE)
            .and_then(|text| text.parse::<f64>().ok());
        if safe.is_some() {
            // From here on nobody may meet the canceled version.
            self.load.section();
        }
        self.report.check(
            &format!("cancel of {what} is answered 200 with the deployment"),
            answer.status == 200 && answer.body["guid"] == guid,
            &answer.text,
        );
        self.platform.wait_deployment(guid, "CANCELED")?;
        let record = self.server.json(&["deployment", "show", guid])?;
        self.report.time_to_safe(record["time_to_safe_ms"].as_f64());
        self.report.check(
            &format!("the record of {what} says who, why and how long"),
            record["outcome"] == "canceled"
                && record["cancel"]["reason"] == reason
                && record["cancel"]["by"].is_string()
                && record["time_to_safe_ms"].is_number(),
            &record.to_string(),
        );
        if safe.is_none() {
            self.load.section();
        }
        let base = if record["base"]["artifact"].is_null() {
            "nothing"
        } else {
            "the base"
        };
        shares::sample(&self.load, self.report)?;
        let counts = self.load.counts();
        self.report.shares(&counts);
        let versions = counts.by_version.len();
        self.report.check(
            &format!("after the cancel of {what} {base} answers everything"),
            versions == 1 && counts.of("2") == 0 && counts.of("deaf") == 0,
            &format!("{:?}", counts.by_version),
        );
        Ok(())
    }

    fn shares_are(&mut self, name: &str, version: &str, percent: u64) -> Result<(), Failure> {
        shares::check(&self.load, self.report, name, version, percent)
    }

    fn app_processes(&self) -> usize {
        let all = self.server.census();
        all.iter().filter(|seen| !seen.is_windlass()).count()
    }
}

/// The files of the example as one version.
fn version(files: &Path, number: &str, more: &str) -> Result<Vec<u8>, Failure> {
    let settings = format!("VERSION={number}\n{more}");
    bits::pack(files, &[("hello.conf", &settings)])
}
