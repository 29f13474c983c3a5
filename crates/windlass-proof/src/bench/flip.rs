//! All traffic moves from one upstream to another: from the push to the first request that goes to
//! the new one, and to the last that still went to the old one.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use windlass::demo::{Failure, wait_for};

use super::backend::Backend;
use super::figure::{Figure, Target};
use super::proxy::{HOST, Kind, Proxy, failed, put_group, version};
use super::router::certificate;
use super::stats::{median, percentile};
use super::visitors::{Address, Connection};

const BENCH: &str = "flip";
/// Flips in a round.
const FLIPS: usize = 20;
/// Kept connections that ask without pause.
const VISITORS: usize = 8;
/// So many answers of the new upstream in a row, of all visitors, end a flip.
const SETTLED: usize = 64;

/// One answer: when its request was sent, when it was there, who gave it.
#[derive(Debug, Clone, Copy)]
struct Answer {
    sent: Instant,
    seen: Instant,
    is_second: bool,
}

#[derive(Debug, Default)]
struct Times {
    first: Vec<f64>,
    last: Vec<f64>,
    said: Vec<f64>,
}

/// Measures, flip by flip in turn.
pub(super) fn measure(rounds: usize) -> Result<Vec<Figure>, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(failed)?;
    let _entered = runtime.enter();
    let folder = tempfile::tempdir().map_err(failed)?;
    let certificate = certificate(folder.path())?;
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let first = runtime.block_on(Backend::start("0", 0)).map_err(failed)?;
    let second = runtime.block_on(Backend::start("1", 0)).map_err(failed)?;
    let both = [first.address, second.address];
    let mut times: [Times; 3] = Default::default();
    for round in 0..rounds {
        for (kind, times) in Kind::ALL.into_iter().zip(&mut times) {
            let folder = folder.path().join(round.to_string());
            // HAProxy knows both from the start; the others begin with the first.
            let known = if kind == Kind::Haproxy {
                &both[..]
            } else {
                &both[..1]
            };
            let proxy = Proxy::start(kind, &folder, workers, &certificate, known)?;
            if kind == Kind::Haproxy {
                haproxy_weights(&proxy, false)?;
            }
            flips(&runtime, &proxy, &both, times)?;
        }
    }
    let [ours, nginx, haproxy] = &times;
    let mut figures = Vec::new();
    for percent in [50.0, 99.0] {
        for (what, of) in [
            (
                "push to the first new pick",
                (|t| &t.first) as fn(&Times) -> &Vec<f64>,
            ),
            ("push to the last old pick", |t| &t.last),
        ] {
            let name = format!("{what}, p{percent}");
            let value = percentile(of(ours), percent);
            let beside_haproxy = Figure::new(BENCH, name.clone(), "ms", value)
                .beside("HAProxy runtime API", percentile(of(haproxy), percent))
                .wanted(Target::RatioAtMost(1.0));
            figures.push(beside_haproxy);
            figures.push(
                Figure::new(BENCH, name, "ms", value)
                    .beside("nginx reload", percentile(of(nginx), percent)),
            );
        }
    }
    figures.push(Figure::new(
        BENCH,
        "push to the acknowledgement of all workers, p50",
        "ms",
        median(&ours.said),
    ));
    Ok(figures)
}

fn flips(
    runtime: &tokio::runtime::Runtime,
    proxy: &Proxy,
    both: &[SocketAddr; 2],
    times: &mut Times,
) -> Result<(), Failure> {
    let answers: Arc<Mutex<Vec<Answer>>> = Arc::default();
    let stop = Arc::new(AtomicBool::new(false));
    let mut visitors = tokio::task::JoinSet::new();
    for _ in 0..VISITORS {
        let address = Address {
            socket: proxy.http,
            host: HOST.to_owned(),
            tls: None,
        };
        let (answers, stop) = (Arc::clone(&answers), Arc::clone(&stop));
        visitors.spawn_on(visitor(address, answers, stop), runtime.handle());
    }
    let seen = || answers.lock().unwrap_or_else(PoisonError::into_inner);
    for flip in 0..FLIPS {
        let to_second = flip % 2 == 0;
        wait_for("answers of one upstream only", || {
            let all = seen();
            let enough = all.len() >= SETTLED
                && all[all.len() - SETTLED..]
                    .iter()
                    .all(|a| a.is_second != to_second);
            Ok(if enough {
                Ok(())
            } else {
                Err(format!("{} answers", all.len()))
            })
        })?;
        seen().clear();
        let pushed = Instant::now();
        let said = push(proxy, both, to_second, flip)?;
        wait_for("the flip", || {
            let all = seen();
            let enough = all.len() >= SETTLED
                && all[all.len() - SETTLED..]
                    .iter()
                    .all(|a| a.is_second == to_second);
            Ok(if enough {
                Ok(())
            } else {
                Err(format!("{} answers", all.len()))
            })
        })?;
        let since = |at: Instant| at.saturating_duration_since(pushed).as_secs_f64() * 1000.0;
        let all = seen().clone();
        let new = all.iter().filter(|answer| answer.is_second == to_second);
        let old = all.iter().filter(|answer| answer.is_second != to_second);
        if let Some(first) = new.map(|answer| answer.seen).min() {
            times.first.push(since(first));
        }
        times
            .last
            .push(old.map(|answer| answer.sent).max().map_or(0.0, since));
        times.said.push(said.as_secs_f64() * 1000.0);
    }
    stop.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        while let Some(done) = visitors.join_next().await {
            done.map_err(failed)?.map_err(failed)?;
        }
        Ok::<(), Failure>(())
    })
}

async fn visitor(
    address: Address,
    answers: Arc<Mutex<Vec<Answer>>>,
    stop: Arc<AtomicBool>,
) -> std::io::Result<()> {
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let mut connection = Connection::open(&address).await?;
    while !stop.load(Ordering::Relaxed) {
        let sent = Instant::now();
        // A reload of nginx closes kept connections between two requests.
        let Ok(head) = connection.ask(request.as_bytes()).await else {
            connection = Connection::open(&address).await?;
            continue;
        };
        let answer = Answer {
            sent,
            seen: Instant::now(),
            is_second: head.to_ascii_lowercase().contains("x-upstream: 1"),
        };
        answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(answer);
    }
    Ok(())
}

/// Moves all traffic; how long it took until the proxy said that it is done.
fn push(
    proxy: &Proxy,
    both: &[SocketAddr; 2],
    to_second: bool,
    flip: usize,
) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let target = both[usize::from(to_second)];
    match proxy.kind {
        Kind::Windlass => {
            let name = if to_second { "two" } else { "one" };
            let generation = u64::try_from(flip).unwrap_or(0) + 2;
            let change = put_group(generation, vec![version(name, &[target])]);
            return proxy.link()?.publish(vec![change]);
        }
        Kind::Haproxy => haproxy_weights(proxy, to_second)?,
        Kind::Nginx => {
            let path = proxy.folder.join("nginx.conf");
            let text = fs::read_to_string(&path).map_err(failed)?;
            let old = both[usize::from(!to_second)];
            let text = text.replace(&old.to_string(), &target.to_string());
            fs::write(&path, text).map_err(failed)?;
            proxy.signal("HUP")?;
        }
    }
    Ok(begun.elapsed())
}

fn haproxy_weights(proxy: &Proxy, to_second: bool) -> Result<(), Failure> {
    let path = proxy.folder.join("runtime.sock");
    let mut socket = UnixStream::connect(path).map_err(failed)?;
    let (first, second) = if to_second { (0, 100) } else { (100, 0) };
    let line = format!("set weight app/s0 {first}%; set weight app/s1 {second}%\n");
    socket.write_all(line.as_bytes()).map_err(failed)?;
    let mut said = String::new();
    socket.read_to_string(&mut said).map_err(failed)?;
    if said.trim().is_empty() {
        Ok(())
    } else {
        Err(failed(said))
    }
}
