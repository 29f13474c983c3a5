//! Two cancels of one deployment: both are accepted, and the record names the first.

use std::time::{Duration, Instant};

use windlass::demo::Failure;
use windlass::demo::api::Api;
use windlass::demo::line::Line;
use windlass::demo::platform::Platform;
use windlass::demo::server::Server;

use super::model::deployment::{Client, Reply, Request, Which};
use super::scene::Scene;
use super::start::{Side, race};
use super::wire::cancel;
use super::{Race, Round};
use crate::rig::Rig;

/// With what the second cancel is sent.
enum Other {
    /// Another connection of the same user.
    Same,
    /// Another user who may.
    User(Box<Line>),
    /// `windlass deployment cancel`.
    CommandLine,
}

struct CancelCancel<'a> {
    scene: Scene<'a>,
    other: Other,
}

pub(super) fn same_user(rig: &Rig) -> Result<Box<dyn Race + '_>, Failure> {
    begin(rig, "cancel-cancel", Other::Same)
}

pub(super) fn other_user(rig: &Rig) -> Result<Box<dyn Race + '_>, Failure> {
    let env = &rig.platform.env;
    let variable = |name: &str| env.get(name).cloned().unwrap_or_default();
    let (org, space) = (
        variable("WINDLASS_ORGANIZATION"),
        variable("WINDLASS_SPACE"),
    );
    rig.server
        .json(&["user", "create", "second", "--org", &org, "--space", &space])?;
    let platform = Platform::of(&rig.server, Some("second"))?;
    let line = Line::new(platform.api);
    begin(rig, "cancel-cancel-user", Other::User(Box::new(line)))
}

pub(super) fn command_line(rig: &Rig) -> Result<Box<dyn Race + '_>, Failure> {
    begin(rig, "cancel-cancel-line", Other::CommandLine)
}

fn begin<'a>(rig: &'a Rig, name: &str, other: Other) -> Result<Box<dyn Race + 'a>, Failure> {
    let scene = Scene::new(rig, name)?;
    Ok(Box::new(CancelCancel { scene, other }))
}

impl Race for CancelCancel<'_> {
    fn round(&mut self, starts: &[Duration]) -> Result<Round, Failure> {
        let (scene, other) = (&mut self.scene, &mut self.other);
        let mut round = scene.deploy(1)?;
        scene.until_paused(&mut round)?;
        let guid = round.guid.clone();
        let server = &scene.rig.server;
        let (first, second, watcher) = scene.sides(&round);
        let client = match other {
            Other::Same | Other::User(_) => Client::CloudFoundry,
            Other::CommandLine => Client::CommandLine,
        };
        if let Other::User(line) = other {
            line.warm(&format!("/v3/deployments/{guid}"))?;
        }
        let sides = vec![
            Side {
                who: "first",
                request: Request::Cancel {
                    by: 1,
                    client: Client::CloudFoundry,
                },
                start: starts[0],
                ask: Box::new(|| cancel(first, &guid, 1)),
            },
            Side {
                who: "second",
                request: Request::Cancel { by: 2, client },
                start: starts[1],
                ask: Box::new(|| match other {
                    Other::Same => cancel(second, &guid, 2),
                    Other::User(line) => cancel(line, &guid, 2),
                    Other::CommandLine => Some(by_command_line(server, &guid, 2)),
                }),
            },
        ];
        race(&mut round.story, sides, Some(watcher));
        let outcome = scene.until_over(&mut round.story, Which::First, &guid)?;
        let canceler = read_canceler(server_of(scene), &guid)?;
        let now = Instant::now();
        let read = Some(Reply::Canceler(canceler));
        round
            .story
            .add("watcher", Request::ReadCanceler, read, (now, now));
        let mut wrong = scene.judge(&mut round, 1, outcome)?;
        wrong.extend(scene.judge_canceled()?);
        Ok(Round {
            winner: usize::from(canceler != Some(1)),
            wrong,
        })
    }

    fn end(self: Box<Self>) -> Result<(), Failure> {
        self.scene.end()
    }
}

fn server_of<'a>(scene: &Scene<'a>) -> &'a Server {
    &scene.rig.server
}

/// `windlass deployment cancel`.
pub(super) fn by_command_line(server: &Server, id: &str, by: u8) -> Reply {
    let reason = by.to_string();
    let words = [
        "deployment",
        "cancel",
        id,
        "--reason",
        &reason,
        "--output",
        "json",
    ];
    match server.run(&words) {
        Ok(output) if output.status.success() => Reply::Done,
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            if text.contains("can't be canceled") {
                Reply::Refused(None)
            } else {
                Reply::Strange(text)
            }
        }
        Err(error) => Reply::Strange(error.to_string()),
    }
}

/// By whom a deployment was canceled, as its record says.
pub(super) fn read_canceler(server: &Server, id: &str) -> Result<Option<u8>, Failure> {
    let record = server.json(&["deployment", "show", id])?;
    let reason = record["cancel"]["reason"].as_str();
    Ok(reason.and_then(|reason| reason.parse().ok()))
}

/// A client of another API of this Windlass.
pub(super) fn api_of(rig: &Rig, address: &str, token: &str) -> Result<Api, Failure> {
    let variable = |name: &str| {
        let env = &rig.platform.env;
        env.get(name)
            .map(String::as_str)
            .ok_or_else(|| Failure::Unexpected(format!("windlass env prints no {name}")))
    };
    let ca_file = std::path::Path::new(variable("WINDLASS_CA_FILE")?);
    Api::new(variable(address)?, ca_file, Some(variable(token)?))
}
