//! Static artifacts.

use windlass_router::{TargetKind, Version};

use crate::client::{Answer, Client};
use crate::world::{GROUP, HOST, World, put_group, put_host, rule};

/// More than a router reads at once, and not a multiple of it.
const LARGE_BYTES: usize = 3 * 64 * 1024 + 17;

fn files(world: &World, id: &str, share: u16) -> Version {
    let root = world.folder.path().join(id);
    std::fs::create_dir_all(root.join("docs")).unwrap();
    std::fs::write(root.join("index.html"), format!("home of {id}")).unwrap();
    std::fs::write(root.join("docs/index.html"), "docs").unwrap();
    std::fs::write(root.join("empty.css"), "").unwrap();
    let large: Vec<u8> = (0..=250).cycle().take(LARGE_BYTES).collect();
    std::fs::write(root.join("large.bin"), large).unwrap();
    std::fs::write(root.join("404.html"), "lost").unwrap();
    Version {
        id: id.to_owned(),
        share,
        target: TargetKind::Static {
            root,
            index: "index.html".to_owned(),
            fallback: None,
            not_found: Some("404.html".to_owned()),
        },
    }
}

fn head(client: &mut Client, path: &str) -> (u16, String) {
    client.send(format!("HEAD {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    client.try_head().unwrap()
}

#[test]
fn files_are_served_whole_in_part_and_not_again() {
    let mut world = World::start();
    let version = files(&world, "v1", 10_000);
    world.route(vec![version]);
    let mut client = Client::connect(world.http);
    let home = client.get(HOST, "/?x=1");
    assert_eq!((home.status, home.text()), (200, "home of v1"));
    assert_eq!(
        home.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(home.header("x-vcap-request-id").is_some());

    let large = client.get(HOST, "/large.bin");
    assert_eq!(large.body.len(), LARGE_BYTES);
    assert!(
        large
            .body
            .iter()
            .copied()
            .eq((0..=250).cycle().take(LARGE_BYTES))
    );
    let part = client.get_with(HOST, "/large.bin", "Range: bytes=65530-65545\r\n");
    assert_eq!(
        (part.status, &part.body[..]),
        (206, &large.body[65_530..=65_545])
    );
    let range = format!("bytes 65530-65545/{LARGE_BYTES}");
    assert_eq!(part.header("content-range"), Some(range.as_str()));
    let beyond = client.get_with(HOST, "/large.bin", "Range: bytes=999999-\r\n");
    assert_eq!((beyond.status, beyond.body.len()), (416, 0));

    let tag = large.header("etag").unwrap().to_owned();
    let again = client.get_with(
        HOST,
        "/large.bin",
        &format!("If-None-Match: \"x\", {tag}\r\n"),
    );
    assert_eq!(
        (again.status, again.header("etag")),
        (304, Some(tag.as_str()))
    );
    let stale = client.get_with(
        HOST,
        "/large.bin",
        "Range: bytes=0-1\r\nIf-Range: \"x\"\r\n",
    );
    assert_eq!((stale.status, stale.body.len()), (200, LARGE_BYTES));

    let (status, told) = head(&mut client, "/large.bin");
    assert!(
        status == 200
            && told
                .to_ascii_lowercase()
                .contains(&format!("content-length: {LARGE_BYTES}"))
    );
    let empty = client.get(HOST, "/empty.css");
    assert_eq!((empty.status, empty.body.len()), (200, 0));
    let moved = client.get(HOST, "/docs?x=1");
    assert_eq!(
        (moved.status, moved.header("location")),
        (308, Some("/docs/?x=1"))
    );
    assert_eq!(client.get(HOST, "/docs/").text(), "docs");
    let lost = client.get_with(HOST, "/missing", "Range: bytes=0-1\r\n");
    assert_eq!((lost.status, lost.text()), (404, "lost"));
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\n\r\nab"
    ));
    let refused = client.answer();
    assert_eq!(
        (refused.status, refused.header("allow")),
        (405, Some("GET, HEAD"))
    );
    assert_eq!(client.get(HOST, "/").status, 200);

    let log = world.log();
    let line = |path: &str| log.iter().find(|line| line["path"] == path).unwrap();
    assert_eq!(line("/large.bin")["bytes"], LARGE_BYTES);
    assert_eq!(line("/large.bin")["end"], "complete");
    assert!(
        log.iter().all(|line| line["generation"].as_u64() > Some(0)),
        "{log:?}"
    );
}

#[test]
fn shares_divide_requests_between_artifacts_also_without_control() {
    let mut world = World::start();
    let versions = vec![files(&world, "v1", 7_500), files(&world, "v2", 2_500)];
    world.route(versions);
    world.control = None;
    let mut client = Client::connect(world.http);
    let answers: Vec<Answer> = (0..100).map(|_| client.get(HOST, "/")).collect();
    let of = |id: &str| {
        let text = format!("home of {id}");
        answers
            .iter()
            .filter(|answer| answer.text() == text)
            .count()
    };
    assert_eq!((of("v1"), of("v2")), (75, 25));
}

#[test]
fn a_withdrawn_artifact_is_not_served_any_more() {
    let mut world = World::start();
    let versions = vec![files(&world, "v1", 5_000), files(&world, "v2", 5_000)];
    world.route(versions);
    let versions = vec![files(&world, "v1", 10_000), files(&world, "v2", 0)];
    let position = world.publish(vec![
        put_group(2, versions),
        put_host(vec![rule("", GROUP)]),
    ]);
    let mut client = Client::connect(world.http);
    for _ in 0..20 {
        assert_eq!(client.get(HOST, "/").text(), "home of v1");
    }
    let log = world.log();
    assert!(
        log.iter()
            .all(|line| line["generation"] == position.generation),
        "{log:?}"
    );
}
