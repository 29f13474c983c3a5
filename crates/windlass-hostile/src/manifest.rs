//! Manifests of Cloud Foundry: a document that is read and written again reads the same, and the
//! manifest that an app shows can be applied to it and changes nothing.

use serde_json::Value;
use windlass_cf::hostile::{manifest, written, yaml};

use crate::world::{self, Asked, Dialect, World};

/// Type of manifests on the wire.
const YAML: &str = "application/x-yaml";
/// Apps of one manifest that are applied.
const APPLIED: usize = 3;

/// Feeds one manifest.
pub fn check(input: &[u8]) {
    let Ok(document) = yaml(input) else {
        return;
    };
    let text = written(&document);
    match yaml(text.as_bytes()) {
        Ok(again) => assert_eq!(again, document, "{text}"),
        Err(error) => panic!("{error:?}: {text}"),
    }
    match manifest(document) {
        Ok(applications) if applications.len() <= APPLIED => applied(input, &applications),
        Ok(_) => {}
        Err(error) => {
            assert_eq!(error.status.as_u16(), 422);
            assert!(error.entries.iter().all(|entry| !entry.detail.is_empty()));
        }
    }
}

fn applied(input: &[u8], applications: &[serde_json::Map<String, Value>]) {
    world::with(Dialect::Cf, |world| {
        let apply = format!(
            "/v3/spaces/{}/actions/apply_manifest",
            world.subjects["space"]
        );
        let send = |world: &mut World, body: &[u8]| {
            let answer = world.ask(Asked {
                method: "POST",
                path: &apply,
                kind: YAML,
                body,
            });
            if let Err(what) = world::is_answer(Dialect::Cf, &answer) {
                let body = String::from_utf8_lossy(body);
                world.broken(&format!("{what}: {}\n{body}", answer.text()));
            }
            answer.status
        };
        if send(world, input) >= 300 {
            return;
        }
        for application in applications {
            let name = application["name"].as_str().unwrap_or_default();
            let Some(app) = app_named(world, name) else {
                world.broken(&format!("the app {name:?} is not there"));
            };
            let path = format!("/v3/apps/{app}/manifest");
            let shown = world.get(&path);
            assert_eq!(shown.status, 200, "{}", shown.text());
            let status = send(world, &shown.bytes);
            if status != 202 {
                world.broken(&format!("{status} for what is shown:\n{}", shown.text()));
            }
            let again = world.get(&path);
            if again.text() != shown.text() {
                let texts = format!("{}\nbecame\n{}", shown.text(), again.text());
                world.broken(&format!("an app's own manifest changes it:\n{texts}"));
            }
        }
    });
}

/// The guid of an app. Names that differ in their case alone are one.
fn app_named(world: &mut World, name: &str) -> Option<String> {
    let apps = world.get("/v3/apps?per_page=5000").json();
    let apps = apps["resources"].as_array().cloned().unwrap_or_default();
    let is_named = |app: &&Value| {
        let found = app["name"].as_str().unwrap_or_default();
        found.to_lowercase() == name.to_lowercase()
    };
    let app = apps.iter().find(is_named)?;
    Some(app["guid"].as_str()?.to_owned())
}
