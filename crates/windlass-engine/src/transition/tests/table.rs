//! The transition table of releases: every state against every command, as a plain text file.

use std::fmt::Write as _;

use super::world::{World, canary, cancel_of, deployment, rolling};
use crate::app::ConcurrencyPolicy;
use crate::build::BuildOutcome;
use crate::configuration::Edit;
use crate::input::{EditCommand, IfStopped, Input, ScaleCommand, StartCommand};
use crate::release::Urgency;

const WANTED: &str = include_str!("table.txt");

/// A world whose release `r2` is in a state.
fn in_state(state: &str) -> World {
    let mut world = World::running_with(ConcurrencyPolicy::OneRunningNewestPending, 2);
    let build = |world: &mut World| {
        world.build("b", true);
        let mut command = deployment(2, rolling(1));
        command.awaited_builds = vec!["b".into()];
        world.input(&Input::Deploy(command));
    };
    match state {
        "pending" => {
            world.deploy(8, rolling(1));
            world.deploy(2, rolling(1));
        }
        "building" => build(&mut world),
        "rolling_out" => world.deploy(2, rolling(1)),
        "paused" | "restoring" | "canceled" | "superseded" => {
            world.deploy(2, canary(&[100], 2));
            world.settle();
            if state == "restoring" || state == "canceled" {
                world.cancel(2);
            }
            if state == "canceled" {
                world.settle();
            }
            if state == "superseded" {
                world.state.policy = ConcurrencyPolicy::SupersedeNow;
                world.deploy(4, rolling(1));
                world.state.policy = ConcurrencyPolicy::OneRunningNewestPending;
            }
        }
        "deployed" => {
            world.deploy(2, rolling(2));
            world.up("v2", 2);
        }
        "failed" => {
            build(&mut world);
            let failed = BuildOutcome::Failed {
                id: "x".to_owned(),
                text: "no".to_owned(),
            };
            world.build_ended("b", Some(failed));
        }
        other => panic!("{other}"),
    }
    assert_eq!(world.word(2), state);
    world
}

fn commands() -> Vec<(&'static str, Input)> {
    let start = || StartCommand {
        revision: "v9".into(),
    };
    let edit = |edit: Edit| {
        Input::Edit(EditCommand {
            edits: vec![edit],
            actor: "anna".to_owned(),
            refuse_during_release: true,
        })
    };
    let mut stopped = deployment(3, rolling(1));
    stopped.if_stopped = IfStopped::Release;
    vec![
        ("cancel", cancel_of(2, Urgency::CapacitySafe)),
        ("cancel now", cancel_of(2, Urgency::Now)),
        ("cancel accept-outage", cancel_of(2, Urgency::AcceptOutage)),
        ("continue", Input::ContinueRelease("r2".into())),
        ("deploy", Input::Deploy(stopped)),
        ("stop", Input::Stop),
        ("start", Input::Start(start())),
        ("restart", Input::Restart(start())),
        (
            "scale web",
            Input::Scale(ScaleCommand {
                component: "web".into(),
                instances: 3,
            }),
        ),
        ("set artifact", edit(Edit::Artifact(Some("other".into())))),
        ("set memory", edit(Edit::Memory("web".into(), 7))),
        ("set env", edit(Edit::Env("A".to_owned(), None))),
        (
            "delete",
            Input::Delete {
                by: "anna".to_owned(),
                client: None,
            },
        ),
        ("tick", Input::Tick),
    ]
}

#[test]
fn every_state_against_every_command() {
    let states = [
        "pending",
        "building",
        "rolling_out",
        "paused",
        "restoring",
        "deployed",
        "canceled",
        "superseded",
        "failed",
    ];
    let mut table = String::new();
    for state in states {
        writeln!(table, "{state}").unwrap();
        for (name, input) in commands() {
            let mut world = in_state(state);
            let answer = match world.try_input(&input) {
                Ok(changed) => {
                    let newest = world.releases.contains_key("r3");
                    let beside = if newest {
                        format!(", r3 {}", world.word(3))
                    } else {
                        String::new()
                    };
                    let same = if changed { "" } else { " (unchanged)" };
                    format!("{}{beside}{same}", world.word(2))
                }
                Err(rejection) => format!("refused: {rejection}"),
            };
            writeln!(table, "  {name:<22}{answer}").unwrap();
        }
    }
    if std::env::var_os("WINDLASS_BLESS").is_some() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/transition/tests/table.txt"
        );
        std::fs::write(path, &table).unwrap();
        return;
    }
    assert_eq!(
        table, WANTED,
        "set WINDLASS_BLESS=1 to write the table anew, then read it"
    );
}
