//! Builds of several projects that wait for one slot of the machine.

use serde_json::json;

use super::Site;
use crate::world::{World, until};

/// The builds wait for each other, whichever project they are of: the slot of one that is canceled
/// goes to the one that has waited longest, and one that is canceled while it waits never runs.
#[test]
fn a_freed_slot_goes_to_the_build_that_has_waited_longest() {
    let site = Site::of(World::with(&["--set", "staging_slots=1"]));
    let hangs = json!({
        "projectSettings": {"buildCommand": "sleep 7778", "outputDirectory": "."},
    });
    let projects = ["d", "a", "c", "b", "e"];
    let builds: Vec<String> = projects
        .iter()
        .map(|project| site.deploy_to(project, "", &[("index.html", "x")], &hangs))
        .collect();
    let state = |build: &String| site.deployment(build)["readyState"].clone();
    let cancel = |build: &String| {
        let canceled = site.patch(&format!("/v12/deployments/{build}/cancel"));
        assert_eq!(canceled.ok().expect("canceled")["readyState"], "CANCELED");
    };
    cancel(&builds[2]);
    for (running, next) in [(0, 1), (1, 3), (3, 4)] {
        until("the build that is next", || {
            state(&builds[running]) == "BUILDING"
        });
        for waiting in builds.iter().skip(running + 1) {
            let found = state(waiting);
            assert!(found == "QUEUED" || *waiting == builds[2], "{found}");
        }
        cancel(&builds[running]);
        until("the next build", || state(&builds[next]) == "BUILDING");
    }
    assert_eq!(state(&builds[2]), "CANCELED");
    cancel(&builds[4]);
    site.world.end();
}
