//! Each role dies at its named crash points in the middle of a cancel, under load: whoever was
//! answered has what was answered, nothing is left over, nobody is sent away.

use std::path::PathBuf;

use windlass::crash;
use windlass::demo::load::Load;

use crate::world::{TWO, World, until, until_answered};

/// Points that a cancel does not pass, or not each time.
fn is_passed(point: &str) -> bool {
    let elsewhere = [
        "migration",
        "checkpointed",
        "backup",
        "restore",
        "blob",
        "adopted",
        "begun",
        "file-read",
        "greeted",
        "driver-shim",
        "driver-lost",
    ];
    !elsewhere.iter().any(|word| point.contains(word)) || point == "store-group-begun"
}

struct Scene {
    world: World,
    app: windlass::demo::platform::App,
    droplet: String,
    load: Load,
    file: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        let app = world.push("hello", 2);
        let droplet = world.stage(&app, TWO);
        let load = world.visitors(&app);
        let file = world.server.data_dir().join(crash::FILE);
        Self {
            world,
            app,
            droplet,
            load,
            file,
        }
    }

    /// Cancels a canary while somebody is to die at this point.
    fn cancel_at(&self, point: &str) {
        let platform = &self.world.platform;
        let canary = platform
            .canary(&self.app, &self.droplet, &[50])
            .expect("canary");
        platform.wait_paused(&canary, 1).expect("paused");
        let is_router = point.starts_with("router-");
        if is_router {
            self.load.router_dies();
        }
        std::fs::write(&self.file, point).expect("file");
        let answer = platform.cancel(&canary, point);
        until(&format!("a crash at {point}"), || !self.file.exists());
        if is_router {
            self.load.router_is_dead();
        }
        match answer {
            Ok(answer) => assert_eq!(answer.status, 200, "{point}: {}", answer.text),
            // Not answered: done or not done, and in force once it is answered.
            Err(_) => until("an answer", || {
                platform
                    .cancel(&canary, point)
                    .is_ok_and(|answer| [200, 422].contains(&answer.status))
            }),
        }
        let ended = platform
            .wait_deployment(&canary, "CANCELED")
            .expect("outcome");
        let details = &ended["status"]["details"];
        assert_eq!(details["cancel_reason"], point, "{ended}");
        assert!(details["time_to_safe_ms"].is_number(), "{point}: {ended}");
        until("the cleanup", || {
            self.world.record(&canary)["cleanup"] == "done"
        });
        self.load.section();
        until_answered(&self.load, 50);
        let counts = self.load.counts();
        assert_eq!(counts.percent("1"), 100, "{point}: {counts:?}");
        let totals = self.load.totals();
        assert_eq!(totals.failed, 0, "{point}: {:?}", totals.failures);
    }

    fn end(mut self) {
        self.world
            .platform
            .wait_running(&self.app)
            .expect("running");
        drop(self.load);
        self.world.server.down().expect("down");
        assert_eq!(self.world.server.census(), []);
        let path = self.world.server.data_dir().join("state/windlass.db");
        let database = rusqlite::Connection::open(path).expect("database");
        let check: String = database
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .expect("check");
        assert_eq!(check, "ok");
    }
}

fn a_cancel_survives(prefix: &str) {
    let scene = Scene::new();
    let points: Vec<_> = crash::points()
        .filter(|point| point.starts_with(prefix) && is_passed(point))
        .collect();
    assert!(!points.is_empty(), "no crash point of {prefix}");
    for point in points {
        scene.cancel_at(point);
    }
    scene.end();
}

#[test]
fn a_cancel_survives_every_crash_point_of_the_store() {
    a_cancel_survives("store-");
}

#[test]
fn a_cancel_survives_every_crash_point_of_control() {
    a_cancel_survives("control-");
}

#[test]
fn a_cancel_survives_every_crash_point_of_the_driver() {
    a_cancel_survives("driver-");
}

#[test]
fn a_cancel_survives_every_crash_point_between_control_and_router() {
    a_cancel_survives("link-");
    a_cancel_survives("router-");
}
