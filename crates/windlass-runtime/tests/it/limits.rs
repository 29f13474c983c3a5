//! Memory, disk, time.

use windlass_runtime::{Command, ExitReason, RunKind};

use crate::bench::{Bench, every_set, machine, mark, marked, sets, tell};

#[tokio::test(flavor = "multi_thread")]
async fn memory_limit_ends_the_run_with_its_reason() {
    for (number, set) in every_set().into_iter().enumerate() {
        let mut bench = Bench::new().await;
        let (run, mark) = (format!("r{number}"), mark());
        let mut spec = bench.spec(&run, set, &format!("sleep {mark} & ./app hold 400"));
        bench.add_app(&run);
        spec.limits.memory_mb = Some(64);
        bench.start(spec).await;
        assert_eq!(
            bench.exit(&run).await.reason,
            ExitReason::OutOfMemory,
            "{set}"
        );
        assert_eq!(marked(&mark), [0; 0], "{set}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_below_the_limit_is_fine() {
    for (number, set) in sets().into_iter().enumerate() {
        let mut bench = Bench::new().await;
        let run = format!("r{number}");
        let mut spec = bench.spec(
            &run,
            set,
            "x=$(head -c 20000000 /dev/zero | tr '\\0' x); sleep 0.5; exit 0",
        );
        spec.limits.memory_mb = Some(256);
        bench.start(spec).await;
        assert!(bench.exit(&run).await.is_success(), "{set}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_limit_of_a_sidecar_counts_by_itself() {
    let mut bench = Bench::new().await;
    let mut spec = bench.spec("a", sets()[1], "sleep 300");
    bench.add_app("a");
    let mut sidecar = spec.processes[0].clone();
    sidecar.name = "proxy".into();
    sidecar.command = Command::Shell("./app hold 200".into());
    sidecar.memory_mb = Some(48);
    spec.processes.push(sidecar);
    bench.start(spec).await;
    assert_eq!(bench.exit("a").await.reason, ExitReason::OutOfMemory);
    assert!(
        bench
            .log("a")
            .iter()
            .any(|(_, text)| text.contains("process proxy is out of memory"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn time_limit_ends_a_build_that_does_not_want_to() {
    for (number, set) in sets().into_iter().enumerate() {
        let mut bench = Bench::new().await;
        let (run, mark) = (format!("r{number}"), mark());
        let mut spec = bench.spec(
            &run,
            set,
            &format!("trap '' TERM; while :; do sleep {mark}; done"),
        );
        spec.kind = RunKind::Build;
        spec.limits.time_limit_ms = Some(200);
        spec.grace_ms = 50;
        bench.start(spec).await;
        assert_eq!(
            bench.exit(&run).await.reason,
            ExitReason::TimeLimit,
            "{set}"
        );
        assert_eq!(marked(&mark), [0; 0], "{set}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn process_limit_holds_where_the_machine_has_it() {
    let has_controller = machine().cgroup.note.contains("pids: version");
    for set in every_set() {
        if set.uid && set.cgroup && !has_controller {
            tell(&format!(
                "{set}: the limit of processes without a controller was not run"
            ));
            continue;
        }
        let mut bench = Bench::new().await;
        let script = "for i in $(seq 60); do sleep 5 & done; echo all; exit 0";
        let mut spec = bench.spec("a", set, script);
        spec.limits.pids = Some(20);
        // The user of this run is its alone, so that a limit per user will do.
        let is_limited = (set.cgroup && has_controller) || set.uid;
        bench.start(spec).await;
        bench.exit("a").await;
        assert_eq!(
            bench.output("a").contains(&"all".to_owned()),
            !is_limited,
            "{set}: {:?}",
            bench.log("a")
        );
    }
}
