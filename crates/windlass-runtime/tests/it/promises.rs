//! What one app can do to another and to the server, by every set of means: what is promised is
//! refused, and what is not promised is possible, so that the tables of `docs/guarantees.md` stay
//! true in both directions.

use std::collections::BTreeMap;

use nix::unistd::geteuid;
use windlass_runtime::{Command, IsolationSet, Observation};

use crate::bench::{Bench, every_set, machine, mark, marked, tell, until};

/// What is said about an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// It is refused.
    Refused,
    /// Nobody refuses it.
    Possible,
    /// Nothing is promised, and it depends on the machine.
    Open,
}

/// Everything that the intruder tries, and what is said about it.
fn words(set: IsolationSet) -> BTreeMap<&'static str, Word> {
    use Word::{Open, Possible, Refused};
    let is_root = geteuid().is_root();
    let apart = set.landlock || set.pidns || set.uid;
    let files = if apart { Refused } else { Possible };
    // A machine may allow the tracing of children only.
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    let may_trace = is_root || scope.map_or(true, |scope| scope.trim() == "0");
    let memory = match (apart, may_trace) {
        (true, _) => Refused,
        (false, true) => Possible,
        (false, false) => Open,
    };
    let scopes_signals = machine().landlock.note.starts_with("all");
    let signals = if (set.landlock && scopes_signals) || set.pidns || set.uid {
        Refused
    } else {
        Possible
    };
    let groups = match std::fs::read_dir("/sys/fs/cgroup") {
        _ if set.landlock => Refused,
        Ok(_) => Possible,
        Err(_) => Open,
    };
    let leaving = if set.landlock || set.uid {
        Refused
    } else if is_root && machine().cgroup.is_available {
        Possible
    } else {
        Open
    };
    // Nobody but root can make one anywhere.
    let device = if apart || !is_root { Refused } else { Open };
    BTreeMap::from([
        ("read-file", files),
        ("write-file", files),
        ("list-files", files),
        ("make-file", files),
        ("read-data", files),
        ("write-data", files),
        ("list-groups", groups),
        ("read-environment", memory),
        ("read-memory", memory),
        ("write-memory", memory),
        ("trace", memory),
        ("take-port", Refused),
        ("leave-groups", leaving),
        ("make-device", device),
        ("kill", signals),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_ends_as_is_promised_for_each_set() {
    for set in every_set() {
        let mut bench = Bench::new().await;
        let data = bench.data_dir();
        std::fs::write(data.join("secret"), "s").unwrap();
        std::fs::set_permissions(data.join("secret"), private()).unwrap();
        let mark = mark();
        let mut victim = bench.spec("victim", set, "");
        bench.add_app("victim");
        std::fs::write(victim.run_dir.join("work/file"), "mine").unwrap();
        let arguments = ["./app", "victim", mark.as_str()];
        victim.processes[0].command = Command::Argv(arguments.map(str::to_owned).to_vec());
        bench.start(victim).await;
        let said = || {
            bench
                .output("victim")
                .into_iter()
                .find(|line| line.starts_with("up "))
        };
        until(|| said().is_some()).await;
        let said = said().unwrap();
        let (address, port) = said["up ".len()..].split_once(' ').unwrap();
        let [pid] = marked(&mark)[..] else {
            panic!("{set}: {:?}", marked(&mark))
        };

        let mut intruder = bench.spec("intruder", set, "");
        bench.add_app("intruder");
        let files = bench.driver.run_dir("victim").join("work");
        let (data, files, pid_text) = (
            data.display().to_string(),
            files.display().to_string(),
            pid.to_string(),
        );
        let arguments = ["./app", "intrude", &data, &files, &pid_text, address, port];
        intruder.processes[0].command = Command::Argv(arguments.map(str::to_owned).to_vec());
        bench.start(intruder).await;
        let mut killed = None;
        let ended = |seen: &Observation| match seen {
            Observation::Exited { run, exit } if run == "victim" => {
                killed = Some(exit.clone());
                None
            }
            Observation::Exited { run, exit } if run == "intruder" => Some(exit.clone()),
            _ => None,
        };
        let exit = bench.observe(ended).await;
        assert_eq!(exit.code, Some(0), "{set}: {:?}", bench.log("intruder"));

        let mut tried: BTreeMap<String, String> = bench
            .output("intruder")
            .iter()
            .map(|line| {
                let (what, how) = line.split_once(' ').unwrap();
                (what.to_owned(), how.to_owned())
            })
            .collect();
        // What hides the data directory may be written to; nobody else sees that.
        if !bench.data_dir().join("new").exists() {
            tried.insert("write-data".to_owned(), "nothing was written".to_owned());
        }
        let words = words(set);
        assert_eq!(tried.len(), words.len(), "{set}: {tried:?}");
        for (what, word) in &words {
            let how = &tried[*what];
            if how.starts_with("not tried") {
                tell(&format!("{set}: {what} was {how}"));
                continue;
            }
            match word {
                Word::Refused => assert_ne!(how, "done", "{set}: {what}"),
                Word::Possible => assert_eq!(how, "done", "{set}: {what}"),
                Word::Open => {}
            }
        }
        if words["kill"] == Word::Refused {
            assert_eq!(marked(&mark), [pid], "{set}: it lives");
        } else {
            let exit = match killed {
                Some(exit) => exit,
                None => bench.exit("victim").await,
            };
            assert_eq!(exit.signal, Some(9), "{set}");
        }
    }
}

fn private() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o600)
}

/// What covers the data directory can't be taken away, neither by a root without a user of its
/// own nor by one who is root of a namespace that it made.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_cannot_be_uncovered() {
    for set in every_set()
        .into_iter()
        .filter(|set| set.pidns || set.landlock)
    {
        let mut bench = Bench::new().await;
        let data = bench.data_dir();
        std::fs::write(data.join("secret"), "uncovered\n").unwrap();
        let script = format!(
            "uncover='umount -l {0}; umount {0}; umount -l /tmp; cat {0}/secret'; \
             sh -c \"$uncover\" 2> /dev/null; unshare -m sh -c \"$uncover\" 2> /dev/null; \
             unshare -Urm sh -c \"$uncover\" 2> /dev/null; echo end",
            data.display()
        );
        bench.start(bench.spec("a", set, &script)).await;
        bench.exit("a").await;
        assert_eq!(bench.output("a"), ["end"], "{set}");
    }
}
