//! Sources that mean no good: refused where they are given, or the reason of a failed build.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;

use http::Method;
use serde_json::{Value, json};

use super::world::{Site, spec};
use crate::world::until;

fn git_spec(name: &str, url: &str, branch: &str) -> Value {
    let mut spec = spec(name);
    let service = spec["services"][0].as_object_mut().expect("a service");
    service.remove("github");
    service.insert(
        "git".to_owned(),
        json!({ "repo_clone_url": url, "branch": branch }),
    );
    spec
}

fn create(site: &Site, spec: &Value) -> windlass::demo::api::Answer {
    site.call(Method::POST, "/v2/apps", Some(&json!({ "spec": spec })))
}

/// 400 in the dialect's form, both when it is proposed and when it is made; nothing is made.
fn is_refused(site: &Site, spec: &Value, why: &str) {
    let proposed = site.call(
        Method::POST,
        "/v2/apps/propose",
        Some(&json!({ "spec": spec })),
    );
    let made = create(site, spec);
    let source = &spec["services"][0]["git"];
    for answer in [&proposed, &made] {
        assert_eq!(answer.status, 400, "{source}: {}", answer.text);
        assert_eq!(answer.body["id"], "bad_request", "{}", answer.text);
        assert!(answer.body["request_id"].is_string(), "{}", answer.text);
    }
    let message = made.body["message"].as_str().unwrap_or_default();
    assert!(message.contains(why), "{source}: {message}");
}

fn nothing_is_there(site: &Site) {
    let apps = site.get("/v2/apps");
    assert_eq!(apps["meta"]["total"], json!(0), "{apps:#}");
    assert_eq!(site.world.app_processes(), []);
    until("no run", || {
        let runs = site.world.server.data_dir().join("runs");
        std::fs::read_dir(runs).expect("runs").count() == 0
    });
}

#[test]
fn addresses_and_words_that_are_refused_at_once() {
    let site = Site::with(&["--set", "allow_loopback_sources=false"]);
    let cases = [
        ("http://169.254.169.254/latest/meta-data", "link-local"),
        ("http://[fe80::1]/a/b", "link-local"),
        ("http://[::ffff:169.254.169.254]/a/b", "link-local"),
        ("http://100.100.100.200/a/b", "metadata"),
        ("http://[fd00:ec2::254]/a/b", "metadata"),
        ("http://127.0.0.1/a/b", "allow_loopback_sources"),
        ("http://[::1]/a/b", "allow_loopback_sources"),
        ("http://0.0.0.0/a/b", "not the address of one machine"),
        ("http://2130706433/a/b", "host"),
        ("http://0x7f.1/a/b", "host"),
        ("file:///etc", ""),
        ("/etc", ""),
        ("ext::sh -c touch% /tmp/x", ""),
        ("git://example.com/a/b", ""),
        ("--upload-pack=touch /tmp/x", ""),
        ("-u./x", ""),
        ("https://user:secret@example.com/a/b", ""),
        ("https://example.com/a/b?x=1", ""),
        ("https://example.com/../a", ""),
        ("ssh://-oProxyCommand=id/a", ""),
        ("ssh://git@example.com/a/b.git", "git_ssh_key_file"),
        ("https://example.com/a\n/b", ""),
    ];
    for (url, why) in cases {
        is_refused(&site, &git_spec("victim", url, "main"), why);
    }
    for branch in [
        "--foo", "-x", "a b", "a..b", "a:b", "refs@{1}", "x.lock", "",
    ] {
        let spec = git_spec("victim", "https://example.com/a/b", branch);
        is_refused(&site, &spec, "branch");
    }
    // Of a name it is known only when it is looked up: by the request, before anything is made.
    let made = create(&site, &git_spec("victim", "http://localhost:1/a/b", "main"));
    assert_eq!(made.status, 400, "{}", made.text);
    for repo in ["--upload-pack=x/y", "../etc", "a", "a/b/../../c", "a/b c"] {
        let mut spec = spec("victim");
        spec["services"][0]["github"]["repo"] = json!(repo);
        is_refused(&site, &spec, "repo");
    }
    nothing_is_there(&site);
    site.world.end();
}

/// A web server that sends everybody elsewhere.
fn redirector(to: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let to = to.to_owned();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            let _ = write!(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n"
            );
        }
    });
    format!("http://{address}/a/b")
}

#[test]
fn redirects_to_where_nobody_may_go() {
    let site = Site::new();
    let cases = [
        (
            "http://169.254.169.254/latest/info/refs?service=git-upload-pack",
            "link-local",
        ),
        (
            "http://[fd00:ec2::254]/x/info/refs?service=git-upload-pack",
            "metadata",
        ),
    ];
    for (to, why) in cases {
        is_refused_made(&site, &redirector(to), why);
    }
    nothing_is_there(&site);
    site.world.end();
}

/// Known only when it is asked.
fn is_refused_made(site: &Site, url: &str, why: &str) {
    let made = create(site, &git_spec("victim", url, "main"));
    assert_eq!(made.status, 400, "{}", made.text);
    let message = made.body["message"].as_str().unwrap_or_default();
    assert!(message.contains(why), "{message}");
}

/// The deployment ends in ERROR, its first step says why, and the app goes on to be usable.
fn build_fails(site: &Site, name: &str, repository: &str, why: &str) {
    let mut spec = spec(name);
    spec["services"][0]["github"]["repo"] = json!(repository);
    let (app, deployment) = site.create(&spec);
    let ended = site.wait_phase(&app, &deployment, "ERROR");
    let progress = ended["progress"].to_string();
    let path = format!("/v2/apps/{app}/deployments/{deployment}/components/web/logs?type=BUILD");
    let urls = site.get(&path);
    let log = site.log(urls["historic_urls"][0].as_str().expect("a log"));
    assert!(
        progress.contains(why) || log.contains(why),
        "{why:?} is not said\n{progress}\n{log}"
    );
    assert!(ended["progress"]["error_steps"].as_u64() >= Some(1));
    let path = format!("/v2/apps/{app}");
    let gone = site.call(Method::DELETE, &path, None);
    assert_eq!(gone.status, 200, "{}", gone.text);
}

impl Site {
    /// The text at an address of a log.
    fn log(&self, url: &str) -> String {
        let path = url.splitn(4, '/').nth(3).expect("a path");
        let answer = self.call(Method::GET, &format!("/{path}"), None);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text
    }
}

#[test]
fn repositories_that_mean_no_good() {
    let site = Site::with(&["--set", "git_max_mb=5"]);
    let outside = [
        ("absolute", "/etc/passwd"),
        ("climbing", "../../../../../../etc/passwd"),
    ];
    for (name, to) in outside {
        let repository = site.repository(&format!("acme/{name}"), &[]);
        symlink(to, repository.work().join("link")).expect("a link");
        repository.push("main");
        build_fails(&site, name, &format!("acme/{name}"), "link");
    }

    let repository = site.repository("acme/huge", &[]);
    // Zeros: small while it is fetched, large when it is unpacked.
    repository.write("huge", vec![0; 8 * 1024 * 1024]);
    repository.push("main");
    build_fails(&site, "huge", "acme/huge", "larg");

    let repository = site.repository("acme/many", &[]);
    many_entries(repository.work());
    repository.push_head("main");
    build_fails(&site, "many", "acme/many", "entries");

    let repository = site.repository("acme/module", &[]);
    let id = repository.push("main");
    let module = format!("160000,{id},module");
    let work = repository.work();
    windlass_control::testing::git(work, &["update-index", "--add", "--cacheinfo", &module]);
    windlass_control::testing::git(work, &["commit", "-q", "-m", "a submodule"]);
    repository.push_head("main");
    nothing_is_there(&site);

    // It goes on: a good one is built.
    let shop = site.shop();
    assert_eq!(site.world.ask(&shop.app, "/").0, 200);
    site.world.end();
}

/// A commit with more entries than there may be, without as many files: one tree, often.
fn many_entries(work: &std::path::Path) {
    use windlass_control::testing::git;
    let blob = git(work, &["hash-object", "-w", "/dev/null"]);
    let tree = |lines: &str| {
        std::fs::write(work.join("tree.txt"), lines).expect("a file");
        let arguments = ["-c", "git mktree <tree.txt"];
        let output = std::process::Command::new("sh")
            .args(arguments)
            .current_dir(work)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .expect("sh");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout)
            .expect("text")
            .trim()
            .to_owned()
    };
    let line = |kind: &str, id: &str, count: usize| -> String {
        let mode = if kind == "blob" { "100644" } else { "040000" };
        let lines = (0..count).map(|number| format!("{mode} {kind} {}\tn{number}", id.trim()));
        lines.collect::<Vec<_>>().join("\n") + "\n"
    };
    let inner = tree(&line("blob", &blob, 1_000));
    let outer = tree(&line("tree", &inner, 450));
    let commit = git(work, &["commit-tree", &outer, "-m", "many"]);
    git(work, &["reset", "--soft", commit.trim()]);
}
