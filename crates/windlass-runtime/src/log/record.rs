//! One log record and its form in a file.

use std::io::Write as _;

use serde::{Deserialize, Serialize};

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Nanoseconds since the epoch, strictly increasing within a run.
    pub stamp_ns: u64,
    /// Which output it came from.
    pub stream: LogStream,
    /// E.g. `APP/PROC/WEB`, `APP/PROC/WEB/SIDECAR/PROXY`, `STG`, `API`, `RTR`, `CELL`.
    pub source_type: String,
    /// Number of the instance.
    pub index: u32,
    /// The line without its line feed; any bytes.
    pub text: Vec<u8>,
    /// Where the record begins. With the run it identifies the line for ever.
    pub position: LogPosition,
}

/// Which output a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A place in the log of one run. Ordered as the lines are.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct LogPosition {
    /// Number of the file: `3` is `3.log`.
    pub file: u64,
    /// Offset in the file, in bytes.
    pub offset: u64,
}

impl LogRecord {
    /// The text for people; bytes that are no UTF-8 are replaced.
    pub fn text_lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.text)
    }

    /// Reads a line (without its line feed) that stands at `position`; `None` if it is no record.
    pub(crate) fn parse(line: &[u8], position: LogPosition) -> Option<Self> {
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let stamp_ns = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        let stream = match parts.next()? {
            b"o" => LogStream::Out,
            b"e" => LogStream::Err,
            _ => return None,
        };
        let (source_type, index) = std::str::from_utf8(parts.next()?).ok()?.rsplit_once('/')?;
        let index = index.parse().ok()?;
        let text = unescape(parts.next()?)?;
        Some(Self {
            stamp_ns,
            stream,
            source_type: source_type.to_owned(),
            index,
            text,
            position,
        })
    }
}

/// Appends the file form of a record to `buffer`.
pub(crate) fn format_record(
    buffer: &mut Vec<u8>,
    stamp_ns: u64,
    stream: LogStream,
    source_type: &str,
    index: u32,
    text: &[u8],
) {
    let letter = match stream {
        LogStream::Out => 'o',
        LogStream::Err => 'e',
    };
    // Writing into a vector cannot fail.
    let _ = write!(buffer, "{stamp_ns} {letter} {source_type}/{index} ");
    for byte in text {
        match byte {
            b'\\' => buffer.extend_from_slice(b"\\\\"),
            b'\n' => buffer.extend_from_slice(b"\\n"),
            b'\r' => buffer.extend_from_slice(b"\\r"),
            0 => buffer.extend_from_slice(b"\\0"),
            other => buffer.push(*other),
        }
    }
    buffer.push(b'\n');
}

fn unescape(escaped: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(byte) = bytes.next() {
        text.push(match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                b'0' => 0,
                _ => return None,
            },
            other => *other,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_round_trip() {
        let every_byte: Vec<u8> = (0..=255).collect();
        for text in [&b""[..], b" two  spaces ", b"C:\\new\\r", &every_byte] {
            let mut line = Vec::new();
            format_record(
                &mut line,
                1_700_000_000_000_001_007,
                LogStream::Err,
                "APP/X",
                7,
                text,
            );
            assert_eq!(
                line.iter().position(|byte| *byte == b'\n'),
                Some(line.len() - 1)
            );
            line.pop();
            let record = LogRecord::parse(&line, LogPosition::default()).unwrap();
            assert_eq!((record.text.as_slice(), record.index), (text, 7));
            assert_eq!(record.source_type, "APP/X");
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for line in [
            "",
            "1 o",
            "1 x A/0 t",
            "1 o A t",
            "x o A/0 t",
            "1 o A/0 \\q",
            "1 o A/0",
        ] {
            assert_eq!(
                LogRecord::parse(line.as_bytes(), LogPosition::default()),
                None,
                "{line}"
            );
        }
    }
}
