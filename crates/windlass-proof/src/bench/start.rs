//! From the wish for an instance to its first byte, beside a bare start of the same program.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use http::Method;
use windlass::demo::platform::App;
use windlass::demo::{Failure, WAIT_LIMIT, wait_for};

use super::client::Door;
use super::figure::{Figure, Target};
use super::stats::{median, percentile};
use crate::programs;
use crate::rig::Rig;

const BENCH: &str = "start";
/// Pause between two attempts to be served, ours and bare: without any, who asks would take the
/// processor from what is measured.
const ATTEMPT: Duration = Duration::from_micros(200);
/// Starts in a round.
const STARTS: usize = 10;

/// Measures in turn: ours, bare, ours …
pub(super) fn measure(rounds: usize) -> Result<Vec<Figure>, Failure> {
    let example = programs::example()?;
    let rig = Rig::new(&programs::windlass()?, &example, &[])?;
    let app = rig.push("start", "1", 1)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let mut client = runtime.block_on(async { Door::of(&rig.platform)?.client().await })?;
    let (mut ours, mut bare, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds * STARTS {
        bare.push(started_bare(&example)?);
        let stop = format!("/v3/apps/{}/actions/stop", app.guid);
        runtime
            .block_on(client.call(Method::POST, &stop, None))?
            .ok()?;
        wait_for("the end of the instance", || {
            let left = rig
                .server
                .census()
                .iter()
                .filter(|seen| !seen.is_windlass())
                .count();
            Ok(if left == 0 {
                Ok(())
            } else {
                Err(format!("{left} processes"))
            })
        })?;
        let asker = ask_until_served(rig.router()?, &app);
        let begun = Instant::now();
        let start = format!("/v3/apps/{}/actions/start", app.guid);
        let reply = runtime.block_on(client.call(Method::POST, &start, None))?;
        answers.push(millis(reply.took));
        reply.ok()?;
        let served = asker.join().ok().flatten();
        let served = served.ok_or_else(|| failed("nobody served"))?;
        ours.push(millis(served.saturating_duration_since(begun)));
    }
    let figure = |name: &str, percent: f64| {
        Figure::new(BENCH, name, "ms", percentile(&ours, percent))
            .beside("bare start", percentile(&bare, percent))
            .wanted(Target::AtMostAbove(2.0))
    };
    Ok(vec![
        figure("from the request to the first byte, p50", 50.0),
        figure("from the request to the first byte, p99", 99.0),
        Figure::new(
            BENCH,
            "of that, to the answer of the API, p50",
            "ms",
            median(&answers),
        ),
    ])
}

/// Asks through the router, again in a moment when there is nobody, until the app answers.
fn ask_until_served(router: SocketAddr, app: &App) -> std::thread::JoinHandle<Option<Instant>> {
    let host = app.host.clone();
    std::thread::spawn(move || {
        let begun = Instant::now();
        while begun.elapsed() < WAIT_LIMIT {
            if let Some(at) = first_byte(router, &host) {
                return Some(at);
            }
            std::thread::sleep(ATTEMPT);
        }
        None
    })
}

/// When the first byte of a success came.
fn first_byte(address: SocketAddr, host: &str) -> Option<Instant> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(WAIT_LIMIT)).ok()?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).ok()?;
    let mut head = [0; 12];
    socket.read_exact(&mut head[..1]).ok()?;
    let at = Instant::now();
    socket.read_exact(&mut head[1..]).ok()?;
    head.ends_with(b" 200").then_some(at)
}

fn started_bare(example: &Path) -> Result<f64, Failure> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(failed)?
        .port();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let begun = Instant::now();
    let mut child = Command::new(example.join("hello"))
        .arg("web")
        .current_dir(example)
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let at = loop {
        if let Some(at) = first_byte(address, "localhost") {
            break Some(at);
        }
        if begun.elapsed() > WAIT_LIMIT {
            break None;
        }
        std::thread::sleep(ATTEMPT);
    };
    let _ = child.kill();
    let _ = child.wait();
    at.map(|at| millis(at.saturating_duration_since(begun)))
        .ok_or_else(|| failed("the example alone never answered"))
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Unexpected(format!("start: {error}"))
}
