//! `/api/logs/request-logs`: requests for functions, newest first, with what was printed.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use windlass_control::clock;
use windlass_engine::id::BuildId;
use windlass_engine::time::Timestamp;

use super::SOURCE;
use super::printed::{Seen, Window, look_back};
use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::place;
use crate::query::Pairs;
use crate::server::{REGION, VercelState};
use crate::time::iso;

/// Rows of one page.
const PAGE_ROWS: usize = 100;
/// Milliseconds of the window when the client names no beginning.
const DEFAULT_WINDOW_MS: u64 = 60 * 60 * 1_000;

pub(super) async fn list(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
) -> ApiResult<Json<Value>> {
    let project = query
        .text("projectId")
        .ok_or_else(|| ApiError::bad_request("Missing required query parameter: `projectId`"))?;
    let place = place::project(&state, &caller, &query, project).await?;
    let wanted = Wanted::parse(&query)?;
    let deployment = query.text("deploymentId").map(BuildId::from);
    let seen = look_back(&state, &caller, &place, deployment.as_ref(), wanted.window).await?;
    let mut rows = seen.iter().rev().filter(|seen| wanted.fits(seen));
    let first = wanted.page.saturating_mul(PAGE_ROWS);
    let page: Vec<Value> = rows
        .by_ref()
        .skip(first)
        .take(PAGE_ROWS)
        .map(wire)
        .collect();
    let more = rows.next().is_some();
    Ok(Json(json!({"rows": page, "hasMoreRows": more})))
}

/// Which rows.
struct Wanted<'a> {
    window: Window,
    page: usize,
    levels: Vec<&'a str>,
    statuses: Vec<Statuses>,
    sources: Vec<&'a str>,
    environment: Option<&'a str>,
    search: Option<&'a str>,
    request: Option<&'a str>,
    branch: Option<&'a str>,
}

/// One status, or a hundred of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Statuses {
    first: u16,
    last: u16,
}

impl Statuses {
    fn parse(word: &str) -> Option<Self> {
        if let Some(hundreds) = word.strip_suffix("xx").or_else(|| word.strip_suffix("XX")) {
            let first = hundreds
                .parse::<u16>()
                .ok()
                .filter(|it| (1..=5).contains(it))?
                * 100;
            return Some(Self {
                first,
                last: first + 99,
            });
        }
        let status = word
            .parse()
            .ok()
            .filter(|status| (100..=599).contains(status))?;
        Some(Self {
            first: status,
            last: status,
        })
    }
}

impl<'a> Wanted<'a> {
    fn parse(query: &'a Pairs) -> ApiResult<Self> {
        let now = u64::try_from(clock::wall().0).unwrap_or(0);
        let end_ms = number(query, "endDate")?.unwrap_or(now);
        let start_ms =
            number(query, "startDate")?.unwrap_or_else(|| end_ms.saturating_sub(DEFAULT_WINDOW_MS));
        let mut statuses = Vec::new();
        for word in query.words("statusCode") {
            statuses.push(Statuses::parse(word).ok_or_else(|| {
                ApiError::bad_request("Invalid query parameter: `statusCode` is no status")
            })?);
        }
        let page = number(query, "page")?.unwrap_or(0);
        Ok(Self {
            window: Window { start_ms, end_ms },
            page: usize::try_from(page).unwrap_or(usize::MAX),
            levels: query.words("level"),
            statuses,
            sources: query.words("source"),
            environment: query.text("environment"),
            search: query.text("search"),
            request: query.text("requestId"),
            branch: query.text("branch"),
        })
    }

    fn fits(&self, seen: &Seen) -> bool {
        let row = &seen.row;
        let has_level = |wanted: &&str| match row.lines.as_slice() {
            [] => *wanted == "info",
            lines => lines.iter().any(|line| line.level.as_str() == *wanted),
        };
        let holds = |text: &str| {
            row.asked.path.contains(text) || row.lines.iter().any(|line| line.text.contains(text))
        };
        let status = row.asked.status;
        (self.levels.is_empty() || self.levels.iter().any(has_level))
            && (self.statuses.is_empty()
                || self
                    .statuses
                    .iter()
                    .any(|it| (it.first..=it.last).contains(&status)))
            && (self.sources.is_empty() || self.sources.contains(&SOURCE))
            && self.environment.is_none_or(|it| it == seen.environment)
            && self.search.is_none_or(holds)
            && self.request.is_none_or(|id| id == row.asked.id)
            && self
                .branch
                .is_none_or(|it| seen.branch.as_deref() == Some(it))
    }
}

fn number(query: &Pairs, name: &str) -> ApiResult<Option<u64>> {
    let Some(text) = query.text(name) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        ApiError::bad_request(format!(
            "Invalid query parameter: `{name}` should be a number"
        ))
    })
}

fn wire(seen: &Seen) -> Value {
    let row = &seen.row;
    let at = Timestamp(i64::try_from(row.stamp_ns / 1_000_000).unwrap_or(0));
    let logs: Vec<Value> = row
        .lines
        .iter()
        .map(|line| {
            json!({
                "level": line.level.as_str(),
                "message": line.text,
                "messageTruncated": false,
            })
        })
        .collect();
    json!({
        "requestId": row.asked.id,
        "timestamp": iso(at),
        "deploymentId": row.deployment,
        "requestMethod": row.asked.method,
        "requestPath": row.asked.path,
        "statusCode": row.asked.status,
        "environment": seen.environment,
        "branch": seen.branch,
        "cache": "",
        "domain": seen.domain(),
        "logs": logs,
        "events": [{"source": SOURCE, "region": REGION, "httpStatus": row.asked.status}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_one_or_a_hundred() {
        let range = |first, last| Some(Statuses { first, last });
        for (word, parsed) in [
            ("500", range(500, 500)),
            ("4xx", range(400, 499)),
            ("9xx", None),
            ("xx", None),
            ("20", None),
            ("ok", None),
        ] {
            assert_eq!(Statuses::parse(word), parsed, "{word}");
        }
    }
}
