//! The cycles: a deployment that is canceled, one that is continued, and a rollback.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use windlass::demo::platform::{App, text};
use windlass::demo::{Failure, wait_for};

use super::table::{self, Zero};
use super::tally::Tally;
use crate::rig::Rig;

/// Answers of the new version that are waited for before something is done with it.
const ANSWERS: u64 = 30;
/// Header with the time to safe.
const TIME_TO_SAFE: &str = "x-windlass-time-to-safe-ms";
/// The version that runs between two cycles, and the other.
const BASE: &str = "1";
const TARGET: &str = "2";

/// A cancel that was accepted.
#[derive(Debug, Clone)]
pub(super) struct Canceled {
    /// The version, as the router knows it.
    pub(super) version: String,
    /// Since which table it had no share.
    pub(super) zero: Zero,
    /// When its answer was there, if that said that it was in force: wall clock, microseconds.
    pub(super) answered_us: Option<u64>,
}

/// What the cycles did.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Cycles.
    pub(super) cycles: u64,
    /// Deployments of all kinds.
    pub(super) deployments: u64,
    /// Continues.
    pub(super) continues: u64,
    /// Rollbacks.
    pub(super) rollbacks: u64,
    /// Cancels that were accepted.
    pub(super) canceled: Vec<Canceled>,
    /// Cancels that came too late: the deployment was deployed.
    pub(super) too_late: u64,
}

/// The app and its versions.
pub(super) struct Cycles<'a> {
    rig: &'a Rig,
    app: &'a App,
    tally: Arc<Tally>,
    droplet: String,
    table: PathBuf,
    /// What was done so far.
    pub(super) done: Done,
}

impl<'a> Cycles<'a> {
    /// Of an app whose base runs, with the droplet of its other version.
    pub(super) fn new(rig: &'a Rig, app: &'a App, tally: Arc<Tally>, droplet: String) -> Self {
        let table = rig.server.data_dir().join("router/table");
        Self {
            rig,
            app,
            tally,
            droplet,
            table,
            done: Done::default(),
        }
    }

    /// One cycle. Every other one uses a rolling deployment where it can.
    pub(super) fn run(&mut self) -> Result<(), Failure> {
        let revision = self.deployed_revision()?;
        let is_rolling = self.done.cycles % 2 == 1;
        if self.cancel(is_rolling)? {
            self.deploy(is_rolling)?;
        }
        self.roll_back(&revision)?;
        self.done.cycles += 1;
        Ok(())
    }

    /// A deployment that is canceled while it has traffic. `false` = it was deployed before.
    fn cancel(&mut self, is_rolling: bool) -> Result<bool, Failure> {
        let platform = &self.rig.platform;
        let guid = if is_rolling {
            self.rolling(json!({ "droplet": { "guid": self.droplet } }))?
        } else {
            let guid = platform.canary(self.app, &self.droplet, &[50])?;
            platform.wait_paused(&guid, 1)?;
            guid
        };
        self.done.deployments += 1;
        self.until_answers(TARGET, if is_rolling { 1 } else { ANSWERS })?;
        let answer = platform.cancel(&guid, "load")?;
        let answered_us = now_us();
        if answer.status == 422 && answer.text.contains("DEPLOYED") {
            self.done.too_late += 1;
            platform.wait_deployment(&guid, "DEPLOYED")?;
            return Ok(false);
        }
        let is_safe = answer.header(TIME_TO_SAFE).is_some();
        answer.ok()?;
        let record = wait_for("a safe table", || {
            let record = self.rig.server.json(&["deployment", "show", &guid])?;
            let is_safe = record["time_to_safe_ms"].is_number();
            Ok(if is_safe {
                Ok(record)
            } else {
                Err(record["waits_for"].to_string())
            })
        })?;
        let version = text(&record["target"], "revision")?;
        let zero = wait_for("a table without it", || {
            let zero = table::zero(&self.table, &self.app.guid, &version)?;
            Ok(zero.ok_or_else(|| format!("{version} has a share")))
        })?;
        platform.wait_deployment(&guid, "CANCELED")?;
        self.done.canceled.push(Canceled {
            version,
            zero,
            answered_us: is_safe.then_some(answered_us),
        });
        Ok(true)
    }

    /// A deployment that stays; a canary is continued.
    fn deploy(&mut self, is_rolling: bool) -> Result<(), Failure> {
        let platform = &self.rig.platform;
        let guid = if is_rolling {
            self.rolling(json!({ "droplet": { "guid": self.droplet } }))?
        } else {
            let guid = platform.canary(self.app, &self.droplet, &[50])?;
            platform.wait_paused(&guid, 1)?;
            self.until_answers(TARGET, ANSWERS)?;
            platform.resume(&guid)?.ok()?;
            self.done.continues += 1;
            guid
        };
        self.done.deployments += 1;
        platform.wait_deployment(&guid, "DEPLOYED")?;
        self.until_answers(TARGET, ANSWERS)
    }

    /// Back to the revision that ran at the beginning.
    fn roll_back(&mut self, revision: &str) -> Result<(), Failure> {
        let guid = self.rolling(json!({ "revision": { "guid": revision } }))?;
        self.done.deployments += 1;
        self.done.rollbacks += 1;
        self.rig.platform.wait_deployment(&guid, "DEPLOYED")?;
        self.until_answers(BASE, ANSWERS)
    }

    fn rolling(&self, of: Value) -> Result<String, Failure> {
        let mut body = json!({
            "strategy": "rolling",
            "relationships": { "app": { "data": { "guid": self.app.guid } } },
        });
        if let (Some(body), Value::Object(of)) = (body.as_object_mut(), of) {
            body.extend(of);
        }
        text(
            &self.rig.platform.api.post("/v3/deployments", &body)?,
            "guid",
        )
    }

    fn deployed_revision(&self) -> Result<String, Failure> {
        let path = format!("/v3/apps/{}/revisions/deployed", self.app.guid);
        let revisions = self.rig.platform.api.get(&path)?;
        text(&revisions["resources"][0], "guid")
    }

    /// Waits until a version has given so many answers more.
    fn until_answers(&self, version: &str, count: u64) -> Result<(), Failure> {
        let before = self.tally.of_version(version);
        wait_for(&format!("answers of version {version}"), || {
            let more = self.tally.of_version(version) - before;
            Ok(if more >= count {
                Ok(())
            } else {
                Err(format!("{more} of {count}"))
            })
        })
    }
}

fn now_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
