//! What nginx has said of the kept inputs: recorded, so that no test needs nginx.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use windlass_router::hostile::requests;

use super::message::{Message, read_message};
use crate::corpus::folder;

/// A status that is no refusal.
pub const TAKEN: u16 = 204;

/// The statuses that nginx answered, by the name of the input.
pub type Verdicts = BTreeMap<String, Vec<u16>>;

fn path() -> PathBuf {
    folder("verdicts").join("framing.tsv")
}

/// Reads what is recorded.
pub fn recorded() -> Verdicts {
    let text = fs::read_to_string(path()).expect("verdicts are recorded");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let verdicts = lines.map(|line| {
        let (name, statuses) = line.split_once('\t').expect("a name and statuses");
        let statuses = statuses.split(' ').filter(|status| !status.is_empty());
        let statuses = statuses.map(|status| status.parse().expect("a status"));
        (name.to_owned(), statuses.collect())
    });
    verdicts.collect()
}

/// Records.
///
/// # Errors
/// When the file can't be written.
pub fn record(version: &str, verdicts: &Verdicts) -> std::io::Result<()> {
    let mut text = format!("# The statuses that {version} answers each kept input with.\n");
    for (name, statuses) in verdicts {
        let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
        let _ = writeln!(text, "{name}\t{}", statuses.join(" "));
    }
    fs::write(path(), text)
}

/// The whole requests that are let through by the framing and by the proxy behind it, and their
/// length in bytes. The last may end the connection: what follows is nobody's.
pub fn forwarded(input: &[u8]) -> (Vec<Message>, usize) {
    let (passed, _) = requests(input);
    let (mut messages, mut bytes) = (Vec::new(), 0);
    for request in passed {
        let bytes_of = &input[request.head.start..request.body.end];
        let Ok(Some(message)) = read_message(bytes_of) else {
            break;
        };
        // Answered by the proxy itself.
        if matches!(message.method.as_str(), "CONNECT" | "TRACE") {
            break;
        }
        let is_last = message.ends_connection();
        messages.push(message);
        bytes = request.body.end;
        if is_last {
            break;
        }
    }
    (messages, bytes)
}
