//! An app that the tests of this crate run: it listens, uses memory, plays the supervisor, or tries
//! what it must not.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

mod intruder;

/// Longest life of anything in here, should a test fail to end it.
const LIFE_LIMIT: Duration = Duration::from_mins(5);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["serve", port, file] => serve(port, Path::new(file)),
        ["silent", port] => silent(port),
        ["hold", mib] => hold(mib),
        ["supervise", data_dir] => supervise(Path::new(data_dir)),
        ["victim", ..] => intruder::victim(),
        ["intrude", data_dir, victim_dir, pid, address, port] => intrude(
            Path::new(data_dir),
            Path::new(victim_dir),
            [pid, address, port],
        ),
        ["unlinked", mib] => unlinked(mib),
        _ => Err("no such part, see main".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

type Done = Result<(), Box<dyn std::error::Error>>;

fn intrude(data_dir: &Path, dir: &Path, [pid, address, port]: [&str; 3]) -> Done {
    intruder::intrude(&intruder::Victim {
        data_dir,
        dir,
        pid: pid.parse()?,
        address: address.parse()?,
        port: port.parse()?,
    })
}

fn unlinked(mib: &str) -> Done {
    intruder::unlinked(mib.parse()?)
}

/// Answers every request with 200 while `file` exists, else with 503.
fn serve(port: &str, file: &Path) -> Done {
    let listener = TcpListener::bind(("127.0.0.1", port.parse::<u16>()?))?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        let mut request = [0; 1024];
        if stream.read(&mut request).is_ok_and(|length| length > 0) {
            let status = if file.exists() {
                "200 OK"
            } else {
                "503 Service Unavailable"
            };
            // The client may be gone.
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
    }
    Ok(())
}

/// Takes every request and answers none.
fn silent(port: &str) -> Done {
    let listener = TcpListener::bind(("127.0.0.1", port.parse::<u16>()?))?;
    let mut taken = Vec::new();
    for stream in listener.incoming() {
        let mut stream = stream?;
        let mut request = [0; 1024];
        if stream.read(&mut request).is_ok_and(|length| length > 0) {
            writeln!(std::io::stdout(), "asked")?;
            taken.push(stream);
        }
    }
    Ok(())
}

/// Holds so much memory, slowly enough for a sampler to see it.
fn hold(mib: &str) -> Done {
    let mut held = Vec::new();
    for _ in 0..mib.parse::<usize>()? {
        held.push(vec![1_u8; 1024 * 1024]);
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(LIFE_LIMIT);
    drop(held);
    Ok(())
}

/// Becomes a subreaper, makes an orphan that does not want to end, and ends it. Prints how many
/// orphans were ended and how many children are left.
fn supervise(data_dir: &Path) -> Done {
    nix::sys::prctl::set_child_subreaper(true)?;
    let kept = Command::new("/bin/sleep").arg("300").spawn()?;
    let orphan = "trap '' TERM
        setsid /bin/sh -c 'trap \"\" TERM; sleep 300 & sleep 300 & echo up; wait' & exit 0";
    let mut shell = Command::new("/bin/sh")
        .args(["-c", orphan])
        .stdout(Stdio::piped())
        .spawn()?;
    // One that is still being forked while its parent is ended would be an orphan of its own.
    let said = shell.stdout.take().ok_or("no pipe")?;
    BufReader::new(said).read_line(&mut String::new())?;
    shell.wait()?;
    let keep = BTreeSet::from([kept.id()]);
    let deadline = Instant::now() + LIFE_LIMIT;
    let mut ended = 0;
    while ended == 0 && Instant::now() < deadline {
        let limit = Duration::from_secs(20);
        ended += windlass_runtime::reap_and_end_orphans(&keep, data_dir, None, limit)
            .ended
            .len();
    }
    let again =
        windlass_runtime::reap_and_end_orphans(&keep, data_dir, None, Duration::from_secs(20));
    let is_kept_alive = Path::new(&format!("/proc/{}", kept.id())).exists();
    let is_gone = windlass_runtime::end_tree(kept.id(), Duration::from_secs(20));
    let mut out = std::io::stdout();
    write!(
        out,
        "ended {ended} left {} kept {is_kept_alive} gone {is_gone}",
        again.ended.len()
    )?;
    Ok(())
}
