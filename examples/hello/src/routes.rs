//! What each path does.

use std::fs::File;
use std::io::{BufRead, Read, Result, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::body::Body;
use crate::request::{Framing, Request};
use crate::settings::{self, Health};

const MIB: usize = 1024 * 1024;
/// The longest `/slow`, in milliseconds.
const SLOW_MS: u64 = 600_000;
/// The most that `/memory` and `/disk` take at a time, in MiB.
const TAKE_MB: u64 = 8192;
/// The most lines of one `/log`.
const LOG_LINES: u64 = 100_000;

/// What never changes while this instance lives.
pub struct Instance {
    pub started: Instant,
    pub health: Health,
    pub version: String,
    /// Taken by `/memory`, kept until the end.
    memory: Mutex<Vec<Vec<u8>>>,
}

/// The connection as an answer needs it.
pub struct Answer<'a, W> {
    pub stream: &'a mut W,
    pub keep_alive: bool,
    pub is_head: bool,
}

impl Instance {
    pub fn new(health: Health) -> Self {
        let memory = Mutex::default();
        Self {
            started: Instant::now(),
            health,
            version: settings::version(),
            memory,
        }
    }

    /// Answers one request; the body may be left unread.
    pub fn answer<W: Write, R: BufRead>(
        &self,
        request: &Request,
        body: &mut Body<'_, R>,
        answer: &mut Answer<'_, W>,
    ) -> Result<()> {
        match request.path.as_str() {
            "/" => {
                let who = self.describe();
                self.reply(answer, "200 OK", &who)
            }
            "/health" if self.is_healthy() => self.reply(answer, "200 OK", "healthy\n"),
            "/health" => self.reply(answer, "503 Service Unavailable", "not healthy\n"),
            "/slow" => {
                let ms = request.number("ms").unwrap_or(1000).min(SLOW_MS);
                println!("answering in {ms} ms, as asked");
                std::thread::sleep(Duration::from_millis(ms));
                self.reply(answer, "200 OK", &format!("after {ms} ms\n"))
            }
            "/env" => self.reply(answer, "200 OK", &environment(request.parameter("name"))),
            "/crash" => crash(request),
            "/echo" => self.echo(request, body, answer),
            "/upload" => {
                let bytes = body.drain()?;
                self.reply(answer, "200 OK", &format!("{bytes}\n"))
            }
            "/digest" => {
                let (bytes, digest) = digest(body)?;
                self.reply(answer, "200 OK", &format!("{bytes} {digest:016x}\n"))
            }
            "/memory" => {
                let mb = request.number("mb").unwrap_or(1).min(TAKE_MB);
                self.take_memory(mb);
                self.reply(answer, "200 OK", &format!("took {mb} MiB of memory\n"))
            }
            "/disk" => {
                let mb = request.number("mb").unwrap_or(1).min(TAKE_MB);
                match take_disk(mb) {
                    Ok(()) => self.reply(answer, "200 OK", &format!("took {mb} MiB of disk\n")),
                    Err(error) => {
                        self.reply(answer, "507 Insufficient Storage", &format!("{error}\n"))
                    }
                }
            }
            "/log" => {
                let lines = request.number("n").unwrap_or(1).min(LOG_LINES);
                let mut out = std::io::stdout().lock();
                for line in 1..=lines {
                    writeln!(out, "line {line} of {lines}")?;
                }
                self.reply(answer, "200 OK", &format!("wrote {lines} lines\n"))
            }
            _ => self.reply(answer, "404 Not Found", "no such path\n"),
        }
    }

    fn describe(&self) -> String {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        format!(
            "{{\"version\":\"{}\",\"index\":\"{}\",\"instance\":\"{}\",\"env_version\":\"{}\"}}\n",
            escape(&self.version),
            escape(&variable("CF_INSTANCE_INDEX")),
            escape(&variable("CF_INSTANCE_GUID")),
            escape(&variable("VERSION")),
        )
    }

    fn is_healthy(&self) -> bool {
        match self.health {
            Health::Always | Health::DeafFor(_) => true,
            Health::Never | Health::Deaf => false,
            Health::After(wait) => self.started.elapsed() >= wait,
        }
    }

    fn reply<W: Write>(&self, answer: &mut Answer<'_, W>, status: &str, body: &str) -> Result<()> {
        let kind = if body.starts_with('{') {
            "application/json"
        } else {
            "text/plain"
        };
        let length = body.len();
        self.head(
            answer,
            status,
            &format!("Content-Type: {kind}\r\nContent-Length: {length}"),
        )?;
        if !answer.is_head {
            answer.stream.write_all(body.as_bytes())?;
        }
        answer.stream.flush()
    }

    fn head<W: Write>(&self, answer: &mut Answer<'_, W>, status: &str, more: &str) -> Result<()> {
        let connection = if answer.keep_alive {
            "keep-alive"
        } else {
            "close"
        };
        let version = &self.version;
        write!(
            answer.stream,
            "HTTP/1.1 {status}\r\nX-Hello-Version: {version}\r\n{more}\r\n\
             Connection: {connection}\r\n\r\n",
        )
    }

    /// Sends the body back while it arrives, framed as it came.
    fn echo<W: Write, R: BufRead>(
        &self,
        request: &Request,
        body: &mut Body<'_, R>,
        answer: &mut Answer<'_, W>,
    ) -> Result<()> {
        let mut buffer = [0; 16 * 1024];
        match request.framing {
            Framing::Length(length) => {
                self.head(answer, "200 OK", &format!("Content-Length: {length}"))?;
                std::io::copy(body, answer.stream)?;
            }
            Framing::Chunked => {
                self.head(answer, "200 OK", "Transfer-Encoding: chunked")?;
                loop {
                    answer.stream.flush()?;
                    let count = body.read(&mut buffer)?;
                    write!(answer.stream, "{count:x}\r\n")?;
                    answer.stream.write_all(&buffer[..count])?;
                    answer.stream.write_all(b"\r\n")?;
                    if count == 0 {
                        break;
                    }
                }
            }
        }
        answer.stream.flush()
    }

    fn take_memory(&self, mb: u64) {
        let bytes = usize::try_from(mb).unwrap_or(0) * MIB;
        // Not zero: pages that were never written to take no memory.
        let taken = vec![1; bytes];
        if let Ok(mut memory) = self.memory.lock() {
            memory.push(taken);
        }
    }
}

/// Length and 64 bits of FNV-1a of a body.
fn digest(body: &mut impl Read) -> Result<(u64, u64)> {
    let mut buffer = [0; 64 * 1024];
    let (mut bytes, mut digest) = (0, 0xcbf2_9ce4_8422_2325_u64);
    loop {
        let count = body.read(&mut buffer)?;
        if count == 0 {
            return Ok((bytes, digest));
        }
        bytes += count as u64;
        for byte in &buffer[..count] {
            digest = (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

fn take_disk(mb: u64) -> Result<()> {
    let path = format!("filled-{}-{}", std::process::id(), mb);
    let mut file = File::create(path)?;
    let block = vec![1; MIB];
    for _ in 0..mb {
        file.write_all(&block)?;
    }
    file.sync_all()
}

fn crash(request: &Request) -> ! {
    let status = request
        .number("status")
        .and_then(|status| i32::try_from(status).ok());
    eprintln!("crashing as asked");
    std::process::exit(status.unwrap_or(1))
}

fn environment(only: Option<&str>) -> String {
    let mut lines: Vec<String> = std::env::vars_os()
        .filter(|(name, _)| only.is_none_or(|only| name == only))
        .map(|(name, value)| format!("{}={}\n", name.display(), value.display()))
        .collect();
    lines.sort();
    lines.concat()
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            c if c.is_control() => escaped = format!("{escaped}\\u{:04x}", u32::from(c)),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_of_all_bytes() {
        let (bytes, of_none) = digest(&mut &b""[..]).unwrap();
        assert_eq!((bytes, of_none), (0, 0xcbf2_9ce4_8422_2325));
        assert_eq!(
            digest(&mut &b"foobar"[..]).unwrap(),
            (6, 0x8594_4171_f739_67e8)
        );
    }
}
