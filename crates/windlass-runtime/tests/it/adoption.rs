//! Control dies and comes back while things happen.

use windlass_runtime::{Driver, ExitReason, Observation, RunPhase};

use crate::bench::{APP, Bench, mark, marked, sets, until};

#[tokio::test(flavor = "multi_thread")]
async fn living_run_is_adopted_and_obeys() {
    for (number, set) in sets().into_iter().enumerate() {
        let mut bench = Bench::new().await;
        let (run, mark) = (format!("r{number}"), mark());
        bench
            .start(bench.spec(&run, set, &format!("echo up; sleep {mark}")))
            .await;
        bench.routable(&run).await;
        let before = bench.driver.observe().await;
        let mut bench = bench.reopen().await;
        bench.routable(&run).await;
        assert_eq!(bench.driver.observe().await, before, "{set}");
        assert!(bench.driver.usage(&run).await.is_some());
        bench.stop(&run, 100).await;
        assert_eq!(bench.exit(&run).await.reason, ExitReason::Stopped);
        assert_eq!(marked(&mark), [0; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exits_and_crashes_of_the_meantime_are_taken_in() {
    for (number, set) in sets().into_iter().enumerate() {
        let mut bench = Bench::new().await;
        let (task, crash) = (format!("task{number}"), format!("crash{number}"));
        let script = "echo up; while [ ! -e go ]; do sleep 0.02; done; echo done;";
        bench
            .start(bench.spec(&task, set, &format!("{script} exit 0")))
            .await;
        bench
            .start(bench.spec(&crash, set, &format!("{script} kill -9 $$")))
            .await;
        for run in [&task, &crash] {
            bench.printed(run, "up").await;
        }
        let go = [&task, &crash].map(|run| bench.driver.run_dir(run).join("work/go"));
        let states = [&task, &crash].map(|run| bench.driver.run_dir(run).join("state.json"));
        // No control from here to the reopening.
        let dir = bench.end();
        for path in &go {
            std::fs::write(path, "").unwrap();
        }
        let is_ended = |path| {
            std::fs::read_to_string(path)
                .unwrap()
                .contains("\"phase\":\"ended\"")
        };
        until(|| states.iter().all(is_ended)).await;
        let mut bench = Bench::in_dir(dir).await;
        let mut exits = Vec::new();
        while exits.len() < 2 {
            let exit = bench.observe(|seen| match seen {
                Observation::Exited { run, exit } => Some((run.clone(), exit.code, exit.signal)),
                _ => None,
            });
            exits.push(exit.await);
        }
        exits.sort();
        assert_eq!(
            exits,
            [(crash, None, Some(9)), (task, Some(0), None)],
            "{set}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn run_that_ends_after_the_adoption_is_observed() {
    let mut bench = Bench::new().await;
    let script = "echo up; while [ ! -e go ]; do sleep 0.02; done; exit 5";
    bench.start(bench.spec("a", sets()[1], script)).await;
    bench.printed("a", "up").await;
    let mut bench = bench.reopen().await;
    bench.routable("a").await;
    std::fs::write(bench.driver.run_dir("a").join("work/go"), "").unwrap();
    assert_eq!(bench.exit("a").await.code, Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn run_of_another_boot_is_lost() {
    let mut bench = Bench::new().await;
    bench.start(bench.spec("a", sets()[1], "exit 0")).await;
    bench.exit("a").await;
    // What the machine leaves when it goes down in the middle.
    let path = bench.driver.run_dir("a").join("state.json");
    let mut state = bench.state("a");
    state["phase"] = "running".into();
    state["exit"] = serde_json::Value::Null;
    state["boot_id"] = "00000000-0000-0000-0000-000000000000".into();
    std::fs::write(path, serde_json::to_vec(&state).unwrap()).unwrap();
    let mut bench = bench.reopen().await;
    bench
        .observe(|seen| (*seen == Observation::Lost { run: "a".into() }).then_some(()))
        .await;
    let status = bench.driver.observe().await.remove(0);
    assert_eq!((status.app.as_str(), status.phase), (APP, RunPhase::Lost));
}
