//! The page about compatibility names every endpoint that the router has, and no other.

use windlass_digitalocean::server::endpoints;
use windlass_wire::endpoints::differences;

#[test]
fn the_page_and_the_router_agree() {
    let page = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/compatibility/digitalocean.md"
    );
    let page = std::fs::read_to_string(page).expect("the page");
    let differences = differences(&page, &endpoints());
    assert!(differences.is_empty(), "{differences:#?}");
}
