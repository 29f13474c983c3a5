//! What a team has, one of each; and what nobody has.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::World;

/// Ids and names by the words of the table.
#[derive(Debug, Clone)]
pub(crate) struct Subjects {
    /// Each by its first form.
    pub(crate) ids: BTreeMap<&'static str, String>,
    /// Other forms by which the same can be named.
    other_forms: BTreeMap<&'static str, Vec<String>>,
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

impl Subjects {
    /// Makes a project of this name with two deployments that share the visitors and one that is
    /// being built, all in the team of a user.
    pub(crate) async fn make(world: &mut World, user: &'static str, name: &str) -> Self {
        let before = std::mem::replace(&mut world.speaks, user);
        let made = Self::make_in(world, name).await;
        world.speaks = before;
        made
    }

    async fn make_in(world: &World, name: &str) -> Self {
        let good = async |path: &str, body: Value| {
            let made = world.post(path, &body).await;
            assert!(made.status < 300, "{path}: {:?}", made.body);
            made.body
        };
        let base = world.ready(name, &json!({})).await;
        let config = json!({
            "enabled": true,
            "advancementType": "manual-approval",
            "stages": [
                {"targetPercentage": 10}, {"targetPercentage": 50}, {"targetPercentage": 100},
            ],
        });
        let path = format!("/v1/projects/{name}/rolling-release/config");
        let set = world.patch(&path, &config).await;
        assert_eq!(set.status, 200, "{:?}", set.body);
        let production = json!({"target": "production"});
        let canary = world.ready(name, &production).await;
        let building = world.deploy(name, &json!({"target": "preview"})).await.body;
        let building = text(&building["id"]);
        let check = json!({"name": "smoke", "blocking": false, "rerequestable": true});
        let check = good(&format!("/v1/deployments/{building}/checks"), check).await;
        let variable = json!({
            "key": "SECRET", "value": "hidden", "type": "encrypted", "target": ["production"],
        });
        let variable = good(&format!("/v10/projects/{name}/env"), variable).await;
        let domain = format!("{name}-domain.apps.windlass.test");
        let added = json!({"name": domain});
        good(&format!("/v10/projects/{name}/domains"), added).await;
        let alias = json!({"alias": format!("{name}-alias")});
        let alias = good(&format!("/v2/deployments/{base}/aliases"), alias).await;
        let project = world.get(&format!("/v9/projects/{name}")).await.body;
        let shown = world.get(&format!("/v13/deployments/{base}")).await.body;
        let team = shown["team"].clone();
        let ids = BTreeMap::from([
            ("team", text(&team["id"])),
            ("project", text(&project["id"])),
            ("base", base.clone()),
            ("host", text(&shown["url"])),
            ("canary", canary),
            ("building", building),
            ("check", text(&check["id"])),
            ("variable", text(&variable["created"]["id"])),
            ("domain", domain),
            ("alias", text(&alias["alias"])),
        ]);
        let other_forms = BTreeMap::from([
            ("team", vec![text(&team["slug"])]),
            ("project", vec![name.to_owned()]),
            ("base", vec![base.trim_start_matches("dpl_").to_owned()]),
            (
                "host",
                vec![format!("https%3A%2F%2F{}", text(&shown["url"]))],
            ),
            ("alias", vec![text(&alias["uid"])]),
        ]);
        Self { ids, other_forms }
    }

    /// What nobody has, in the same forms.
    pub(crate) fn unknown() -> Self {
        let host = "nothing.apps.windlass.test".to_owned();
        let deployment = |last: char| format!("dpl_000000000000000000000000000{last}");
        let ids = BTreeMap::from([
            ("team", "team_00000000000040008000000000000000".to_owned()),
            ("project", "prj_0000000000000000000000000000".to_owned()),
            ("base", deployment('1')),
            ("host", host.clone()),
            ("canary", deployment('2')),
            ("building", deployment('3')),
            ("check", "check_0000000000000000".to_owned()),
            ("variable", "0000000000000000".to_owned()),
            ("domain", host.clone()),
            ("alias", host.clone()),
            ("token", "00000000-0000-4000-8000-000000000000".to_owned()),
        ]);
        let other_forms = BTreeMap::from([
            ("team", vec!["nothing".to_owned()]),
            ("project", vec!["nothing".to_owned()]),
            ("base", vec!["0000000000000000000000000001".to_owned()]),
            ("host", vec![format!("https%3A%2F%2F{host}")]),
            (
                "alias",
                vec!["00000000-0000-4000-8000-000000000000".to_owned()],
            ),
        ]);
        Self { ids, other_forms }
    }

    /// All forms of one, the first first.
    pub(crate) fn forms(&self, name: &str) -> Vec<&str> {
        let first = self.ids.get(name).map(String::as_str);
        let others = self.other_forms.get(name).into_iter().flatten();
        first
            .into_iter()
            .chain(others.map(String::as_str))
            .collect()
    }

    /// The same with another value for one.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.ids.insert(name, value.to_owned());
        changed
    }
}
