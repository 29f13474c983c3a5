//! The router beside nginx and HAProxy: processor time of a request and its latency at a fixed rate,
//! then the highest rate, round by round in turn.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use windlass::demo::Failure;

use super::backend::Backend;
use super::figure::{Figure, Target};
use super::proxy::{Certificate, HOST, Kind, Proxy, failed};
use super::stats::{median, percentile};
use super::visitors::{Address, Pace, visit};

const BENCH: &str = "router";
/// Requests a second at the fixed rate: well below what any of them holds on two cores.
const RATE: f64 = 2_000.0;
const SPAN: Duration = Duration::from_secs(1);
/// Fewest rounds that mean something.
const ROUNDS_MIN: usize = 5;

#[derive(Debug, Clone, Copy)]
struct Case {
    upstreams: usize,
    connections: usize,
    body_kb: usize,
    tls: bool,
}

#[derive(Debug, Default)]
struct Measured {
    micros: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    rate: Vec<f64>,
}

/// Measures.
pub(super) fn measure(rounds: usize) -> Result<Vec<Figure>, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(failed)?;
    let folder = tempfile::tempdir().map_err(failed)?;
    let certificate = certificate(folder.path())?;
    let mut figures = Vec::new();
    for upstreams in [1, 4] {
        for connections in [32, 256] {
            for body_kb in [0, 16] {
                for tls in [false, true] {
                    let case = Case {
                        upstreams,
                        connections,
                        body_kb,
                        tls,
                    };
                    let case_folder = folder
                        .path()
                        .join(format!("{upstreams}-{connections}-{body_kb}-{tls}"));
                    let measured = compare(
                        &runtime,
                        &case_folder,
                        &certificate,
                        case,
                        rounds.max(ROUNDS_MIN),
                    )?;
                    figures.extend(told(case, &measured));
                }
            }
        }
    }
    Ok(figures)
}

fn compare(
    runtime: &tokio::runtime::Runtime,
    folder: &Path,
    certificate: &Certificate,
    case: Case,
    rounds: usize,
) -> Result<[Measured; 3], Failure> {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut backends = Vec::new();
    for number in 0..case.upstreams {
        let name = number.to_string();
        let backend = Backend::start(&name, case.body_kb * 1024);
        backends.push(runtime.block_on(backend).map_err(failed)?);
    }
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
    let mut proxies = Vec::new();
    for kind in Kind::ALL {
        let _entered = runtime.enter();
        let started = Proxy::start(kind, folder, workers, certificate, &addresses)?;
        proxies.push(started);
    }
    let tls = client_tls(&certificate.chain)?;
    let mut measured: [Measured; 3] = Default::default();
    for round in 0..rounds {
        // Each is first as often as any other.
        for place in 0..proxies.len() {
            let index = (place + round) % proxies.len();
            let (proxy, into) = (&proxies[index], &mut measured[index]);
            let address = Address {
                socket: if case.tls { proxy.https } else { proxy.http },
                host: HOST.to_owned(),
                tls: case.tls.then(|| Arc::clone(&tls)),
            };
            let before = proxy.processor_time();
            let steady = visit(&address, case.connections, Pace::Rate(RATE), SPAN);
            let steady = runtime.block_on(steady).map_err(failed)?;
            let spent = proxy.processor_time().saturating_sub(before);
            let greedy = visit(&address, case.connections, Pace::Greedy, SPAN);
            let greedy = runtime.block_on(greedy).map_err(failed)?;
            if steady.failed + greedy.failed > 0 {
                let name = proxy.kind.name();
                return Err(failed(format!("{name}: requests failed in {case:?}")));
            }
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            let count = (steady.times.len() + case.connections) as f64;
            into.micros.push(spent.as_secs_f64() * 1e6 / count);
            into.p50.push(percentile(&steady.times, 50.0));
            into.p99.push(percentile(&steady.times, 99.0));
            into.rate.push(greedy.rate());
        }
    }
    Ok(measured)
}

fn told(case: Case, measured: &[Measured; 3]) -> Vec<Figure> {
    let [ours, nginx, haproxy] = measured;
    let Case {
        upstreams,
        connections,
        body_kb,
        tls,
    } = case;
    let security = if tls { "TLS" } else { "plain" };
    let of = |what: &str| {
        format!("{what}, {upstreams} up, {connections} conn, {body_kb} kB, {security}")
    };
    let nginx_name = Kind::Nginx.name();
    let haproxy_name = Kind::Haproxy.name();
    vec![
        Figure::new(BENCH, of("processor"), "us/request", median(&ours.micros))
            .beside(nginx_name, median(&nginx.micros))
            .wanted(Target::RatioAtMost(1.0)),
        Figure::new(BENCH, of("processor"), "us/request", median(&ours.micros))
            .beside(haproxy_name, median(&haproxy.micros)),
        Figure::new(BENCH, of("p50 at 2000/s"), "ms", median(&ours.p50))
            .beside(haproxy_name, median(&haproxy.p50)),
        Figure::new(BENCH, of("p99 at 2000/s"), "ms", median(&ours.p99))
            .beside(nginx_name, median(&nginx.p99)),
        Figure::new(BENCH, of("p99 at 2000/s"), "ms", median(&ours.p99))
            .beside(haproxy_name, median(&haproxy.p99))
            .wanted(Target::RatioAtMost(1.0)),
        Figure::new(BENCH, of("highest rate"), "1/s", median(&ours.rate))
            .beside(nginx_name, median(&nginx.rate)),
        Figure::new(BENCH, of("highest rate"), "1/s", median(&ours.rate))
            .beside(haproxy_name, median(&haproxy.rate)),
    ]
}

/// A certificate for the host, signed by itself.
pub(super) fn certificate(folder: &Path) -> Result<Certificate, Failure> {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).map_err(failed)?;
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(failed)?;
        Ok::<_, Failure>(path)
    };
    Ok(Certificate {
        chain: write("chain.pem", &chain)?,
        key: write("key.pem", &key)?,
        both: write("both.pem", &format!("{chain}{key}"))?,
    })
}

fn client_tls(chain: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(chain).map_err(failed)?;
    roots.add_parsable_certificates(found.filter_map(Result::ok));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
