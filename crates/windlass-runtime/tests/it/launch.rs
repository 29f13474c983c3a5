//! Start, exit status, stop, idempotence, the fence.

use std::collections::BTreeSet;
use std::process::{Command as Program, Stdio};

use windlass_runtime::{
    Command, Driver, DriverError, EnsureRuns, ExitReason, Observation, ProcessSpec, RunPhase,
    StopRun,
};

use crate::bench::{APP, Bench, mark, marked, sets, shim, until};

#[tokio::test(flavor = "multi_thread")]
async fn run_reports_start_output_and_exit_status() {
    for (number, set) in sets().into_iter().enumerate() {
        let mut bench = Bench::new().await;
        let run = format!("r{number}");
        let script = "echo out; echo err >&2; echo to-stdout > /dev/stdout; printf last; exit 7";
        bench.start(bench.spec(&run, set, script)).await;
        let pid = bench
            .observe(|seen| match seen {
                Observation::Started { pid, at_ms, .. } if *at_ms > 0 => Some(*pid),
                _ => None,
            })
            .await;
        assert!(pid.is_none_or(|pid| pid > 1), "{pid:?}");
        let exit = bench.exit(&run).await;
        assert_eq!(
            (exit.code, exit.signal, &exit.reason),
            (Some(7), None, &ExitReason::Exited),
            "{set}"
        );
        assert_eq!(exit.process.as_deref(), Some("web"));
        let mut output = bench.output(&run);
        output.sort();
        assert_eq!(output, ["err", "last", "out", "to-stdout"], "{set}");
        assert_eq!(bench.driver.exit_on_disk(&run).await, Some(exit));
        assert!(
            bench
                .log(&run)
                .iter()
                .any(|(source, text)| source == "CELL" && text.contains("status 7"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn environment_is_the_given_one_alone() {
    for (number, set) in sets().into_iter().enumerate() {
        let mut bench = Bench::new().await;
        let run = format!("r{number}");
        let mut spec = bench.spec(
            &run,
            set,
            "env; pwd; cat $HOME/file; touch $TMPDIR/x && echo writable",
        );
        let work = spec.run_dir.join("work");
        std::fs::create_dir(work.join("sub")).unwrap();
        std::fs::write(work.join("file"), "content\n").unwrap();
        spec.processes[0].working_dir = "sub".into();
        spec.processes[0]
            .env
            .insert("HOME".into(), work.display().to_string());
        spec.processes[0]
            .env
            .insert("GREETING".into(), "a b\nc".into());
        let token = spec.token.clone();
        bench.start(spec).await;
        assert_eq!(
            bench.exit(&run).await.code,
            Some(0),
            "{:?}",
            bench.log(&run)
        );
        let output = bench.output(&run);
        for line in [
            "GREETING=a b",
            "content",
            "writable",
            &format!("WINDLASS_RUN_TOKEN={token}"),
        ] {
            assert!(
                output.iter().any(|printed| printed == line),
                "{set}: {line} in {output:?}"
            );
        }
        assert!(
            output.iter().any(|line| line.ends_with("/work/sub")),
            "{output:?}"
        );
        assert!(
            !output.iter().any(|line| line.starts_with("CARGO")),
            "{output:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_gives_the_grace_and_then_kills() {
    for (number, set) in sets().into_iter().enumerate() {
        let mut bench = Bench::new().await;
        let (gentle, stubborn) = (format!("gentle{number}"), format!("stubborn{number}"));
        let script = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done";
        bench.start(bench.spec(&gentle, set, script)).await;
        bench.printed(&gentle, "up").await;
        bench.stop(&gentle, 60_000).await;
        let exit = bench.exit(&gentle).await;
        assert_eq!(
            (exit.code, exit.reason),
            (Some(3), ExitReason::Stopped),
            "{set}"
        );
        // The shell also tells on its other stream that its child got the signal, sooner or later.
        let output = bench.output(&gentle);
        assert_eq!(output.first().map(String::as_str), Some("up"), "{output:?}");
        assert!(output.iter().any(|line| line == "bye"), "{output:?}");

        let script = "trap '' TERM; echo up; while :; do sleep 0.05; done";
        bench.start(bench.spec(&stubborn, set, script)).await;
        bench.printed(&stubborn, "up").await;
        // A later, shorter grace counts: the first one alone would outlast the test.
        bench.stop(&stubborn, 600_000).await;
        bench.stop(&stubborn, 50).await;
        let exit = bench.exit(&stubborn).await;
        assert_eq!(exit.reason, ExitReason::Stopped, "{set}");
        // Who asks again is told again.
        bench.stop(&stubborn, 50).await;
        assert_eq!(bench.exit(&stubborn).await, exit);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_of_a_sidecar_ends_the_run() {
    for (number, set) in sets().into_iter().enumerate() {
        let mut bench = Bench::new().await;
        let (run, mark) = (format!("r{number}"), mark());
        let mut spec = bench.spec(&run, set, &format!("sleep {mark}"));
        spec.processes.push(ProcessSpec {
            name: "proxy".into(),
            command: Command::Shell("echo sidecar; exit 4".into()),
            ..spec.processes[0].clone()
        });
        bench.start(spec).await;
        let exit = bench.exit(&run).await;
        assert_eq!(
            (exit.code, exit.process.as_deref()),
            (Some(4), Some("proxy")),
            "{set}"
        );
        assert_eq!(marked(&mark), [0; 0], "{set}");
        let source = "APP/PROC/WEB/SIDECAR/PROXY".to_owned();
        assert!(bench.log(&run).contains(&(source, "sidecar".into())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_executed_is_a_failed_launch() {
    for (number, set) in sets().into_iter().enumerate() {
        let mut bench = Bench::new().await;
        let run = format!("r{number}");
        let mut spec = bench.spec(&run, set, "");
        spec.processes[0].command = Command::Argv(vec!["/nonexistent/program".into()]);
        bench.start(spec).await;
        match bench.exit(&run).await.reason {
            ExitReason::LaunchFailed(text) => {
                assert!(text.contains("/nonexistent/program"), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn starting_twice_is_starting_once_also_after_the_end() {
    let mut bench = Bench::new().await;
    let spec = bench.spec("once", sets()[1], "echo hello");
    bench.ensure(vec![spec.clone()], Vec::new()).await;
    bench.ensure(vec![spec.clone()], Vec::new()).await;
    bench.exit("once").await;
    bench.start(spec.clone()).await;
    let mut bench = bench.reopen().await;
    bench.exit("once").await;
    bench.start(spec).await;
    assert_eq!(bench.driver.observe().await[0].phase, RunPhase::Ended);
    assert_eq!(bench.output("once"), ["hello"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_one_app_are_listed_alone_until_they_are_forgotten() {
    let mut bench = Bench::new().await;
    let set = sets()[1];
    bench.start(bench.spec("a", set, "exit 0")).await;
    bench.exit("a").await;
    let mut other = bench.spec("b", set, "sleep 300");
    other.app = "other".into();
    let desired = EnsureRuns {
        app: "other".into(),
        generation: 1,
        start: vec![other],
        ..EnsureRuns::default()
    };
    bench.try_ensure(desired).await.unwrap();
    bench.routable("b").await;
    let names = async |bench: &Bench, app| -> Vec<String> {
        let runs = bench.driver.observe_app(app).await;
        runs.into_iter().map(|run| run.run).collect()
    };
    assert_eq!(names(&bench, APP).await, ["a"]);
    assert_eq!(names(&bench, "other").await, ["b"]);
    let mut bench = bench.reopen().await;
    assert_eq!(names(&bench, APP).await, ["a"]);
    let runs = bench.driver.observe_app("other").await;
    assert_eq!(runs[0].log_number, 1_012, "it is adopted with its number");
    bench.driver.forget("a").await.unwrap();
    assert!(names(&bench, APP).await.is_empty());
    assert!(names(&bench, "nobody").await.is_empty());
    bench.routable("b").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn older_generation_is_refused_and_does_nothing() {
    let mut bench = Bench::new().await;
    bench.start(bench.spec("a", sets()[1], "sleep 300")).await;
    bench.routable("a").await;
    let desired = |generation, stop: Vec<StopRun>| EnsureRuns {
        app: APP.into(),
        generation,
        start: Vec::new(),
        keep: BTreeSet::from(["a".to_owned()]),
        stop,
    };
    bench.try_ensure(desired(7, Vec::new())).await.unwrap();
    let stop = vec![StopRun {
        run: "a".into(),
        grace_ms: 0,
    }];
    let refused = bench.try_ensure(desired(6, stop.clone())).await;
    assert!(matches!(
        refused,
        Err(DriverError::StaleGeneration {
            asked: 6,
            seen: 7,
            ..
        })
    ));
    assert_eq!(bench.driver.observe().await[0].phase, RunPhase::Running);
    bench.try_ensure(desired(7, stop)).await.unwrap();
    bench.exit("a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fence_holds_over_a_restart() {
    let mut bench = Bench::new().await;
    let mut spec = bench.spec("a", sets()[1], "sleep 300");
    spec.generation = 9;
    bench.generation = 8;
    bench.start(spec).await;
    bench.routable("a").await;
    let bench = bench.reopen().await;
    let desired = EnsureRuns {
        app: APP.into(),
        generation: 8,
        ..EnsureRuns::default()
    };
    let refused = bench.try_ensure(desired).await;
    assert!(
        matches!(refused, Err(DriverError::StaleGeneration { .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_nobody_names_are_stopped_and_other_apps_left_alone() {
    let mut bench = Bench::new().await;
    let set = sets()[1];
    let mut other = bench.spec("other", set, "sleep 300");
    other.app = "neighbour".into();
    let desired = EnsureRuns {
        app: "neighbour".into(),
        generation: 1,
        start: vec![other],
        ..EnsureRuns::default()
    };
    bench.try_ensure(desired).await.unwrap();
    bench.routable("other").await;
    for run in ["kept", "unnamed"] {
        bench.start(bench.spec(run, set, "sleep 300")).await;
        bench.routable(run).await;
    }
    let keep = BTreeSet::from(["kept".to_owned()]);
    let desired = EnsureRuns {
        app: APP.into(),
        generation: 99,
        keep,
        ..EnsureRuns::default()
    };
    bench.try_ensure(desired).await.unwrap();
    assert_eq!(bench.exit("unnamed").await.reason, ExitReason::Stopped);
    let running = bench.driver.observe().await.into_iter();
    let running: Vec<String> = running
        .filter(|status| status.phase == RunPhase::Running)
        .map(|status| status.run)
        .collect();
    assert_eq!(running, ["kept", "other"]);
    let unknown = EnsureRuns {
        app: APP.into(),
        generation: 100,
        keep: BTreeSet::from(["kept".to_owned()]),
        stop: vec![StopRun {
            run: "never-was".into(),
            grace_ms: 0,
        }],
        ..EnsureRuns::default()
    };
    bench.try_ensure(unknown).await.unwrap();
    bench
        .observe(|seen| {
            (*seen
                == Observation::Lost {
                    run: "never-was".into(),
                })
            .then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forget_removes_an_ended_run_and_refuses_a_living_one() {
    let mut bench = Bench::new().await;
    let set = sets()[1];
    bench
        .start(bench.spec(
            "a",
            set,
            "mkdir d; touch d/f; chmod 000 d; echo up; sleep 300",
        ))
        .await;
    bench.printed("a", "up").await;
    assert!(matches!(
        bench.driver.forget("a").await,
        Err(DriverError::StillRuns(_))
    ));
    bench.stop("a", 100).await;
    bench.exit("a").await;
    bench.driver.forget("a").await.unwrap();
    assert!(!bench.driver.run_dir("a").exists() && bench.log_dir("a").exists());
    assert_eq!(bench.driver.observe().await, []);
    bench.driver.forget("a").await.unwrap();
    bench.driver.forget("../../etc").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn second_shim_is_refused_by_the_lock() {
    let mut bench = Bench::new().await;
    let spec = bench.spec("a", sets()[1], "sleep 300");
    bench.start(spec.clone()).await;
    bench.routable("a").await;
    let before = bench.state("a");
    let mut second = Program::new(shim().program)
        .arg(&spec.run_dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // It may end without reading.
    let _ = serde_json::to_writer(second.stdin.take().unwrap(), &spec);
    assert_eq!(second.wait().unwrap().code(), Some(75));
    assert_eq!(bench.state("a"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_measured() {
    for (number, set) in sets().into_iter().enumerate() {
        let mut bench = Bench::new().await;
        let run = format!("r{number}");
        let script = "head -c 3000000 /dev/zero > file; echo up; while :; do :; done";
        let mut spec = bench.spec(&run, set, script);
        spec.limits.disk_mb = Some(100);
        bench.start(spec).await;
        bench.printed(&run, "up").await;
        let mut usage = None;
        let deadline = std::time::Instant::now() + crate::bench::LIMIT;
        while std::time::Instant::now() < deadline {
            usage = bench.driver.usage(&run).await;
            if usage.is_some_and(|usage| usage.cpu > 0.1 && usage.disk_bytes > 3_000_000) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let usage = usage.unwrap();
        assert!(
            usage.cpu > 0.1 && usage.disk_bytes > 3_000_000,
            "{set}: {usage:?}"
        );
        assert!(
            usage.memory_bytes > 50_000 && usage.processes >= 1,
            "{set}: {usage:?}"
        );
        bench.stop(&run, 0).await;
        bench.exit(&run).await;
        assert_eq!(bench.driver.usage(&run).await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_observations_are_told_again() {
    let mut bench = Bench::new().await;
    let set = sets()[0];
    let runs: Vec<String> = (0..40).map(|number| format!("r{number}")).collect();
    let specs = runs
        .iter()
        .map(|run| bench.spec(run, set, "exit 0"))
        .collect();
    // Three observations for each of the 40, and room for 64.
    bench.ensure(specs, Vec::new()).await;
    let all_ended = || {
        runs.iter().all(|run| {
            bench.driver.run_dir(run).join("state.json").exists()
                && bench.state(run)["phase"] == "ended"
        })
    };
    until(all_ended).await;
    let mut missing: BTreeSet<String> = runs.into_iter().collect();
    bench
        .observe(|seen| {
            if let Observation::Exited { run, .. } = seen {
                missing.remove(run);
            }
            missing.is_empty().then_some(())
        })
        .await;
}
