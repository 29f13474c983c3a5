//! A cancel over the wire while visitors come and other apps are active, beside one durable commit
//! on the same disk.

use std::path::Path;
use std::time::Instant;

use http::Method;
use serde_json::json;
use windlass::demo::{Failure, wait_for};

use super::client::Door;
use super::figure::{Figure, Target};
use super::stats::percentile;
use crate::programs;
use crate::rig::Rig;
use crate::seed::{self, Crowd};

const BENCH: &str = "cancel";
/// Active deployments of other apps.
const OTHERS: [usize; 4] = [1, 100, 1_000, 10_000];
/// Cancels in a round: each needs a canary of its own, which takes half a second to come and go.
const CANCELS: usize = 10;

struct Sample {
    reply: Vec<f64>,
    safe: Vec<f64>,
    raw: Vec<f64>,
    answered_before_safe: usize,
}

/// Measures: one cancel, one bare commit, one cancel …
pub(super) fn measure(rounds: usize) -> Result<Vec<Figure>, Failure> {
    let mut rig = Rig::new(&programs::this()?, &programs::example()?, &[])?;
    let app = rig.push("measured", "1", 2)?;
    let droplet = rig.stage(&app, "2")?;
    let mut figures = Vec::new();
    let (mut there, mut alone) = (0, (0.0, 0.0));
    for others in OTHERS {
        rig.server.terminate()?;
        let crowd = Crowd {
            from: there,
            apps: others - there,
            active: others - there,
        };
        seed::put(&rig.server, &rig.platform, crowd)?;
        there = others;
        rig.server.up()?;
        rig.renew()?;
        rig.platform.wait_running(&app)?;
        let sample = cancels(&rig, &app, &droplet, rounds * CANCELS)?;
        let p50 = percentile(&sample.reply, 50.0);
        let p99 = percentile(&sample.reply, 99.0);
        if others == OTHERS[0] {
            alone = (p50, p99);
        }
        let of = |name: &str| format!("{name}, {others} other deployments");
        figures.push(
            Figure::new(BENCH, of("to the answer, p50"), "ms", p50)
                .beside("bare commit", percentile(&sample.raw, 50.0))
                .wanted(Target::AtMostAbove(1.0)),
        );
        figures.push(
            Figure::new(BENCH, of("to the answer, p99"), "ms", p99)
                .beside("bare commit", percentile(&sample.raw, 99.0))
                .wanted(Target::AtMostAbove(3.0)),
        );
        figures.push(Figure::new(
            BENCH,
            of("from the commit to the table in force, p50"),
            "ms",
            percentile(&sample.safe, 50.0),
        ));
        figures.push(Figure::new(
            BENCH,
            of("from the commit to the table in force, p99"),
            "ms",
            percentile(&sample.safe, 99.0),
        ));
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let early = sample.answered_before_safe as f64;
        figures.push(
            Figure::new(
                BENCH,
                of("answers before the table was in force"),
                "1",
                early,
            )
            .wanted(Target::AtMost(0.0)),
        );
        if others == 10_000 {
            let (p50_alone, p99_alone) = alone;
            figures.push(
                Figure::new(BENCH, of("to the answer, p50"), "ms", p50)
                    .beside("1 other deployment", p50_alone)
                    .wanted(Target::RatioAtMost(1.2)),
            );
            figures.push(
                Figure::new(BENCH, of("to the answer, p99"), "ms", p99)
                    .beside("1 other deployment", p99_alone),
            );
        }
    }
    Ok(figures)
}

fn cancels(
    rig: &Rig,
    app: &windlass::demo::platform::App,
    droplet: &str,
    count: usize,
) -> Result<Sample, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let mut client = runtime.block_on(async { Door::of(&rig.platform)?.client().await })?;
    let mut raw = RawCommit::open(&rig.server.data_dir().join("raw.db"))?;
    let load = rig.visitors(app)?;
    let mut sample = Sample {
        reply: Vec::new(),
        safe: Vec::new(),
        raw: Vec::new(),
        answered_before_safe: 0,
    };
    for _ in 0..count {
        let canary = rig.platform.canary(app, droplet, &[50])?;
        rig.platform.wait_paused(&canary, 1)?;
        sample.raw.push(raw.commit()?);
        let path = format!("/v3/deployments/{canary}/actions/cancel");
        let reply = runtime.block_on(client.call(Method::POST, &path, Some(&json!({}))))?;
        sample.reply.push(reply.took.as_secs_f64() * 1000.0);
        let safe = reply
            .headers
            .get("x-windlass-time-to-safe-ms")
            .and_then(|value| value.to_str().ok()?.parse::<f64>().ok());
        match safe {
            Some(ms) => sample.safe.push(ms),
            None => sample.answered_before_safe += 1,
        }
        reply.ok()?;
        rig.platform.wait_deployment(&canary, "CANCELED")?;
        wait_for("the cleanup", || {
            let record = rig.server.json(&["deployment", "show", &canary])?;
            let done = record["cleanup"] == "done";
            Ok(if done {
                Ok(())
            } else {
                Err(record["cleanup"].to_string())
            })
        })?;
    }
    let totals = load.finish();
    if totals.failed > 0 {
        return Err(failed(format!("requests failed: {:?}", totals.failures)));
    }
    Ok(sample)
}

/// One durable commit of a row of the size that a state has.
struct RawCommit {
    database: rusqlite::Connection,
    document: String,
}

impl RawCommit {
    fn open(path: &Path) -> Result<Self, Failure> {
        let database = rusqlite::Connection::open(path).map_err(failed)?;
        database
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 CREATE TABLE IF NOT EXISTS states (app INTEGER PRIMARY KEY, document TEXT);",
            )
            .map_err(failed)?;
        Ok(Self {
            database,
            document: "x".repeat(8 * 1024),
        })
    }

    fn commit(&mut self) -> Result<f64, Failure> {
        let begun = Instant::now();
        self.database
            .execute(
                "INSERT INTO states (app, document) VALUES (1, ?1)
                 ON CONFLICT (app) DO UPDATE SET document = ?1",
                [&self.document],
            )
            .map_err(failed)?;
        Ok(begun.elapsed().as_secs_f64() * 1000.0)
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Unexpected(format!("cancel: {error}"))
}
