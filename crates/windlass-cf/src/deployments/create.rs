//! Creating a deployment: from a checked request to one command.

use serde_json::{Map, Value, json};
use windlass_control::commands::deploy::NewDeployment;
use windlass_control::history::{ReleaseDetail, ReleaseRecord};
use windlass_control::numbered_revisions::{Content, Recorded, Recording};
use windlass_engine::app::{AppState, RunState};
use windlass_engine::configuration::{Configuration, Edit};
use windlass_engine::id::{ComponentName, NumberedRevisionId, ReleaseId, RevisionId};
use windlass_engine::input::{DeployCommand, IfStopped};
use windlass_engine::records::{Artifact, ArtifactState, AuditEvent, Metadata, NumberedRevision};
use windlass_engine::strategy::Strategy;

use super::refusal;
use super::request::{CreateDeployment, Options, Source, StrategyWord};
use crate::apps::access::Place;
use crate::apps::{current_droplet, document::Document, droplet};
use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::guid::WEB;
use crate::revisions;
use crate::server::CfState;

/// What a deployment moves to.
struct Target {
    droplet: Artifact,
    edits: Vec<Edit>,
    rolled_back_to: Option<NumberedRevision>,
}

/// Creates a deployment of an app that the caller may operate.
pub(super) async fn create(
    cf: &CfState,
    caller: &Authenticated,
    place: &Place,
    request: CreateDeployment,
    body: Map<String, Value>,
) -> ApiResult<ReleaseRecord> {
    let records_revisions = Document::of(&place.app).revisions;
    if matches!(request.source, Source::Revision(_)) && !records_revisions {
        return Err(ApiError::unprocessable(
            "Cannot create deployment from a revision for an app without revisions enabled",
        ));
    }
    let state = place.state(cf)?;
    let target = target(cf, place, &state, &request.source)?;
    let release = ReleaseId::new(uuid::Uuid::new_v4().to_string());
    let trail = Trail {
        caller: caller.clone(),
        place: place.clone(),
        before: state.configuration.clone(),
        starts_app: state.run == RunState::Stopped,
        droplet: target.droplet.clone(),
        strategy: request.strategy,
        is_rollback: target.rolled_back_to.is_some(),
        release: release.clone(),
        body,
    };
    let rolled_back_to = target
        .rolled_back_to
        .as_ref()
        .map(|revision| revision.number);
    let recording = if records_revisions {
        Recording::On { rolled_back_to }
    } else {
        Recording::Off
    };
    let command = DeployCommand {
        release: release.clone(),
        revision: RevisionId::new(uuid::Uuid::new_v4().to_string()),
        edits: target.edits,
        target_edits: sizes(&request.options),
        target_scale: scale(&request.options),
        strategy: strategy(request.strategy, &request.options),
        if_stopped: IfStopped::DeployAtOnce,
        awaited_builds: Vec::new(),
    };
    let detail = ReleaseDetail {
        metadata: request.metadata.apply(&Metadata::default())?,
        options: serde_json::to_value(&request.options).unwrap_or_default(),
        numbered_revision: None,
        has_new_processes: state.run == RunState::Started,
        is_rollback: rolled_back_to.is_some(),
        hosts: std::collections::BTreeSet::new(),
    };
    let new = NewDeployment {
        app: place.app.id.clone(),
        command,
        detail,
        secrets: Vec::new(),
        builds: Vec::new(),
    };
    let record = cf
        .control
        .deploy_recorded(new, recording, move |recorded| trail.events(recorded))
        .await
        .map_err(|error| refusal::of_create(error, &place.organization.name))?;
    let text = format!("Creating deployment with guid {release}");
    cf.control.write_log(&place.app.id, "API", text).await;
    Ok(record)
}

fn target(cf: &CfState, place: &Place, state: &AppState, source: &Source) -> ApiResult<Target> {
    match source {
        Source::Droplet(guid) => {
            let droplet = droplet::assignable(cf, &place.app.id, guid)?;
            let edits = droplet::edits(&state.configuration, &droplet);
            Ok(Target {
                droplet,
                edits,
                rolled_back_to: None,
            })
        }
        Source::CurrentDroplet => {
            let Some(current) = &state.configuration.artifact else {
                return Err(ApiError::unprocessable(
                    "Invalid droplet. Please specify a droplet in the request or set a current \
                     droplet for the app.",
                ));
            };
            let droplet = droplet::assignable(cf, &place.app.id, current.as_str())?;
            let edits = droplet::edits(&state.configuration, &droplet);
            Ok(Target {
                droplet,
                edits,
                rolled_back_to: None,
            })
        }
        Source::Revision(guid) => rollback(cf, place, state, guid),
    }
}

fn rollback(cf: &CfState, place: &Place, state: &AppState, guid: &str) -> ApiResult<Target> {
    let revision = cf
        .control
        .numbered_revision(&NumberedRevisionId::from(guid))?
        .filter(|revision| revision.app == place.app.id)
        .ok_or_else(|| ApiError::unprocessable("The revision does not exist"))?;
    let droplet = match &revision.artifact {
        Some(id) => cf.control.find_artifact(id)?,
        None => None,
    };
    let Some(droplet) = droplet.filter(|droplet| droplet.state == ArtifactState::Staged) else {
        return Err(ApiError::unprocessable(
            "Unable to deploy this revision, the droplet for this revision no longer exists.",
        ));
    };
    // What is deployed now counts, not the newest revision: after a cancel that is the canceled
    // one, and the same rollback can be tried again.
    if is_same(
        &Content::of(&state.configuration),
        &Content::of_revision(&revision),
    ) {
        return Err(ApiError::unprocessable(
            "Unable to rollback. The code and configuration you are rolling back to is the same \
             as the deployed revision.",
        ));
    }
    let mut edits = droplet::edits(&state.configuration, &droplet);
    edits.extend(rollback_edits(&state.configuration, &revision));
    Ok(Target {
        droplet,
        edits,
        rolled_back_to: Some(revision),
    })
}

/// Whether a rollback would change nothing. Process types that came later stay, so they do not
/// count.
fn is_same(now: &Content, then: &Content) -> bool {
    let same_commands = then.processes.iter().all(|(name, process)| {
        now.processes
            .get(name)
            .is_some_and(|current| current == process)
    });
    now.artifact == then.artifact
        && now.env == then.env
        && now.sidecars == then.sidecars
        && same_commands
}

/// Writes that put environment, commands and sidecars back to what a revision has.
fn rollback_edits(now: &Configuration, revision: &NumberedRevision) -> Vec<Edit> {
    let removed_variables = now
        .env
        .keys()
        .filter(|name| !revision.env.contains_key(*name))
        .map(|name| Edit::Env(name.clone(), None));
    let variables = revision
        .env
        .iter()
        .map(|(name, value)| Edit::Env(name.clone(), Some(value.clone())));
    let commands = revision
        .processes
        .iter()
        .map(|(name, process)| Edit::Command(name.clone(), process.command.clone()));
    let old_sidecars = sidecars(revision);
    let removed_sidecars = now
        .sidecars
        .keys()
        .filter(|name| !old_sidecars.iter().any(|(old, _)| old == *name))
        .map(|name| Edit::Sidecar(name.clone(), None));
    let mut edits: Vec<Edit> = removed_variables
        .chain(variables)
        .chain(commands)
        .chain(removed_sidecars)
        .collect();
    edits.extend(
        old_sidecars
            .into_iter()
            .map(|(name, sidecar)| Edit::Sidecar(name, Some(sidecar))),
    );
    edits
}

fn sidecars(revision: &NumberedRevision) -> Vec<(String, windlass_engine::configuration::Sidecar)> {
    revision
        .sidecars
        .iter()
        .filter_map(|stored| {
            let name = stored.get("name")?.as_str()?.to_owned();
            Some((name, serde_json::from_value(stored.clone()).ok()?))
        })
        .collect()
}

fn strategy(word: StrategyWord, options: &Options) -> Strategy {
    let asked = options.max_in_flight.unwrap_or(1);
    let max_in_flight = u32::try_from(asked).unwrap_or(u32::MAX);
    match word {
        StrategyWord::Rolling => Strategy::Rolling { max_in_flight },
        StrategyWord::Canary => Strategy::Canary {
            weights: options.canary_weights.clone().unwrap_or_default(),
            max_in_flight,
        },
        StrategyWord::Recreate => Strategy::Recreate,
    }
}

/// Sizes of web that only this deployment has until it is done.
fn sizes(options: &Options) -> Vec<Edit> {
    let web = || ComponentName::from(WEB);
    let mebibytes = |number: Option<i64>| number.and_then(|it| u64::try_from(it).ok());
    let mut edits = Vec::new();
    edits.extend(mebibytes(options.memory_in_mb).map(|mb| Edit::Memory(web(), mb)));
    edits.extend(mebibytes(options.disk_in_mb).map(|mb| Edit::Disk(web(), mb)));
    edits.extend(
        options
            .log_rate_limit_in_bytes_per_second
            // -1 does not fit and is what it means: unlimited.
            .map(|rate| Edit::LogRate(web(), u64::try_from(rate).ok())),
    );
    edits
}

fn scale(options: &Options) -> std::collections::BTreeMap<ComponentName, u32> {
    options
        .web_instances
        .and_then(|count| u32::try_from(count).ok())
        .map(|count| (ComponentName::from(WEB), count))
        .into_iter()
        .collect()
}

/// What the rows of the audit trail tell of a create.
struct Trail {
    caller: Authenticated,
    place: Place,
    before: Configuration,
    starts_app: bool,
    droplet: Artifact,
    strategy: StrategyWord,
    is_rollback: bool,
    release: ReleaseId,
    body: Map<String, Value>,
}

impl Trail {
    fn events(self, recorded: Option<&Recorded>) -> Vec<AuditEvent> {
        let (caller, place) = (&self.caller, &self.place);
        let mapped = json!({"request": {"droplet_guid": self.droplet.id}});
        let created = json!({
            "deployment_guid": self.release,
            "droplet_guid": self.droplet.id,
            "type": self.is_rollback.then_some("rollback"),
            "revision_guid": recorded.map(|it| &it.revision.id),
            "request": self.body,
            "strategy": self.strategy.as_str(),
        });
        let mut events = vec![place.event(caller, "audit.app.droplet.mapped", mapped)];
        let types = current_droplet::new_process_events(caller, place, &self.before, &self.droplet);
        events.extend(types);
        events.extend(revisions::created(caller, place, recorded));
        events.push(place.event(caller, "audit.app.deployment.create", created));
        if self.starts_app {
            events.push(place.event(caller, "audit.app.start", json!({})));
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use windlass_engine::configuration::{ComponentConfig, ComponentRole};
    use windlass_engine::id::{AppId, ArtifactId, SecretRef};
    use windlass_engine::records::{NumberedProcess, Stamps};

    use super::*;

    fn now() -> Configuration {
        let mut now = Configuration {
            artifact: Some(ArtifactId::from("d2")),
            env: BTreeMap::from([("NEW".to_owned(), SecretRef("n".to_owned()))]),
            ..Configuration::default()
        };
        for (name, role) in [
            (WEB, ComponentRole::Routed),
            ("later", ComponentRole::Worker),
        ] {
            now.components
                .insert(name.into(), ComponentConfig::new(role));
        }
        now
    }

    fn then() -> NumberedRevision {
        let web = NumberedProcess {
            command: Some("./old".to_owned()),
        };
        NumberedRevision {
            id: "n1".into(),
            app: AppId::from("a"),
            number: 1,
            artifact: Some(ArtifactId::from("d1")),
            processes: BTreeMap::from([(WEB.into(), web)]),
            sidecars: vec![json!({
                "name": "proxy", "command": "./proxy", "components": ["web"],
                "memory_mb": 16, "from_user": true
            })],
            env: BTreeMap::from([("OLD".to_owned(), SecretRef("o".to_owned()))]),
            description: String::new(),
            release: None,
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        }
    }

    #[test]
    fn a_rollback_puts_back_all_that_a_revision_has() {
        let mut after = now();
        after.artifact = Some(ArtifactId::from("d1"));
        for edit in rollback_edits(&now(), &then()) {
            after.apply(&edit);
        }
        assert_eq!(after.env, then().env);
        assert_eq!(after.components[WEB].command, Some("./old".to_owned()));
        assert_eq!(after.sidecars["proxy"].memory_mb, Some(16));
        assert!(after.components.contains_key("later"));
        assert!(is_same(
            &Content::of(&after),
            &Content::of_revision(&then())
        ));
        assert!(!is_same(
            &Content::of(&now()),
            &Content::of_revision(&then())
        ));
    }

    #[test]
    fn options_become_strategy_sizes_and_scale() {
        let options = Options {
            max_in_flight: Some(u64::MAX),
            web_instances: Some(0),
            memory_in_mb: Some(64),
            disk_in_mb: None,
            log_rate_limit_in_bytes_per_second: Some(-1),
            canary_weights: Some(vec![20]),
        };
        assert_eq!(
            strategy(StrategyWord::Canary, &options),
            Strategy::Canary {
                weights: vec![20],
                max_in_flight: u32::MAX
            }
        );
        assert_eq!(
            strategy(StrategyWord::Rolling, &Options::default()),
            Strategy::Rolling { max_in_flight: 1 }
        );
        assert_eq!(
            strategy(StrategyWord::Recreate, &options),
            Strategy::Recreate
        );
        assert_eq!(
            sizes(&options),
            [
                Edit::Memory(WEB.into(), 64),
                Edit::LogRate(WEB.into(), None)
            ]
        );
        assert_eq!(scale(&options), BTreeMap::from([(WEB.into(), 0)]));
    }
}
