//! Real repositories over real HTTP.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::sources::{SourceSettings, Sources};
use crate::testing::{GitServer, git as run_git};

struct World {
    server: GitServer,
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self {
            server: GitServer::start(),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn plan(&self, name: &str) -> FetchPlan {
        FetchPlan {
            url: self.server.url(name),
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
        }
    }

    fn app(&self) -> PathBuf {
        self.directory.path().join("app")
    }

    fn fetch(&self, plan: &FetchPlan) -> Result<String, SourceError> {
        let _ = fs::remove_dir_all(self.app());
        let scratch = self.directory.path().join("source.git");
        let _ = fs::remove_dir_all(&scratch);
        let fetched = fetch(plan, &scratch, &self.app(), &mut |_| ());
        let left: Vec<_> = fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name != "app" && (fetched.is_ok() || name != "source.git"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
        fetched
    }

    fn sources(&self) -> Sources {
        Sources::new(SourceSettings {
            github_url: self.server.base_url(),
            addresses: AddressRules {
                allow_loopback: true,
            },
            ..SourceSettings::default()
        })
    }
}

#[test]
fn a_branch_is_fetched_as_it_is() {
    let world = World::new();
    let repository = world.server.repository("o/app");
    repository.write("old", "1").push("main");
    repository
        .write("bin/run", "#!/bin/sh\n")
        .write("a b/ü", "x");
    // None of these may leave something out or fill something in.
    repository.write(
        ".gitattributes",
        "bin export-ignore\nid ident export-subst\nsecret filter=evil\n",
    );
    repository
        .write("id", "$Id$ $Format:%H$\n")
        .write("secret", "plain");
    repository.write(
        ".gitmodules",
        "[submodule \"x\"]\n\tpath = x\n\turl = http://127.0.0.1:1/\n",
    );
    let run = repository.work().join("bin/run");
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
    symlink("bin/run", repository.work().join("link")).unwrap();
    let commit = repository.push("main");
    let fetched = world.fetch(&world.plan("o/app")).unwrap();
    assert_eq!(fetched, commit);
    let read = |name: &str| fs::read_to_string(world.app().join(name)).unwrap();
    assert_eq!(read("link"), "#!/bin/sh\n");
    assert_eq!(read("a b/ü"), "x");
    assert_eq!(read("id"), "$Id$ $Format:%H$\n");
    assert_eq!(read("secret"), "plain");
    let mode = fs::metadata(world.app().join("bin/run"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
    assert!(!world.app().join(".git").exists());
}

#[test]
fn an_older_commit_and_a_directory() {
    let world = World::new();
    let repository = world.server.repository("o/app");
    let first = repository.write("web/page", "first").push("main");
    repository.write("web/page", "second").push("main");
    let mut plan = world.plan("o/app");
    plan.commit = Some(first.clone());
    plan.source_dir = Some("/web/".to_owned());
    assert_eq!(world.fetch(&plan).unwrap(), first);
    assert_eq!(
        fs::read_to_string(world.app().join("page")).unwrap(),
        "first"
    );

    plan.commit = Some("f".repeat(40));
    let error = world.fetch(&plan).unwrap_err();
    assert!(matches!(error, SourceError::NoCommit { .. }), "{error}");
    plan.commit = None;
    for (directory, is_no_directory) in [("none", true), ("web/page", true), ("../web", false)] {
        plan.source_dir = Some(directory.to_owned());
        let error = world.fetch(&plan).unwrap_err();
        let found = matches!(error, SourceError::NoDirectory(_));
        assert_eq!(found, is_no_directory, "{directory}: {error}");
    }
}

#[test]
fn what_is_missing_is_said() {
    let world = World::new();
    world.server.repository("o/app").write("a", "").push("main");
    let error = world.fetch(&world.plan("o/none")).unwrap_err();
    assert!(matches!(error, SourceError::NotFound { .. }), "{error}");
    let mut plan = world.plan("o/app");
    plan.branch = "develop".to_owned();
    let error = world.fetch(&plan).unwrap_err();
    assert!(matches!(error, SourceError::NoBranch { .. }), "{error}");
    plan.url = "http://127.0.0.1:1/o/app.git".to_owned();
    let error = world.fetch(&plan).unwrap_err();
    assert!(matches!(error, SourceError::Git(_)), "{error}");
    plan.url = "ssh://git@127.0.0.1/o/app.git".to_owned();
    let error = world.fetch(&plan).unwrap_err();
    assert!(matches!(error, SourceError::NoSshKey), "{error}");
}

#[test]
fn hostile_repositories_are_refused() {
    let world = World::new();
    let out = world.server.repository("o/out");
    symlink("../../etc/passwd", out.work().join("link")).unwrap();
    out.push("main");
    let absolute = world.server.repository("o/absolute");
    symlink("/etc", absolute.work().join("link")).unwrap();
    absolute.write("ok", "").push("main");
    // The content compresses to nothing, so only the unpacked size tells.
    let large = world.server.repository("o/large");
    large.write("zeros", vec![0; 11 << 20]).push("main");
    let odd = world.server.repository("o/odd");
    odd.write("a\\b", "").push("main");
    for (name, expected) in [
        ("o/out", "leads out of the archive"),
        ("o/absolute", "is absolute"),
        ("o/large", "larger than 10485760 bytes"),
        ("o/odd", "contains a backslash"),
    ] {
        let error = world.fetch(&world.plan(name)).unwrap_err();
        assert!(matches!(error, SourceError::Archive(_)), "{name}: {error}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }

    // Content that can't be compressed is noticed while it comes.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    })
    .take(4 << 20)
    .collect();
    let noisy = world.server.repository("o/noise");
    noisy.write("noise", noise).push("main");
    let mut plan = world.plan("o/noise");
    plan.limits.source_mb = 1;
    let error = world.fetch(&plan).unwrap_err();
    assert!(
        matches!(
            error,
            SourceError::TooLarge { .. } | SourceError::Archive(_)
        ),
        "{error}"
    );
}

#[test]
fn names_that_git_would_not_make_are_refused() {
    let world = World::new();
    let repository = world.server.repository("o/names");
    repository.write("a", "x").push("main");
    let blob = run_git(repository.work(), &["hash-object", "-w", "a"]);
    // A tree with the entry `..`: only hand-made ones have it.
    let mut tree = b"100644 ..\0".to_vec();
    tree.extend(hex::decode(blob.trim()).unwrap());
    let file = repository.work().join("tree");
    fs::write(&file, tree).unwrap();
    let arguments = ["hash-object", "-t", "tree", "-w", "--literally", "tree"];
    let tree = run_git(repository.work(), &arguments);
    let commit = run_git(repository.work(), &["commit-tree", "-m", "x", tree.trim()]);
    run_git(repository.work(), &["reset", "-q", "--soft", commit.trim()]);
    repository.push_head("main");
    let error = world.fetch(&world.plan("o/names")).unwrap_err();
    assert!(error.to_string().contains(".."), "{error}");
}

#[test]
fn redirects_are_looked_at_like_addresses() {
    let world = World::new();
    let commit = world.server.repository("o/app").write("a", "").push("main");
    let server = &world.server;
    server.redirect("o/moved", &server.url("o/app"));
    server.redirect("o/metadata", "http://169.254.169.254/o/app.git");
    server.redirect("o/file", "file:///etc");
    server.redirect("o/loop", &server.url("o/loop"));
    assert_eq!(world.fetch(&world.plan("o/moved")).unwrap(), commit);
    let error = world.fetch(&world.plan("o/metadata")).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("169.254.169.254 is a link-local address"),
        "{text}"
    );
    for name in ["o/file", "o/loop"] {
        let error = world.fetch(&world.plan(name)).unwrap_err();
        assert!(matches!(error, SourceError::Redirect { .. }), "{error}");
    }
    let mut plan = world.plan("o/app");
    plan.addresses = AddressRules::default();
    let error = world.fetch(&plan).unwrap_err();
    assert!(
        error.to_string().contains("allow_loopback_sources"),
        "{error}"
    );
}

#[test]
fn a_server_that_says_nothing_has_a_limit() {
    let world = World::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut plan = world.plan("o/app");
    plan.url = format!("http://{}/o/app.git", silent.local_addr().unwrap());
    plan.limits.time_s = 1;
    let error = world.fetch(&plan).unwrap_err();
    assert!(
        matches!(error, SourceError::TooSlow { limit_s: 1, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn heads_of_branches() {
    let world = World::new();
    let repository = world.server.repository("o/app");
    repository.write("a", "1").push("x/main");
    let commit = repository.write("a", "2").push("main");
    world.server.redirect("o/moved", &world.server.url("o/app"));
    world
        .server
        .redirect("o/metadata", "http://169.254.169.254/o/app.git");
    let sources = world.sources();
    let url = sources
        .clone_url(crate::sources::Provider::GitHub, "o/app")
        .unwrap();
    assert_eq!(sources.head(&url, "main").await.unwrap(), commit);
    let moved = world.server.url("o/moved");
    assert_eq!(sources.head(&moved, "main").await.unwrap(), commit);
    let error = sources.head(&url, "none").await.unwrap_err();
    assert!(matches!(error, SourceError::NoBranch { .. }), "{error}");
    let metadata = world.server.url("o/metadata");
    let error = sources.head(&metadata, "main").await.unwrap_err();
    assert!(matches!(error, SourceError::Address { .. }), "{error}");
    let error = sources.head(&url, "--upload-pack=id").await.unwrap_err();
    assert!(matches!(error, SourceError::Branch(_)), "{error}");
    let strict = Sources::new(SourceSettings::default());
    let error = strict.head(&url, "main").await.unwrap_err();
    assert!(matches!(error, SourceError::Address { .. }), "{error}");
}
