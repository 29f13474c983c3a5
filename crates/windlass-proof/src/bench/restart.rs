//! Control is killed while it has very many apps: how soon it decides again, and what clients of the
//! API and of the router notice.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use windlass::demo::server::Role;
use windlass::demo::{Failure, WAIT_LIMIT};

use super::client::Door;
use super::figure::{Figure, Target};
use crate::programs;
use crate::rig::Rig;
use crate::seed::{self, Crowd};

const BENCH: &str = "restart";
const APPS: usize = 10_000;
const ACTIVE: usize = 1_000;
/// Pause of the visitor between two requests.
const PAUSE: Duration = Duration::from_millis(1);

/// Measures.
pub(super) fn measure() -> Result<Vec<Figure>, Failure> {
    let mut rig = Rig::new(&programs::this()?, &programs::example()?, &[])?;
    let app = rig.push("measured", "1", 2)?;
    rig.server.terminate()?;
    let crowd = Crowd {
        from: 0,
        apps: APPS,
        active: ACTIVE,
    };
    seed::put(&rig.server, &rig.platform, crowd)?;
    rig.server.up()?;
    rig.renew()?;
    rig.platform.wait_running(&app)?;

    let stop = Arc::new(AtomicBool::new(false));
    let visitor = visit(rig.router()?, &app.host, Arc::clone(&stop));
    let door = Door::of(&rig.platform)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    rig.server.kill(Role::Control)?;
    let killed = Instant::now();
    // The first decision: somebody's canary is canceled. Control has adopted everything before it
    // answers anybody.
    let decided = runtime.block_on(async {
        let canary = format!("5eed0003-0000-4000-8000-{:012x}", ACTIVE / 2);
        let path = format!("/v3/deployments/{canary}/actions/cancel");
        loop {
            if killed.elapsed() > WAIT_LIMIT {
                return Err(failed("the API does not answer"));
            }
            let Ok(mut client) = door.client().await else {
                tokio::task::yield_now().await;
                continue;
            };
            if let Ok(reply) = client.call(Method::POST, &path, Some(&json!({}))).await
                && reply.status == 200
            {
                return Ok(killed.elapsed());
            }
        }
    })?;
    rig.platform.wait_running(&app)?;
    stop.store(true, Ordering::Relaxed);
    let pause = visitor
        .join()
        .ok()
        .flatten()
        .ok_or_else(|| failed("a request through the router failed"))?;
    let ms = |span: Duration| span.as_secs_f64() * 1000.0;
    let name = |text: &str| format!("{text}, {APPS} apps, {ACTIVE} deployments");
    Ok(vec![
        Figure::new(
            BENCH,
            name("kill of control to the first decision, all adopted"),
            "ms",
            ms(decided),
        )
        .wanted(Target::AtMost(1_000.0)),
        Figure::new(
            BENCH,
            name("longest pause of a client of the API"),
            "ms",
            ms(decided),
        ),
        Figure::new(
            BENCH,
            name("longest pause of a client of the router"),
            "ms",
            ms(pause),
        ),
    ])
}

/// Visits the app on one connection; the longest time between two answers, `None` if one failed.
fn visit(
    router: SocketAddr,
    host: &str,
    stop: Arc<AtomicBool>,
) -> std::thread::JoinHandle<Option<Duration>> {
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    std::thread::spawn(move || {
        let socket = TcpStream::connect(router).ok()?;
        socket.set_read_timeout(Some(WAIT_LIMIT)).ok()?;
        let mut writer = socket.try_clone().ok()?;
        let mut reader = BufReader::new(socket);
        let mut longest = Duration::ZERO;
        let mut last = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            writer.write_all(request.as_bytes()).ok()?;
            read_success(&mut reader)?;
            longest = longest.max(last.elapsed());
            last = Instant::now();
            std::thread::sleep(PAUSE);
        }
        Some(longest)
    })
}

/// Reads one answer with a length; `None` if it is no success.
fn read_success(reader: &mut BufReader<TcpStream>) -> Option<()> {
    let (mut line, mut length, mut is_success) = (String::new(), 0, false);
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        is_success |= line.starts_with("HTTP/1.1 200");
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    is_success.then_some(())
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Unexpected(format!("restart: {error}"))
}
