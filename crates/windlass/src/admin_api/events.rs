//! `windlass events`: the event trail, one JSON object a line.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use windlass_store::{EventPosition, EventQuery, EventRow};

use super::Admin;
use super::error::Refusal;
use super::query::stamp;

/// Events read at once.
const BATCH: u32 = 200;
/// Lines that wait for a slow reader.
const QUEUE: usize = 256;

#[derive(Debug, Deserialize)]
pub(super) struct EventsQuery {
    #[serde(default)]
    follow: bool,
    #[serde(default = "default_limit")]
    limit: u32,
}

fn default_limit() -> u32 {
    50
}

pub(super) async fn events(
    State(admin): State<Admin>,
    Query(query): Query<EventsQuery>,
) -> Result<Response, Refusal> {
    let (lines, receiver) = mpsc::channel(QUEUE);
    // Listen before reading, so that no commit falls between.
    let mut hints = admin.control.store().hints();
    let newest = EventQuery {
        newest_first: true,
        ..EventQuery::after(None, query.limit.min(1000))
    };
    let mut rows = read(&admin, newest).await?;
    rows.reverse();
    tokio::spawn(async move {
        let mut last = None;
        loop {
            for row in &rows {
                last = Some(row.position);
                if lines.send(line(row)).await.is_err() {
                    return;
                }
            }
            if !query.follow {
                return;
            }
            if rows.len() < BATCH as usize {
                tokio::select! {
                    hint = hints.next() => if hint.is_none() { return },
                    () = lines.closed() => return,
                }
            }
            let after = last.or(Some(EventPosition::default()));
            match read(&admin, EventQuery::after(after, BATCH)).await {
                Ok(next) => rows = next,
                Err(_) => return,
            }
        }
    });
    Ok(stream(receiver))
}

async fn read(admin: &Admin, query: EventQuery) -> Result<Vec<EventRow>, Refusal> {
    admin
        .control
        .store()
        .read_list(move |reader| Ok::<_, Refusal>(reader.events(&query)?))
        .await
}

/// An event as a line.
pub(super) fn event(row: &EventRow) -> Value {
    let event = &row.event;
    json!({
        "at": stamp(event.at),
        "kind": event.kind,
        "subject_kind": event.subject_kind,
        "subject": event.subject,
        "app": event.app,
        "text": event.text,
        "data": event.data,
        "commit": row.position.commit,
    })
}

fn line(row: &EventRow) -> Bytes {
    let mut text = event(row).to_string();
    text.push('\n');
    text.into()
}

/// An answer of lines that come as they are made.
pub(super) fn stream(receiver: mpsc::Receiver<Bytes>) -> Response {
    use tokio_stream::StreamExt;
    let lines = ReceiverStream::new(receiver).map(Ok::<_, Infallible>);
    (
        [(CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(lines),
    )
        .into_response()
}
