//! `windlass logs`: lines of an app, one JSON object a line.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use windlass_control::logs::LogLine;
use windlass_engine::time::Timestamp;

use super::Admin;
use super::error::Refusal;
use super::events::stream;
use super::query::stamp;

/// Lines of one run that are read at once.
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
    let newest = query.lines.min(LINES_LIMIT);
    let (mut follower, mut lines) = admin.control.follow_logs(&app, newest).await?;
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
            match follower.next(BATCH).await {
                Ok((next, found)) => (follower, lines) = (next, found),
                Err(_) => return,
            }
        }
    });
    Ok(stream(receiver))
}

fn text(line: &LogLine) -> Bytes {
    let millis = i64::try_from(line.stamp_ns / 1_000_000).unwrap_or(i64::MAX);
    let value = json!({
        "at": stamp(Timestamp(millis)),
        "stamp_ns": line.stamp_ns,
        "id": format!("{}/{}/{}", line.run, line.position.file, line.position.offset),
        "source": format!("{}/{}", line.source_type, line.index),
        "stream": if line.is_error { "ERR" } else { "OUT" },
        "text": String::from_utf8_lossy(&line.text),
    });
    format!("{value}\n").into()
}
