//! How something has ended.

use serde_json::Value;
use windlass::demo::Failure;

use super::books;
use super::scene::Scene;

/// Something that ends once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Thing {
    /// A deployment of the app.
    Deployment(String),
    /// A deployment of a site, with its build.
    Site(String),
    /// A task of the app.
    Task(String),
}

/// What must become of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) thing: Thing,
    /// Every outcome that is right.
    pub(super) outcomes: Vec<&'static str>,
    /// The reason that a cancel gave, if it is to be in force.
    pub(super) reason: Option<String>,
}

impl Thing {
    /// Its outcome once it has one and has been cleaned up after.
    pub(super) fn outcome(&self, scene: &Scene) -> Result<Option<String>, Failure> {
        let word = |value: &Value| value.as_str().map(str::to_owned);
        match self {
            Self::Deployment(id) => {
                let record = record(scene, id)?;
                let is_clean = record["cleanup"] == "done";
                Ok(word(&record["outcome"]).filter(|_| is_clean))
            }
            Self::Site(id) => {
                let found = scene.site.deployment(id)?;
                let state = word(&found["readyState"]);
                let is_over = match state.as_deref() {
                    Some("READY") => found["aliasAssigned"] == true,
                    Some("ERROR" | "CANCELED") => true,
                    _ => false,
                };
                // What is canceled is so at once; what it takes to undo it comes after.
                if !is_over || record(scene, id)?["cleanup"] != "done" {
                    return Ok(None);
                }
                Ok(state)
            }
            Self::Task(id) => {
                let state = word(&scene.rig.platform.task(id)?["state"]);
                Ok(state.filter(|state| ["SUCCEEDED", "FAILED"].contains(&&**state)))
            }
        }
    }

    /// What is to be said against it once it is over: another number of ends than one, or a cancel
    /// without its reason.
    pub(super) fn faults(
        &self,
        scene: &Scene,
        reason: Option<&str>,
    ) -> Result<Vec<String>, Failure> {
        let (Self::Deployment(id) | Self::Site(id) | Self::Task(id)) = self;
        let ended = books::ended_once(&scene.rig.server.data_dir(), id)?;
        let mut wrong: Vec<String> = ended.into_iter().collect();
        if let (Some(reason), Self::Deployment(_) | Self::Site(_)) = (reason, self) {
            let record = record(scene, id)?;
            if record["cancel"]["reason"] != reason {
                wrong.push(format!("the cancel of {id} is not in its record: {record}"));
            }
        }
        Ok(wrong)
    }
}

/// The record of a deployment. While control is away there is no answer.
fn record(scene: &Scene, id: &str) -> Result<Value, Failure> {
    let words = ["deployment", "show", id];
    scene
        .rig
        .server
        .json(&words)
        .map_err(|error| Failure::NoAnswer {
            request: words.join(" "),
            text: error.to_string(),
        })
}
