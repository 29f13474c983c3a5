//! Follows the log of an app: by the place of each line in the files of its run, not by its stamp.
//!
//! A line reaches its file a moment after its stamp was made, and another run may be quicker: who
//! goes on behind the last stamp would miss it. Places miss and double nothing.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use windlass_engine::id::AppId;
use windlass_runtime::{LogPosition, LogReader};

use super::{LogLine, LogScope, MAX_LINES, line, runs, runs_of};
use crate::control::Control;
use crate::error::Error;

/// A reader of all runs of an app, those that begin later included.
#[derive(Debug)]
pub struct LogFollower {
    dir: PathBuf,
    /// Which runs; none = all.
    scopes: Vec<LogScope>,
    /// Where to read on, by run.
    places: BTreeMap<String, LogPosition>,
}

impl Control {
    /// The newest lines of an app, oldest first, and who reads on behind them.
    ///
    /// # Errors
    /// [`Error::Internal`] when files can't be read.
    pub async fn follow_logs(
        &self,
        app: &AppId,
        newest: usize,
    ) -> Result<(LogFollower, Vec<LogLine>), Error> {
        let dir = self.app_logs_dir(app);
        let begun = tokio::task::spawn_blocking(move || LogFollower::begin(dir, vec![], newest));
        begun
            .await
            .map_err(Error::internal)?
            .map_err(Error::internal)
    }

    /// The same for some runs of an app only.
    ///
    /// # Errors
    /// [`Error::Internal`] when files can't be read.
    pub async fn follow_logs_of(
        &self,
        app: &AppId,
        scopes: Vec<LogScope>,
        newest: usize,
    ) -> Result<(LogFollower, Vec<LogLine>), Error> {
        let dir = self.app_logs_dir(app);
        let begun = tokio::task::spawn_blocking(move || {
            if scopes.is_empty() {
                // Nothing of it ever ran.
                return Ok((LogFollower::nothing(dir), Vec::new()));
            }
            LogFollower::begin(dir, scopes, newest)
        });
        begun
            .await
            .map_err(Error::internal)?
            .map_err(Error::internal)
    }
}

impl LogFollower {
    fn nothing(dir: PathBuf) -> Self {
        Self {
            dir,
            scopes: vec![LogScope::Builds(Vec::new())],
            places: BTreeMap::new(),
        }
    }

    fn begin(
        dir: PathBuf,
        scopes: Vec<LogScope>,
        newest: usize,
    ) -> io::Result<(Self, Vec<LogLine>)> {
        let newest = newest.min(MAX_LINES);
        let (mut places, mut lines) = (BTreeMap::new(), Vec::new());
        for path in runs_within(&dir, &scopes)? {
            let run = name(&path);
            let reader = LogReader::new(path);
            let last = reader.read_back(None, newest.max(1))?.records;
            let Some(end) = last.first() else { continue };
            // Behind that line; what has come since stays to be read.
            places.insert(run.clone(), reader.read_from(end.position, 1)?.next);
            let shown = last.into_iter().take(newest);
            lines.extend(shown.map(|record| line(&run, record)));
        }
        lines.sort_by_key(|line| line.stamp_ns);
        let excess = lines.len().saturating_sub(newest);
        lines.drain(..excess);
        let follower = Self {
            dir,
            scopes,
            places,
        };
        Ok((follower, lines))
    }

    /// What has come since, at most so many lines of each run.
    ///
    /// # Errors
    /// [`Error::Internal`] when files can't be read.
    pub async fn next(mut self, limit: usize) -> Result<(Self, Vec<LogLine>), Error> {
        let read = tokio::task::spawn_blocking(move || {
            let lines = self.read_on(limit)?;
            Ok::<_, io::Error>((self, lines))
        });
        read.await
            .map_err(Error::internal)?
            .map_err(Error::internal)
    }

    fn read_on(&mut self, limit: usize) -> io::Result<Vec<LogLine>> {
        let mut lines = Vec::new();
        for path in runs_within(&self.dir, &self.scopes)? {
            let run = name(&path);
            let place = self.places.get(&run).copied().unwrap_or_default();
            let reader = LogReader::new(path);
            if reader.end()? == place {
                continue;
            }
            let page = reader.read_from(place, limit.min(MAX_LINES))?;
            lines.extend(page.records.into_iter().map(|record| line(&run, record)));
            self.places.insert(run, page.next);
        }
        lines.sort_by_key(|line| line.stamp_ns);
        Ok(lines)
    }
}

fn runs_within(dir: &Path, scopes: &[LogScope]) -> io::Result<Vec<PathBuf>> {
    if scopes.is_empty() {
        return runs(dir);
    }
    let mut found = Vec::new();
    for scope in scopes {
        found.extend(runs_of(dir, scope)?);
    }
    Ok(found)
}

fn name(run: &Path) -> String {
    let name = run.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Adds lines to the file of a run as its shim does.
    fn write(dir: &std::path::Path, run: &str, file: u64, text: &str) {
        let run = dir.join(run);
        std::fs::create_dir_all(&run).unwrap();
        let mut options = std::fs::OpenOptions::new();
        let opened = options
            .create(true)
            .append(true)
            .open(run.join(format!("{file}.log")));
        opened.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn texts(lines: &[LogLine]) -> Vec<String> {
        let text = |line: &LogLine| String::from_utf8_lossy(&line.text).into_owned();
        lines.iter().map(text).collect()
    }

    #[test]
    fn lines_with_earlier_stamps_half_lines_and_new_files_and_runs_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        write(dir, "a", 0, "1000 o APP/0 a1\n3000 o APP/0 a2\n");
        write(
            dir,
            "b",
            0,
            "2000 o APP/1 b1\n4000 o APP/1 b2\n5000 o APP/1 b",
        );
        let (mut follower, lines) = LogFollower::begin(dir.to_owned(), vec![], 2).unwrap();
        assert_eq!(texts(&lines), ["a2", "b2"]);
        assert_eq!(follower.read_on(10).unwrap(), []);

        write(dir, "b", 0, "3\n9000 o APP/1 b4\n");
        assert_eq!(texts(&follower.read_on(10).unwrap()), ["b3", "b4"]);
        // Its stamp is older than what was shown already.
        write(dir, "a", 0, "6000 o APP/0 a3\n");
        write(dir, "a", 1, "7000 o APP/0 a4\n");
        write(dir, "c", 0, "500 o APP/2 c1\n");
        let lines = follower.read_on(10).unwrap();
        assert_eq!(texts(&lines), ["c1", "a3", "a4"]);
        assert_eq!((lines[2].run.as_str(), lines[2].position.file), ("a", 1));
        assert_eq!(follower.read_on(10).unwrap(), []);

        write(
            dir,
            "c",
            0,
            "501 o APP/2 c2\n502 o APP/2 c3\n503 o APP/2 c4\n",
        );
        assert_eq!(texts(&follower.read_on(2).unwrap()), ["c2", "c3"]);
        assert_eq!(texts(&follower.read_on(2).unwrap()), ["c4"]);
    }

    #[test]
    fn without_lines_asked_for_only_what_comes_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        write(dir, "a", 0, "1000 o APP/0 a1\n");
        let (mut follower, lines) = LogFollower::begin(dir.to_owned(), vec![], 0).unwrap();
        assert_eq!(lines, []);
        write(dir, "a", 0, "2000 o APP/0 a2\n");
        assert_eq!(texts(&follower.read_on(10).unwrap()), ["a2"]);
    }
}
