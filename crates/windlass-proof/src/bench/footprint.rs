//! Size of the program, memory of its roles, and how soon it answers.

use std::time::{Duration, Instant};

use windlass::demo::Failure;
use windlass::demo::server::Role;

use super::client::Door;
use super::figure::{Figure, Target};
use super::memory;
use super::stats::median;
use crate::programs;
use crate::rig::Rig;
use crate::seed::{self, Crowd};

const BENCH: &str = "footprint";
/// Instances whose shims are looked at.
const INSTANCES: u32 = 8;
/// Apps by whose number the memory of one is found.
const APPS: usize = 1_000;
/// Pause between two attempts to be answered.
const ATTEMPT: Duration = Duration::from_millis(1);

/// Measures.
pub(super) fn measure(rounds: usize) -> Result<Vec<Figure>, Failure> {
    let program = programs::windlass()?;
    let example = programs::example()?;
    let mut figures = Vec::new();
    let bytes = std::fs::metadata(&program).map_err(|source| Failure::File {
        what: "look at",
        path: program.clone(),
        source,
    })?;
    figures.push(
        Figure::new(BENCH, "program", "MB", megabytes(bytes.len())).wanted(Target::AtMost(30.0)),
    );

    let mut rig = Rig::new(&program, &example, &[])?;
    let mut total = 0.0;
    let mut shared = 0.0;
    for (role, word) in ROLES {
        let pid = pid(&rig, role)?;
        let resident = memory::resident(pid);
        total += resident;
        shared += memory::proportional(pid);
        figures.push(Figure::new(
            BENCH,
            format!("resident, idle, {word}"),
            "MiB",
            resident,
        ));
    }
    figures.push(
        Figure::new(BENCH, "resident, idle, all roles added", "MiB", total)
            .wanted(Target::AtMost(60.0)),
    );
    figures.push(Figure::new(
        BENCH,
        "idle, all roles, shared pages once",
        "MiB",
        shared,
    ));

    rig.push("shims", "1", INSTANCES)?;
    let shims: Vec<f64> = rig
        .server
        .census()
        .iter()
        .filter(|seen| seen.arguments.get(1).is_some_and(|word| word == "shim"))
        .map(|seen| memory::private(seen.pid))
        .collect();
    figures.push(
        Figure::new(BENCH, "private, shim of an instance", "MiB", median(&shims))
            .wanted(Target::AtMost(2.0)),
    );
    let mut waits = Vec::new();
    for _ in 0..rounds {
        waits.push(first_answer(&mut rig)?);
    }
    figures.push(
        Figure::new(
            BENCH,
            "first answer of the API after the start",
            "ms",
            median(&waits),
        )
        .wanted(Target::AtMost(200.0)),
    );
    drop(rig);
    figures.extend(per_app()?);
    Ok(figures)
}

const ROLES: [(Role, &str); 3] = [
    (Role::Supervisor, "supervisor"),
    (Role::Control, "control"),
    (Role::Router, "router"),
];

fn pid(rig: &Rig, role: Role) -> Result<i32, Failure> {
    rig.server
        .pid(role)
        .ok_or_else(|| Failure::Unexpected(format!("{role:?} does not run")))
}

/// From the start of `windlass up` to the first byte of an answer, on ports that are known.
fn first_answer(rig: &mut Rig) -> Result<f64, Failure> {
    rig.server.terminate()?;
    let door = Door::of(&rig.platform)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::System {
            what: "start a runtime",
            source,
        })?;
    let begun = Instant::now();
    let asker = std::thread::spawn(move || {
        runtime.block_on(async move {
            loop {
                if begun.elapsed() > windlass::demo::WAIT_LIMIT {
                    return None;
                }
                let Ok(mut client) = door.client().await else {
                    tokio::time::sleep(ATTEMPT).await;
                    continue;
                };
                if let Ok(reply) = client.call(http::Method::GET, "/v3", None).await
                    && reply.status == 200
                {
                    return Some(begun.elapsed());
                }
            }
        })
    });
    rig.server.up()?;
    let took = asker.join().ok().flatten();
    rig.renew()?;
    took.map(|took| took.as_secs_f64() * 1000.0)
        .ok_or_else(|| Failure::Unexpected("the API never answered".to_owned()))
}

/// What apps that only are there, and deployments that are on their way, add to control.
fn per_app() -> Result<Vec<Figure>, Failure> {
    let this = programs::this()?;
    let example = programs::example()?;
    let mut rig = Rig::new(&this, &example, &[])?;
    let mut measured = Vec::new();
    let crowds = [
        None,
        Some(Crowd {
            from: 0,
            apps: APPS,
            active: 0,
        }),
        Some(Crowd {
            from: APPS,
            apps: APPS,
            active: APPS,
        }),
    ];
    for crowd in crowds {
        rig.server.terminate()?;
        if let Some(crowd) = crowd {
            seed::put(&rig.server, &rig.platform, crowd)?;
        }
        rig.server.up()?;
        rig.renew()?;
        measured.push(memory::private(pid(&rig, Role::Control)?));
    }
    let each = |index: usize| {
        let grown: f64 = measured[index] - measured[index - 1];
        #[expect(clippy::cast_precision_loss, reason = "a thousand")]
        let apps = APPS as f64;
        grown.max(0.0) * 1024.0 / apps
    };
    Ok(vec![
        Figure::new(
            BENCH,
            "control, per started app without a deployment",
            "KiB",
            each(1),
        ),
        Figure::new(
            BENCH,
            "control, per app with an active deployment",
            "KiB",
            each(2),
        ),
    ])
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a program is far below 2^52 bytes"
)]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
