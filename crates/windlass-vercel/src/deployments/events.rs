//! `/deployments/{deployment}/events`: the log of the build, and what becomes of the deployment.
//!
//! Clients that wait read a stream of lines that ends with the deployment; others a list.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use windlass_control::logs::{LogFollower, LogLine, LogScope, MAX_LINES};
use windlass_engine::id::BuildId;
use windlass_engine::records::BuildRecordState;

use super::find::{self, Found};
use super::state::{Aliases, ReadyState, failure_words};
use super::view::{Shown, Surroundings, cancel_reason};
use crate::auth::Authenticated;
use crate::error::ApiResult;
use crate::path::Params;
use crate::query::Pairs;
use crate::server::VercelState;

/// How often new lines are looked for: files tell nobody that they grow.
const LOOK_PERIOD: Duration = Duration::from_millis(200);
/// How long one stream may be followed.
const FOLLOW_LIMIT: Duration = Duration::from_hours(2);
/// Lines of one look.
const BATCH: usize = 500;

pub(super) async fn events(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let found = find::deployment(&state, &caller, &query, params.get("deployment")).await?;
    let since_ms = query.text("since").and_then(|text| text.parse().ok());
    let until_ms = query.text("until").and_then(|text| text.parse().ok());
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let prefers_stream = accepts
        .split(',')
        .next()
        .is_some_and(|first| first.trim().starts_with("application/stream+json"));
    let follows = query.first("follow") == Some("1");
    let mut reader = Reader {
        state,
        caller,
        id: found.record.id.clone(),
        since_ms,
        until_ms,
        follower: None,
        serial: 0,
    };
    if follows || prefers_stream || query.first("format") == Some("lines") {
        let body = Body::from_stream(lines(reader, follows));
        let kind = [(
            header::CONTENT_TYPE,
            "application/stream+json; charset=utf-8",
        )];
        return Ok((kind, body).into_response());
    }
    let mut events = reader.next().await?;
    let (found, around) = reader.look().await?;
    events.extend(reader.ending(&found, &Shown::new(&found, &around)));
    if query.first("direction") == Some("backward") {
        events.reverse();
    }
    if let Some(limit) = query
        .text("limit")
        .and_then(|text| text.parse::<usize>().ok())
    {
        events.truncate(limit);
    }
    Ok(Json(Value::Array(events)).into_response())
}

/// Where a reader of the events of a deployment stands.
struct Reader {
    state: VercelState,
    caller: Authenticated,
    id: BuildId,
    since_ms: Option<u64>,
    until_ms: Option<u64>,
    /// `None` before the first lines.
    follower: Option<LogFollower>,
    serial: u64,
}

impl Reader {
    /// The lines that there are; afterwards those that came since.
    async fn next(&mut self) -> ApiResult<Vec<Value>> {
        let lines = match self.follower.take() {
            None => {
                let record = self.state.control.find_build(&self.id)?;
                let Some(record) = record else {
                    return Ok(Vec::new());
                };
                let scopes = vec![LogScope::Builds(vec![self.id.clone()])];
                let (follower, lines) = self
                    .state
                    .control
                    .follow_logs_of(&record.app, scopes, MAX_LINES)
                    .await?;
                self.follower = Some(follower);
                lines
            }
            Some(follower) => {
                let (follower, lines) = follower.next(BATCH).await?;
                self.follower = Some(follower);
                lines
            }
        };
        Ok(lines.iter().filter_map(|line| self.line(line)).collect())
    }

    async fn look(&self) -> ApiResult<(Found, Surroundings)> {
        let found = find::by_id(&self.state, &self.caller, &self.id)?;
        let found = found.ok_or_else(|| crate::error::ApiError::not_found("Deployment"))?;
        let around = Surroundings::read(&self.state, &found).await?;
        Ok((found, around))
    }

    fn line(&mut self, line: &LogLine) -> Option<Value> {
        let ms = line.stamp_ns / 1_000_000;
        let is_wanted = self.since_ms.is_none_or(|since| ms >= since)
            && self.until_ms.is_none_or(|until| ms < until);
        if !is_wanted {
            return None;
        }
        let kind = if line.is_error { "stderr" } else { "stdout" };
        let text = String::from_utf8_lossy(&line.text);
        Some(self.event(kind, ms, &line.stamp_ns.to_string(), &text))
    }

    fn event(&mut self, kind: &str, ms: u64, id: &str, text: &str) -> Value {
        self.serial += 1;
        json!({
            "type": kind,
            "created": ms,
            "date": ms,
            "deploymentId": self.id,
            "id": id,
            "text": text,
            "serial": self.serial.to_string(),
            "info": {"type": "build", "name": "bld", "entrypoint": "."},
        })
    }

    /// What says how the build ended, once it has.
    fn ending(&mut self, found: &Found, shown: &Shown<'_>) -> Vec<Value> {
        if !shown.ready.is_over() {
            return Vec::new();
        }
        let at = u64::try_from(found.record.stamps.updated_at.0).unwrap_or(0);
        let word = shown.ready.as_str();
        let mut events = Vec::new();
        match (&found.record.state, shown.ready) {
            // Clients wait for a line that holds the message of the deployment.
            (BuildRecordState::Failed { error }, ReadyState::Error) => {
                let mut last = self.event("stderr", at, "error", failure_words(error));
                last["level"] = "error".into();
                events.push(last);
            }
            (_, ReadyState::Canceled) => {
                let text = match cancel_reason(&found.record) {
                    Some(reason) if reason.starts_with("canceled by ") => {
                        format!("The deployment was {reason}")
                    }
                    Some(reason) => format!("The deployment was canceled: {reason}"),
                    None => "The deployment was canceled".to_owned(),
                };
                events.push(self.event("stderr", at, "canceled", &text));
            }
            _ => {}
        }
        let mut state = self.event("deployment-state", at, "state", "");
        state["info"]["readyState"] = word.into();
        events.push(state);
        events
    }
}

/// The end of a stream: nothing comes after it.
fn last(found: &Found, shown: &Shown<'_>) -> Value {
    let at = found.record.stamps.updated_at.0;
    // With hosts that were refused clients would take this for a success with a warning: without it
    // they look at the deployment and fail.
    if shown.ready == ReadyState::Ready && shown.alias_error().is_null() {
        return json!({
            "type": "alias-assigned",
            "deploymentId": found.record.id,
            "date": at,
            "alias": shown.hosts(),
            "aliasError": shown.alias_error(),
            "aliasWarning": null,
        });
    }
    json!({"event": "state", "payload": {"value": shown.ready.as_str()}})
}

/// The events as parts of a body. What can't be read ends it.
fn lines(
    reader: Reader,
    follows: bool,
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    let until = tokio::time::Instant::now() + FOLLOW_LIMIT;
    stream::unfold(Some((reader, false)), move |place| async move {
        let (mut reader, mut begun) = place?;
        loop {
            if begun {
                tokio::time::sleep(LOOK_PERIOD).await;
            }
            begun = true;
            // Looked at first: what is written before the end is read after it.
            let (found, around) = reader.look().await.ok()?;
            let mut events = reader.next().await.ok()?;
            let shown = Shown::new(&found, &around);
            let is_over = shown.ready.is_over() && shown.aliases != Aliases::Awaited
                || matches!(shown.ready, ReadyState::Error | ReadyState::Canceled);
            if is_over {
                events.extend(reader.ending(&found, &shown));
                events.push(last(&found, &shown));
            }
            let ends = is_over || !follows || tokio::time::Instant::now() >= until;
            if events.is_empty() && !ends {
                continue;
            }
            let mut text = String::new();
            for event in &events {
                text.push_str(&event.to_string());
                text.push('\n');
            }
            let next = (!ends).then_some((reader, true));
            return Some((Ok(Bytes::from(text)), next));
        }
    })
}
