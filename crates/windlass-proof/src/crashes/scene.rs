//! A Windlass for many cells: one app with two versions that serve and one that never does.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use windlass::demo::load::Load;
use windlass::demo::platform::App;
use windlass::demo::{Failure, wait_for};

use super::books;
use super::census::Census;
use super::outcome::Thing;
use super::point::FILE;
use super::site::Site;
use crate::rig::Rig;

/// Instances of the app.
pub(super) const INSTANCES: u32 = 2;
/// Roles that run.
const ROLES: usize = 3;
/// A life after which the supervisor starts a role again at once.
const LONG_LIFE_MS: u64 = 61_000;
/// Where in the file of the clock the jump of the wall clock lies, see `windlass_clock::WALL_AT`.
const WALL_AT: u64 = 8;
/// Versions take their time to come up, so that a phase lasts until somebody is to die in it.
const SLOW: &str = "HEALTH=deaf_250";
/// Lines of its output that are shown when something is wrong.
const LINES_SHOWN: usize = 40;
/// What the processes that hide from a task are called.
const HIDDEN: &str = "orphan";

/// What every scene is made with.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    /// A Windlass with crash points.
    pub(super) program: PathBuf,
    /// The example application.
    pub(super) example: PathBuf,
    /// Isolation of the apps, if nothing else is needed.
    pub(super) isolation: String,
}

/// How a rig is made.
type MakeRig = fn(&Path, &Path, &[&str]) -> Result<Rig, Failure>;

impl Stage {
    /// A new Windlass.
    pub(super) fn scene(&self) -> Result<Scene, Failure> {
        self.scene_with(None)
    }

    /// One with this isolation.
    pub(super) fn scene_with(&self, isolation: Option<&'static str>) -> Result<Scene, Failure> {
        let wanted = isolation.unwrap_or(&self.isolation);
        let mut scene = Scene::new(self, wanted, Rig::new)?;
        scene.isolation = isolation;
        Ok(scene)
    }

    /// One with its data on a small disk of its own.
    pub(super) fn scene_on_small_disk(&self) -> Result<Scene, Failure> {
        Scene::new(self, &self.isolation, Rig::on_small_disk)
    }
}

/// A Windlass and what was made on it.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) rig: Rig,
    pub(super) site: Site,
    pub(super) app: App,
    pub(super) deaf: String,
    droplets: [String; 2],
    /// Which of the two serves.
    serving: usize,
    pub(super) census: Census,
    pub(super) load: Option<Load>,
    clock_ms: u64,
    /// What was needed instead of the usual one.
    isolation: Option<&'static str>,
    /// How every deployment, build and task has ended.
    ledger: Vec<(Thing, String)>,
}

impl Scene {
    fn new(stage: &Stage, isolation: &str, make: MakeRig) -> Result<Self, Failure> {
        let flags = ["--set", "staging_slots=1", "--isolation", isolation];
        let rig = make(&stage.program, &stage.example, &flags)?;
        let site = Site::of(&rig.platform)?;
        let census = Census::new(&rig.server.data_dir());
        let archive = |version: &str, more: &str| rig.archive(&format!("{version}\n{more}"));
        let app = rig
            .platform
            .push("hello", &archive("1", SLOW)?, INSTANCES)?;
        let current = format!("/v3/apps/{}/droplets/current", app.guid);
        let one = rig.platform.api.get(&current)?;
        let one = windlass::demo::platform::text(&one, "guid")?;
        let two = rig.platform.stage(&app, &archive("2", SLOW)?)?;
        let deaf = rig.platform.stage(&app, &archive("3", "HEALTH=deaf")?)?;
        Ok(Self {
            rig,
            site,
            app,
            deaf,
            droplets: [one, two],
            serving: 0,
            census,
            load: None,
            clock_ms: 0,
            isolation: None,
            ledger: Vec::new(),
        })
    }

    /// Whether its apps have the isolation that is needed.
    pub(super) fn has_isolation(&self, isolation: Option<&str>) -> bool {
        self.isolation == isolation
    }

    /// The droplet that does not serve.
    pub(super) fn target(&self) -> &str {
        &self.droplets[1 - self.serving]
    }

    /// The version that serves.
    pub(super) fn version(&self) -> &'static str {
        ["1", "2"][self.serving]
    }

    /// The other one serves from now on.
    pub(super) fn swap(&mut self) {
        self.serving = 1 - self.serving;
    }

    /// The database.
    pub(super) fn database(&self) -> PathBuf {
        self.rig.server.data_dir().join(books::DATABASE)
    }

    /// Where the point is named.
    pub(super) fn file(&self) -> PathBuf {
        self.rig.server.data_dir().join(FILE)
    }

    /// So much passes at once, for every role.
    pub(super) fn pass(&mut self, millis: u64) -> Result<(), Failure> {
        self.clock_ms += millis;
        self.set_clock(0, self.clock_ms.to_le_bytes())
    }

    /// The wall clock of every role is so far ahead from now on, or behind.
    pub(super) fn set_wall(&mut self, millis: i64) -> Result<(), Failure> {
        self.set_clock(WALL_AT, millis.to_le_bytes())
    }

    fn set_clock(&self, at: u64, bytes: [u8; 8]) -> Result<(), Failure> {
        let path = self.rig.server.data_dir().join("test-clock-ms");
        let written = std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|file| file.write_all_at(&bytes, at));
        written.map_err(|source| Failure::File {
            what: "write",
            path,
            source,
        })
    }

    /// Asks with new tokens from here on.
    pub(super) fn renew(&mut self) -> Result<(), Failure> {
        self.rig.renew()?;
        self.site = Site::of(&self.rig.platform)?;
        Ok(())
    }

    /// Names of the runs that live.
    pub(super) fn run_names(&mut self) -> BTreeSet<String> {
        let look = self.census.look();
        look.live().map(|run| run.name.clone()).collect()
    }

    /// Waits for a run that was not there before, with a process.
    pub(super) fn wait_new_run(&mut self, before: &BTreeSet<String>) -> Result<(), Failure> {
        let census = &mut self.census;
        wait_for("a new run", || {
            let look = census.look();
            let new = look.live().any(|run| !before.contains(&run.name));
            Ok(if new {
                Ok(())
            } else {
                Err(format!("{} runs", look.live().count()))
            })
        })
    }

    /// Waits for the processes that hide from the task.
    pub(super) fn wait_hidden(&mut self) -> Result<(), Failure> {
        let census = &mut self.census;
        wait_for("processes that hide", || {
            Ok(match census.look().called(HIDDEN) {
                2.. => Ok(()),
                count => Err(format!("{count}")),
            })
        })
    }

    /// The shim of a run from after `before`, or of any.
    pub(super) fn shim_since(&mut self, before: &BTreeSet<String>) -> Option<i32> {
        let look = self.census.look();
        let newest = look.live().find(|run| !before.contains(&run.name));
        newest.or_else(|| look.live().next()).map(|run| run.shim)
    }

    /// Visitors come, unless they are there.
    pub(super) fn let_in(&mut self) -> Result<(), Failure> {
        if self.load.is_none() {
            self.load = Some(self.rig.visitors(&self.app)?);
        }
        Ok(())
    }

    /// Starts Windlass again if its supervisor has died; true if it had.
    pub(super) fn revive(&mut self) -> Result<bool, Failure> {
        if !self.rig.server.has_ended()? {
            return Ok(false);
        }
        self.rig.server.up()?;
        self.renew()?;
        Ok(true)
    }

    /// Asks until there is an answer: control, or the supervisor with it, may be dead just now.
    pub(super) fn ask<T>(
        &mut self,
        what: &str,
        question: impl Fn(&Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        wait_for(what, || {
            self.revive()?;
            match question(self) {
                Ok(found) => Ok(Ok(found)),
                Err(error @ (Failure::NoAnswer { .. } | Failure::Late { .. })) => {
                    Ok(Err(error.to_string()))
                }
                // The answer of the supervisor while control is away.
                Err(error @ Failure::Refused { status: 503, .. }) => Ok(Err(error.to_string())),
                Err(error) => Err(error),
            }
        })
    }

    /// Keeps how something has ended.
    pub(super) fn note(&mut self, thing: Thing, outcome: &str) {
        self.ledger.push((thing, outcome.to_owned()));
    }

    /// What is wrong with this Windlass when nothing happens any more.
    pub(super) fn untidy(&mut self) -> Result<Vec<String>, Failure> {
        let mut wrong = self.census.look().leftovers(INSTANCES as usize, ROLES);
        let states = match self.rig.platform.instance_states(&self.app) {
            Ok(states) => states,
            Err(error) => vec![error.to_string()],
        };
        if states != vec!["RUNNING".to_owned(); INSTANCES as usize] {
            wrong.push(format!("instances: {}", states.join(" ")));
        }
        wrong.extend(books::open(&self.rig.server.data_dir())?);
        Ok(wrong)
    }

    /// Roles start again at once from here on.
    pub(super) fn rest(&mut self) -> Result<(), Failure> {
        self.load = None;
        self.pass(LONG_LIFE_MS)
    }

    /// What it has printed last, for people.
    pub(super) fn trouble(&self) -> String {
        let log = self.rig.server.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
    }

    /// Stops it; what is wrong: an outcome that is another one now, something left over.
    pub(super) fn end(mut self) -> Result<Vec<String>, Failure> {
        self.load = None;
        self.revive()?;
        let mut wrong = Vec::new();
        for (thing, outcome) in std::mem::take(&mut self.ledger) {
            let now = self.ask("an outcome", |scene| thing.outcome(scene))?;
            if now.as_deref() != Some(&*outcome) {
                wrong.push(format!("{thing:?} was {outcome} and is {now:?}"));
            }
        }
        self.census.look();
        wrong.extend(self.rig.down()?);
        wrong.extend(self.census.look().leftovers(0, 0));
        Ok(wrong)
    }
}
