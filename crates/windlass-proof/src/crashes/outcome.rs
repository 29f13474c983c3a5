//! How something has ended.

use serde_json::Value;
use windlass::demo::Failure;

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
                Ok(state.filter(|_| is_over))
            }
            Self::Task(id) => {
                let state = word(&scene.rig.platform.task(id)?["state"]);
                Ok(state.filter(|state| ["SUCCEEDED", "FAILED"].contains(&&**state)))
            }
        }
    }

    /// What its record has against it once it is over: two ends, or a cancel without its reason.
    pub(super) fn faults(
        &self,
        scene: &Scene,
        reason: Option<&str>,
    ) -> Result<Vec<String>, Failure> {
        let (Self::Deployment(id) | Self::Site(id)) = self else {
            return Ok(Vec::new());
        };
        let record = record(scene, id)?;
        let mut wrong = Vec::new();
        let ends = record["events"].as_array().into_iter().flatten();
        let ends: Vec<&str> = ends
            .filter_map(|event| event["event"].as_str().or_else(|| event["type"].as_str()))
            .filter(|kind| kind.contains("finalized"))
            .collect();
        if ends.len() > 1 {
            wrong.push(format!("{id} has ended {} times: {ends:?}", ends.len()));
        }
        if let Some(reason) = reason
            && record["cancel"]["reason"] != reason
        {
            wrong.push(format!("the cancel of {id} is not in its record: {record}"));
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
