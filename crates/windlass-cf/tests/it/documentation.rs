//! The page about compatibility names every endpoint that the router has, and no other.

use std::collections::BTreeSet;
use std::path::Path;

use windlass_cf::server::endpoints;

fn documented() -> BTreeSet<String> {
    let page =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility/cloud-foundry.md");
    let text = std::fs::read_to_string(page).expect("the page");
    text.lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|rest| rest.split('`').next())
        .filter(|cell| cell.contains(" /"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_page_and_the_router_agree() {
    let served: BTreeSet<String> = endpoints()
        .into_iter()
        .map(|endpoint| format!("{} {}", endpoint.method, endpoint.path))
        .collect();
    let documented = documented();
    let missing: Vec<_> = served.difference(&documented).collect();
    let gone: Vec<_> = documented.difference(&served).collect();
    assert!(missing.is_empty(), "not on the page: {missing:#?}");
    assert!(gone.is_empty(), "on the page only: {gone:#?}");
}
