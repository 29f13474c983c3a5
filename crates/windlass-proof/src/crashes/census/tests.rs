//! Processes that hide must be found, and those of somebody else must not.

use std::process::{Child, Command, Stdio};

use serde_json::json;
use windlass::demo::wait_for;

use super::*;

/// A data directory with one living run, and a process that hides from it.
struct Hidden {
    dir: tempfile::TempDir,
    census: Census,
    children: Vec<Child>,
}

impl Hidden {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        std::fs::create_dir_all(dir.path().join("runs")).expect("runs");
        let census = Census::new(dir.path());
        Self {
            dir,
            census,
            children: Vec::new(),
        }
    }

    /// Notes a run as its shim would.
    fn run(&self, more: &Value) {
        let run = self.dir.path().join("runs/i.app.1.1");
        std::fs::create_dir_all(&run).expect("run");
        let mut state =
            json!({ "phase": "running", "shim_pid": 999_999_999, "token": "the-token" });
        let fields = more.as_object().expect("an object").clone();
        state.as_object_mut().expect("an object").extend(fields);
        std::fs::write(run.join("state.json"), state.to_string()).expect("state");
    }

    /// A process without environment, in the root directory.
    fn start(&mut self, words: &[&str]) -> i32 {
        let child = Command::new(words[0])
            .args(&words[1..])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .spawn()
            .expect("a process");
        let pid = i32::try_from(child.id()).expect("pid");
        self.children.push(child);
        pid
    }

    fn mark_of(&mut self, pid: i32) -> Option<&'static str> {
        let look = self.census.look();
        let found = look.processes.iter().find(|(found, _)| found.pid == pid);
        found.map(|(_, mark)| *mark)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn somebody_else_is_not_found() {
    let mut hidden = Hidden::new();
    hidden.run(&json!({}));
    let pid = hidden.start(&["/bin/sleep", "600"]);
    assert_eq!(hidden.mark_of(pid), None);
    assert_eq!(hidden.mark_of(1), None);
}

#[test]
fn a_token_betrays() {
    let mut hidden = Hidden::new();
    hidden.run(&json!({}));
    let words = [
        "/usr/bin/env",
        "WINDLASS_RUN_TOKEN=the-token",
        "/bin/sleep",
        "600",
    ];
    let pid = hidden.start(&words);
    wait_for("the token", || {
        Ok(hidden.mark_of(pid).ok_or_else(|| "nothing".to_owned()))
    })
    .expect("found by its token");
    assert_eq!(hidden.mark_of(pid), Some("token"));
}

#[test]
fn a_session_betrays_who_has_neither_environment_nor_parent() {
    let mut hidden = Hidden::new();
    // The leader ends; who is left of its session has another parent and no environment.
    let line = "/usr/bin/env -i /bin/sleep 598 & /bin/sleep 597";
    let leader = hidden.start(&["/usr/bin/setsid", "/bin/sh", "-c", line]);
    hidden.run(&json!({ "main_pid": leader }));
    let sleeper = wait_for("a process of the session", || {
        hidden.census.look();
        let all = processes::all();
        let of_session = all.iter().find(|process| {
            process.session == leader && process.arguments().iter().any(|word| word == "598")
        });
        Ok(of_session
            .filter(|process| !process.arguments().iter().any(|word| word == "-i"))
            .map(|process| process.pid)
            .ok_or_else(|| "none".to_owned()))
    })
    .expect("a sleeper");
    let mut shell = hidden.children.remove(0);
    shell.kill().expect("killed");
    shell.wait().expect("reaped");
    // A census that knows the session alone.
    hidden.census.processes.clear();
    assert_eq!(hidden.mark_of(sleeper), Some("session"));
    let look = hidden.census.look();
    let wrong = look.leftovers(1, 0).join("\n");
    assert!(wrong.contains(&format!("process {sleeper} ")), "{wrong}");
    for process in processes::all() {
        if process.session == leader {
            super::super::kill::now(process.pid).expect("killed");
        }
    }
}

#[test]
fn a_port_betrays_who_listens_for_a_run_that_is_over() {
    let mut hidden = Hidden::new();
    // This very process listens: the census leaves itself out, but not the socket.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    hidden.run(&json!({ "port": port }));
    let look = hidden.census.look();
    assert!(
        !look
            .leftovers(1, 0)
            .iter()
            .any(|line| line.contains("port"))
    );
    hidden.run(&json!({ "port": port, "phase": "ended" }));
    let look = hidden.census.look();
    let wrong = look.leftovers(0, 0).join("\n");
    assert!(
        wrong.contains(&format!("port {port} of no living run")),
        "{wrong}"
    );
}

#[test]
fn who_was_seen_once_is_found_again_without_any_mark() {
    let mut hidden = Hidden::new();
    let line = "/bin/sleep 596 & wait";
    let path = hidden.dir.path().display().to_string();
    // The directory is a word of the shell, none of its child.
    let shell = hidden.start(&["/bin/sh", "-c", line, &path]);
    // No look before it is itself: a look would make it one that was seen before, and until it has
    // become its program it has the words of the shell.
    let child = wait_for("a child", || {
        let all = processes::all();
        let mut children = all.iter().filter(|process| process.parent == shell);
        let found = children.find(|process| process.arguments() == ["/bin/sleep", "596"]);
        Ok(found
            .map(|process| process.pid)
            .ok_or_else(|| "none".to_owned()))
    })
    .expect("a child");
    assert_eq!(hidden.mark_of(child), Some("parent"));
    let mut shell = hidden.children.remove(0);
    shell.kill().expect("killed");
    shell.wait().expect("reaped");
    assert_eq!(hidden.mark_of(child), Some("seen before"));
    super::super::kill::now(child).expect("killed");
}

#[test]
fn what_is_half_written_is_found() {
    let mut hidden = Hidden::new();
    std::fs::create_dir_all(hidden.dir.path().join("blobs/tmp")).expect("blobs");
    for name in ["blobs/tmp/1.2", "runs/.gone-i.app.1.1", "state.json.new"] {
        std::fs::write(hidden.dir.path().join(name), "half").expect("file");
    }
    assert_eq!(hidden.census.look().temporary.len(), 3);
}
