//! No process of an ended run survives, whatever it did to stay.

use std::path::Path;

use nix::sys::signal::Signal;
use windlass_runtime::{
    Driver as _, ExitReason, IsolationSet, Observation, ShimCommand, sweep_leftovers,
};

use crate::bench::{self, Bench, every_set, machine, mark, marked, sets, signal, until};

/// A script that leaves processes which forked twice, have a session of their own, ignore SIGTERM
/// and have forgotten the token.
fn stubborn(mark: &str) -> String {
    let inner = format!("trap \"\" TERM HUP INT; while :; do sleep {mark}; done");
    format!(
        "trap '' TERM\n\
         (setsid /bin/sh -c '{inner}' &) \n\
         (setsid env -i /bin/sh -c 'cd /; {inner}' > /dev/null 2>&1 &) \n\
         setsid /bin/sh -c '(setsid /bin/sh -c \"sleep {mark}\" &) ; {inner}' &\n\
         sleep 0.2; echo up; while :; do sleep {mark}; done"
    )
}

/// A chain that forks on for ever: each link ends as soon as the next one runs. Some have a session
/// of their own. It is bounded by its count, should a test fail to end it.
fn chain(mark: &str) -> String {
    let link = "n=$1; [ $n -gt 0 ] || exit 0; if [ $((n % 7)) = 0 ]; then setsid sh $0 $((n-1)) $2 & else sh $0 $((n-1)) $2 & fi";
    format!(
        "cat > link <<'END'\ntrap '' TERM\n{link}\nEND\n\
         sh ./link 20000 {mark} & sh ./link 20000 {mark} & sleep 0.1; echo up; while :; do sleep {mark}; done"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_leaves_no_survivor() {
    for (number, set) in every_set().into_iter().enumerate() {
        for (name, script) in [
            ("stubborn", stubborn as fn(&str) -> String),
            ("chain", chain),
        ] {
            let mut bench = Bench::new().await;
            let (run, mark) = (format!("{name}{number}"), mark());
            bench.start(bench.spec(&run, set, &script(&mark))).await;
            bench.printed(&run, "up").await;
            assert!(marked(&mark).len() >= 2, "{set} {name}: the app runs");
            bench.stop(&run, 50).await;
            assert_eq!(bench.exit(&run).await.reason, ExitReason::Stopped);
            assert_eq!(
                marked(&mark),
                [0; 0],
                "{set} {name}: at the moment of the observation"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn crash_leaves_no_survivor() {
    for (number, set) in every_set().into_iter().enumerate() {
        let mut bench = Bench::new().await;
        let (run, mark) = (format!("r{number}"), mark());
        let script = stubborn(&mark).replace("echo up; while :; do", "exit 9; while :; do");
        bench.start(bench.spec(&run, set, &script)).await;
        assert_eq!(bench.exit(&run).await.code, Some(9), "{set}");
        assert_eq!(marked(&mark), [0; 0], "{set}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_shim_leaves_no_survivor_and_a_lost_run() {
    for (number, set) in every_set().into_iter().enumerate() {
        for (name, script) in [
            ("stubborn", stubborn as fn(&str) -> String),
            ("chain", chain),
        ] {
            let mut bench = Bench::new().await;
            let (run, mark) = (format!("{name}{number}"), mark());
            bench.start(bench.spec(&run, set, &script(&mark))).await;
            bench.printed(&run, "up").await;
            signal(bench.shim_pid(&run), Signal::SIGKILL);
            bench
                .observe(|seen| (*seen == Observation::Lost { run: run.clone() }).then_some(()))
                .await;
            assert_eq!(marked(&mark), [0; 0], "{set} {name}");
            assert_eq!(bench.state(&run)["phase"], "lost");
        }
    }
}

/// Starts the shim, and kills it when it has noted the run but told nobody; its init process still
/// holds the lock then, and goes on holding it.
const DIES_UNHEARD: &str = r#"
exec 3<&0
"$0" "$1" <&3 >/dev/null &
shim=$!
until [ -S "$1/sock" ]; do :; done
read -r init rest < /proc/$shim/task/$shim/children
kill -STOP $init
echo $init > "$1/init.new" && mv "$1/init.new" "$1/init"
kill -KILL $shim $$
"#;

#[tokio::test(flavor = "multi_thread")]
async fn shim_killed_before_it_is_heard_leaves_a_lost_run_that_can_be_forgotten() {
    let command = bench::shim();
    let args = ["-c", DIES_UNHEARD, command.program.to_str().unwrap()];
    let shim = ShimCommand {
        program: "/bin/bash".into(),
        args: args.map(str::to_owned).to_vec(),
    };
    let mut bench = Bench::with_shim(tempfile::tempdir().unwrap(), shim).await;
    let run = "unheard".to_owned();
    // It must not be over before the script has had its turn.
    let spec = bench.spec(&run, IsolationSet::BARE, "sleep 300");
    let init = spec.run_dir.join("init");
    bench.ensure(vec![spec], Vec::new()).await;
    until(|| init.exists()).await;
    let init = std::fs::read_to_string(&init).unwrap();
    signal(init.trim().parse().unwrap(), Signal::SIGCONT);
    // On a busy machine it may have been heard before it died.
    bench
        .observe(|seen| (*seen == Observation::Lost { run: run.clone() }).then_some(()))
        .await;
    assert_eq!(bench.state(&run)["phase"], "lost");
    bench.driver.forget(&run).await.unwrap();
    assert!(!bench.driver.run_dir(&run).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn shim_that_was_stopped_cannot_keep_its_run() {
    let mut bench = Bench::new().await;
    let (set, mark) = (sets()[0], mark());
    bench
        .start(bench.spec("frozen", set, &format!("echo up; sleep {mark}")))
        .await;
    bench.printed("frozen", "up").await;
    signal(bench.shim_pid("frozen"), Signal::SIGSTOP);
    bench.stop("frozen", 0).await;
    bench
        .observe(|seen| {
            (*seen
                == Observation::Lost {
                    run: "frozen".into(),
                })
            .then_some(())
        })
        .await;
    assert_eq!(marked(&mark), [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn loss_of_shim_and_init_is_mended_by_the_next_start() {
    let hidden = "setsid /bin/sh -c 'trap \"\" TERM; while :; do sleep MARK; done'";
    loss_of_shim_and_init_leaves_nothing(sets()[0], hidden).await;
}

/// It has forgotten the token, the directory and the session; its user is left.
#[tokio::test(flavor = "multi_thread")]
async fn own_user_betrays_who_hides_after_the_loss_of_shim_and_init() {
    let set = IsolationSet::parse("uid").unwrap();
    if !machine().uid.is_available {
        println!("uid is not available here: {}", machine());
        return;
    }
    let hidden =
        "setsid env -i /bin/sh -c 'cd /; trap \"\" TERM; while :; do /bin/sleep MARK; done'";
    loss_of_shim_and_init_leaves_nothing(set, hidden).await;
}

async fn loss_of_shim_and_init_leaves_nothing(set: IsolationSet, hidden: &str) {
    let mut bench = Bench::new().await;
    let mark = mark();
    let hidden = hidden.replace("MARK", &mark);
    let script = format!("({hidden} &); sleep 0.1; echo up; sleep {mark}");
    bench.start(bench.spec("a", set, &script)).await;
    bench.printed("a", "up").await;
    let shim = bench.shim_pid("a");
    let children = format!("/proc/{shim}/task/{shim}/children");
    let init = if Path::new(&children).exists() {
        std::fs::read_to_string(children)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    } else {
        child_of(shim)
    };
    // Nobody of this control may see it: freeze both, then end both.
    let data_dir = bench.data_dir();
    let state = bench.state("a");
    signal(init, Signal::SIGSTOP);
    signal(shim, Signal::SIGSTOP);
    let dir = bench.end();
    signal(init, Signal::SIGKILL);
    signal(shim, Signal::SIGKILL);
    // It may stay as a zombie: who inherits it need not wait for it.
    let files = format!("/proc/{init}/fd");
    until(|| std::fs::read_dir(&files).map_or(0, Iterator::count) == 0).await;
    let lost = tokio::task::spawn_blocking(move || {
        let mut lost = Vec::new();
        let deadline = std::time::Instant::now() + crate::bench::LIMIT;
        // The kernel releases the lock a moment after the kill.
        while lost.is_empty() && std::time::Instant::now() < deadline {
            lost = sweep_leftovers(&data_dir).unwrap().lost;
        }
        lost
    });
    let lost = lost.await.unwrap();
    assert_eq!(marked(&mark), [0; 0]);
    assert_eq!(lost, ["a"]);
    let path = dir.path().join("data/runs/a/state.json");
    let now: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(
        (now["phase"].as_str(), &now["token"]),
        (Some("lost"), &state["token"]),
        "{lost:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn supervisor_ends_orphans_and_keeps_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_windlass-runtime-app"))
        .arg("supervise")
        .arg(dir.path())
        .output()
        .await
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "ended 1 left 0 kept true gone true"
    );
}

fn child_of(parent: i32) -> i32 {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let rest = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.to_owned())
            .unwrap_or_default();
        rest.split(' ').nth(1) == Some(&parent.to_string())
    };
    pids.into_iter().find(is_child).unwrap()
}
