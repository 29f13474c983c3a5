//! `/projects/{project}/deployments/{deployment}/runtime-logs`: lines as they are printed.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use windlass_control::clock;
use windlass_control::logs::{LogFollower, LogScope};
use windlass_engine::id::RevisionId;

use super::SOURCE;
use super::printed::{Asked, Level, Line, News, Open};
use crate::auth::Authenticated;
use crate::deployments::find;
use crate::error::{ApiError, ApiResult};
use crate::path::Params;
use crate::place;
use crate::query::Pairs;
use crate::server::VercelState;

/// How often new lines are looked for: files tell nobody that they grow.
const LOOK_PERIOD: Duration = Duration::from_millis(200);
/// How long one stream may be followed, minutes.
const FOLLOW_MINUTES: u64 = 30;
/// Lines of one look.
const BATCH: usize = 500;

pub(super) async fn follow(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Response> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    let found = find::deployment(&state, &caller, &query, params.get("deployment")).await?;
    if found.place.app.id != place.app.id {
        return Err(ApiError::not_found("Deployment"));
    }
    let scope = LogScope::Instances {
        revision: RevisionId::from(found.record.id.as_str()),
        restarted: false,
    };
    let (follower, _) = state
        .control
        .follow_logs_of(&place.app.id, vec![scope], 0)
        .await?;
    let kind = [(
        header::CONTENT_TYPE,
        "application/stream+json; charset=utf-8",
    )];
    let body = Body::from_stream(lines(follower, found.detail.host));
    Ok((kind, body).into_response())
}

/// The lines as parts of a body. What can't be read ends it.
fn lines(follower: LogFollower, host: String) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    let until = tokio::time::Instant::now() + Duration::from_mins(FOLLOW_MINUTES);
    let begun = (follower, Open::default());
    stream::unfold(Some(begun), move |place| {
        let host = host.clone();
        async move {
            let (mut follower, mut open) = place?;
            loop {
                tokio::time::sleep(LOOK_PERIOD).await;
                let (next, lines) = follower.next(BATCH).await.ok()?;
                follower = next;
                let mut news = Vec::new();
                for line in &lines {
                    open.take(line, &mut news);
                }
                let mut text = String::new();
                for news in &news {
                    push(&mut text, &wire(news, &host));
                }
                let ends = tokio::time::Instant::now() >= until;
                if ends {
                    push(&mut text, &limit());
                }
                if !text.is_empty() {
                    let next = (!ends).then_some((follower, open));
                    return Some((Ok(Bytes::from(text)), next));
                }
            }
        }
    })
}

fn push(text: &mut String, row: &Value) {
    text.push_str(&row.to_string());
    text.push('\n');
}

fn wire(news: &News, host: &str) -> Value {
    match news {
        News::Printed(asked, line) => {
            let nobody = Asked::default();
            row(asked.as_ref().unwrap_or(&nobody), Some(line), host)
        }
        News::Over(asked) => row(asked, None, host),
    }
}

fn row(asked: &Asked, line: Option<&Line>, host: &str) -> Value {
    let at_ms = match line {
        Some(line) => i64::try_from(line.stamp_ns / 1_000_000).unwrap_or(0),
        None => clock::wall().0,
    };
    let level = match line {
        Some(line) => line.level,
        None if asked.status >= 500 => Level::Error,
        None => Level::Info,
    };
    let domain = match asked.domain.as_str() {
        "" => host,
        domain => domain,
    };
    let id = match line {
        Some(line) => line.stamp_ns.to_string(),
        None => asked.id.clone(),
    };
    json!({
        "level": level.as_str(),
        "message": line.map_or("", |line| line.text.as_str()),
        "messageTruncated": false,
        "rowId": id,
        "source": if line.is_some() { SOURCE } else { "request" },
        "timestampInMs": at_ms,
        "domain": domain,
        "requestMethod": asked.method,
        "requestPath": asked.path,
        "responseStatusCode": asked.status,
    })
}

/// Tells clients that the stream was long enough.
fn limit() -> Value {
    json!({
        "level": "error",
        "message": format!("Exceeded query duration limit of {FOLLOW_MINUTES} minutes"),
        "messageTruncated": false,
        "rowId": "",
        "source": "delimiter",
        "timestampInMs": clock::wall().0,
        "domain": "",
        "requestMethod": "",
        "requestPath": "",
        "responseStatusCode": 0,
    })
}
