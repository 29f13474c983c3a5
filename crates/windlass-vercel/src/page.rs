//! Lists in pages: `limit`, `until`, `since`, and `pagination` in the answer.
//!
//! A page ends at a moment, not at a number: what was made in the same millisecond stays together,
//! so that nothing is missed between two pages.

use serde_json::{Value, json};
use windlass_control::listing::{Column, Filter, ListQuery, Order};
use windlass_engine::time::Timestamp;

use crate::error::{ApiError, ApiResult};
use crate::query::Pairs;

/// Rows of a page when the client does not say.
const DEFAULT_LIMIT: u32 = 20;
/// Most rows of a page.
const MAX_LIMIT: u32 = 100;
/// Most rows of one millisecond that a page may have beyond its limit.
const SLACK: u32 = 100;

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    /// Most rows.
    pub(crate) limit: u32,
    /// Only what is older, milliseconds.
    until: Option<i64>,
    /// Only what is newer, milliseconds.
    since: Option<i64>,
}

impl Page {
    /// Reads the parameters of a list. `until` has the other names `to` and `next`, `since` has
    /// `from`.
    ///
    /// # Errors
    /// 400 for what is no number.
    pub(crate) fn parse(query: &Pairs) -> ApiResult<Self> {
        let first = |names: &[&str]| -> ApiResult<Option<i64>> {
            let found = names
                .iter()
                .find_map(|name| Some((name, query.text(name)?)));
            let Some((name, text)) = found else {
                return Ok(None);
            };
            let bad = || {
                ApiError::bad_request(format!(
                    "Invalid query parameter: `{name}` should be a number"
                ))
            };
            text.parse().map(Some).map_err(|_| bad())
        };
        let limit = first(&["limit"])?.unwrap_or(i64::from(DEFAULT_LIMIT));
        let limit = u32::try_from(limit)
            .ok()
            .filter(|limit| *limit > 0)
            .ok_or_else(|| {
                ApiError::bad_request("Invalid query parameter: `limit` is too small")
            })?;
        Ok(Self {
            limit: limit.min(MAX_LIMIT),
            until: first(&["until", "to", "next"])?,
            since: first(&["since", "from"])?,
        })
    }

    /// The question for the rows of this page, newest first.
    pub(crate) fn question(&self, mut filters: Vec<Filter>) -> ListQuery {
        if let Some(until) = self.until {
            filters.push(Filter::before(Column::CreatedAt, Timestamp(until)));
        }
        if let Some(since) = self.since {
            filters.push(Filter::Gt(Column::CreatedAt, Timestamp(since).into()));
        }
        ListQuery::filtered(filters)
            .ordered(Order::descending(Column::CreatedCommit))
            .page(windlass_control::listing::Page::first(self.limit + SLACK))
    }

    /// Whether something of this time lies within the page's bounds.
    pub(crate) fn holds(&self, created: Timestamp) -> bool {
        self.until.is_none_or(|until| created.0 < until)
            && self.since.is_none_or(|since| created.0 > since)
    }

    /// Cuts rows, newest first, to this page. Gives the `pagination` of the answer.
    pub(crate) fn cut<T>(&self, rows: &mut Vec<T>, created: impl Fn(&T) -> Timestamp) -> Value {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = match rows.get(limit.saturating_sub(1)) {
            Some(last) => {
                let at = created(last);
                let same = rows[limit..].iter().take_while(|row| created(row) == at);
                let end = limit + same.count();
                let more = rows.len() > end;
                rows.truncate(end);
                more
            }
            None => false,
        };
        let time = |row: Option<&T>| row.map(|row| created(row).0);
        let next = if more { time(rows.last()) } else { None };
        json!({"count": rows.len(), "next": next, "prev": time(rows.first())})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(limit: u32) -> Page {
        Page {
            limit,
            until: None,
            since: None,
        }
    }

    fn cut(limit: u32, times: &[i64]) -> (Vec<i64>, Value) {
        let mut rows = times.to_vec();
        let pagination = page(limit).cut(&mut rows, |row| Timestamp(*row));
        (rows, pagination)
    }

    #[test]
    fn the_last_page_leads_nowhere() {
        assert_eq!(
            cut(3, &[9, 8, 7]),
            (vec![9, 8, 7], json!({"count": 3, "next": null, "prev": 9}))
        );
        assert_eq!(
            cut(3, &[]),
            (vec![], json!({"count": 0, "next": null, "prev": null}))
        );
    }

    #[test]
    fn what_was_made_at_once_stays_together() {
        assert_eq!(
            cut(2, &[9, 8, 8, 7]),
            (vec![9, 8, 8], json!({"count": 3, "next": 8, "prev": 9}))
        );
        assert_eq!(cut(2, &[9, 8, 7]).1["next"], 8);
    }
}
