//! The launcher with real Node processes.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::output::FunctionLine;
use super::write_launcher;

/// Whether the machine has Node; says so when it has none.
fn has_node() -> bool {
    let found = Command::new("node").arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no node on this machine");
    }
    found
}

/// An instance with functions.
struct World {
    work: tempfile::TempDir,
    launcher: Child,
    port: u16,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Vec<&str> {
        let values = self.head.lines().filter_map(|line| line.split_once(": "));
        values
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}", self.body))
    }
}

/// Functions: name, fields of the configuration beside the usual ones, file, text.
type Functions<'a> = &'a [(&'a str, &'a str, &'a str, &'a str)];

impl World {
    fn new(functions: Functions<'_>) -> Self {
        let work = tempfile::tempdir().unwrap();
        for (name, more, file, text) in functions {
            let directory = work.path().join(format!("app/functions/{name}.func"));
            fs::create_dir_all(&directory).unwrap();
            let config = format!(
                r#"{{"runtime":"nodejs20.x","launcherType":"Nodejs","handler":"{file}"{more}}}"#
            );
            fs::write(directory.join(".vc-config.json"), config).unwrap();
            fs::write(directory.join(file), text).unwrap();
        }
        fs::create_dir(work.path().join("tmp")).unwrap();
        let program = write_launcher(work.path()).unwrap();
        let mut launcher = Command::new("node")
            .arg(program)
            .current_dir(work.path().join("app"))
            .env("PORT", "0")
            .env("WINDLASS_FUNCTIONS", work.path().join("app/functions"))
            .env("WINDLASS_SOCKETS", "../tmp")
            .env("OF_PROJECT", "yes")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = launcher.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        Self {
            port: line.trim().parse().unwrap(),
            work,
            launcher,
        }
    }

    fn send(&self, function: &str, method: &str, target: &str, more: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: site.test\r\nconnection: close\r\n\
             x-windlass-function: {function}\r\n{more}"
        );
        let end = if more.contains("\r\n\r\n") {
            ""
        } else {
            "\r\n"
        };
        stream
            .write_all(format!("{request}{end}").as_bytes())
            .unwrap();
        stream
    }

    fn ask(&self, function: &str, method: &str, target: &str, more: &str) -> Answer {
        let mut stream = self.send(function, method, target, more);
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        answer(&text)
    }

    fn get(&self, function: &str, target: &str) -> Answer {
        self.ask(function, "GET", target, "")
    }

    fn post(&self, function: &str, kind: &str, body: &str) -> Answer {
        let length = body.len();
        let more = format!("content-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}");
        self.ask(function, "POST", "/", &more)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
    }
}

fn send_signal(signal: Signal, pid: u32) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

fn answer(text: &str) -> Answer {
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{text:?}"));
    let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: if is_chunked {
            unchunked(body)
        } else {
            body.to_owned()
        },
    }
}

fn unchunked(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&rest[..size]);
        text = &rest[size + 2..];
    }
    whole
}

const HELPERS: &str = r#","shouldAddHelpers":true"#;

#[test]
fn a_node_handler_with_helpers() {
    if !has_node() {
        return;
    }
    let world = World::new(&[(
        "api/hello",
        r#","shouldAddHelpers":true,"environment":{"OF_FUNCTION":"too"}"#,
        "index.js",
        r#"module.exports = async (req, res) => {
            if (req.query.to) return res.redirect(req.query.to);
            if (req.query.stream) {
                let text = "";
                for await (const piece of req) text += piece;
                return res.status(201).send(text);
            }
            res.setHeader("set-cookie", ["a=1", "b=2"]);
            res.json({
                query: req.query, cookies: req.cookies, body: req.body ?? null, url: req.url,
                headers: req.headers, cwd: process.cwd(),
                env: [process.env.OF_PROJECT, process.env.OF_FUNCTION, process.env.NODE_ENV],
                hidden: [process.env.PORT ?? null, process.env.WINDLASS_FUNCTIONS ?? null],
            });
        };"#,
    )]);
    let answer = world.ask(
        "api/hello",
        "GET",
        "/x?a=1&a=2&b=%20",
        "cookie: k=v%21; q=\"z\"\r\n",
    );
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        ["application/json; charset=utf-8"]
    );
    assert_eq!(answer.header("set-cookie"), ["a=1", "b=2"]);
    let seen = answer.json();
    assert_eq!(
        seen["query"],
        serde_json::json!({"a": ["1", "2"], "b": " "})
    );
    assert_eq!(seen["cookies"], serde_json::json!({"k": "v!", "q": "z"}));
    assert_eq!(seen["url"], "/x?a=1&a=2&b=%20");
    assert_eq!(seen["headers"]["host"], "site.test");
    assert_eq!(
        seen["headers"]["x-windlass-function"],
        serde_json::Value::Null
    );
    assert_eq!(seen["env"], serde_json::json!(["yes", "too", "production"]));
    assert_eq!(seen["hidden"], serde_json::json!([null, null]));
    let own = world.work.path().join("app/functions/api/hello.func");
    assert_eq!(seen["cwd"], own.canonicalize().unwrap().to_str().unwrap());

    let body = |kind, text| world.post("api/hello", kind, text).json()["body"].clone();
    let json = "application/json; charset=utf-8";
    assert_eq!(body(json, r#"{"x":[1]}"#), serde_json::json!({"x": [1]}));
    assert_eq!(
        body("application/x-www-form-urlencoded", "x=1&y=a+b"),
        serde_json::json!({"x": "1", "y": "a b"})
    );
    assert_eq!(body("text/plain", "words"), "words");
    let bad = world.post("api/hello", json, "{");
    assert_eq!((bad.status, bad.body.as_str()), (400, "Invalid JSON"));

    let moved = world.get("api/hello", "/?to=/there");
    assert_eq!(
        (moved.status, moved.header("location")),
        (307, vec!["/there"])
    );
    let more =
        "content-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let streamed = world.ask("api/hello", "POST", "/?stream=1", more);
    assert_eq!((streamed.status, streamed.body.as_str()), (201, "abc"));
}

#[test]
fn handlers_of_the_web() {
    if !has_node() {
        return;
    }
    let world = World::new(&[
        (
            "methods",
            "",
            "index.mjs",
            r#"export function GET(request) {
                const headers = new Headers({ "x-url": request.url });
                headers.append("set-cookie", "a=1");
                headers.append("set-cookie", "b=2; expires=Wed, 21 Oct 2037 07:28:00 GMT");
                return new Response("got", { headers, status: 203 });
            }
            export async function POST(request) {
                return Response.json({ sent: await request.text() });
            }
            export const PUT = () => "no response";"#,
        ),
        (
            "fetch",
            "",
            "index.mjs",
            r"export default { fetch: (request) => new Response(request.method) };",
        ),
    ]);
    let got = world.ask(
        "methods",
        "GET",
        "//evil.test/x",
        "x-forwarded-host: a.test\r\n",
    );
    assert_eq!((got.status, got.body.as_str()), (203, "got"));
    assert_eq!(got.header("x-url"), ["https://a.test//evil.test/x"]);
    assert_eq!(
        got.header("set-cookie"),
        ["a=1", "b=2; expires=Wed, 21 Oct 2037 07:28:00 GMT"]
    );
    let head = world.ask("methods", "HEAD", "/", "");
    assert_eq!((head.status, head.body.as_str()), (203, ""));
    assert_eq!(
        world.post("methods", "text/plain", "hi").json()["sent"],
        "hi"
    );
    let refused = world.ask("methods", "DELETE", "/", "");
    assert_eq!(
        (refused.status, refused.header("allow")),
        (405, vec!["GET, POST, PUT"])
    );
    assert_eq!(world.ask("methods", "PUT", "/", "").status, 500);
    assert_eq!(world.ask("fetch", "OPTIONS", "/", "").body, "OPTIONS");
}

#[test]
fn modules_in_all_their_forms() {
    if !has_node() {
        return;
    }
    let world = World::new(&[
        (
            "nested",
            "",
            "index.cjs",
            r#"exports.default = { default: (req, res) => res.end("nested") };"#,
        ),
        (
            "server",
            "",
            "index.cjs",
            r#"const server = require("http").createServer((req, res) => res.end(`own ${req.url}`));
            server.listen(3000, () => { globalThis.port = server.address().port; });"#,
        ),
        ("nothing", "", "index.mjs", "export const x = 1;"),
    ]);
    assert_eq!(world.get("nested", "/").body, "nested");
    assert_eq!(world.get("server", "/a").body, "own /a");
    let nothing = world.get("nothing", "/");
    assert_eq!(nothing.status, 500);
    assert_eq!(
        nothing.header("x-vercel-error"),
        ["FUNCTION_INVOCATION_FAILED"]
    );
}

#[test]
fn a_function_that_breaks_takes_no_other_with_it() {
    if !has_node() {
        return;
    }
    let world = World::new(&[
        (
            "breaks",
            HELPERS,
            "index.js",
            r#"module.exports = async (req, res) => {
                if (req.query.how === "throw") throw new Error("thrown");
                if (req.query.how === "exit") process.exit(7);
                if (req.query.how === "late") setImmediate(() => { throw new Error("late"); });
                else res.send(String(process.pid));
            };"#,
        ),
        ("import", "", "index.js", r#"throw new Error("at import");"#),
        ("syntax", "", "index.js", "this is no JavaScript"),
        (
            "hangs",
            r#","maxDuration":1"#,
            "index.js",
            r"module.exports = () => { for (;;) ; };",
        ),
        (
            "silent",
            r#","maxDuration":1"#,
            "index.js",
            r"module.exports = () => {};",
        ),
    ]);
    let healthy = world.get("breaks", "/").body;
    for target in ["/?how=throw", "/?how=exit", "/?how=late"] {
        let broken = world.get("breaks", target);
        assert_eq!(broken.status, 500, "{target}");
        assert_eq!(
            broken.header("x-vercel-error"),
            ["FUNCTION_INVOCATION_FAILED"]
        );
        assert_eq!(world.get("breaks", "/").status, 200, "after {target}");
    }
    assert_ne!(world.get("breaks", "/").body, healthy, "another process");
    for function in ["import", "syntax"] {
        assert_eq!(world.get(function, "/").status, 500, "{function}");
    }
    let mut hanging = world.send("hangs", "GET", "/", "");
    assert_eq!(world.get("breaks", "/").status, 200, "while another hangs");
    let mut text = String::new();
    hanging.read_to_string(&mut text).unwrap();
    for late in [answer(&text), world.get("silent", "/")] {
        assert_eq!(late.status, 504);
        assert_eq!(
            late.header("x-vercel-error"),
            ["FUNCTION_INVOCATION_TIMEOUT"]
        );
    }
}

#[test]
fn answers_are_passed_on_while_they_are_written() {
    if !has_node() {
        return;
    }
    let world = World::new(&[(
        "stream",
        "",
        "index.mjs",
        r#"let go;
        const gone = new Promise((resolve) => { go = resolve; });
        export default { async fetch(request) {
            if (request.url.endsWith("/go")) { go(); return new Response("went"); }
            return new Response(new ReadableStream({
                async start(stream) {
                    stream.enqueue(new TextEncoder().encode("first;"));
                    await gone;
                    stream.enqueue(new TextEncoder().encode("second"));
                    stream.close();
                },
            }));
        } };"#,
    )]);
    let mut stream = world.send("stream", "GET", "/", "");
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains("first;") {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).unwrap();
        assert_ne!(count, 0);
        text.extend_from_slice(&piece[..count]);
    }
    // Only now may the function go on.
    assert_eq!(world.get("stream", "/go").body, "went");
    stream.read_to_end(&mut text).unwrap();
    assert_eq!(
        answer(&String::from_utf8(text).unwrap()).body,
        "first;second"
    );
}

#[test]
fn only_functions_are_reached_and_bodies_are_bounded() {
    if !has_node() {
        return;
    }
    let echo = r"module.exports = (req, res) => { req.resume(); res.end(String(process.pid)); };";
    let world = World::new(&[("a/[id]", "", "index.js", echo)]);
    let functions = world.work.path().join("app/functions");
    std::os::unix::fs::symlink("a/[id].func", functions.join("link.func")).unwrap();
    let outside = world.work.path().join("outside.func");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("index.js"), echo).unwrap();
    fs::write(outside.join(".vc-config.json"), r#"{"handler":"index.js"}"#).unwrap();
    std::os::unix::fs::symlink(&outside, functions.join("escape.func")).unwrap();

    let first = world.get("a/[id]", "/");
    assert_eq!(first.status, 200);
    assert_eq!(world.get("a/%5Bid%5D", "/").body, first.body);
    assert_eq!(
        world.get("link", "/").body,
        first.body,
        "they share a process"
    );
    for name in [
        "",
        "unknown",
        "../../outside",
        "%2e%2e/%2e%2e/outside",
        "escape",
        "a%00",
    ] {
        let answer = world.get(name, "/");
        assert_eq!(answer.status, 404, "{name}");
        assert_eq!(answer.header("x-vercel-error"), ["NOT_FOUND"]);
    }
    let large = world.ask("link", "POST", "/", "content-length: 5000000\r\n\r\n");
    assert_eq!(large.status, 413);
    assert_eq!(
        large.header("x-vercel-error"),
        ["FUNCTION_PAYLOAD_TOO_LARGE"]
    );
}

#[test]
fn what_goes_on_behind_an_answer_is_finished_at_the_end() {
    if !has_node() {
        return;
    }
    let mut world = World::new(&[(
        "later",
        "",
        "index.mjs",
        r#"import { writeFile } from "node:fs/promises";
        export function GET() {
            const context = globalThis[Symbol.for("@vercel/request-context")].get();
            const signal = new Promise((resolve) => process.once("SIGUSR2", resolve));
            context.waitUntil(signal.then(() => writeFile("done", "yes")));
            context.waitUntil(Promise.reject(new Error("only logged")));
            return new Response(String(process.pid));
        }"#,
    )]);
    let pid = world.get("later", "/").body;
    // The order to end comes first, what the work waits for only then.
    send_signal(Signal::SIGTERM, world.launcher.id());
    send_signal(Signal::SIGUSR2, pid.parse().unwrap());
    assert_eq!(world.launcher.wait().unwrap().code(), Some(0));
    let done = world.work.path().join("app/functions/later.func/done");
    assert!(done.exists());
}

#[test]
fn what_is_printed_names_its_request() {
    if !has_node() {
        return;
    }
    let mut world = World::new(&[(
        "print",
        "",
        "index.mjs",
        r#"console.log("loaded");
        let go; const gone = new Promise((resolve) => { go = resolve; });
        export default async (request, response) => {
            process.stdout.write(`begun by ${request.headers["x-client"]}, `);
            if (request.url === "/go") { go(); } else { await gone; }
            console.log("ended\n(x) 200 1ms");
            response.end(request.headers["x-windlass-request"] ?? "unnamed");
            process.stdout.write("without end");
        };"#,
    )]);
    let named = |name: &str| format!("x-request-id: {name}\r\nx-client: {name}\r\n");
    let slow = world.send("print", "GET", "/wait?secret=1", &named("slow"));
    let quick = world.ask("print", "GET", "/go", &named("quick"));
    assert_eq!(quick.body, "unnamed");
    let mut text = String::new();
    { slow }.read_to_string(&mut text).unwrap();
    send_signal(Signal::SIGTERM, world.launcher.id());
    let mut printed = String::new();
    let output = world.launcher.stdout.as_mut().unwrap();
    output.read_to_string(&mut printed).unwrap();
    let of = |name: &str| -> Vec<FunctionLine<'_>> {
        let lines = printed.lines().map(FunctionLine::parse);
        lines
            .filter(|line| match line {
                FunctionLine::Begun { request, .. } | FunctionLine::Ended { request, .. } => {
                    *request == name
                }
                FunctionLine::Printed { request, .. } => request.unwrap_or("-") == name,
            })
            .collect()
    };
    for (name, path) in [("slow", "/wait"), ("quick", "/go")] {
        let said = |text: &str| FunctionLine::Printed {
            request: Some(name),
            is_warning: false,
            is_more: text.starts_with('('),
            text: text.to_owned().leak(),
        };
        let lines = of(name);
        let begun = FunctionLine::Begun {
            request: name,
            method: "GET",
            host: "site.test",
            path,
        };
        let begun_by = format!("begun by {name}, ended");
        assert_eq!(lines[..3], [begun, said(&begun_by), said("(x) 200 1ms")]);
        let ended = |line: &&FunctionLine<'_>| {
            matches!(
                line,
                FunctionLine::Ended {
                    status: Some(200),
                    ..
                }
            )
        };
        assert_eq!(lines.iter().filter(ended).count(), 1, "{printed}");
        assert!(lines.contains(&said("without end")), "{printed}");
        assert_eq!(lines.len(), 5, "{printed}");
    }
    let outside = of("-");
    let loaded = FunctionLine::Printed {
        request: None,
        is_warning: false,
        is_more: false,
        text: "loaded",
    };
    assert_eq!(outside, [loaded], "{printed}");
}
