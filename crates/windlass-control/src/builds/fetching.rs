//! Whether a build still fetches its source, read from its log: nothing in the sandbox can change
//! what stands there, so a build never goes back.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use windlass_engine::app::AppState;
use windlass_engine::build::{Build, BuildSource, BuildState};
use windlass_engine::id::BuildId;
use windlass_runtime::{LogPosition, LogReader};

use crate::control::Control;
use crate::error::Error;
use crate::run_name::RunName;
use crate::sources::{is_commit_line, is_fetch_line};

/// Lines of a log that are looked through: a fetch says less.
const LINES: usize = 200;

impl Control {
    /// The running builds of an app that still fetch their source from git. One that was started
    /// again counts as further than that.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn fetching_builds(&self, state: &AppState) -> Result<BTreeSet<BuildId>, Error> {
        let builds = state.builds.iter().filter(|build| may_fetch(build));
        let logs = self.app_logs_dir(&state.app);
        let logs: Vec<(BuildId, PathBuf)> = builds
            .map(|build| {
                let run = RunName::Build {
                    build: build.id.clone(),
                    run: build.run,
                };
                (build.id.clone(), logs.join(run.to_string()))
            })
            .collect();
        if logs.is_empty() {
            return Ok(BTreeSet::new());
        }
        let look = move || {
            let mut fetching = BTreeSet::new();
            for (id, log) in logs {
                if fetches(&log)? {
                    fetching.insert(id);
                }
            }
            Ok::<_, std::io::Error>(fetching)
        };
        tokio::task::spawn_blocking(look)
            .await
            .map_err(Error::internal)?
            .map_err(Error::internal)
    }
}

fn may_fetch(build: &Build) -> bool {
    let is_from_git = match build.source {
        BuildSource::Git { .. } => true,
        BuildSource::Package(_) => false,
    };
    is_from_git && build.state == BuildState::Running && build.run == 1
}

/// Whether the log of a run says that it has begun to fetch, or nothing yet, and not that it is
/// through with that. What begins otherwise has lost its first lines: the build is long past them.
fn fetches(log: &Path) -> std::io::Result<bool> {
    if !log.is_dir() {
        return Ok(true);
    }
    let page = LogReader::new(log).read_from(LogPosition::default(), LINES)?;
    let mut lines = page
        .records
        .iter()
        .map(windlass_runtime::LogRecord::text_lossy);
    let Some(first) = lines.next() else {
        return Ok(true);
    };
    Ok(is_fetch_line(&first) && !lines.any(|line| is_commit_line(&line)))
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;
    use windlass_runtime::{LogAppender, LogLimits, LogStream};

    use super::*;
    use crate::sources::{commit_line, fetch_line};

    #[test]
    fn a_fetch_ends_with_its_commit() {
        let dir = tempdir().unwrap();
        let run = dir.path().join("run");
        assert!(fetches(&run).unwrap(), "nothing was said yet");
        let limits = LogLimits {
            bytes_per_file: 64 * 1024,
            files: 2,
        };
        let log = LogAppender::open(&run, limits, 0).unwrap();
        let say = |line: &str| log.line(LogStream::Out, "STG", 0, line).unwrap();
        say(&fetch_line("main", "https://git.example/a.git"));
        say("       remote:        commit 0123456789012345678901234567890123456789");
        assert!(fetches(&run).unwrap());
        say(&commit_line("0123456789012345678901234567890123456789"));
        assert!(!fetches(&run).unwrap());
    }

    #[test]
    fn a_log_that_lost_its_beginning_is_past_the_fetch() {
        let dir = tempdir().unwrap();
        let limits = LogLimits {
            bytes_per_file: 64 * 1024,
            files: 2,
        };
        let log = LogAppender::open(dir.path(), limits, 0).unwrap();
        log.line(LogStream::Out, "STG", 0, "compiling").unwrap();
        assert!(!fetches(dir.path()).unwrap());
    }
}
