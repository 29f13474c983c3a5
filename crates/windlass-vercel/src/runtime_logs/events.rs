//! `/observability/events`: what was printed, line by line, chosen by a filter.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use windlass_engine::time::Timestamp;

use super::SOURCE;
use super::filter::Filter;
use super::printed::{Line, Seen, Window, look_back};
use crate::auth::Authenticated;
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::place;
use crate::query::Pairs;
use crate::server::{REGION, VercelState};
use crate::time::iso;

/// What is kept here.
const EVENT: &str = "vercel.log";
/// Most events of one page, and what it has when the client names no number.
const MAX_EVENTS: usize = 1_000;
const DEFAULT_EVENTS: usize = 100;
/// Projects of one question.
const MAX_PROJECTS: usize = 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    event: String,
    scope: Scope,
    time_range: TimeRange,
    #[serde(default)]
    select: Vec<String>,
    #[serde(default)]
    order: Direction,
    limit: Option<usize>,
    filter: Option<String>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scope {
    #[serde(default)]
    project_ids: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct TimeRange {
    start: String,
    end: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Asc,
    #[default]
    Desc,
}

pub(super) async fn query(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    JsonObject { object, .. }: JsonObject,
) -> ApiResult<Json<Value>> {
    let question = Question::deserialize(Value::Object(object))
        .map_err(|error| ApiError::bad_request(format!("Invalid request: {error}")))?;
    if question.event != EVENT {
        return Err(ApiError::bad_request(format!(
            "Invalid request: only the event `{EVENT}` is kept here"
        )));
    }
    let filter = Filter::parse(question.filter.as_deref().unwrap_or_default())
        .map_err(|problem| ApiError::bad_request(format!("Invalid filter: {problem}")))?;
    let mut window = Window {
        start_ms: moment("start", &question.time_range.start)?,
        end_ms: moment("end", &question.time_range.end)?,
    };
    let projects = &question.scope.project_ids;
    if projects.is_empty() || projects.len() > MAX_PROJECTS {
        return Err(ApiError::bad_request(format!(
            "Invalid request: `scope.projectIds` should name 1 to {MAX_PROJECTS} projects"
        )));
    }
    let behind = question.cursor.as_deref().map(cursor).transpose()?;
    if let Some(stamp_ns) = behind {
        let ms = stamp_ns / 1_000_000;
        match question.order {
            Direction::Asc => window.start_ms = window.start_ms.max(ms),
            Direction::Desc => window.end_ms = window.end_ms.min(ms + 1),
        }
    }
    let mut found: Vec<(u64, Value)> = Vec::new();
    for project in projects {
        let place = place::project(&state, &caller, &query, project).await?;
        for seen in look_back(&state, &caller, &place, None, window).await? {
            for line in &seen.row.lines {
                let event = event(place.app.id.as_str(), &seen, line);
                if filter.holds(&event) {
                    found.push((line.stamp_ns, Value::Object(event)));
                }
            }
        }
    }
    found.sort_by_key(|(stamp_ns, _)| *stamp_ns);
    match question.order {
        Direction::Asc => found.retain(|(stamp_ns, _)| behind.is_none_or(|at| *stamp_ns > at)),
        Direction::Desc => {
            found.retain(|(stamp_ns, _)| behind.is_none_or(|at| *stamp_ns < at));
            found.reverse();
        }
    }
    let limit = question
        .limit
        .unwrap_or(DEFAULT_EVENTS)
        .clamp(1, MAX_EVENTS);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more);
    let next = next.map(|(stamp_ns, _)| stamp_ns.to_string());
    let events: Vec<Value> = found
        .into_iter()
        .map(|(_, event)| selected(event, &question.select))
        .collect();
    Ok(Json(json!({
        "events": events,
        "pagination": {"hasMore": more, "nextCursor": next},
        "meta": {"excludedIntervals": []},
    })))
}

fn moment(name: &str, text: &str) -> ApiResult<u64> {
    let parsed = text.parse::<jiff::Timestamp>().ok();
    parsed
        .and_then(|time| u64::try_from(time.as_millisecond()).ok())
        .ok_or_else(|| {
            ApiError::bad_request(format!("Invalid request: `timeRange.{name}` is no time"))
        })
}

fn cursor(text: &str) -> ApiResult<u64> {
    let bad = |_| ApiError::bad_request("Invalid request: `cursor` is none of this API");
    text.parse().map_err(bad)
}

fn event(project: &str, seen: &Seen, line: &Line) -> Map<String, Value> {
    let asked = &seen.row.asked;
    let at = Timestamp(i64::try_from(line.stamp_ns / 1_000_000).unwrap_or(0));
    let pairs = [
        ("timestamp", json!(iso(at))),
        ("projectId", json!(project)),
        ("deploymentId", json!(seen.row.deployment)),
        ("requestId", json!(asked.id)),
        ("branch", json!(seen.branch)),
        ("domain", json!(seen.domain())),
        ("environment", json!(seen.environment)),
        ("requestPath", json!(asked.path)),
        ("requestMethod", json!(asked.method)),
        ("httpStatus", json!(asked.status)),
        ("source", json!(SOURCE)),
        ("service", Value::Null),
        ("isSystemLog", json!(false)),
        ("region", json!(REGION)),
        ("runtime", json!("nodejs")),
        ("level", json!(line.level.as_str())),
        ("message", json!(line.text)),
        (
            "stream",
            json!(if line.is_error_stream {
                "stderr"
            } else {
                "stdout"
            }),
        ),
        ("traceId", Value::Null),
        ("spanId", Value::Null),
        ("attributes", Value::Null),
        ("truncated", json!(false)),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The fields that were asked for, and the time.
fn selected(event: Value, select: &[String]) -> Value {
    let Value::Object(mut event) = event else {
        return event;
    };
    if !select.is_empty() {
        event.retain(|name, _| name == "timestamp" || select.contains(name));
    }
    Value::Object(event)
}
