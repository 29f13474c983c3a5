//! A small HTTP/1.1 server: one thread a connection, keep-alive, and an end without a cut request.

use std::io::{BufReader, BufWriter, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::body::Body;
use crate::request::Request;
use crate::routes::{Answer, Instance};
use crate::settings::{self, Health};
use crate::{stop, websocket};

/// Connections at a time; more wait in the listener's queue.
const CONNECTIONS: usize = 1000;
/// How long a connection may be idle between requests.
const IDLE: Duration = Duration::from_mins(1);
/// How often a full server looks whether it is to stop.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How long the end waits for requests in flight.
const DRAIN: Duration = Duration::from_secs(30);

/// Serves until SIGTERM.
pub fn run() -> ExitCode {
    let told = settings::health().and_then(|health| Ok((health, settings::linger()?)));
    let (health, linger) = match told {
        Ok(told) => told,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    match health {
        Health::Deaf => {
            println!("not listening, as asked");
            loop {
                std::thread::park();
            }
        }
        Health::DeafFor(wait) => std::thread::sleep(wait),
        Health::Always | Health::Never | Health::After(_) => {}
    }
    let host = settings::value("HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = settings::value("PORT").unwrap_or_else(|| "8080".to_owned());
    match TcpListener::bind(format!("{host}:{port}")) {
        Ok(listener) => serve(&listener, health, linger),
        Err(error) => {
            eprintln!("cannot listen on {host}:{port}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(listener: &TcpListener, health: Health, linger: Duration) -> ExitCode {
    stop::on_term_stop_accepting(listener);
    println!("version {} listens", settings::version());
    let instance = Arc::new(Instance::new(health));
    let connections = Arc::new(Gauge::default());
    let requests = Arc::new(Gauge::default());
    while !stop::is_stopping() {
        connections.wait_below(CONNECTIONS);
        let Ok((stream, _)) = listener.accept() else {
            continue;
        };
        let (instance, requests) = (Arc::clone(&instance), Arc::clone(&requests));
        let connection = connections.enter();
        // When no thread is to be had, the connection is closed and its place free again.
        let _ = std::thread::Builder::new().spawn(move || {
            let _connection = connection;
            if let Err(problem) = converse(&stream, &instance, &requests) {
                eprintln!("connection: {problem}");
            }
        });
    }
    requests.wait_empty(DRAIN);
    std::thread::sleep(linger);
    println!("ends after SIGTERM");
    ExitCode::SUCCESS
}

/// Answers the requests of one connection.
fn converse(stream: &TcpStream, instance: &Instance, requests: &Arc<Gauge>) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    stream.set_nodelay(true).map_err(text)?;
    stream.set_read_timeout(Some(IDLE)).map_err(text)?;
    let mut reader = BufReader::new(stream);
    let mut writer = BufWriter::new(stream);
    loop {
        // An idle connection is no request in flight.
        match std::io::BufRead::fill_buf(&mut reader) {
            Ok([]) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
        let _request = requests.enter();
        let Some(request) = Request::read(&mut reader)? else {
            return Ok(());
        };
        if request.expects_continue {
            writer
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .map_err(text)?;
            writer.flush().map_err(text)?;
        }
        if let ("/socket", Some(protocol)) = (request.path.as_str(), &request.upgrade) {
            return socket(protocol, &mut reader, stream).map_err(text);
        }
        if let (Some(key), "/websocket") = (&request.websocket_key, request.path.as_str()) {
            let version = &instance.version;
            return websocket::converse(stream, &mut reader, &mut writer, key, version)
                .map_err(text);
        }
        let keep_alive = request.keep_alive && !stop::is_stopping();
        let is_head = request.method == "HEAD";
        let mut body = Body::new(&mut reader, request.framing);
        let mut answer = Answer {
            stream: &mut writer,
            keep_alive,
            is_head,
        };
        instance
            .answer(&request, &mut body, &mut answer)
            .map_err(text)?;
        if !keep_alive {
            return Ok(());
        }
        body.drain().map_err(text)?;
    }
}

/// Leaves HTTP and sends back whatever comes, as it comes.
fn socket(
    protocol: &str,
    reader: &mut BufReader<&TcpStream>,
    mut stream: &TcpStream,
) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    std::io::copy(reader, &mut stream).map(drop)
}

/// Counts what is going on, and lets others wait for its end.
#[derive(Default)]
struct Gauge {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Gauge {
    fn enter(self: &Arc<Self>) -> Entered {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Entered(Arc::clone(self))
    }

    /// Returns also when the server is to stop: a signal cannot wake a condition variable, so it
    /// is asked for now and then.
    fn wait_below(&self, limit: usize) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        while *count >= limit && !stop::is_stopping() {
            let waited = self.changed.wait_timeout(count, LOOK_AGAIN);
            count = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn wait_empty(&self, limit: Duration) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        drop(
            self.changed
                .wait_timeout_while(count, limit, |count| *count > 0),
        );
    }
}

struct Entered(Arc<Gauge>);

impl Drop for Entered {
    fn drop(&mut self) {
        *self.0.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.changed.notify_all();
    }
}
