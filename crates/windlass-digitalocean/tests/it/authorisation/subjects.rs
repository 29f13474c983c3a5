//! What a team has, one of each; and what nobody has.

use std::collections::BTreeMap;

use serde_json::json;

use crate::world::{World, spec};

/// Ids and names by the words of the table.
#[derive(Debug, Clone)]
pub(crate) struct Subjects {
    pub(crate) ids: BTreeMap<&'static str, String>,
}

/// Ends the build of a deployment once it runs: it may have to wait for its turn.
async fn built(world: &World, app: &str, deployment: &str) {
    world.until_phase(app, deployment, "BUILDING").await;
    world.build(app).await;
}

impl Subjects {
    /// Makes an app of this name that has gone from a first deployment to a second, with a canary
    /// that waits at its first step, in the project of a user.
    pub(crate) async fn make(world: &mut World, user: &'static str, name: &str) -> Self {
        let before = std::mem::replace(&mut world.speaks, user);
        let made = Self::make_in(world, user, name).await;
        world.speaks = before;
        made
    }

    async fn make_in(world: &World, user: &str, name: &str) -> Self {
        let (app, first) = world.create(&spec(name)).await;
        built(world, &app, &first).await;
        world.until_phase(&app, &first, "ACTIVE").await;
        let path = format!("/v2/apps/{app}");
        let mut changed = spec(name);
        changed["services"][0]["envs"] = json!([
            {"key": "SECRET", "value": "hidden", "type": "SECRET"},
        ]);
        let second = world.put(&path, &json!({ "spec": changed })).await;
        assert_eq!(second.status, 200, "{:?}", second.body);
        let second = second.deployment();
        built(world, &app, &second).await;
        world.until_phase(&app, &second, "ACTIVE").await;
        changed["features"] = json!(["windlass.canary=10,50"]);
        changed["services"][0]["run_command"] = json!("bin/next");
        let canary = world.put(&path, &json!({ "spec": changed })).await;
        assert_eq!(canary.status, 200, "{:?}", canary.body);
        let canary = canary.deployment();
        built(world, &app, &canary).await;
        world.until_waiting(&app, &canary).await;
        let ids = BTreeMap::from([
            ("project", world.project(user)),
            ("name", name.to_owned()),
            ("app", app),
            ("first", first),
            ("canary", canary),
        ]);
        Self { ids }
    }

    /// What nobody has.
    pub(crate) fn unknown() -> Self {
        let id = |last: char| format!("00000000-0000-4000-8000-00000000000{last}");
        let ids = BTreeMap::from([
            ("project", id('1')),
            ("name", "nothing".to_owned()),
            ("app", id('2')),
            ("first", id('3')),
            ("canary", id('4')),
        ]);
        Self { ids }
    }

    /// The same with another value for one.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.ids.insert(name, value.to_owned());
        changed
    }
}
