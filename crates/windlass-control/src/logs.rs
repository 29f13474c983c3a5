//! Logs of an app: the lines of all its runs, merged by their stamps.
//!
//! Runs write their own files; nothing here is in the way of an application that writes. Stamps
//! are unique within an app; a follower goes by the places of lines.

mod follow;
mod instances;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use windlass_engine::id::{AppId, BuildId, ComponentName, InstanceId, ReleaseId, RevisionId};
pub use windlass_runtime::LogPosition;
use windlass_runtime::{LogAppender, LogLimits, LogReader, LogRecord, LogStream};

use crate::control::Control;
use crate::error::Error;
use crate::run_name::RunName;

pub use crate::functions::output::FunctionLine;
pub use follow::LogFollower;

/// Most lines of one answer.
pub const MAX_LINES: usize = 10_000;

/// Lines of one run that are read from its files at a time.
const PAGE_LINES: usize = 500;

/// Name of the directory with the platform's own lines about an app.
const PLATFORM: &str = "platform";

/// Last three digits of the stamps of the platform's own lines: those of no run.
const PLATFORM_NUMBER: u32 = 0;

/// Files of the platform's own lines are this large, bytes, and so many are kept.
const PLATFORM_LIMITS: LogLimits = LogLimits {
    bytes_per_file: 256 * 1024,
    files: 2,
};

/// How far the time of a file may lie behind the stamps of its lines.
const FILE_TIME_SLACK: Duration = Duration::from_secs(5);

/// Name of the file beside the log of an instance that says which revision it ran.
const REVISION: &str = "revision";

/// One directory has one writer.
static PLATFORM_WRITER: Mutex<()> = Mutex::new(());

/// Which lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogQuery {
    /// First stamp, nanoseconds since 1970, included.
    pub start_ns: u64,
    /// Last stamp, not included; `None` = no end.
    pub end_ns: Option<u64>,
    /// Most lines; those that come first in the order asked for.
    pub limit: usize,
    /// Newest first.
    pub descending: bool,
}

/// Runs whose lines are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogScope {
    /// All runs of these builds.
    Builds(Vec<BuildId>),
    /// The jobs of a release.
    Jobs {
        /// Which release.
        release: ReleaseId,
        /// Only that of this component.
        component: Option<ComponentName>,
    },
    /// Instances of a revision.
    Instances {
        /// Which revision.
        revision: RevisionId,
        /// Only starts that another start of the same instance came after.
        restarted: bool,
    },
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Nanoseconds since 1970, unique within the app.
    pub stamp_ns: u64,
    /// Name of the run that wrote it.
    pub run: String,
    /// Where it begins in the files of its run: together they identify the line for ever.
    pub position: LogPosition,
    /// Number of the instance.
    pub index: u32,
    /// What wrote it, for example `APP/PROC/WEB`.
    pub source_type: String,
    /// Whether it came from standard error.
    pub is_error: bool,
    /// The line without its line feed; any bytes.
    pub text: Vec<u8>,
}

impl Control {
    /// Lines of an app.
    ///
    /// # Errors
    /// [`Error::Internal`] when files can't be read.
    pub async fn read_logs(&self, app: &AppId, query: LogQuery) -> Result<Vec<LogLine>, Error> {
        let dir = self.app_logs_dir(app);
        tokio::task::spawn_blocking(move || read(&dir, query))
            .await
            .map_err(Error::internal)?
            .map_err(Error::internal)
    }

    /// Says beside the log of an instance which revision it runs: the engine forgets that long
    /// before the log goes.
    pub(crate) async fn note_revision(
        &self,
        app: &AppId,
        run: &str,
        revision: &RevisionId,
    ) -> Result<(), Error> {
        let dir = self.app_logs_dir(app).join(run);
        let text = revision.to_string();
        tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&dir)?;
            std::fs::write(dir.join(REVISION), text)
        })
        .await
        .map_err(Error::internal)?
        .map_err(Error::internal)
    }

    /// Writes a line of the platform about an app (`API`, `CELL`, …). A line that can't be
    /// written is only reported: it is a comfort, not a record.
    pub async fn write_log(&self, app: &AppId, source_type: &'static str, text: String) {
        let dir = self.app_logs_dir(app).join(PLATFORM);
        let written = tokio::task::spawn_blocking(move || {
            let _turn = PLATFORM_WRITER
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let appender = LogAppender::open(dir, PLATFORM_LIMITS, PLATFORM_NUMBER)?;
            appender
                .line(LogStream::Out, source_type, 0, &text)
                .map(drop)
        })
        .await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(app.id = %app, "a log line was not written: {error}"),
            Err(error) => tracing::warn!(app.id = %app, "a log line was not written: {error}"),
        }
    }
}

/// Lines of all runs below a directory, merged.
fn read(dir: &Path, query: LogQuery) -> io::Result<Vec<LogLine>> {
    read_runs(runs(dir)?, query)
}

fn read_runs(runs: Vec<PathBuf>, query: LogQuery) -> io::Result<Vec<LogLine>> {
    let query = LogQuery {
        limit: query.limit.min(MAX_LINES),
        ..query
    };
    let mut lines = Vec::new();
    for run in runs {
        if ended_before(&run, query.start_ns)? {
            continue;
        }
        let name = run
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let reader = LogReader::new(run);
        let records = if query.descending {
            newest(&reader, query)?
        } else if query.start_ns == 0 {
            oldest(&reader, query)?
        } else {
            oldest_since(&reader, query)?
        };
        lines.extend(records.into_iter().map(|record| line(&name, record)));
    }
    lines.sort_by_key(|line| line.stamp_ns);
    if query.descending {
        lines.reverse();
    }
    lines.truncate(query.limit);
    Ok(lines)
}

fn runs(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut runs = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            runs.push(entry.path());
        }
    }
    Ok(runs)
}

/// Directories of the runs of a scope.
fn runs_of(dir: &Path, scope: &LogScope) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut newest: BTreeMap<InstanceId, u32> = BTreeMap::new();
    for path in runs(dir)? {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(Ok(name)) = name.map(str::parse::<RunName>) else {
            continue;
        };
        let fits = match (&name, scope) {
            (RunName::Build { build, .. }, LogScope::Builds(builds)) => builds.contains(build),
            (
                RunName::Job { release, component },
                LogScope::Jobs {
                    release: wanted,
                    component: only,
                },
            ) => release == wanted && only.as_ref().is_none_or(|only| only == component),
            (RunName::Instance { instance, run, .. }, LogScope::Instances { revision, .. }) => {
                let last = newest.entry(*instance).or_default();
                *last = (*last).max(*run);
                // Torn or missing: it is of no revision that anybody asks for.
                std::fs::read_to_string(path.join(REVISION))
                    .is_ok_and(|text| text == revision.as_str())
            }
            _ => false,
        };
        if fits {
            found.push((name, path));
        }
    }
    let only_restarted = matches!(
        scope,
        LogScope::Instances {
            restarted: true,
            ..
        }
    );
    found.retain(|(name, _)| match name {
        RunName::Instance { instance, run, .. } if only_restarted => {
            newest.get(instance).is_some_and(|last| last > run)
        }
        _ => true,
    });
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Whether nothing of a run was written since a stamp: told by the times of its files, so that
/// the many runs of the past cost next to nothing.
fn ended_before(run: &Path, start_ns: u64) -> io::Result<bool> {
    let start = UNIX_EPOCH + Duration::from_nanos(start_ns);
    let mut newest: Option<SystemTime> = None;
    for entry in std::fs::read_dir(run)? {
        match entry?.metadata().and_then(|metadata| metadata.modified()) {
            Ok(modified) => newest = newest.max(Some(modified)),
            // Rotation removed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(newest.is_none_or(|newest| newest + FILE_TIME_SLACK < start))
}

fn is_before_end(record: &LogRecord, query: LogQuery) -> bool {
    query.end_ns.is_none_or(|end_ns| record.stamp_ns < end_ns)
}

/// The newest lines, newest first.
fn newest(reader: &LogReader, query: LogQuery) -> io::Result<Vec<LogRecord>> {
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let page = reader.read_back(before, PAGE_LINES)?;
        for record in page.records {
            if record.stamp_ns < query.start_ns || found.len() >= query.limit {
                return Ok(found);
            }
            if is_before_end(&record, query) {
                found.push(record);
            }
        }
        if page.is_end {
            return Ok(found);
        }
        before = Some(page.next);
    }
}

/// The oldest lines of all.
fn oldest(reader: &LogReader, query: LogQuery) -> io::Result<Vec<LogRecord>> {
    let mut found = reader
        .read_from(LogPosition::default(), query.limit)?
        .records;
    found.retain(|record| is_before_end(record, query));
    Ok(found)
}

/// The oldest lines since a stamp: from the end backwards to the stamp, which is near for who
/// follows a log; of what is passed on the way only the last `limit` lines are kept.
fn oldest_since(reader: &LogReader, query: LogQuery) -> io::Result<Vec<LogRecord>> {
    let mut found: Vec<LogRecord> = Vec::new();
    let mut before = None;
    loop {
        let page = reader.read_back(before, PAGE_LINES)?;
        let mut is_done = page.is_end;
        for record in page.records {
            if record.stamp_ns < query.start_ns {
                is_done = true;
                break;
            }
            if is_before_end(&record, query) {
                found.push(record);
            }
        }
        let excess = found.len().saturating_sub(query.limit);
        found.drain(..excess);
        if is_done {
            return Ok(found);
        }
        before = Some(page.next);
    }
}

fn line(run: &str, record: LogRecord) -> LogLine {
    LogLine {
        stamp_ns: record.stamp_ns,
        run: run.to_owned(),
        position: record.position,
        index: record.index,
        source_type: record.source_type,
        is_error: match record.stream {
            LogStream::Out => false,
            LogStream::Err => true,
        },
        text: record.text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two runs with lines that alternate in time, as far as the clock tells them apart.
    fn two_runs() -> (tempfile::TempDir, Vec<LogLine>) {
        let dir = tempfile::tempdir().unwrap();
        let open = |run: &str, number| {
            LogAppender::open(dir.path().join(run), PLATFORM_LIMITS, number).unwrap()
        };
        let (one, two) = (open("one", 1), open("two", 2));
        for number in 0..40 {
            let text = format!("line {number}");
            one.line(LogStream::Out, "APP/PROC/WEB", 0, &text).unwrap();
            two.line(LogStream::Err, "APP/PROC/WORKER", 1, &text)
                .unwrap();
        }
        let all = LogQuery {
            start_ns: 0,
            end_ns: None,
            limit: 1_000,
            descending: false,
        };
        let lines = read(dir.path(), all).unwrap();
        (dir, lines)
    }

    #[test]
    fn lines_of_all_runs_come_in_the_order_of_their_stamps() {
        let (_dir, lines) = two_runs();
        assert_eq!(lines.len(), 80);
        assert!(lines.is_sorted_by_key(|line| line.stamp_ns));
        assert_eq!(lines.iter().filter(|line| line.is_error).count(), 40);
    }

    #[test]
    fn a_follower_that_goes_on_behind_the_last_stamp_sees_each_line_once() {
        let (dir, all) = two_runs();
        let mut seen = Vec::new();
        let mut start_ns = all[0].stamp_ns;
        loop {
            let query = LogQuery {
                start_ns,
                end_ns: None,
                limit: 7,
                descending: false,
            };
            let next = read(dir.path(), query).unwrap();
            let Some(last) = next.last() else { break };
            start_ns = last.stamp_ns + 1;
            seen.extend(next);
        }
        assert_eq!(seen.len(), all.len());
        let texts = |lines: &[LogLine]| {
            let mut texts: Vec<_> = lines
                .iter()
                .map(|line| (line.index, line.text.clone()))
                .collect();
            texts.sort();
            texts
        };
        assert_eq!(texts(&seen), texts(&all));
    }

    #[test]
    fn the_newest_come_first_when_asked_for() {
        let (dir, all) = two_runs();
        let query = LogQuery {
            start_ns: 0,
            end_ns: None,
            limit: 5,
            descending: true,
        };
        let newest = read(dir.path(), query).unwrap();
        let mut wanted: Vec<u64> = all.iter().map(|line| line.stamp_ns).collect();
        wanted.reverse();
        wanted.truncate(5);
        assert_eq!(
            newest.iter().map(|line| line.stamp_ns).collect::<Vec<_>>(),
            wanted
        );
    }

    #[test]
    fn a_scope_finds_its_own_runs_only() {
        let dir = tempfile::tempdir().unwrap();
        for (run, revision) in [
            ("i.app.1.1", Some("v1")),
            ("i.app.1.2", Some("v1")),
            ("i.app.2.1", Some("v2")),
            ("i.app.3.1", None),
            ("b.one.1", None),
            ("b.one.2", None),
            ("b.two.1", None),
            ("j.r.migrate", None),
            ("j.r.seed", None),
            ("j.other.migrate", None),
            ("platform", None),
        ] {
            let path = dir.path().join(run);
            std::fs::create_dir(&path).unwrap();
            if let Some(revision) = revision {
                std::fs::write(path.join(REVISION), revision).unwrap();
            }
        }
        let found = |scope: LogScope| {
            let mut names: Vec<String> = runs_of(dir.path(), &scope)
                .unwrap()
                .iter()
                .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
                .collect();
            names.sort();
            names
        };
        let of = |revision: &str, restarted| LogScope::Instances {
            revision: RevisionId::from(revision),
            restarted,
        };
        assert_eq!(found(of("v1", false)), ["i.app.1.1", "i.app.1.2"]);
        assert_eq!(found(of("v1", true)), ["i.app.1.1"]);
        assert_eq!(found(of("v2", true)), Vec::<String>::new());
        let builds = LogScope::Builds(vec![BuildId::from("one")]);
        assert_eq!(found(builds), ["b.one.1", "b.one.2"]);
        let jobs = |component: Option<&str>| LogScope::Jobs {
            release: ReleaseId::from("r"),
            component: component.map(ComponentName::from),
        };
        assert_eq!(found(jobs(None)), ["j.r.migrate", "j.r.seed"]);
        assert_eq!(found(jobs(Some("seed"))), ["j.r.seed"]);
    }

    #[test]
    fn the_end_is_not_included() {
        let (dir, all) = two_runs();
        let end_ns = Some(all[10].stamp_ns);
        for start_ns in [0, all[0].stamp_ns] {
            let query = LogQuery {
                start_ns,
                end_ns,
                limit: 1_000,
                descending: false,
            };
            let some = read(dir.path(), query).unwrap();
            assert!(some.iter().all(|line| line.stamp_ns < all[10].stamp_ns));
            assert!(!some.is_empty());
        }
    }

    #[test]
    fn an_app_without_logs_has_no_lines() {
        let dir = tempfile::tempdir().unwrap();
        let query = LogQuery {
            start_ns: 0,
            end_ns: None,
            limit: 5,
            descending: true,
        };
        assert_eq!(
            read(&dir.path().join("missing"), query).unwrap(),
            Vec::new()
        );
    }
}
