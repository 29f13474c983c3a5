//! Sites of all kinds, staged as a run would stage them.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use windlass_engine::records::BuildOutputSettings;

use crate::archive::testing::{entry, file, zip};
use crate::staging::whole::{World, failure};
use crate::staging::{BuildOutputPlan, CollectError, FailureId, StagedDroplet};

/// A source, and what is said about its build.
#[derive(Default)]
struct Case<'a> {
    files: &'a [(&'a str, &'a str)],
    links: &'a [(&'a str, &'a str)],
    build_command: Option<&'a str>,
    plan: BuildOutputPlan,
}

impl Case<'_> {
    fn stage(self, world: &World) -> Result<StagedDroplet, CollectError> {
        let mut entries: Vec<_> = (self.files.iter())
            .map(|(name, text)| file(name, text.as_bytes()))
            .collect();
        let links = self.links.iter();
        entries.extend(links.map(|(name, to)| entry(name.as_bytes(), 0o120_777, to.as_bytes())));
        let mut request = world.request(&zip(&entries));
        request.build_command = self.build_command.map(str::to_owned);
        request.build_output = Some(self.plan);
        world.stage(&request)
    }

    /// The files of the site, and its `config.json`.
    fn site(self) -> (Vec<String>, Value) {
        let world = World::new();
        self.stage(&world).unwrap();
        let app = world.work().app;
        let config = fs::read(app.join("config.json")).unwrap();
        let listed = super::files::list(&app).unwrap();
        (listed, serde_json::from_slice(&config).unwrap())
    }

    fn refusal(self) -> String {
        failure(self.stage(&World::new())).message
    }
}

fn prebuilt() -> BuildOutputPlan {
    plan(BuildOutputSettings {
        prebuilt: true,
        ..BuildOutputSettings::default()
    })
}

fn plan(settings: BuildOutputSettings) -> BuildOutputPlan {
    BuildOutputPlan {
        settings,
        ..BuildOutputPlan::default()
    }
}

const FUNCTION: &str = r#"{"runtime":"nodejs20.x","launcherType":"Nodejs","handler":"index.js",
    "filePathMap":{"lib/shared.js":"src/shared.js"}}"#;

#[test]
fn a_source_of_plain_files_is_the_site() {
    let (files, config) = Case {
        files: &[
            ("index.html", "hi"),
            ("404.html", "lost"),
            ("about/us.html", "us"),
            ("package.json", "{}"),
            (".env.local", "SECRET=1"),
            ("node_modules/x/index.js", "x"),
            (".vercel/project.json", "{}"),
            ("vercel.json", r#"{"cleanUrls":true}"#),
        ],
        ..Case::default()
    }
    .site();
    let site = [
        "config.json",
        "static/404.html",
        "static/about/us.html",
        "static/index.html",
    ];
    assert_eq!(files, site);
    assert_eq!(config["version"], 3);
    assert_eq!(config["overrides"]["about/us.html"]["path"], "about/us");

    let (files, _) = Case {
        files: &[("public/index.html", "hi"), ("notes.txt", "private")],
        ..Case::default()
    }
    .site();
    assert_eq!(files, ["config.json", "static/index.html"]);
}

#[test]
fn fields_that_come_with_the_order_win() {
    let settings = BuildOutputSettings {
        project: Some(json!({"redirects": [{"source": "/a", "destination": "/b"}]})),
        ..BuildOutputSettings::default()
    };
    let (_, config) = Case {
        files: &[("index.html", "hi"), ("vercel.json", r#"{"redirects":[]}"#)],
        plan: plan(settings),
        ..Case::default()
    }
    .site();
    assert_eq!(config["routes"][0]["headers"]["Location"], "/b");
}

#[test]
fn a_build_output_is_taken_as_it_is() {
    let (files, config) = Case {
        files: &[
            (
                ".vercel/output/config.json",
                r#"{"version":3,"routes":[{"src":"/x","status":410}]}"#,
            ),
            (".vercel/output/static/index.html", "hi"),
            (".vercel/output/builds.json", "{}"),
            (
                ".vercel/output/functions/api.func/.vc-config.json",
                FUNCTION,
            ),
            (
                ".vercel/output/functions/api.func/index.js",
                "module.exports = 1",
            ),
            ("src/shared.js", "shared"),
        ],
        links: &[(".vercel/output/functions/other.func", "api.func")],
        plan: prebuilt(),
        ..Case::default()
    }
    .site();
    let site = [
        "config.json",
        "functions/api.func/.vc-config.json",
        "functions/api.func/index.js",
        "functions/api.func/lib/shared.js",
        "functions/other.func",
        "static/index.html",
    ];
    assert_eq!(files, site);
    assert_eq!(config["routes"][0]["status"], 410);
}

#[test]
fn a_build_runs_install_then_build() {
    let settings = BuildOutputSettings {
        install_command: Some("echo installed > log; echo kept > $npm_config_cache.txt".to_owned()),
        ..BuildOutputSettings::default()
    };
    let world = World::new();
    let staged = Case {
        files: &[
            ("web/package.json", r#"{"scripts":{"build":"false"}}"#),
            (
                "web/vercel.json",
                r#"{"buildCommand":"mkdir out; mv log out; cat ../secret > out/s"}"#,
            ),
            ("secret", "from outside of the root"),
        ],
        plan: BuildOutputPlan {
            root: Some("web".to_owned()),
            output_dir: Some("./out/".to_owned()),
            settings,
        },
        ..Case::default()
    }
    .stage(&world)
    .unwrap();
    let app = world.work().app;
    let read = |name: &str| fs::read_to_string(app.join("static").join(name)).unwrap();
    assert_eq!(
        (read("log").as_str(), read("s").as_str()),
        ("installed\n", "from outside of the root")
    );
    assert!(staged.cache.is_some(), "what package managers keep");
    assert_eq!(staged.result.process_types.len(), 0);
}

#[test]
fn a_package_is_built_by_its_own_script() {
    if Command::new("npm").arg("--version").output().is_err() {
        eprintln!("skipped: there is no npm on this machine");
        return;
    }
    let script = r#"{"name":"x","version":"1.0.0","scripts":{"build":"mkdir public && echo built > public/index.html"}}"#;
    let (files, _) = Case {
        files: &[("package.json", script)],
        ..Case::default()
    }
    .site();
    assert_eq!(files, ["config.json", "static/index.html"]);
}

#[test]
fn a_build_may_leave_a_build_output() {
    let (files, _) = Case {
        files: &[("x", "x")],
        build_command: Some(
            "mkdir -p .vercel/output/static; echo '{\"version\":3}' > .vercel/output/config.json; \
             mv x .vercel/output/static",
        ),
        ..Case::default()
    }
    .site();
    assert_eq!(files, ["config.json", "static/x"]);
}

/// Files of a source, whether it is prebuilt, and a part of the reason.
type Refused<'a> = (&'a [(&'a str, &'a str)], bool, &'a str);

#[test]
fn what_can_not_be_served_is_refused_with_its_file() {
    let output = (".vercel/output/config.json", r#"{"version":3}"#);
    let edge = r#"{"runtime":"edge","entrypoint":"index.js"}"#;
    let cases: &[Refused<'_>] = &[
        (
            &[("index.html", "hi")],
            true,
            ".vercel/output/config.json is missing",
        ),
        (
            &[(".vercel/output/config.json", r#"{"version":2}"#)],
            true,
            "config.json",
        ),
        (
            &[
                output,
                (".vercel/output/functions/e.func/.vc-config.json", edge),
            ],
            true,
            "functions/e.func/.vc-config.json: edge functions",
        ),
        (
            &[
                output,
                (".vercel/output/functions/f.func/.vc-config.json", FUNCTION),
            ],
            true,
            "functions/f.func/.vc-config.json: the file \"src/shared.js\" is missing",
        ),
        (
            &[
                output,
                ("src/shared.js", "x"),
                (".vercel/output/functions/f.func/.vc-config.json", FUNCTION),
            ],
            true,
            "functions/f.func/.vc-config.json: the handler \"index.js\" is missing",
        ),
        (
            &[
                output,
                (".vercel/output/functions/p.prerender-config.json", "{}"),
            ],
            true,
            "functions/p.prerender-config.json",
        ),
        (
            &[("api/hello.ts", "x")],
            false,
            "api/hello.ts: functions are not made from source",
        ),
        (
            &[("middleware.ts", "x")],
            false,
            "middleware.ts: middleware",
        ),
        (
            &[("vercel.json", r#"{"framework":"nextjs"}"#)],
            false,
            "\"nextjs\"",
        ),
        (
            &[("vercel.json", r#"{"builds":[{"src":"a","use":"b"}]}"#)],
            false,
            "`builds`",
        ),
        (
            &[("vercel.json", r#"{"buildCommand":7}"#)],
            false,
            "`buildCommand` must be a text",
        ),
        (
            &[("vercel.json", "[1]")],
            false,
            "vercel.json: it must be an object",
        ),
        (&[("vercel.json", "{")], false, "vercel.json: EOF"),
        (
            &[("vercel.json", r#"{"redirects":[{"source":"("}]}"#)],
            false,
            "vercel.json: ",
        ),
        (&[("package.json", "{")], false, "package.json: EOF"),
        (
            &[("vercel.json", r#"{"outputDirectory":"../x"}"#)],
            false,
            "../x",
        ),
        (
            &[("vercel.json", r#"{"outputDirectory":"dist"}"#)],
            false,
            "no output directory \"dist\"",
        ),
        (
            &[("vercel.json", r#"{"buildCommand":"true"}"#)],
            false,
            "no output directory \"public\"",
        ),
        (
            &[("vercel.json", r#"{"buildCommand":"exit 3"}"#)],
            false,
            "`exit 3` ended with exit status: 3",
        ),
    ];
    for (files, is_prebuilt, expected) in cases {
        let plan = if *is_prebuilt {
            prebuilt()
        } else {
            BuildOutputPlan::default()
        };
        let message = Case {
            files,
            plan,
            ..Case::default()
        }
        .refusal();
        assert!(message.contains(expected), "{expected}: {message}");
    }
    let ignored = Case {
        files: &[("vercel.json", r#"{"ignoreCommand":"true"}"#)],
        ..Case::default()
    };
    let ended = failure(ignored.stage(&World::new()));
    assert_eq!(ended.id, FailureId::NothingToBuild, "{}", ended.message);
    assert!(ended.message.contains("Ignored Build Step"));
    let settings = BuildOutputSettings {
        ignore_command: Some("exit 1".to_owned()),
        ..BuildOutputSettings::default()
    };
    let (files, _) = Case {
        files: &[
            ("api/_helper.js", "x"),
            ("api/types.d.ts", "x"),
            ("index.html", "x"),
        ],
        plan: plan(settings),
        ..Case::default()
    }
    .site();
    assert_eq!(
        files.len(),
        4,
        "there is something to build, and no function: {files:?}"
    );
}

#[test]
fn a_failed_command_is_told_from_a_bad_source() {
    let failed = Case {
        build_command: Some("exit 3"),
        files: &[("a", "a")],
        ..Case::default()
    };
    let failed = failure(failed.stage(&World::new()));
    assert_eq!(failed.id, FailureId::BuildpackCompileFailed);
    let refused = Case {
        files: &[("api/a.js", "a")],
        ..Case::default()
    };
    let refused = failure(refused.stage(&World::new()));
    assert_eq!(refused.id, FailureId::StagingError);
}
