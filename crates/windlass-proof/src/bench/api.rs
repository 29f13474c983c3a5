//! One deployment, a page of many, and creating: over TLS, on connections that are kept.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use windlass::demo::Failure;
use windlass::layout::Layout;
use windlass_control::history::ReleaseRecord;
use windlass_engine::id::{CommitNumber, ReleaseId};
use windlass_store::{OpenOptions, Store};

use super::client::Door;
use super::figure::{Figure, Target};
use super::stats::percentile;
use crate::programs;
use crate::rig::Rig;
use crate::seed::{self, Crowd};

const BENCH: &str = "api";
/// Deployments that are there.
const DEPLOYMENTS: u64 = 100_000;
/// Rows that go into one commit while they are put in.
const CHUNK: u64 = 1_000;
const CLIENTS: [usize; 2] = [1, 32];
/// Most deployments that all rounds of one measurement create: each takes a port, which then rests
/// for a minute, and a Windlass on automatic ports has 399.
const CREATES: usize = 128;
/// How long a measurement takes.
const SPAN: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    One,
    List,
    Create,
}

/// Measures.
pub(super) fn measure(rounds: usize) -> Result<Vec<Figure>, Failure> {
    let mut rig = Rig::new(&programs::this()?, &programs::example()?, &[])?;
    let app = rig.push("history", "1", 1)?;
    let droplet = rig.stage(&app, "2")?;
    let deployment = rig.platform.deploy(&app, &droplet, json!({}))?;
    rig.platform.wait_deployment(&deployment, "DEPLOYED")?;
    rig.server.terminate()?;
    multiply(&rig, &deployment)?;
    let crowd = Crowd {
        from: 0,
        apps: CLIENTS[1],
        active: 0,
    };
    seed::put(&rig.server, &rig.platform, crowd)?;
    rig.server.up()?;
    rig.renew()?;
    let door = Door::of(&rig.platform)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let mut figures = Vec::new();
    for (call, name) in [
        (Call::One, "GET of one deployment"),
        (Call::List, "list of 50 of 100,000 deployments"),
        (Call::Create, "create"),
    ] {
        for clients in CLIENTS {
            let mut times = Vec::new();
            let mut spent = 0.0;
            for _ in 0..rounds {
                let begun = Instant::now();
                let creates = (CREATES / rounds / clients).max(1);
                times.extend(runtime.block_on(load(&door, call, clients, creates, &deployment))?);
                spent += begun.elapsed().as_secs_f64();
            }
            let s = if clients == 1 { "" } else { "s" };
            let figure = |what: &str, percent: f64| {
                let name = format!("{name}, {clients} client{s}, {what}");
                Figure::new(BENCH, name, "ms", percentile(&times, percent))
            };
            figures.push(figure("p50", 50.0));
            let p99 = figure("p99", 99.0);
            figures.push(if call == Call::List {
                p99.wanted(Target::AtMost(10.0))
            } else {
                p99
            });
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            let rate = times.len() as f64 / spent;
            figures.push(Figure::new(
                BENCH,
                format!("{name}, {clients} client{s}, rate"),
                "1/s",
                rate,
            ));
        }
    }
    Ok(figures)
}

/// Copies a finished deployment until there are very many.
fn multiply(rig: &Rig, deployment: &str) -> Result<(), Failure> {
    let path = Layout::new(rig.server.data_dir()).database();
    let store = Store::open(path, OpenOptions::default()).map_err(failed)?;
    let id = ReleaseId::from(deployment);
    let row = store.read(|reader| reader.get(&id)).map_err(failed)?;
    let record =
        ReleaseRecord::from_row(&row.ok_or_else(|| failed("no deployment"))?).map_err(failed)?;
    for chunk in 0..DEPLOYMENTS / CHUNK {
        let mut rows = Vec::new();
        for number in chunk * CHUNK..(chunk + 1) * CHUNK {
            let mut copy = record.clone();
            copy.release.id = format!("a5700000-0000-4000-8000-{number:012x}")
                .as_str()
                .into();
            copy.release.created_commit = CommitNumber(number + 1);
            rows.push(copy.to_row().map_err(failed)?);
        }
        store
            .write_blocking(move |tx| rows.iter().try_for_each(|row| tx.put(row)))
            .map_err(failed)?;
    }
    Ok(())
}

async fn load(
    door: &Door,
    call: Call,
    clients: usize,
    creates: usize,
    deployment: &str,
) -> Result<Vec<f64>, Failure> {
    let mut jobs = tokio::task::JoinSet::new();
    let until = Instant::now() + SPAN;
    for number in 0..clients {
        let (door, deployment) = (door.clone(), deployment.to_owned());
        jobs.spawn(async move {
            let mut client = door.client().await?;
            let mut times = Vec::new();
            let body = json!({
                "droplet": { "guid": seed::second_artifact(number) },
                "relationships": { "app": { "data": { "guid": seed::app_id(number) } } },
            });
            let one = format!("/v3/deployments/{deployment}");
            let most = match call {
                Call::One | Call::List => usize::MAX,
                Call::Create => creates,
            };
            while Instant::now() < until && times.len() < most {
                let reply = match call {
                    Call::One => client.call(Method::GET, &one, None).await?,
                    Call::List => {
                        let path = "/v3/deployments?per_page=50&order_by=-created_at";
                        client.call(Method::GET, path, None).await?
                    }
                    Call::Create => {
                        client
                            .call(Method::POST, "/v3/deployments", Some(&body))
                            .await?
                    }
                };
                times.push(reply.took.as_secs_f64() * 1000.0);
                reply.ok()?;
            }
            Ok::<_, Failure>(times)
        });
    }
    let mut all = Vec::new();
    while let Some(done) = jobs.join_next().await {
        all.extend(done.map_err(failed)??);
    }
    Ok(all)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Unexpected(format!("api: {error}"))
}
