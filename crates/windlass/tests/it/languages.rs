//! Applications in several languages: built in the sandbox, then serving. Offline.

use std::process::Command;

use serde_json::json;
use windlass::demo::bits;
use windlass::demo::platform::App;

use crate::world::{World, temporary_directory, until, until_gone};

fn need(program: &str, package: &str) {
    let found = Command::new(program).arg("--help").output();
    assert!(
        found.is_ok(),
        "{program} is needed for this test: install {package}"
    );
}

fn pack(files: &[(&str, &str)]) -> Vec<u8> {
    let nothing = temporary_directory();
    bits::pack(nothing.path(), files).expect("pack")
}

/// Begins a build whose buildpack is detected.
fn build(world: &World, app: &App, files: &[(&str, &str)]) -> String {
    let platform = &world.platform;
    let package = platform.upload(app, &pack(files)).expect("upload");
    let request = json!({ "package": { "guid": package } });
    let build = platform.api.post("/v3/builds", &request).expect("build");
    build["guid"].as_str().expect("a guid").to_owned()
}

/// Like `cf push`; language runtimes need more memory than the example.
fn push(world: &World, name: &str, files: &[(&str, &str)]) -> App {
    let platform = &world.platform;
    let app = platform.create_app(name).expect("app");
    let build = build(world, &app, files);
    let droplet = platform.droplet_of(&build).expect("droplet");
    platform.set_droplet(&app, &droplet).expect("droplet");
    let path = format!("/v3/apps/{}/processes/web/actions/scale", app.guid);
    let size = json!({ "instances": 1, "memory_in_mb": 512, "disk_in_mb": 512 });
    platform.api.post(&path, &size).expect("scale");
    platform.start(&app).expect("start");
    app
}

#[test]
fn a_go_program_serves() {
    need("go", "golang-go");
    let world = World::new();
    let main = "package main\nimport (\"net/http\"; \"os\")\nfunc main() {\n\
        http.HandleFunc(\"/\", func(w http.ResponseWriter, r *http.Request) {\n\
        w.Write([]byte(\"go\")) })\n\
        panic(http.ListenAndServe(\":\" + os.Getenv(\"PORT\"), nil))\n}\n";
    let files = [
        ("go.mod", "module example.com/shop\n\ngo 1.18\n"),
        ("main.go", main),
    ];
    let app = push(&world, "gopher", &files);
    assert_eq!(world.ask(&app, "/"), (200, String::new(), "go".to_owned()));
    world.end();
}

#[test]
fn a_python_program_serves() {
    need("python3", "python3-venv");
    let world = World::new();
    let server = "import http.server, os\n\
        class Handler(http.server.BaseHTTPRequestHandler):\n\
        \x20   def do_GET(self):\n\
        \x20       self.send_response(200)\n\
        \x20       self.send_header('content-length', '6')\n\
        \x20       self.end_headers()\n\
        \x20       self.wfile.write(b'python')\n\
        http.server.HTTPServer(('', int(os.environ['PORT'])), Handler).serve_forever()\n";
    let files = [
        ("requirements.txt", "# nothing\n"),
        ("server.py", server),
        ("Procfile", "web: python server.py\n"),
    ];
    let app = push(&world, "snake", &files);
    assert_eq!(world.ask(&app, "/").2, "python");
    world.end();
}

#[test]
fn a_node_program_serves() {
    need("npm", "npm");
    let world = World::new();
    let lock =
        r#"{"name":"shop","lockfileVersion":3,"requires":true,"packages":{"":{"name":"shop"}}}"#;
    let files = [
        (
            "package.json",
            r#"{"name":"shop","scripts":{"start":"node server.js"}}"#,
        ),
        ("package-lock.json", lock),
        (
            "server.js",
            "require('http').createServer((q, a) => a.end('node')).listen(process.env.PORT)\n",
        ),
    ];
    let app = push(&world, "hexagon", &files);
    assert_eq!(world.ask(&app, "/").2, "node");
    world.end();
}

#[test]
fn static_files_are_served() {
    let world = World::new();
    let files = [
        ("Staticfile", "root: public\n"),
        ("public/index.html", "<p>hello"),
        ("public/404.html", "nothing"),
        ("secret", "x"),
    ];
    let app = push(&world, "paper", &files);
    assert_eq!(world.ask(&app, "/").2, "<p>hello");
    let (status, _, body) = world.ask(&app, "/secret");
    assert_eq!((status, &*body), (404, "nothing"));
    world.end();
}

#[test]
fn a_build_that_forks_away_ends_with_its_app() {
    need("npm", "npm");
    let world = World::new();
    let app = world.platform.create_app("runaway").expect("app");
    let script = "(setsid sh -c 'trap \\\"\\\" TERM HUP; sleep 98765' &); sleep 98765";
    let package = format!(r#"{{"scripts":{{"build":"{script}"}}}}"#);
    build(&world, &app, &[("package.json", &package)]);
    let sleepers = || {
        let mut seen = world.app_processes();
        seen.retain(|process| process.command().contains("sleep 98765"));
        seen
    };
    until("the build to have forked away", || sleepers().len() >= 2);
    let all = world.app_processes();
    let path = format!("/v3/apps/{}", app.guid);
    let api = &world.platform.api;
    api.call(http::Method::DELETE, &path, None, &[])
        .expect("delete");
    until_gone(&all);
    world.end();
}
