//! Functions of a site over real processes: started by a request, answering, breaking, logging.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use http::Method;
use serde_json::{Value, json};
use windlass::demo::WAIT_LIMIT;

use crate::vercel::Site;
use crate::world::until_some;

/// Functions of the site: their paths and their code.
const FUNCTIONS: &[(&str, &str)] = &[
    (
        "api/hello",
        "module.exports = (req, res) => res.status(200).send(`hello ${req.query.name}`);",
    ),
    (
        "api/env",
        "module.exports = (req, res) => res.json(process.env);",
    ),
    (
        "api/headers",
        "module.exports = (req, res) => res.json(req.headers);",
    ),
    (
        "api/break",
        "module.exports = (req, res) => { if (req.query.now) process.exit(3); res.send('whole'); };",
    ),
    (
        "api/print",
        "console.log('loaded');
         module.exports = (req, res) => {
           console.log(`asked by ${req.query.by}`);
           console.error('something is odd');
           res.status(418).send('printed');
         };",
    ),
    (
        "api/parts",
        "let go; const gone = new Promise((resolve) => { go = resolve; });
         module.exports = async (req, res) => {
           if (req.query.go) { go(); return res.send('gone'); }
           res.write('first part\\n');
           await gone;
           res.end('last part\\n');
         };",
    ),
];

const CONFIG: &str = r#"{"runtime": "nodejs20.x", "handler": "index.js",
    "launcherType": "Nodejs", "shouldAddHelpers": true, "supportsResponseStreaming": true}"#;

/// An answer as it came over the wire.
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// A deployment with the functions, ready.
pub(crate) fn deploy(site: &Site, more: &Value) -> Value {
    let mut files = vec![
        (
            ".vercel/output/config.json".to_owned(),
            r#"{"version": 3}"#.to_owned(),
        ),
        (
            ".vercel/output/static/index.html".to_owned(),
            "static".to_owned(),
        ),
    ];
    for (name, code) in FUNCTIONS {
        let directory = format!(".vercel/output/functions/{name}.func");
        files.push((format!("{directory}/index.js"), (*code).to_owned()));
        files.push((format!("{directory}/.vc-config.json"), CONFIG.to_owned()));
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_str()))
        .collect();
    let id = site.deploy("&prebuilt=1", &files, more);
    site.until_ready(&id)
}

fn router(site: &Site) -> SocketAddr {
    let router = &site.world.platform.env["WINDLASS_ROUTER_HTTP"];
    let address = router.trim_start_matches("http://").parse();
    address.expect("an address")
}

fn begin(router: SocketAddr, host: &str, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(router).expect("connect");
    socket.set_read_timeout(Some(WAIT_LIMIT)).expect("timeout");
    // Of HTTP/1.0 the end of the connection is the end of the body.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("request");
    socket
}

fn finish(mut socket: TcpStream) -> Reply {
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("an answer");
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    Reply {
        status: status.expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

fn get(site: &Site, path: &str) -> Reply {
    finish(begin(router(site), &site.production(), path))
}

#[test]
fn requests_are_held_while_a_function_starts_and_all_are_answered() {
    let site = Site::new();
    deploy(&site, &json!({}));
    assert_eq!(site.world.app_processes(), []);
    let (router, host) = (router(&site), site.production());
    let asked: Vec<_> = (0..20)
        .map(|number| {
            let host = host.clone();
            thread::spawn(move || {
                let path = format!("/api/hello?name={number}");
                let reply = finish(begin(router, &host, &path));
                (number, reply)
            })
        })
        .collect();
    for asked in asked {
        let (number, reply) = asked.join().expect("a thread");
        assert_eq!(reply.status, 200, "{}", reply.head);
        assert_eq!(reply.body, format!("hello {number}"));
    }
    // One that passes on, one that answers.
    assert_eq!(site.processes("launcher.mjs").len(), 1);
    assert_eq!(site.processes("function.mjs").len(), 1);
    site.world.end();
}

#[test]
fn a_function_sees_the_variables_of_its_deployment_and_no_others() {
    let site = Site::new();
    let project = site.api.post("/v11/projects", &json!({"name": "shop"}));
    let project = project.expect("a project");
    let variable = |key: &str, value: &str, target: &str| {
        let body = json!({"key": key, "value": value, "type": "plain", "target": [target]});
        let made = site.api.post("/v10/projects/shop/env", &body);
        made.expect("a variable");
    };
    variable("GREETING", "welcome", "production");
    variable("ONLY_PREVIEW", "no", "preview");
    let more = json!({"target": "production", "env": {"OF_REQUEST": "yes"}});
    let deployment = deploy(&site, &more);
    let reply = get(&site, "/api/env");
    assert_eq!(reply.status, 200, "{}", reply.body);
    let seen: Value = serde_json::from_str(&reply.body).expect("the environment");
    for (name, value) in [
        ("GREETING", json!("welcome")),
        ("OF_REQUEST", json!("yes")),
        ("VERCEL", json!("1")),
        ("VERCEL_ENV", json!("production")),
        ("VERCEL_TARGET_ENV", json!("production")),
        ("VERCEL_URL", deployment["url"].clone()),
        ("VERCEL_DEPLOYMENT_ID", deployment["id"].clone()),
        ("VERCEL_PROJECT_ID", project["id"].clone()),
        (
            "VERCEL_PROJECT_PRODUCTION_URL",
            json!(site.production().as_str()),
        ),
        ("VERCEL_REGION", deployment["regions"][0].clone()),
        ("NODE_ENV", json!("production")),
        ("ONLY_PREVIEW", Value::Null),
        ("PORT", Value::Null),
    ] {
        assert_eq!(seen[name], value, "{name}");
    }
    let own = seen.as_object().expect("variables");
    let leaked: Vec<_> = own
        .keys()
        .filter(|name| name.starts_with("WINDLASS"))
        .collect();
    assert_eq!(leaked, Vec::<&String>::new());
    site.world.end();
}

#[test]
fn an_answer_arrives_in_parts_as_it_is_written() {
    let site = Site::new();
    deploy(&site, &json!({}));
    let mut slow = begin(router(&site), &site.production(), "/api/parts");
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains("first part") {
        let read = slow.read(&mut buffer).expect("the first part");
        assert_ne!(read, 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert!(!seen.contains("last part"), "{seen}");
    // Only this lets the function go on.
    assert_eq!(get(&site, "/api/parts?go=1").body, "gone");
    let mut rest = String::new();
    slow.read_to_string(&mut rest).expect("the rest");
    assert!(rest.contains("last part"), "{rest}");
    site.world.end();
}

#[test]
fn a_function_that_breaks_says_so_and_answers_again() {
    let site = Site::new();
    deploy(&site, &json!({}));
    assert_eq!(get(&site, "/api/break").body, "whole");
    let broken = get(&site, "/api/break?now=1");
    assert_eq!(broken.status, 500, "{}", broken.head);
    let code = broken.header("x-vercel-error");
    assert_eq!(code, Some("FUNCTION_INVOCATION_FAILED"), "{}", broken.head);
    assert_eq!(get(&site, "/api/break").body, "whole");
    site.world.end();
}

#[test]
fn what_functions_print_is_shown_with_its_request() {
    let site = Site::new();
    let one = deploy(&site, &json!({}));
    let two = deploy(&site, &json!({}));
    let id = |deployment: &Value| deployment["id"].as_str().expect("an id").to_owned();
    let host = two["url"].as_str().expect("a host");
    let asked = finish(begin(router(&site), host, "/api/print?by=anna"));
    assert_eq!(asked.status, 418);
    let row = until_some("the request in the history", || {
        let path = format!(
            "/api/logs/request-logs?projectId=shop&deploymentId={}",
            id(&two)
        );
        let answer = site.api.get(&path).expect("rows");
        assert_eq!(answer["hasMoreRows"], false);
        let rows = answer["rows"].as_array().expect("rows").clone();
        let is_whole = |row: &Value| {
            row["statusCode"] == 418 && row["logs"].as_array().map(Vec::len) == Some(2)
        };
        rows.into_iter().find(is_whole)
    });
    for (field, value) in [
        ("requestMethod", json!("GET")),
        ("requestPath", json!("/api/print")),
        ("deploymentId", json!(id(&two))),
        ("domain", json!(host)),
        ("environment", json!("preview")),
        ("events", row["events"].clone()),
    ] {
        assert_eq!(row[field], value, "{row:#}");
    }
    let mut said: Vec<_> = row["logs"].as_array().expect("lines").clone();
    said.sort_by_key(|line| line["level"].to_string());
    assert_eq!(said[0]["level"], "error");
    assert_eq!(said[0]["message"], "something is odd");
    assert_eq!(said[1]["message"], "asked by anna");
    let path = format!(
        "/api/logs/request-logs?projectId=shop&deploymentId={}",
        id(&one)
    );
    let other = site.api.get(&path).expect("rows");
    assert_eq!(other["rows"], json!([]), "nobody asked the other one");
    // The same, line by line and by pages.
    let question = |cursor: Option<&Value>| {
        json!({
            "event": "vercel.log",
            "scope": {"ownerId": "", "projectIds": [two["projectId"]]},
            "timeRange": {"start": "2020-01-01T00:00:00.000Z", "end": "2200-01-01T00:00:00.000Z"},
            "select": ["message", "requestPath", "level"],
            "filter": format!("(deploymentId:\"{}\") AND (requestPath:/api/print)", id(&two)),
            "order": "desc", "limit": 1, "cursor": cursor,
        })
    };
    let mut messages = Vec::new();
    let mut cursor = None;
    loop {
        let page = site
            .api
            .post("/v1/observability/events", &question(cursor.as_ref()));
        let page = page.expect("events");
        let events = page["events"].as_array().expect("events").clone();
        messages.extend(events.iter().map(|event| event["message"].clone()));
        if page["pagination"]["hasMore"] == false {
            break;
        }
        cursor = Some(page["pagination"]["nextCursor"].clone());
    }
    messages.sort_by_key(ToString::to_string);
    assert_eq!(messages, ["asked by anna", "something is odd"]);
    let refused = site.api.call(
        Method::POST,
        "/v1/observability/events",
        Some(
            &json!({"event": "vercel.proxy_response", "scope": {"projectIds": ["shop"]},
            "timeRange": {"start": "2020-01-01T00:00:00Z", "end": "2200-01-01T00:00:00Z"}}),
        ),
        &[],
    );
    assert_eq!(refused.expect("an answer").status, 400);
    site.world.end();
}

#[test]
fn visitors_and_functions_are_told_what_clients_know() {
    let site = Site::new();
    let deployment = deploy(&site, &json!({}));
    for (path, status, cache, error) in [
        ("/", 200, Some("HIT"), None),
        ("/api/hello", 200, Some("MISS"), None),
        ("/nothing", 404, None, Some("NOT_FOUND")),
    ] {
        let reply = get(&site, path);
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(reply.header("server"), Some("Vercel"), "{path}");
        assert_eq!(reply.header("x-vercel-cache"), cache, "{path}");
        assert_eq!(reply.header("x-vercel-error"), error, "{path}");
        let id = reply.header("x-vercel-id").unwrap_or_default();
        assert!(id.starts_with("lcl1::"), "{path}: {id}");
    }
    let reply = get(&site, "/api/headers");
    let seen: Value = serde_json::from_str(&reply.body).expect("headers");
    let production = site.production();
    for (name, value) in [
        ("host", Some(production.as_str())),
        ("x-forwarded-host", Some(production.as_str())),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-real-ip", Some("127.0.0.1")),
        ("x-vercel-forwarded-for", Some("127.0.0.1")),
        ("x-vercel-deployment-url", deployment["url"].as_str()),
        ("x-vercel-id", reply.header("x-vercel-id")),
        ("x-windlass-function", None),
        ("x-windlass-request", None),
    ] {
        assert_eq!(seen[name].as_str(), value, "{name}");
    }
    site.world.end();
}

#[test]
fn a_pin_leads_to_its_deployment_and_a_host_without_one_says_so() {
    let site = Site::new();
    let one = site.deploy("", &[("index.html", "one")], &json!({}));
    site.until_ready(&one);
    let production = json!({"target": "production"});
    let two = site.deploy("", &[("index.html", "two")], &production);
    site.until_ready(&two);
    assert_eq!(get(&site, "/").body, "two");
    assert_eq!(get(&site, &format!("/?dpl={one}")).body, "one");
    assert_eq!(get(&site, "/?dpl=dpl_nobody").body, "two");
    let hangs = json!({"projectSettings": {"buildCommand": "sleep 7777", "outputDirectory": "."}});
    let three = site.deploy("", &[("index.html", "three")], &hangs);
    let host = site.deployment(&three)["url"].clone();
    let host = host.as_str().expect("a host");
    let lost = || {
        let reply = finish(begin(router(&site), host, "/"));
        let error = reply.header("x-vercel-error").map(str::to_owned);
        (reply.status, error)
    };
    let not_found = (404, Some("DEPLOYMENT_NOT_FOUND".to_owned()));
    assert_eq!(lost(), not_found, "it is not built yet");
    let canceled = site.patch(&format!("/v12/deployments/{three}/cancel"));
    canceled.ok().expect("canceled");
    assert_eq!(lost(), not_found);
    assert_eq!(get(&site, &format!("/?dpl={three}")).body, "two");
    site.world.end();
}
