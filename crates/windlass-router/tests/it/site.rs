//! Built sites: files by the rules of their routes, and functions on demand.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use windlass_router::{AnswerHeader, AnswerKind, RequestHeader, RouterEvent, TargetKind, Version};

use crate::client::{Client, get};
use crate::instance::Instance;
use crate::world::{GROUP, HOST, World, put_group, until};

const CONFIG: &str = r#"{"version": 3, "routes": [
    {"src": "^/(.*)/$", "headers": {"Location": "/$1"}, "status": 308},
    {"src": "/(.*)", "headers": {"x-site": "1"}, "continue": true},
    {"src": "/teapot", "status": 418},
    {"src": "/users/(?<id>[^/]+)", "dest": "/api/user?id=$id"},
    {"src": "/broken", "dest": "/api/user", "status": 503},
    {"handle": "miss"},
    {"src": "/assets/(.*)", "headers": {"x-missed": "1"}, "continue": true},
    {"handle": "hit"},
    {"src": "/assets/(.*)", "headers": {"cache-control": "immutable"}, "continue": true},
    {"handle": "error"},
    {"src": "/assets/.*", "status": 404, "dest": "/404.html"},
    {"src": "/users/2", "status": 500, "dest": "/500.html"}
], "overrides": {"about.html": {"path": "about", "contentType": "text/html; charset=latin1"}}}"#;

/// The unpacked artifact of a site.
pub(crate) fn artifact(world: &World, name: &str) -> PathBuf {
    let root = world.folder.path().join(name);
    let write = |path: &str, content: &str| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    write("config.json", CONFIG);
    write("static/index.html", &format!("home of {name}"));
    write("static/about.html", "about");
    write("static/assets/app.js", "script");
    write("static/404.html", "lost");
    write("static/500.html", "sorry");
    write("functions/api/user.func/.vc-config.json", "{}");
    write("functions/secret.txt", "secret");
    root
}

pub(crate) fn site(id: &str, share: u16, root: &Path, instances: &[&Instance]) -> Version {
    let header = |name: &str, value: &str, on| AnswerHeader {
        name: name.to_owned(),
        value: value.to_owned(),
        on,
    };
    let told = |name: &str, value: &str| RequestHeader {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    Version {
        id: id.to_owned(),
        share,
        target: TargetKind::Site {
            root: root.to_owned(),
            upstreams: instances
                .iter()
                .map(|instance| instance.upstream(0))
                .collect(),
            hold_ms: 30_000,
            hold_limit: 2,
            headers: vec![
                header("x-id", "here::{request_id}", AnswerKind::Any),
                header("x-cache", "HIT", AnswerKind::File),
                header("x-cache", "MISS", AnswerKind::Function),
                header("x-error", "NOT_FOUND", AnswerKind::NotFound),
                header("x-error", "FAILED", AnswerKind::FunctionFailed),
            ],
            request_headers: vec![
                told("x-client", "{client}"),
                told("x-forwarded-for", "{client}"),
                told("x-id", "here::{request_id}"),
            ],
        },
    }
}

fn held(world: &World) -> usize {
    let text = world.metrics();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("windlass_router_held_requests "));
    line.unwrap().parse().unwrap()
}

#[test]
fn files_follow_the_routes_of_the_site() {
    let mut world = World::start();
    let root = artifact(&world, "v1");
    world.route(vec![site("v1", 10_000, &root, &[])]);
    let mut client = Client::connect(world.http);

    let home = client.get_with(HOST, "/?x=1", "X-Request-Id: r1\r\n");
    assert_eq!((home.status, home.text()), (200, "home of v1"));
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "public, max-age=0, must-revalidate"),
        ("content-disposition", "inline; filename=\"index.html\""),
        ("accept-ranges", "bytes"),
        ("x-site", "1"),
        ("x-id", "here::r1"),
        ("x-cache", "HIT"),
    ] {
        assert_eq!(home.header(name), Some(value), "{name}");
    }
    assert_eq!(home.header("x-error"), None);

    let about = client.get(HOST, "/about");
    assert_eq!(about.text(), "about");
    assert_eq!(
        about.header("content-type"),
        Some("text/html; charset=latin1")
    );
    assert_eq!(client.get(HOST, "/about.html").status, 404);

    let script = client.get(HOST, "/assets/app.js");
    assert_eq!(script.header("cache-control"), Some("immutable"));
    let tag = script.header("etag").unwrap();
    let known = client.get_with(HOST, "/assets/app.js", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!(
        (known.status, known.header("cache-control")),
        (304, Some("immutable"))
    );
    let part = client.get_with(HOST, "/assets/app.js", "Range: bytes=1-2\r\n");
    assert_eq!((part.status, part.text()), (206, "cr"));

    let lost = client.get_with(HOST, "/assets/none.js", "Range: bytes=1-2\r\n");
    assert_eq!((lost.status, lost.text()), (404, "lost"));
    assert_eq!(lost.header("x-missed"), Some("1"));
    let unknown = client.get(HOST, "/unknown");
    assert_eq!(
        (unknown.status, unknown.header("x-error")),
        (404, Some("NOT_FOUND"))
    );
    let moved = client.get(HOST, "/about/?q=1");
    assert_eq!(
        (moved.status, moved.header("location")),
        (308, Some("/about?q=1"))
    );
    assert_eq!(client.get(HOST, "/teapot").status, 418);
    for outside in [
        "/x/../config.json",
        "/x/%2e%2e/config.json",
        "/config.json",
        "/secret.txt",
    ] {
        assert_eq!(client.get(HOST, outside).status, 404, "{outside}");
    }
    for above in ["/../config.json", "/%2e%2e/config.json"] {
        let refused = Client::connect(world.http).get(HOST, above);
        assert_eq!(refused.error(), "malformed_request_line", "{above}");
    }
    client.send(format!(
        "POST /about HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n"
    ));
    assert_eq!(client.answer().status, 405);
    assert_eq!(
        world.control().try_event(),
        None,
        "a file needs no instance"
    );
}

#[test]
fn a_function_is_started_by_its_first_request_and_told_its_name() {
    let instance = Instance::start("f", |asked| {
        let body = String::from_utf8(asked.body()).unwrap();
        let told = format!(
            "{} {} {body}",
            asked.path(),
            asked.header("x-windlass-function").unwrap_or("none")
        );
        asked.answer_with("x-site: own\r\n", &told);
        true
    });
    let mut world = World::start();
    let root = artifact(&world, "v1");
    world.route(vec![site("v1", 10_000, &root, &[])]);
    let mut client = Client::connect(world.http);
    client.send(format!(
        "POST /users/7?q=1 HTTP/1.1\r\nHost: {HOST}\r\nX-Windlass-Function: forged\r\n\
         Content-Length: 4\r\n\r\nbody"
    ));
    assert_eq!(
        world.control().event(),
        RouterEvent::Wanted {
            group: GROUP.to_owned(),
            version: "v1".to_owned()
        }
    );
    until(|| held(&world) == 1);
    // Files are served meanwhile.
    assert_eq!(get(world.http, HOST, "/about").text(), "about");
    world.publish(vec![put_group(
        2,
        vec![site("v1", 10_000, &root, &[&instance])],
    )]);
    let answer = client.answer();
    assert_eq!(answer.text(), "/users/7?q=1&id=7 api/user body");
    assert_eq!(
        answer.headers("x-site"),
        ["own"],
        "the function's own word counts"
    );
    assert_eq!(answer.header("x-cache"), Some("MISS"));
    assert_eq!(answer.header("x-error"), None);
    let broken = client.get(HOST, "/broken");
    assert_eq!((broken.status, broken.text()), (503, "/broken api/user "));
    until(|| held(&world) == 0);
    assert_eq!(client.get(HOST, "/secret").status, 404);
    assert_eq!(
        instance.requests.load(Ordering::SeqCst),
        2,
        "files need no instance"
    );
}

#[test]
fn requests_for_functions_are_held_in_bounded_number() {
    let mut world = World::start();
    let root = artifact(&world, "v1");
    world.route(vec![site("v1", 10_000, &root, &[])]);
    let mut clients: Vec<Client> = (0..2).map(|_| Client::connect(world.http)).collect();
    for client in &mut clients {
        client.send(format!("GET /users/1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    }
    until(|| held(&world) == 2);
    let refused = get(world.http, HOST, "/users/1");
    assert_eq!((refused.status, refused.error()), (503, "no_endpoints"));
    assert_eq!(refused.header("x-error"), Some("FAILED"));
    drop(clients);
    until(|| held(&world) == 0);
}

#[test]
fn a_held_request_moves_when_its_version_is_withdrawn() {
    let base = Instance::named("base");
    let mut world = World::start();
    let (old, new) = (artifact(&world, "old"), artifact(&world, "new"));
    let versions = |old_share: u16| {
        vec![
            site("old", old_share, &old, &[&base]),
            site("new", 10_000 - old_share, &new, &[]),
        ]
    };
    world.route(versions(0));
    let mut client = Client::connect(world.http);
    client.send(format!("GET /users/1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    until(|| held(&world) == 1);
    let back = versions(10_000);
    let position = world.publish(vec![put_group(2, back)]);
    assert_eq!(client.answer().text(), "base");
    assert_eq!(client.get(HOST, "/").text(), "home of old");
    let log = world.log();
    let line = log.iter().find(|line| line["path"] == "/users/1").unwrap();
    assert_eq!(
        (&line["version"], &line["generation"]),
        (&"old".into(), &position.generation.into())
    );
}

#[test]
fn an_instance_that_runs_functions_drains() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let instance = Instance::start("f", move |asked| {
        released.lock().unwrap().recv().unwrap();
        asked.answer("done");
        true
    });
    let mut world = World::start();
    let root = artifact(&world, "v1");
    world.route(vec![site("v1", 10_000, &root, &[&instance])]);
    let mut client = Client::connect(world.http);
    client.send(format!("GET /users/1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    until(|| instance.requests.load(Ordering::SeqCst) == 1);
    world.publish(vec![put_group(2, vec![site("v1", 10_000, &root, &[])])]);
    assert_eq!(world.control().try_event(), None);
    release.send(()).unwrap();
    assert_eq!(client.answer().text(), "done");
    let empty = RouterEvent::Empty {
        upstream: instance.upstream(0).id,
        upgraded: 0,
    };
    assert_eq!(world.control().event(), empty);
}

#[test]
fn a_function_that_cannot_be_reached_is_a_failure_that_is_told() {
    let gone = Instance {
        address: crate::world::listener().local_addr().unwrap(),
        ..Instance::named("gone")
    };
    let mut world = World::start();
    let root = artifact(&world, "v1");
    world.route(vec![site("v1", 10_000, &root, &[&gone])]);
    let answer = get(world.http, HOST, "/users/1");
    assert_eq!((answer.status, answer.error()), (502, "endpoint_failure"));
    assert_eq!(answer.header("x-error"), Some("FAILED"));
}

#[test]
fn a_site_that_cannot_be_read_says_so_and_serves_once_it_can() {
    let mut world = World::start();
    let root = world.folder.path().join("late");
    world.route(vec![site("v1", 10_000, &root, &[])]);
    let answer = get(world.http, HOST, "/");
    assert_eq!((answer.status, answer.error()), (500, "site_unreadable"));
    artifact(&world, "late");
    assert_eq!(get(world.http, HOST, "/").text(), "home of late");
}

#[test]
fn after_a_reboot_files_are_served_without_control() {
    let instance = Instance::named("f");
    let mut world = World::without_router();
    let root = artifact(&world, "v1");
    let changes = vec![
        put_group(1, vec![site("v1", 10_000, &root, &[&instance])]),
        crate::world::put_host(vec![crate::world::rule("", GROUP)]),
    ];
    world.control().link.publish(changes).unwrap();
    world.control = None;
    world.start_router(1, |config| config.boot_id = "next boot".to_owned());
    assert_eq!(get(world.http, HOST, "/about").text(), "about");
}
