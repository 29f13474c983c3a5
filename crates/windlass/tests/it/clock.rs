//! Long spans pass at once: the clock of test builds is a file in the data directory.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;

use serde_json::json;
use windlass::demo::WAIT_LIMIT;

use crate::functions;
use crate::vercel::Site;
use crate::world::{TWO, World, ask, until, until_answered, until_gone};

const DEAF: &[(&str, &str)] = &[("hello.conf", "VERSION=2\nHEALTH=deaf\n")];
const MINUTE_MS: u64 = 60_000;

/// So much has passed beyond what really has, for every role.
fn passed(world: &World, millis: u64) {
    let file = world.server.data_dir().join("test-clock-ms");
    // In place: the roles have the file open.
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(file)
        .expect("the file that `up` has made");
    file.write_all_at(&millis.to_le_bytes(), 0).expect("write");
}

/// A deployment whose instances never come up.
fn deaf(world: &World) -> (windlass::demo::platform::App, String) {
    let app = world.push("hello", 2);
    let droplet = world.stage(&app, DEAF);
    let before = world.app_processes().len();
    let guid = world
        .platform
        .deploy(&app, &droplet, json!({ "strategy": "rolling" }))
        .expect("deployment");
    until("a process of the deaf version", || {
        world.app_processes().len() > before
    });
    (app, guid)
}

fn has_failed_and_is_restored(world: &World, app: &windlass::demo::platform::App, guid: &str) {
    let platform = &world.platform;
    platform.wait_deployment(guid, "CANCELED").expect("outcome");
    let record = world.record(guid);
    assert_eq!(record["outcome"], "failed", "{record}");
    let reason = record["cancel"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("deadline"), "{record}");
    platform.wait_running(app).expect("running");
    let load = world.visitors(app);
    until_answered(&load, 20);
    assert_eq!(load.counts().percent("1"), 100, "{:?}", load.counts());
}

#[test]
fn a_deployment_without_progress_ends_at_its_deadline() {
    let world = World::new();
    let (app, guid) = deaf(&world);
    passed(&world, 16 * MINUTE_MS);
    has_failed_and_is_restored(&world, &app, &guid);
    world.end();
}

#[test]
fn a_deadline_stands_still_while_windlass_is_down() {
    let mut world = World::new();
    let (app, guid) = deaf(&world);
    world.server.down().expect("down");
    passed(&world, 20 * MINUTE_MS);
    world.server.up().expect("up");
    world.renew();
    let record = world.record(&guid);
    assert_eq!(record["outcome"], json!(null), "{record}");
    passed(&world, 36 * MINUTE_MS);
    has_failed_and_is_restored(&world, &app, &guid);
    world.end();
}

#[test]
fn a_paused_canary_has_no_deadline() {
    let world = World::new();
    let app = world.push("hello", 2);
    let droplet = world.stage(&app, TWO);
    let platform = &world.platform;
    let canary = platform.canary(&app, &droplet, &[50]).expect("canary");
    platform.wait_paused(&canary, 1).expect("paused");
    passed(&world, 24 * 60 * MINUTE_MS);
    // It can be continued after a day, and then ends by itself.
    platform.resume(&canary).expect("answer").ok().expect("ok");
    platform
        .wait_deployment(&canary, "DEPLOYED")
        .expect("outcome");
    world.end();
}

/// Starts an app that is never healthy: it gets its start timeout, and its first processes run.
fn never_healthy(world: &World, name: &str, start_timeout_s: u64) -> windlass::demo::platform::App {
    let platform = &world.platform;
    let app = platform.create_app(name).expect("app");
    let droplet = world.stage(&app, DEAF);
    platform.set_droplet(&app, &droplet).expect("droplet");
    platform.scale(&app, 1).expect("scale");
    let check = json!({ "health_check": {
        "type": "port", "data": { "timeout": start_timeout_s },
    } });
    let path = format!("/v3/apps/{}/processes/web", app.guid);
    platform.api.patch(&path, &check).expect("health check");
    let path = format!("/v3/apps/{}/actions/start", app.guid);
    platform.api.post(&path, &json!(null)).expect("start");
    until("the line of the deaf app", || {
        logs(world, name).contains("not listening, as asked")
    });
    app
}

fn logs(world: &World, app: &str) -> String {
    let lines = world.server.run(&["logs", app]).expect("logs");
    String::from_utf8_lossy(&lines.stdout).into_owned()
}

#[test]
fn a_start_timeout_passes_in_the_shim_and_the_longer_one_later() {
    let world = World::new();
    never_healthy(&world, "short", 120);
    never_healthy(&world, "long", 180);
    let is_late = |name: &str, limit_ms: u64| {
        let words = format!("did not become healthy within {limit_ms} ms");
        logs(&world, name).contains(&words)
    };
    assert!(!is_late("short", 120_000) && !is_late("long", 180_000));
    passed(&world, 2 * MINUTE_MS + 1_000);
    until("the end of the short start", || is_late("short", 120_000));
    assert!(!is_late("long", 180_000));
    passed(&world, 3 * MINUTE_MS + 1_000);
    until("the end of the long start", || is_late("long", 180_000));
    world.end();
}

/// Sends the beginning of a request.
fn begin(world: &World, app: &windlass::demo::platform::App, request: &str) -> TcpStream {
    let visit = world.visit(app, "/");
    let mut socket = TcpStream::connect(visit.router).expect("connect");
    socket.set_read_timeout(Some(WAIT_LIMIT)).expect("timeout");
    let head = format!("{request}\r\nHost: {}\r\n", visit.host);
    socket.write_all(head.as_bytes()).expect("request");
    socket
}

/// The first line that comes.
fn answer(socket: &mut TcpStream) -> String {
    let mut text = String::new();
    // A connection that is cut ends the text.
    let _ = socket.read_to_string(&mut text);
    text.lines().next().unwrap_or_default().to_owned()
}

/// A request that the app does not answer in the time of a test, on its way.
fn slow(world: &World, app: &windlass::demo::platform::App) -> TcpStream {
    // Not a GET, which the router would send to another instance when this one is killed.
    let lines = "POST /slow?ms=36000000 HTTP/1.1\r\nConnection: close\r\nContent-Length: 0";
    let mut socket = begin(world, app, lines);
    socket.write_all(b"\r\n").expect("request");
    // The router counts it before it has sent it, and its time begins when it is sent: a clock that
    // is moved in between would give it minutes more.
    until("the request at the app", || {
        logs(world, &app.name).contains("answering in")
    });
    assert_eq!(in_flight(world), 1);
    socket
}

/// Requests in flight, as the router counts them.
fn in_flight(world: &World) -> u64 {
    let metrics = world.platform.env["WINDLASS_METRICS"].trim_start_matches("http://");
    let address = metrics.split('/').next().unwrap_or_default();
    let (_, _, text) = ask(address.parse().expect("address"), "metrics", "/metrics");
    text.lines()
        .filter(|line| line.starts_with("windlass_router_requests_in_flight"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[test]
fn the_router_waits_for_heads_and_answers_as_long_as_the_clock_says() {
    let world = World::new();
    let app = world.push("hello", 1);
    let mut slow = slow(&world, &app);
    let mut half = begin(&world, &app, "GET / HTTP/1.1");
    // Its time begins with its first byte: a head that comes only after the clock was moved would
    // wait for its 15 s in earnest.
    passed(&world, 14 * MINUTE_MS);
    assert_eq!(answer(&mut half), "HTTP/1.1 408 Request Timeout");
    assert_eq!(in_flight(&world), 1, "an answer may take 15 minutes");
    passed(&world, 16 * MINUTE_MS);
    assert_eq!(answer(&mut slow), "HTTP/1.1 504 Gateway Timeout");
    world.end();
}

#[test]
fn a_drain_ends_when_its_limit_has_passed() {
    let mut world = World::new();
    world.server.down().expect("down");
    let settings = world.server.data_dir().join("windlass.toml");
    let limit = format!("drain_limit_ms = {}\n", 10 * MINUTE_MS);
    std::fs::write(settings, limit).expect("settings");
    world.server.up().expect("up");
    world.renew();
    let app = world.push("hello", 1);
    let old = world.app_processes();
    let mut slow = slow(&world, &app);
    let droplet = world.stage(&app, TWO);
    let guid = (world.platform)
        .deploy(&app, &droplet, json!({ "strategy": "rolling" }))
        .expect("deployment");
    until("the new version alone", || world.ask(&app, "/").1 == "2");
    let is_stopped = || logs(&world, "hello").contains("is being stopped");
    passed(&world, 9 * MINUTE_MS);
    assert!(!is_stopped(), "the drain is not over");
    assert_eq!(in_flight(&world), 1);
    passed(&world, 11 * MINUTE_MS);
    until("the stop of the old instance", is_stopped);
    // Its grace, which it uses for the request.
    passed(&world, 12 * MINUTE_MS);
    until_gone(&old);
    assert_eq!(answer(&mut slow), "HTTP/1.1 502 Bad Gateway");
    world
        .platform
        .wait_deployment(&guid, "DEPLOYED")
        .expect("end");
    world.end();
}

#[test]
fn a_function_that_nobody_asks_ends_and_starts_again() {
    let site = Site::new();
    functions::deploy(&site, &json!({}));
    assert_eq!(site.world.app_processes(), []);
    let ask = || site.visit(&site.production(), "/api/hello?name=anna");
    assert_eq!(ask(), (200, "hello anna".to_owned()));
    let first = site.world.app_processes();
    assert!(!first.is_empty());
    // The limit is a minute; the router must have looked once before it has passed.
    let mut passed_ms = 0;
    until("the end of the idle function", || {
        passed_ms += MINUTE_MS;
        passed(&site.world, passed_ms);
        site.world.app_processes().is_empty()
    });
    until_gone(&first);
    assert_eq!(ask(), (200, "hello anna".to_owned()));
    let again = site.world.app_processes();
    assert!(!again.is_empty() && again.iter().all(|seen| !first.contains(seen)));
    site.world.end();
}
