//! `windlass logs`: lines of an app, one JSON object a line.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Query, State};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use windlass_control::logs::{LogLine, LogQuery};
use windlass_engine::time::Timestamp;

use super::Admin;
use super::error::Refusal;
use super::events::stream;
use super::query::stamp;

/// Lines read at once.
const BATCH: usize = 500;
/// Lines that wait for a slow reader.
const QUEUE: usize = 1024;
/// How often new lines are looked for while following.
const FOLLOW_PERIOD: Duration = Duration::from_millis(200);
/// Most lines to start with.
const LINES_LIMIT: usize = 1000;

#[derive(Debug, Deserialize)]
pub(super) struct LogsQuery {
    app: String,
    #[serde(default)]
    follow: bool,
    #[serde(default)]
    lines: usize,
}

pub(super) async fn logs(
    State(admin): State<Admin>,
    Query(query): Query<LogsQuery>,
) -> Result<Response, Refusal> {
    let app = admin.app_named(&query.app)?.id;
    let newest = LogQuery {
        start_ns: 0,
        end_ns: None,
        limit: query.lines.min(LINES_LIMIT),
        descending: true,
    };
    let mut lines = admin.control.read_logs(&app, newest).await?;
    lines.reverse();
    let mut next_ns = lines.last().map_or_else(now_ns, |line| line.stamp_ns + 1);
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        loop {
            let is_full = lines.len() >= BATCH;
            for line in &lines {
                if sender.send(text(line)).await.is_err() {
                    return;
                }
            }
            if !query.follow {
                return;
            }
            if !is_full {
                tokio::select! {
                    () = tokio::time::sleep(FOLLOW_PERIOD) => {}
                    () = sender.closed() => return,
                }
            }
            let later = LogQuery {
                start_ns: next_ns,
                end_ns: None,
                limit: BATCH,
                descending: false,
            };
            match admin.control.read_logs(&app, later).await {
                Ok(found) => lines = found,
                Err(_) => return,
            }
            next_ns = lines.last().map_or(next_ns, |line| line.stamp_ns + 1);
        }
    });
    Ok(stream(receiver))
}

fn text(line: &LogLine) -> Bytes {
    let millis = i64::try_from(line.stamp_ns / 1_000_000).unwrap_or(i64::MAX);
    let value = json!({
        "at": stamp(Timestamp(millis)),
        "stamp_ns": line.stamp_ns,
        "source": format!("{}/{}", line.source_type, line.index),
        "stream": if line.is_error { "ERR" } else { "OUT" },
        "text": String::from_utf8_lossy(&line.text),
    });
    format!("{value}\n").into()
}

fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
