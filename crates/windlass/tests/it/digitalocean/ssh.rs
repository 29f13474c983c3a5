//! Sources by ssh, with a key of Windlass. Needs `sshd`, and says so where there is none.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use super::world::{Site, push, spec};
use crate::world::{temporary_directory, until};

/// Where `sshd` lies: it wants its full path.
const PLACES: [&str; 3] = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"];

/// An ssh server on loopback that knows one key.
struct Sshd {
    child: Child,
    port: u16,
    directory: TempDir,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("started");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn key(path: &Path) -> String {
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path);
    run(&mut command);
    std::fs::read_to_string(path.with_extension("pub")).expect("a key")
}

impl Sshd {
    fn start(program: &Path) -> Self {
        let directory = temporary_directory();
        let file = |name: &str| directory.path().join(name);
        let host = key(&file("host"));
        let user = key(&file("user"));
        std::fs::write(file("authorized"), user).expect("a file");
        if nix::unistd::geteuid().is_root() {
            // It refuses to start without; a service of the machine would have made it.
            std::fs::create_dir_all("/run/sshd").expect("a directory");
        }
        // Nobody else takes the port in between: the system hands out others first.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let known = format!("[127.0.0.1]:{port} {host}");
        std::fs::write(file("known_hosts"), known).expect("a file");
        let log = std::fs::File::create(file("log")).expect("a file");
        let child = Command::new(program)
            .args(["-D", "-e", "-f", "/dev/null"])
            .args(["-o", "ListenAddress=127.0.0.1", "-p", &port.to_string()])
            .args([
                "-o",
                "PidFile=none",
                "-o",
                "UsePAM=no",
                "-o",
                "StrictModes=no",
            ])
            .args(["-o", "PermitRootLogin=yes", "-o", "AcceptEnv=GIT_PROTOCOL"])
            .args(["-o", "PasswordAuthentication=no"])
            .arg("-h")
            .arg(file("host"))
            .arg("-o")
            .arg(format!(
                "AuthorizedKeysFile={}",
                file("authorized").display()
            ))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("sshd");
        let server = Self {
            child,
            port,
            directory,
        };
        until("sshd", || server.log().contains("Server listening"));
        server
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap_or_default()
    }
}

#[test]
fn a_repository_behind_ssh_is_read_with_the_key() {
    let Some(program) = PLACES.iter().map(Path::new).find(|path| path.is_file()) else {
        let _ = writeln!(
            std::io::stderr(),
            "NOT TESTED: sources by ssh, for want of sshd (openssh-server)"
        );
        return;
    };
    let sshd = Sshd::start(program);
    let key = format!("git_ssh_key_file={}", sshd.file("user").display());
    let known = format!(
        "git_ssh_known_hosts_file={}",
        sshd.file("known_hosts").display()
    );
    let site = Site::with(&["--set", &key, "--set", &known]);
    let repository = site.repository("acme/shop", &[("hello.conf", "VERSION=1\n")]);
    let commit = push(&repository, &[("more", "")]);
    // Where the server's account finds the repository.
    let bare = run(Command::new("git")
        .args(["remote", "get-url", "origin"])
        .current_dir(repository.work()));
    let user = run(Command::new("id").arg("-un"));
    let mut spec = spec("shop");
    let service = spec["services"][0].as_object_mut().expect("a service");
    service.remove("github");
    let url = format!("ssh://{user}@127.0.0.1:{}{bare}", sshd.port);
    service.insert(
        "git".to_owned(),
        json!({ "repo_clone_url": url, "branch": "main" }),
    );
    let (app, deployment) = site.create(&spec);
    let ordered = site.deployment(&app, &deployment);
    let ended = site.wait_phase(&app, &deployment, "ACTIVE");
    for deployment in [&ordered, &ended] {
        let found = &deployment["services"][0]["source_commit_hash"];
        assert_eq!(found, &json!(commit), "{}", sshd.log());
    }

    // A host with another key is not talked to.
    std::fs::write(sshd.file("known_hosts"), "").expect("a file");
    let next = site.update(&app, &spec);
    let ended = site.wait_phase(&app, &next, "ERROR");
    let words = ended["progress"].to_string();
    assert!(words.contains("ssh"), "{words}");
    assert_eq!(
        site.app(&app)["active_deployment"]["id"],
        json!(deployment),
        "the version before serves"
    );
    site.world.end();
}
