//! Hours pass at once: what a shim waits for ends when its time has passed on the clock of test
//! builds, and not before.

use std::os::unix::fs::FileExt as _;

use windlass_runtime::{ExitReason, HealthCheck, HealthKind, Patience};

use crate::bench::{Bench, free_port, mark, marked, sets};

const HOUR_MS: u64 = 60 * 60 * 1_000;
const DEAF_TO_TERM: &str = "trap '' TERM; echo up; while :; do sleep 0.05; done";

/// So much has passed beyond what really has. The first shim has made the file.
fn passed(bench: &Bench, millis: u64) {
    let file = bench.data_dir().join(windlass_clock::FILE);
    let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(&millis.to_le_bytes(), 0).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grace_of_hours_ends_in_sigkill() {
    for set in sets() {
        let mut bench = Bench::new().await;
        for run in ["short", "long"] {
            bench.start(bench.spec(run, set, DEAF_TO_TERM)).await;
            bench.printed(run, "up").await;
        }
        bench.stop("short", HOUR_MS).await;
        bench.stop("long", 3 * HOUR_MS).await;
        for run in ["short", "long"] {
            // Its grace has begun.
            crate::bench::until(|| bench.state(run)["phase"] == "stopping").await;
            assert!(bench.state(run)["exit"].is_null());
        }
        passed(&bench, 2 * HOUR_MS);
        assert_eq!(bench.exit("short").await.reason, ExitReason::Stopped);
        assert_eq!(bench.state("long")["phase"], "stopping", "{set}");
        passed(&bench, 4 * HOUR_MS);
        assert_eq!(bench.exit("long").await.reason, ExitReason::Stopped);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_of_hours_ends_a_run() {
    let mut bench = Bench::new().await;
    let marks = [mark(), mark()];
    for (run, hours, mark) in [("short", 1, &marks[0]), ("long", 3, &marks[1])] {
        let mut spec = bench.spec(run, sets()[1], &format!("echo up; sleep {mark}"));
        spec.limits.time_limit_ms = Some(hours * HOUR_MS);
        bench.start(spec).await;
        bench.printed(run, "up").await;
    }
    passed(&bench, 2 * HOUR_MS);
    assert_eq!(bench.exit("short").await.reason, ExitReason::TimeLimit);
    assert_eq!(marked(&marks[0]), [0; 0]);
    assert!(!marked(&marks[1]).is_empty());
    passed(&bench, 4 * HOUR_MS);
    assert_eq!(bench.exit("long").await.reason, ExitReason::TimeLimit);
}

/// A check whose answer never comes waits for its own limit, not only for that of the start.
#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_waits_hours_for_an_answer() {
    let mut bench = Bench::new().await;
    for (run, hours) in [("short", 1), ("long", 3)] {
        let port = free_port();
        let command = format!("echo up; exec ./app silent {port}");
        let mut spec = bench.spec(run, sets()[1], &command);
        bench.add_app(run);
        spec.port = Some(port);
        spec.health = HealthCheck {
            kind: HealthKind::Http {
                path: "/health".into(),
                takes_redirects: false,
            },
            start_timeout_ms: 60_000,
            invocation_timeout_ms: hours * HOUR_MS,
            interval_ms: 20,
            patience: Patience::default(),
        };
        bench.start(spec).await;
        bench.printed(run, "asked").await;
    }
    passed(&bench, 2 * HOUR_MS);
    assert_eq!(bench.exit("short").await.reason, ExitReason::StartTimeout);
    assert_eq!(bench.state("long")["phase"], "starting");
    passed(&bench, 4 * HOUR_MS);
    assert_eq!(bench.exit("long").await.reason, ExitReason::StartTimeout);
    let said = bench.log("long");
    let words = "no answer to GET /health: timed out";
    assert!(
        said.iter().any(|(_, text)| text.contains(words)),
        "{said:?}"
    );
}
