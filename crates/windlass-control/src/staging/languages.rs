//! Real builds of small applications in each language, without a network. A runtime that is missing
//! on this machine fails the test and says so.

use std::fs;
use std::process::Command;

use super::whole::{World, failure};
use super::*;
use crate::archive::testing::{file, zip};
use crate::sources::{AddressRules, FetchLimits, FetchPlan};
use crate::testing::GitServer;

fn need(program: &str, package: &str) {
    let found = Command::new(program).arg("--help").output();
    assert!(
        found.is_ok(),
        "{program} is needed for this test: install {package}"
    );
}

/// Files by name.
type Files<'a> = [(&'a str, &'a str)];

fn package(files: &Files<'_>) -> Vec<u8> {
    let entries: Vec<_> = files
        .iter()
        .map(|(name, content)| file(name, content.as_bytes()))
        .collect();
    zip(&entries)
}

fn fails(files: &Files<'_>) -> String {
    let world = World::new();
    let failed = failure(world.stage(&world.request(&package(files))));
    assert_eq!(failed.id, FailureId::BuildpackCompileFailed);
    failed.message
}

const GO_MAIN: &str = "package main\nimport (\"fmt\"; \"example.com/greet\")\n\
                       func main() { fmt.Println(greet.Hello()) }\n";

#[test]
fn a_go_module_with_vendored_dependencies() {
    need("go", "golang-go");
    let world = World::new();
    let app = package(&[
        (
            "go.mod",
            "module example.com/hello/v2\n\ngo 1.18\n\nrequire example.com/greet v1.0.0\n",
        ),
        ("main.go", GO_MAIN),
        ("cmd/tool/main.go", "package main\nfunc main() {}\n"),
        (
            "vendor/modules.txt",
            "# example.com/greet v1.0.0\n## explicit; go 1.18\nexample.com/greet\n",
        ),
        (
            "vendor/example.com/greet/greet.go",
            "package greet\nfunc Hello() string { return \"hello from go\" }\n",
        ),
    ]);
    let mut request = world.request(&app);
    request.build_command = Some("test -n \"$GOCACHE\" && go version >built-with".to_owned());
    let droplet = world.stage(&request).unwrap();
    let result = &droplet.result;
    assert_eq!(result.detect_output, "go");
    assert_eq!(result.process_types["web"], "bin/hello");
    assert_eq!(
        world.start(
            &droplet.digest,
            "bin/hello && test -x bin/tool && cut -c 1-10 built-with"
        ),
        "hello from go\ngo version\n"
    );
    assert!(droplet.cache.is_some(), "what was compiled is kept");

    request.cache = droplet.cache;
    let again = world.stage(&request).unwrap();
    assert_eq!(
        again.digest, droplet.digest,
        "the same source is the same droplet"
    );
}

#[test]
fn what_go_lacks_is_said() {
    need("go", "golang-go");
    let main = ("main.go", "package main\nfunc main() {}\n");
    let cases: [&Files<'_>; 2] = [
        &[("go.mod", "module example.com/x\n\ngo 1.99\n"), main],
        &[
            ("go.mod", "module example.com/x\n"),
            ("x.go", "package x\n"),
        ],
    ];
    for files in cases {
        assert!(fails(files).contains("bin/"), "{}", fails(files));
    }
}

const NODE_LOCK: &str = r#"{"name":"shop","lockfileVersion":3,"requires":true,"packages":{
    "":{"name":"shop","workspaces":["packages/*"]},
    "node_modules/greet":{"resolved":"packages/greet","link":true},
    "packages/greet":{"version":"1.0.0"}}}"#;

#[test]
fn a_node_application_with_workspaces() {
    need("npm", "npm");
    let world = World::new();
    let app = package(&[
        (
            "package.json",
            r#"{"name":"shop","private":true,"workspaces":["packages/*"],
                "engines":{"node":">=12"},
                "scripts":{"build":"node -p 1+1 >built","start":"node index.js"}}"#,
        ),
        ("package-lock.json", NODE_LOCK),
        (
            "index.js",
            "console.log(require('greet'), process.env.NODE_ENV,\
             require('fs').readFileSync('built', 'utf8').trim())\n",
        ),
        (
            "packages/greet/package.json",
            r#"{"name":"greet","version":"1.0.0"}"#,
        ),
        ("packages/greet/index.js", "module.exports = 'hello'\n"),
    ]);
    let droplet = world.stage(&world.request(&app)).unwrap();
    assert_eq!(droplet.result.process_types["web"], "npm start");
    let output = world.start(&droplet.digest, "npm start --silent");
    assert_eq!(output, "hello production 2\n");

    // The user's own command takes the place of the script.
    let mut request = world.request(&app);
    request.build_command = Some("echo 3 >built".to_owned());
    let droplet = world.stage(&request).unwrap();
    let output = world.start(&droplet.digest, "npm start --silent");
    assert_eq!(output, "hello production 3\n");
}

#[test]
fn node_modules_that_come_along_are_used() {
    need("npm", "npm");
    let world = World::new();
    let app = package(&[
        ("package.json", r#"{"dependencies":{"greet":"1.0.0"}}"#),
        (
            "node_modules/greet/package.json",
            r#"{"name":"greet","version":"1.0.0"}"#,
        ),
        (
            "node_modules/greet/index.js",
            "module.exports = 'vendored'\n",
        ),
        ("server.js", "console.log(require('greet'))\n"),
    ]);
    let droplet = world.stage(&world.request(&app)).unwrap();
    assert_eq!(droplet.result.process_types["web"], "node server.js");
    assert_eq!(world.start(&droplet.digest, "node server.js"), "vendored\n");
}

#[test]
fn what_node_lacks_is_said() {
    need("npm", "npm");
    for files in [
        &[("package.json", r#"{"engines":{"node":">=99"}}"#)][..],
        &[("package.json", r#"{"engines":{"node":"new"}}"#)],
        &[("package.json", "{")],
    ] {
        assert!(fails(files).contains("bin/supply"), "{}", fails(files));
    }
}

/// A wheel is a zip.
fn wheel() -> Vec<u8> {
    zip(&[
        file("greet.py", b"def main():\n    print('hello from python')\n"),
        file(
            "greet-1.0.dist-info/METADATA",
            b"Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n",
        ),
        file(
            "greet-1.0.dist-info/WHEEL",
            b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        ),
        file(
            "greet-1.0.dist-info/entry_points.txt",
            b"[console_scripts]\ngreet = greet:main\n",
        ),
        file(
            "greet-1.0.dist-info/RECORD",
            b"greet.py,,\ngreet-1.0.dist-info/METADATA,,\ngreet-1.0.dist-info/WHEEL,,\n\
              greet-1.0.dist-info/entry_points.txt,,\ngreet-1.0.dist-info/RECORD,,\n",
        ),
    ])
}

#[test]
fn a_python_application_with_vendored_wheels() {
    need("python3", "python3-venv");
    let world = World::new();
    let app = zip(&[
        file("requirements.txt", b"greet==1.0\n"),
        file("vendor/greet-1.0-py3-none-any.whl", &wheel()),
        file("Procfile", b"web: greet\n"),
        file(".python-version", b"3\n"),
    ]);
    let mut request = world.request(&app);
    request.build_command = Some("greet >built".to_owned());
    let droplet = world.stage(&request).unwrap();
    assert_eq!(droplet.result.detect_output, "python");
    assert_eq!(
        world.start(&droplet.digest, "cat built"),
        "hello from python\n"
    );
    // In another directory than where it was built.
    assert_eq!(world.start(&droplet.digest, "greet"), "hello from python\n");
    let output = world.start(&droplet.digest, "python -c 'import greet; greet.main()'");
    assert_eq!(output, "hello from python\n");
}

#[test]
fn what_python_lacks_is_said() {
    need("python3", "python3-venv");
    for (name, content, script) in [
        (".python-version", "3.99\n", "bin/supply"),
        ("runtime.txt", "python-3.99.x\n", "bin/supply"),
        ("runtime.txt", "ruby\n", "bin/supply"),
        ("Pipfile", "", "bin/finalize"),
    ] {
        let files: &Files<'_> = if name == "Pipfile" {
            &[(name, content)]
        } else {
            &[("requirements.txt", ""), (name, content)]
        };
        assert!(fails(files).contains(script), "{name}");
    }
}

#[test]
fn a_runtime_that_is_missing_is_named() {
    let root = tempfile::tempdir().unwrap();
    Buildpacks::install(root.path()).unwrap();
    for (name, expected) in [
        ("go", "go: this machine has no Go"),
        ("node", "node: this machine has no Node.js"),
        ("python", "python: this machine has no Python"),
    ] {
        let output = Command::new(root.path().join(name).join("bin/supply"))
            .args(["/nonexistent", "/nonexistent", "/nonexistent", "0"])
            .env_clear()
            .env("PATH", root.path())
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(words.contains(expected), "{words}");
    }
}

fn from_git(world: &World, url: String) -> StagingRequest {
    let mut request = world.request(&package(&[]));
    request.source = StagingSource::Git(FetchPlan {
        url,
        branch: "main".to_owned(),
        commit: None,
        source_dir: None,
        addresses: AddressRules {
            allow_loopback: true,
        },
        limits: FetchLimits {
            time_s: 60,
            source_mb: 10,
        },
        certificates: None,
        ssh: None,
    });
    request
}

#[test]
fn an_application_from_git_knows_its_commit() {
    let world = World::new();
    let server = GitServer::start();
    let repository = server.repository("o/app");
    let commit = repository
        .write("Procfile", "web: cat page\n")
        .write("page", "1\n")
        .push("main");
    let request = from_git(&world, server.url("o/app"));
    let droplet = world.stage(&request).unwrap();
    assert_eq!(world.start(&droplet.digest, "cat page"), "1\n");
    let run_dir = world.work().work;
    assert_eq!(fetched_commit(run_dir.parent().unwrap()), Some(commit));
    assert!(!world.work().repository.exists());

    // Also when what follows fails; and not when nothing was fetched.
    fs::remove_file(repository.work().join("Procfile")).unwrap();
    let commit = repository.push("main");
    let failed = failure(world.stage(&request));
    assert_eq!(failed.id, FailureId::NoAppDetected);
    assert_eq!(fetched_commit(run_dir.parent().unwrap()), Some(commit));
    let failed = failure(world.stage(&from_git(&world, server.url("o/none"))));
    assert!(
        failed.message.contains("does not exist or is private"),
        "{failed}"
    );
    assert_eq!(fetched_commit(run_dir.parent().unwrap()), None);
}

#[test]
fn static_sites_are_the_files_of_one_directory() {
    let world = World::new();
    let site = |output_dir: Option<&str>, command: Option<&str>| {
        let files = package(&[("source.md", "hello"), ("public/index.html", "usual")]);
        let mut request = world.request(&files);
        request.build_command = command.map(str::to_owned);
        request.site = Some(SitePlan {
            output_dir: output_dir.map(str::to_owned),
        });
        world.stage(&request)
    };
    let droplet = site(None, None).unwrap();
    assert!(droplet.result.process_types.is_empty());
    assert_eq!(
        world.start(&droplet.digest, "echo *; cat index.html"),
        "index.html\nusual"
    );
    let made = site(
        Some("out/html"),
        Some("mkdir -p out/html; cp source.md out/html/a"),
    )
    .unwrap();
    assert_eq!(world.start(&made.digest, "echo *"), "a\n");
    let whole = site(Some("/"), None).unwrap();
    assert_eq!(world.start(&whole.digest, "echo *"), "public source.md\n");
    for (output_dir, command, expected) in [
        ("none", None, "no output directory"),
        ("../..", None, "not a directory of the source"),
        ("link", Some("ln -s / link"), "no output directory"),
        (
            "x",
            Some("exit 3"),
            "the build command ended with exit status: 3",
        ),
    ] {
        let failed = failure(site(Some(output_dir), command));
        assert!(failed.message.contains(expected), "{failed}");
    }
}
