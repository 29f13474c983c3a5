//! Envelopes of the log cache as clients read them: protobuf JSON, where an unknown field is an
//! error, a 64-bit integer is a string and bytes are base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// When it was written, nanoseconds since 1970: strictly increasing per app.
    pub(crate) stamp_ns: u64,
    /// Number of the instance.
    pub(crate) index: u32,
    /// What wrote it, for example `APP/PROC/WEB`.
    pub(crate) source_type: String,
    /// Whether it came from standard error.
    pub(crate) is_error: bool,
    /// The line without its newline; need not be text.
    pub(crate) payload: Vec<u8>,
}

/// Answer of a read.
#[derive(Debug, Serialize)]
pub(crate) struct Read {
    envelopes: Envelopes,
}

#[derive(Debug, Serialize)]
struct Envelopes {
    batch: Vec<Envelope>,
}

#[derive(Debug, Serialize)]
struct Envelope {
    timestamp: String,
    source_id: String,
    instance_id: String,
    tags: Tags,
    log: Log,
}

#[derive(Debug, Serialize)]
struct Tags {
    source_type: String,
}

#[derive(Debug, Serialize)]
struct Log {
    payload: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// Answer of `GET /api/v1/info`.
#[derive(Debug, Serialize)]
pub(crate) struct Info {
    version: &'static str,
    vm_uptime: String,
}

/// The answer to a read, in the order of the lines.
pub(crate) fn read(source_id: &str, lines: &[Line]) -> Read {
    let batch = lines.iter().map(|line| envelope(source_id, line)).collect();
    Read {
        envelopes: Envelopes { batch },
    }
}

fn envelope(source_id: &str, line: &Line) -> Envelope {
    Envelope {
        timestamp: line.stamp_ns.to_string(),
        source_id: source_id.to_owned(),
        instance_id: line.index.to_string(),
        tags: Tags {
            source_type: line.source_type.clone(),
        },
        log: Log {
            payload: STANDARD.encode(&line.payload),
            kind: if line.is_error { "ERR" } else { "OUT" },
        },
    }
}

/// What a client asks for once, to choose its read path: from 2.0.0 on that is `/api/v1/read`.
pub(crate) fn info(uptime_ms: u64) -> Info {
    Info {
        version: "2.11.0",
        vm_uptime: (uptime_ms / 1_000).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn envelope_is_strict_protobuf_json() {
        let lines = [
            Line {
                stamp_ns: 1_690_000_000_000_000_123,
                index: 2,
                source_type: "APP/PROC/WEB".to_owned(),
                is_error: false,
                payload: b"hello".to_vec(),
            },
            Line {
                stamp_ns: 1_690_000_000_000_000_124,
                index: 0,
                source_type: "APP/TASK/migrate".to_owned(),
                is_error: true,
                payload: vec![0xff, 0x00],
            },
        ];
        let answer = serde_json::to_value(read("app", &lines)).unwrap_or_default();
        assert_eq!(
            answer,
            json!({"envelopes": {"batch": [
                {
                    "timestamp": "1690000000000000123",
                    "source_id": "app",
                    "instance_id": "2",
                    "tags": {"source_type": "APP/PROC/WEB"},
                    "log": {"payload": "aGVsbG8=", "type": "OUT"}
                },
                {
                    "timestamp": "1690000000000000124",
                    "source_id": "app",
                    "instance_id": "0",
                    "tags": {"source_type": "APP/TASK/migrate"},
                    "log": {"payload": "/wA=", "type": "ERR"}
                }
            ]}})
        );
    }

    #[test]
    fn info_names_a_version_with_the_new_read_path() {
        let answer = serde_json::to_value(info(61_999)).unwrap_or_default();
        assert_eq!(answer, json!({"version": "2.11.0", "vm_uptime": "61"}));
    }
}
