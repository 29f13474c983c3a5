//! Health and readiness.

use windlass_runtime::{
    Command, Driver, ExitReason, HealthCheck, HealthKind, IsolationSet, LaunchSpec, Observation,
    Patience, PortCheck, ReadinessCheck, RunPhase,
};

use crate::bench::{Bench, every_set, free_port, sets};

fn serving(bench: &Bench, run: &str, set: IsolationSet) -> (LaunchSpec, std::path::PathBuf) {
    let mut spec = bench.spec(run, set, "");
    bench.add_app(run);
    let (port, file) = (free_port(), spec.run_dir.join("work/ok"));
    let args = ["./app", "serve", &port.to_string(), "ok"];
    spec.processes[0].command = Command::Argv(args.map(str::to_owned).to_vec());
    spec.port = Some(port);
    spec.health = HealthCheck {
        kind: HealthKind::Port,
        start_timeout_ms: 30_000,
        invocation_timeout_ms: 5_000,
        interval_ms: 20,
        patience: Patience::default(),
    };
    (spec, file)
}

fn http() -> HealthKind {
    HealthKind::Http {
        path: "/health?x=1".into(),
        takes_redirects: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn port_of_the_own_tree_makes_routable() {
    for set in every_set() {
        let mut bench = Bench::new().await;
        let (spec, _) = serving(&bench, "a", set);
        bench.start(spec).await;
        bench.routable("a").await;
        let status = bench.driver.observe().await.remove(0);
        assert_eq!(
            (status.phase, status.port_check),
            (RunPhase::Running, PortCheck::Owned)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn port_of_a_stranger_does_not_count() {
    for set in every_set() {
        let mut bench = Bench::new().await;
        let (mut spec, _) = serving(&bench, "a", set);
        let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        spec.port = Some(stranger.local_addr().unwrap().port());
        spec.health.start_timeout_ms = 500;
        bench.start(spec).await;
        assert_eq!(bench.exit("a").await.reason, ExitReason::StartTimeout);
        let log = bench.log("a");
        assert!(
            log.iter().any(|(_, text)| text.contains("somebody else")),
            "{log:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_health_decides_start_and_liveness() {
    for set in sets() {
        let mut bench = Bench::new().await;
        let (mut spec, file) = serving(&bench, "late", set);
        spec.health.kind = http();
        spec.health.start_timeout_ms = 300;
        bench.start(spec).await;
        assert_eq!(bench.exit("late").await.reason, ExitReason::StartTimeout);
        drop(file);

        let (mut spec, file) = serving(&bench, "live", set);
        spec.health.kind = http();
        std::fs::write(&file, "").unwrap();
        bench.start(spec).await;
        bench.routable("live").await;
        std::fs::remove_file(&file).unwrap();
        assert_eq!(bench.exit("live").await.reason, ExitReason::Liveness);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_moves_in_and_out_of_the_routes_without_a_restart() {
    for set in sets() {
        let mut bench = Bench::new().await;
        let (mut spec, file) = serving(&bench, "a", set);
        spec.readiness = ReadinessCheck {
            kind: http(),
            invocation_timeout_ms: 5_000,
            interval_ms: 20,
            patience: Patience::default(),
        };
        bench.start(spec).await;
        let toggled = |wanted| {
            move |seen: &Observation| match seen {
                Observation::Routable { routable, .. } => (*routable == wanted).then_some(()),
                Observation::Exited { exit, .. } => panic!("{exit:?}"),
                _ => None,
            }
        };
        // Up, and not ready: it runs, and has no traffic.
        bench.observe(toggled(false)).await;
        std::fs::write(&file, "").unwrap();
        bench.observe(toggled(true)).await;
        std::fs::remove_file(&file).unwrap();
        bench.observe(toggled(false)).await;
        std::fs::write(&file, "").unwrap();
        bench.observe(toggled(true)).await;
        assert_eq!(bench.driver.observe().await[0].phase, RunPhase::Running);
    }
}
