//! Staging from package to running process, with the real scripts, without a sandbox.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::result::StagingEnd;
use super::*;
use crate::archive::ArchiveLimits;
use crate::archive::testing::{entry, file, zip};
use crate::blobs::{BlobLimits, Blobs, Digest, Resources, ResourcesLimits};

pub(super) struct World {
    directory: tempfile::TempDir,
    blobs: Blobs,
    buildpacks: Buildpacks,
}

impl World {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(directory.path().join("blobs"), BlobLimits::default()).unwrap();
        let buildpacks = Buildpacks::install(directory.path().join("buildpacks")).unwrap();
        Self {
            directory,
            blobs,
            buildpacks,
        }
    }

    fn run_dir(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    pub(super) fn work(&self) -> WorkDirectories {
        WorkDirectories::new(&self.run_dir())
    }

    pub(super) fn request(&self, package: &[u8]) -> StagingRequest {
        StagingRequest {
            source: StagingSource::Package(self.blobs.put(package).unwrap().digest),
            cache: None,
            buildpacks: Vec::new(),
            env_names: Vec::new(),
            owner: None,
            build_command: None,
            site: None,
            build_output: None,
        }
    }

    pub(super) fn prepare(&self, request: &StagingRequest) -> StagingPlan {
        prepare(&self.blobs, &self.buildpacks, request, &self.run_dir()).unwrap()
    }

    pub(super) fn stage(&self, request: &StagingRequest) -> Result<StagedDroplet, CollectError> {
        self.prepare(request);
        self.run();
        collect(&self.blobs, &self.run_dir())
    }

    fn run(&self) {
        let _ = stage_main([OsString::from("--plan"), self.work().plan_file.into()]);
    }

    /// A plan with hand-made buildpacks: for each its scripts by name.
    fn plan_with(&self, package: &[u8], buildpacks: &[(&str, &[(&str, &str)])]) -> StagingPlan {
        let mut plan = self.prepare(&self.request(package));
        plan.selection = Selection::Named;
        plan.buildpacks.clear();
        for (name, scripts) in buildpacks {
            let directory = self.work().buildpacks.join(name);
            fs::create_dir_all(directory.join("bin")).unwrap();
            for (script, content) in *scripts {
                let path = directory.join("bin").join(script);
                fs::write(&path, format!("#!/bin/sh\nset -eu\n{content}\n")).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
            plan.buildpacks.push(PlannedBuildpack {
                name: (*name).to_owned(),
                directory,
            });
        }
        fs::write(self.work().plan_file, serde_json::to_vec(&plan).unwrap()).unwrap();
        plan
    }

    fn staged_with(
        &self,
        package: &[u8],
        buildpacks: &[(&str, &[(&str, &str)])],
    ) -> Result<StagedDroplet, CollectError> {
        self.plan_with(package, buildpacks);
        self.run();
        collect(&self.blobs, &self.run_dir())
    }

    pub(super) fn start(&self, droplet: &Digest, command: &str) -> String {
        let root = self.directory.path().join("droplets");
        let droplets = Droplets::open(self.blobs.clone(), root, "boot-1").unwrap();
        let instance = self.directory.path().join("instance");
        let work = droplets.lay_out(droplet, &instance, None).unwrap();
        let launch = launch_command(&work, command);
        let output = Command::new(launch.program)
            .args(launch.arguments)
            .envs(launch_environment(&work))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Package, scripts of the only buildpack, kind of failure, part of its message.
type Case<'a> = (&'a [u8], &'a [(&'a str, &'a str)], FailureId, &'a str);

fn sample() -> Vec<u8> {
    zip(&[
        file(
            "Procfile",
            b"web: ./hello \"$USER_NAME\"\nworker: ./hello worker\n",
        ),
        entry(
            b"hello",
            0o100_755,
            b"#!/bin/sh\necho \"hello $1 from $(basename \"$PWD\")\"\n",
        ),
        entry(b".profile.d/name.sh", 0o100_644, b"export USER_NAME=Ada\n"),
    ])
}

pub(super) fn failure(result: Result<StagedDroplet, CollectError>) -> LifecycleFailure {
    match result {
        Err(CollectError::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_application_with_a_procfile_is_staged_and_starts() {
    let world = World::new();
    let droplet = world.stage(&world.request(&sample())).unwrap();
    let result = &droplet.result;
    assert_eq!(result.process_types["web"], "./hello \"$USER_NAME\"");
    assert_eq!(result.process_types["worker"], "./hello worker");
    assert_eq!(result.detect_output, "binary");
    let pack = &result.buildpacks[0];
    assert_eq!(
        (pack.name.as_str(), pack.version.as_deref()),
        ("binary", Some("1"))
    );
    assert_eq!(pack.buildpack_name.as_deref(), Some("binary"));
    assert_eq!(droplet.cache, None);
    let output = world.start(&droplet.digest, &result.process_types["web"]);
    assert_eq!(output, "hello Ada from app\n");

    let again = world.stage(&world.request(&sample())).unwrap();
    assert_eq!(
        again.digest, droplet.digest,
        "the same application is the same droplet"
    );
}

#[test]
fn the_droplet_has_the_layout_of_cloud_foundry() {
    let world = World::new();
    let droplet = world.stage(&world.request(&sample())).unwrap();
    world.start(&droplet.digest, "true");
    let work = world.directory.path().join("instance/work");
    let mut names: Vec<_> = fs::read_dir(&work)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "app",
            "deps",
            "logs",
            "profile.d",
            "staging_info.yml",
            "tmp"
        ]
    );
    let info = fs::read_to_string(work.join("staging_info.yml")).unwrap();
    let info: BTreeMap<String, String> = serde_saphyr::from_str(&info).unwrap();
    assert_eq!(info["detected_buildpack"], "binary");
    assert_eq!(info["start_command"], "./hello \"$USER_NAME\"");
}

#[test]
fn nothing_detects_an_application_without_a_procfile() {
    let world = World::new();
    let package = zip(&[file("index.html", b"hello")]);
    let failed = failure(world.stage(&world.request(&package)));
    assert_eq!(failed.id, FailureId::NoAppDetected);
    assert_eq!(failed.exit_status(), 222);
    assert!(
        failed.to_string().starts_with("NoAppDetectedError - "),
        "{failed}"
    );

    // Chosen by name it is taken; the start command comes from elsewhere.
    let mut request = world.request(&package);
    request.buildpacks = vec!["binary_buildpack".to_owned()];
    let droplet = world.stage(&request).unwrap();
    assert!(droplet.result.process_types.is_empty());
    assert_eq!(droplet.result.buildpacks[0].name, "binary_buildpack");
    assert_eq!(world.start(&droplet.digest, "cat index.html"), "hello");
}

#[test]
fn several_buildpacks_supply_finalize_and_launch() {
    let world = World::new();
    let package = zip(&[file("main", b"x")]);
    let supplier = [(
        "supply",
        "mkdir -p $3/$4/profile.d; echo 'export TOOL=$DEPS_DIR/0/tool' >$3/$4/profile.d/tool.sh
         echo from-supplier >$3/$4/tool; echo kept >$2/file; echo \"$#\" >$1/supply-arguments
         printf 'name: tools\\nversion: 1.2.3\\n' >$3/$4/config.yml",
    )];
    let last = [
        ("supply", "echo last-supplied >$3/$4/note"),
        (
            "finalize",
            "test -f $3/0/tool; test -f $3/$4/note; echo 'export LAST=yes' >$5/last.sh
             cat >$3/$4/launch.yml <<END
processes:
- type: web
  command: cat \\$TOOL; echo \\$LAST
- type: proxy
  command: ./proxy
  platforms: {cloudfoundry: {sidecar_for: [web]}}
  limits: {memory: 20}
END",
        ),
        ("release", "exit 9"),
    ];
    let packs: [(&str, &[(&str, &str)]); 2] = [("tools", &supplier), ("main", &last)];
    let droplet = world.staged_with(&package, &packs).unwrap();
    let names: Vec<_> = droplet
        .result
        .buildpacks
        .iter()
        .map(|b| b.name.as_str())
        .collect();
    assert_eq!(names, ["tools", "main"]);
    assert_eq!(
        droplet.result.buildpacks[0].version.as_deref(),
        Some("1.2.3")
    );
    let sidecar = &droplet.result.sidecars[0];
    assert_eq!(
        (sidecar.name.as_str(), sidecar.memory_mb),
        ("proxy", Some(20))
    );
    assert_eq!(sidecar.process_types, ["web"]);
    let output = world.start(&droplet.digest, &droplet.result.process_types["web"]);
    assert_eq!(output, "from-supplier\nyes\n");
    let arguments = world
        .directory
        .path()
        .join("instance/work/app/supply-arguments");
    assert_eq!(fs::read_to_string(arguments).unwrap(), "4\n");

    // The cache comes back; that of a buildpack which is gone does not stay.
    let mut request = world.request(&package);
    request.cache = Some(droplet.cache.unwrap());
    request.buildpacks = vec!["binary".to_owned()];
    world.prepare(&request);
    let caches = || fs::read_dir(world.work().cache).unwrap().count();
    let kept = fs::read_dir(world.work().cache)
        .unwrap()
        .map(|e| e.unwrap().path().join("file"));
    assert!(kept.into_iter().any(|path| path.is_file()));
    world.run();
    assert_eq!(caches(), 1, "only that of the final buildpack");
}

#[test]
fn a_buildpack_of_the_older_contract() {
    let world = World::new();
    let package = zip(&[file("Procfile", b"worker: ./w\n")]);
    let old = [
        (
            "compile",
            "test ! -e $1/../deps/0; test -d $3; echo compiled >$1/compiled",
        ),
        (
            "release",
            "cat <<'END'
---
config_vars:
  GREETING: it's me
  GIVEN: default
default_process_types:
  web: echo \"$GREETING\" $(cat compiled) $GIVEN
  worker: overridden by the Procfile
END",
        ),
    ];
    let droplet = world.staged_with(&package, &[("old", &old)]).unwrap();
    assert_eq!(droplet.result.process_types["worker"], "./w");
    let web = format!(
        "export GIVEN=given; {}",
        droplet.result.process_types["web"]
    );
    assert_eq!(
        world.start(&droplet.digest, &web),
        "it's me compiled given\n"
    );
}

#[test]
fn failures_have_their_kind() {
    let package = zip(&[file("a", b"")]);
    let bad_procfile = zip(&[file("Procfile", b"web: x\nnonsense\n")]);
    let cases: [Case<'_>; 6] = [
        (
            &package,
            &[("supply", "exit 3"), ("finalize", "")],
            FailureId::BuildpackCompileFailed,
            "bin/supply ended with exit status: 3",
        ),
        (
            &package,
            &[("finalize", "exit 4")],
            FailureId::BuildpackCompileFailed,
            "bin/finalize ended with exit status: 4",
        ),
        (
            &package,
            &[("nothing", "")],
            FailureId::BuildpackCompileFailed,
            "bin/compile cannot be run",
        ),
        (
            &package,
            &[("finalize", ""), ("release", "echo 'a: b: c'")],
            FailureId::BuildpackReleaseFailed,
            "bin/release: ",
        ),
        (
            &package,
            &[("finalize", ""), ("release", "head -c 100000 /dev/zero")],
            FailureId::BuildpackReleaseFailed,
            "printed more than 65536 bytes",
        ),
        (
            &bad_procfile,
            &[("finalize", ""), ("release", "echo {}")],
            FailureId::BuildpackReleaseFailed,
            "Procfile line 2",
        ),
    ];
    for (package, scripts, id, message) in cases {
        let world = World::new();
        let failed = failure(world.staged_with(package, &[("pack", scripts)]));
        assert_eq!(failed.id, id, "{failed}");
        assert!(failed.message.contains(message), "{failed}");
    }
}

#[test]
fn what_a_run_leaves_is_not_believed() {
    let world = World::new();
    world.prepare(&world.request(&sample()));
    let collected = || collect(&world.blobs, &world.run_dir());
    assert!(
        matches!(collected(), Err(CollectError::NoResult)),
        "ended before it wrote one"
    );

    let result = world.work().result_file;
    let secret = world.directory.path().join("secret");
    fs::create_dir_all(result.parent().unwrap()).unwrap();
    let good = StagingOutcome {
        version: 1,
        commit: None,
        end: StagingEnd::Staged(StagingResult::default()),
    };
    fs::write(&secret, serde_json::to_vec(&good).unwrap()).unwrap();
    std::os::unix::fs::symlink(&secret, &result).unwrap();
    assert!(
        matches!(collected(), Err(CollectError::BadResult(_))),
        "a link"
    );
    fs::remove_file(&result).unwrap();
    nix::unistd::mkfifo(&result, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(
        matches!(collected(), Err(CollectError::BadResult(_))),
        "a pipe"
    );
    fs::remove_file(&result).unwrap();

    let mut evil = StagingResult::default();
    evil.process_types
        .insert("../web".to_owned(), "x".to_owned());
    let evil = StagingOutcome {
        version: 1,
        commit: None,
        end: StagingEnd::Staged(evil),
    };
    fs::write(&result, serde_json::to_vec(&evil).unwrap()).unwrap();
    assert!(
        matches!(collected(), Err(CollectError::BadResult(_))),
        "a bad name"
    );

    fs::copy(&secret, &result).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", world.work().app.join("link")).unwrap();
    let error = collected().unwrap_err();
    assert!(matches!(error, CollectError::Archive(_)), "{error}");
    assert_eq!(
        error.to_string(),
        "the droplet cannot be packed: \
        entry \"app/link\": the symbolic link is absolute"
    );
}

#[test]
fn droplets_are_unpacked_once_and_belong_to_one_boot() {
    let world = World::new();
    let droplet = world.stage(&world.request(&sample())).unwrap().digest;
    let root = world.directory.path().join("droplets");
    let open = |boot| Droplets::open(world.blobs.clone(), &root, boot).unwrap();
    let droplets = open("boot-1");
    let lay_out = |name: &str| {
        let run_dir = world.directory.path().join(name);
        droplets.lay_out(&droplet, &run_dir, None).unwrap()
    };
    let first = lay_out("one");
    fs::write(first.app.join("hello"), "changed by an instance").unwrap();
    let second = lay_out("two");
    let content = fs::read_to_string(second.app.join("hello")).unwrap();
    assert!(
        content.starts_with("#!/bin/sh"),
        "an instance changes only its own copy"
    );
    let again = lay_out("one");
    let content = fs::read_to_string(again.app.join("hello")).unwrap();
    assert!(
        content.starts_with("#!/bin/sh"),
        "and loses it with the next start"
    );
    assert_eq!(fs::read_dir(root.join("boot-1")).unwrap().count(), 1);
    droplets
        .keep_only(&std::collections::HashSet::new())
        .unwrap();
    assert_eq!(fs::read_dir(root.join("boot-1")).unwrap().count(), 0);
    lay_out("three");
    open("boot-2");
    assert!(!root.join("boot-1").exists());
}

#[test]
fn uploads_are_completed_from_known_files() {
    let world = World::new();
    let limits = ResourcesLimits {
        min_file_bytes: 4,
        ..ResourcesLimits::default()
    };
    let pool = Resources::open(world.directory.path().join("resources"), limits).unwrap();
    let scratch = world.directory.path();
    let upload = |bits: Option<&[u8]>, resources: &[Resource]| {
        let bits = bits.map(|bits| world.blobs.put(bits).unwrap().digest);
        let limits = ArchiveLimits::PACKAGE;
        let upload = PackageUpload {
            bits,
            resources,
            scope: "user",
            limits,
        };
        assemble_package(&world.blobs, &pool, &upload, scratch)
    };
    let whole = sample();
    let package = upload(Some(&whole), &[]).unwrap();
    assert_eq!(
        package.digest,
        world.blobs.put(&whole).unwrap().digest,
        "as it was uploaded"
    );

    // `printf 'worker: ...'` is not needed: the file is the Procfile of the sample.
    let content = b"web: ./hello \"$USER_NAME\"\nworker: ./hello worker\n";
    let sha1 = hex::encode(<sha1::Sha1 as sha1::Digest>::digest(content));
    let json = format!(
        r#"[{{"path":"Procfile","mode":"644","checksum":{{"value":"{sha1}"}},"size_in_bytes":{0}}},
            {{"fn":"bin/copy","mode":"755","sha1":"{sha1}","size":{0}}}]"#,
        content.len()
    );
    let resources: Vec<Resource> = serde_json::from_str(&json).unwrap();
    let rest = zip(&[entry(b"hello", 0o100_755, b"#!/bin/sh\n")]);
    let package = upload(Some(&rest), &resources).unwrap();
    let mut request = world.request(&rest);
    request.source = StagingSource::Package(package.digest);
    world.prepare(&request);
    let app = world.work().app;
    assert_eq!(fs::read(app.join("Procfile")).unwrap(), content);
    let mode = |name: &str| fs::metadata(app.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode("Procfile"), mode("bin/copy"), mode("hello")),
        (0o644, 0o755, 0o755)
    );
    upload(None, &resources).expect("everything known");

    assert!(matches!(upload(None, &[]), Err(AssembleError::Empty)));
    let refused = |change: &dyn Fn(&mut Resource), bits: Option<&[u8]>| {
        let mut resource = resources[0].clone();
        change(&mut resource);
        let error = upload(bits, &[resource]).unwrap_err();
        assert!(error.is_refusal(), "{error}");
        error.to_string()
    };
    assert!(refused(&|r| r.path = "../evil".to_owned(), None).contains(".."));
    assert!(refused(&|r| r.path = "hello".to_owned(), Some(&rest)).contains("twice"));
    assert!(refused(&|r| r.size_bytes = 5, None).contains("does not have the content"));
    assert!(refused(&|_| (), Some(b"not a zip")).contains("not readable"));
    for bad in [
        r#"[{"path":"a","size_in_bytes":1}]"#,
        r#"[{"path":"a","size_in_bytes":1,"sha1":"xyz"}]"#,
        r#"[{"path":"a","size_in_bytes":1,"sha1":"a9993e364706816aba3e25717850c26c9cd0d89d","mode":"9"}]"#,
    ] {
        serde_json::from_str::<Vec<Resource>>(bad).unwrap_err();
    }
    let left: Vec<_> = fs::read_dir(scratch)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().starts_with("package-")),
        "{left:?}"
    );
}

#[test]
fn the_path_of_a_bad_plan_is_an_error_not_a_panic() {
    let world = World::new();
    let _ = stage_main([OsString::from("--plan"), OsString::from("/nonexistent")]);
    let _ = stage_main([OsString::from("--other")]);
    world.prepare(&world.request(&sample()));
    let plan = world.work().plan_file;
    fs::write(&plan, "{}").unwrap();
    world.run();
    assert!(!Path::new(&world.work().result_file).exists());
}
