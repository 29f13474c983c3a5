//! From the lines of a log to requests and what was printed for each.

use std::collections::{BTreeMap, HashMap};

use windlass_control::logs::{FunctionLine, LogLine, LogQuery, MAX_LINES};
use windlass_engine::id::{BuildId, RevisionId};

use crate::auth::Authenticated;
use crate::deployments::detail::Detail;
use crate::deployments::find;
use crate::error::ApiResult;
use crate::place::Place;
use crate::server::VercelState;

/// Bytes of lines that were printed in one.
const MESSAGE_BYTES: usize = 64 * 1024;
/// Requests that are remembered until they end.
const OPEN_LIMIT: usize = 10_000;

/// How serious a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Info,
    Warning,
    Error,
}

impl Level {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A request for a function, as far as the log says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) id: String,
    pub(super) method: String,
    /// Without port.
    pub(super) domain: String,
    pub(super) path: String,
    /// 0 while there is none.
    pub(super) status: u16,
}

/// One printed line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) stamp_ns: u64,
    pub(super) level: Level,
    pub(super) is_error_stream: bool,
    pub(super) text: String,
}

impl Line {
    /// Takes a line on that was printed in one with this, if there is room.
    fn take_on(&mut self, is_more: bool, next: &Self) -> bool {
        let fits = is_more
            && self.is_error_stream == next.is_error_stream
            && self.text.len() + next.text.len() < MESSAGE_BYTES;
        if fits {
            self.text.push('\n');
            self.text.push_str(&next.text);
        }
        fits
    }
}

/// A request with its lines; one without an id stands for a line outside of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) deployment: BuildId,
    pub(super) stamp_ns: u64,
    pub(super) asked: Asked,
    pub(super) lines: Vec<Line>,
}

/// What a line of the log says to who follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// Something was printed, for a request that is known or not.
    Printed(Option<Asked>, Line),
    /// A request is over.
    Over(Asked),
}

/// The requests that have begun and are not over.
#[derive(Debug, Default)]
pub(super) struct Open {
    asked: HashMap<String, Asked>,
}

impl Open {
    /// Takes a line in, and adds to the news what it says.
    pub(super) fn take(&mut self, line: &LogLine, news: &mut Vec<News>) {
        let text = String::from_utf8_lossy(&line.text);
        match FunctionLine::parse(&text) {
            FunctionLine::Begun {
                request,
                method,
                host,
                path,
            } => {
                if self.asked.len() >= OPEN_LIMIT {
                    // Their ends were lost.
                    self.asked.clear();
                }
                let asked = asked(request, method, host, path);
                self.asked.insert(request.to_owned(), asked);
            }
            FunctionLine::Ended {
                request, status, ..
            } => {
                if let Some(mut asked) = self.asked.remove(request) {
                    asked.status = status.unwrap_or(0);
                    news.push(News::Over(asked));
                }
            }
            FunctionLine::Printed {
                request,
                is_warning,
                is_more,
                text,
            } => {
                let said = printed(line, is_warning, text);
                if let Some(News::Printed(asked, last)) = news.last_mut()
                    && asked.as_ref().map(|asked| asked.id.as_str()) == request
                    && last.take_on(is_more, &said)
                {
                    return;
                }
                let known = request.map(|id| {
                    self.asked.get(id).cloned().unwrap_or_else(|| Asked {
                        id: id.to_owned(),
                        ..Asked::default()
                    })
                });
                news.push(News::Printed(known, said));
            }
        }
    }
}

fn asked(id: &str, method: &str, host: &str, path: &str) -> Asked {
    let domain = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    Asked {
        id: id.to_owned(),
        method: method.to_owned(),
        domain: domain.to_owned(),
        path: path.to_owned(),
        status: 0,
    }
}

fn printed(line: &LogLine, is_warning: bool, text: &str) -> Line {
    let level = match (is_warning, line.is_error) {
        (true, _) => Level::Warning,
        (false, true) => Level::Error,
        (false, false) => Level::Info,
    };
    Line {
        stamp_ns: line.stamp_ns,
        level,
        is_error_stream: line.is_error,
        text: text.to_owned(),
    }
}

/// Puts lines together, oldest first. The streams of a function overtake each other: what belongs
/// to a request is found wherever it stands.
pub(super) fn rows(lines: &[(RevisionId, LogLine)]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut known: HashMap<(RevisionId, String), usize> = HashMap::new();
    for (revision, line) in lines {
        let row_of = |id: &str, rows: &mut Vec<Row>, known: &mut HashMap<_, usize>| {
            let place = known.entry((revision.clone(), id.to_owned()));
            *place.or_insert_with(|| {
                rows.push(Row {
                    deployment: find::of_version(revision),
                    stamp_ns: line.stamp_ns,
                    asked: Asked {
                        id: id.to_owned(),
                        ..Asked::default()
                    },
                    lines: Vec::new(),
                });
                rows.len() - 1
            })
        };
        let text = String::from_utf8_lossy(&line.text);
        match FunctionLine::parse(&text) {
            FunctionLine::Begun {
                request,
                method,
                host,
                path,
            } => {
                let place = row_of(request, &mut rows, &mut known);
                let status = rows[place].asked.status;
                rows[place].asked = Asked {
                    status,
                    ..asked(request, method, host, path)
                };
            }
            FunctionLine::Ended {
                request, status, ..
            } => {
                let place = row_of(request, &mut rows, &mut known);
                rows[place].asked.status = status.unwrap_or(0);
            }
            FunctionLine::Printed {
                request: Some(request),
                is_warning,
                is_more,
                text,
            } => {
                let place = row_of(request, &mut rows, &mut known);
                let said = printed(line, is_warning, text);
                let last = rows[place].lines.last_mut();
                if !last.is_some_and(|last| last.take_on(is_more, &said)) {
                    rows[place].lines.push(said);
                }
            }
            FunctionLine::Printed {
                request: None,
                is_warning,
                is_more,
                text,
            } => {
                let deployment = find::of_version(revision);
                let said = printed(line, is_warning, text);
                let last = rows
                    .last_mut()
                    .filter(|row| row.asked.id.is_empty() && row.deployment == deployment)
                    .and_then(|row| row.lines.last_mut());
                if !last.is_some_and(|last| last.take_on(is_more, &said)) {
                    rows.push(Row {
                        deployment,
                        stamp_ns: line.stamp_ns,
                        asked: Asked::default(),
                        lines: vec![said],
                    });
                }
            }
        }
    }
    rows
}

/// What is looked back at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// Milliseconds since 1970, included.
    pub(super) start_ms: u64,
    /// Milliseconds since 1970, not included.
    pub(super) end_ms: u64,
}

/// A row with its deployment.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) row: Row,
    /// What it was for, the branch that it was made of, its host.
    pub(super) environment: &'static str,
    pub(super) branch: Option<String>,
    pub(super) host: String,
}

impl Seen {
    /// The host that was asked, or of the deployment.
    pub(super) fn domain(&self) -> &str {
        match self.row.asked.domain.as_str() {
            "" => &self.host,
            domain => domain,
        }
    }
}

/// The rows of a project, oldest first: of the newest [`MAX_LINES`] lines in the window.
///
/// # Errors
/// 500.
pub(super) async fn look_back(
    state: &VercelState,
    caller: &Authenticated,
    place: &Place,
    deployment: Option<&BuildId>,
    window: Window,
) -> ApiResult<Vec<Seen>> {
    let query = LogQuery {
        start_ns: window.start_ms.saturating_mul(1_000_000),
        end_ns: Some(window.end_ms.saturating_mul(1_000_000)),
        limit: MAX_LINES,
        descending: true,
    };
    let only = deployment.map(|id| RevisionId::from(id.as_str()));
    let read = state
        .control
        .read_instance_logs(&place.app.id, only.as_ref(), query);
    let mut lines = read.await?;
    lines.reverse();
    let mut details: BTreeMap<BuildId, Option<Detail>> = BTreeMap::new();
    let mut seen = Vec::new();
    for row in rows(&lines) {
        let detail = match details.entry(row.deployment.clone()) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let found = find::by_id(state, caller, place.key())?;
                place.insert(found.map(|found| found.detail))
            }
        };
        // Of a deployment that was deleted.
        let Some(detail) = detail else { continue };
        seen.push(Seen {
            row,
            environment: detail.target.environment().as_str(),
            branch: branch(detail),
            host: detail.host.clone(),
        });
    }
    Ok(seen)
}

fn branch(detail: &Detail) -> Option<String> {
    let mut meta = detail.meta.iter();
    meta.find(|(name, _)| name.ends_with("CommitRef"))
        .map(|(_, value)| value.clone())
}

#[cfg(test)]
mod tests {
    use windlass_control::logs::LogPosition;

    use super::*;

    fn line(stamp_ns: u64, is_error: bool, text: &str) -> LogLine {
        LogLine {
            stamp_ns,
            run: "run".to_owned(),
            position: LogPosition::default(),
            index: 0,
            source_type: "APP".to_owned(),
            is_error,
            text: text.as_bytes().to_vec(),
        }
    }

    #[test]
    fn lines_find_their_request_wherever_they_stand() {
        let of = |revision: &str, line| (RevisionId::from(revision), line);
        let rows = rows(&[
            of("one", line(1, true, "[a] early")),
            of("one", line(2, false, "(a) GET shop.test:8080 /x")),
            of("two", line(3, false, "(a) POST other.test /y")),
            of("one", line(4, false, "[-] outside")),
            of("one", line(5, true, "[a warning] mind")),
            of("one", line(5, true, "[a warning more] the gap")),
            of("one", line(5, false, "[- more] the same")),
            of("one", line(6, false, "(a) 500 3ms")),
        ]);
        let shown: Vec<_> = rows
            .iter()
            .map(|row| {
                let asked = &row.asked;
                let lines = row.lines.iter();
                let texts: Vec<_> = lines
                    .map(|line| (line.level.as_str(), line.text.as_str()))
                    .collect();
                let word = (row.deployment.as_str(), asked.method.as_str());
                (word, asked.domain.as_str(), asked.status, texts)
            })
            .collect();
        assert_eq!(
            shown,
            [
                (
                    ("one", "GET"),
                    "shop.test",
                    500,
                    vec![("error", "early"), ("warning", "mind\nthe gap")]
                ),
                (("two", "POST"), "other.test", 0, vec![]),
                (("one", ""), "", 0, vec![("info", "outside\nthe same")]),
            ]
        );
    }

    #[test]
    fn who_follows_is_told_lines_at_once_and_the_end_of_a_request() {
        let mut open = Open::default();
        let mut take = |line| {
            let mut news = Vec::new();
            open.take(&line, &mut news);
            news
        };
        assert_eq!(take(line(1, false, "(a) GET shop.test /x")), []);
        let said = take(line(2, false, "[a] hello"));
        let [News::Printed(Some(asked), said)] = said.as_slice() else {
            panic!("{said:?}");
        };
        assert_eq!((asked.path.as_str(), asked.status), ("/x", 0));
        assert_eq!(said.text, "hello");
        let over = take(line(3, false, "(a) 200 1ms"));
        let [News::Over(asked)] = over.as_slice() else {
            panic!("{over:?}");
        };
        assert_eq!(asked.status, 200);
        // Of a request that began before anybody followed.
        assert_eq!(take(line(4, false, "(b) 200 1ms")), []);
    }

    #[test]
    fn lines_that_were_printed_in_one_stay_together() {
        let (mut open, mut news) = (Open::default(), Vec::new());
        for (is_error, text) in [
            (false, "[a] one"),
            (false, "[a more] two"),
            (true, "[a more] other stream"),
            (false, "[b more] other request"),
        ] {
            open.take(&line(1, is_error, text), &mut news);
        }
        let texts = news.iter().map(|news| match news {
            News::Printed(_, line) => line.text.as_str(),
            News::Over(_) => "over",
        });
        let texts: Vec<&str> = texts.collect();
        assert_eq!(texts, ["one\ntwo", "other stream", "other request"]);
    }
}
