//! Lines of instances with the revision that each of them ran.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use windlass_engine::id::{AppId, RevisionId};

use super::{LogLine, LogQuery, REVISION, read_runs, runs};
use crate::control::Control;
use crate::error::Error;
use crate::run_name::RunName;

impl Control {
    /// Lines of the instances of an app, of one revision or of all that its logs still know.
    ///
    /// # Errors
    /// [`Error::Internal`] when files can't be read.
    pub async fn read_instance_logs(
        &self,
        app: &AppId,
        only: Option<&RevisionId>,
        query: LogQuery,
    ) -> Result<Vec<(RevisionId, LogLine)>, Error> {
        let (dir, only) = (self.app_logs_dir(app), only.cloned());
        tokio::task::spawn_blocking(move || read_instances(&dir, only.as_ref(), query))
            .await
            .map_err(Error::internal)?
            .map_err(Error::internal)
    }
}

fn read_instances(
    dir: &Path,
    only: Option<&RevisionId>,
    query: LogQuery,
) -> io::Result<Vec<(RevisionId, LogLine)>> {
    let (mut revisions, mut wanted) = (BTreeMap::new(), Vec::new());
    for path in runs(dir)? {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.map(str::to_owned) else {
            continue;
        };
        if !matches!(name.parse(), Ok(RunName::Instance { .. })) {
            continue;
        }
        // Torn or missing: it is of no revision that anybody asks for.
        let Ok(revision) = std::fs::read_to_string(path.join(REVISION)) else {
            continue;
        };
        if only.is_none_or(|only| only.as_str() == revision) {
            revisions.insert(name, RevisionId::new(revision));
            wanted.push(path);
        }
    }
    let lines = read_runs(wanted, query)?.into_iter();
    Ok(lines
        .filter_map(|line| Some((revisions.get(&line.run)?.clone(), line)))
        .collect())
}

#[cfg(test)]
mod tests {
    use windlass_runtime::{LogAppender, LogLimits, LogStream};

    use super::*;

    #[test]
    fn lines_come_with_their_revision() {
        let dir = tempfile::tempdir().unwrap();
        let limits = LogLimits {
            bytes_per_file: 65_536,
            files: 2,
        };
        for (number, (run, revision)) in [
            ("i.app.1.1", Some("one")),
            ("i.app.2.1", Some("two")),
            ("i.app.3.1", None),
            ("b.one.1", None),
        ]
        .into_iter()
        .enumerate()
        {
            let number = u32::try_from(number).unwrap() + 1;
            let log = LogAppender::open(dir.path().join(run), limits, number).unwrap();
            log.line(LogStream::Out, "APP", 0, run).unwrap();
            if let Some(revision) = revision {
                std::fs::write(dir.path().join(run).join(REVISION), revision).unwrap();
            }
        }
        let read = |only: Option<&str>| {
            let query = LogQuery {
                start_ns: 0,
                end_ns: None,
                limit: 10,
                descending: false,
            };
            let only = only.map(RevisionId::from);
            let mut found: Vec<_> = read_instances(dir.path(), only.as_ref(), query)
                .unwrap()
                .into_iter()
                .map(|(revision, line)| (revision.to_string(), line.run))
                .collect();
            found.sort();
            found
        };
        let (one, two) = (
            ("one".to_owned(), "i.app.1.1".to_owned()),
            ("two".to_owned(), "i.app.2.1".to_owned()),
        );
        assert_eq!(read(None), [one.clone(), two]);
        assert_eq!(read(Some("one")), [one]);
        assert_eq!(read(Some("three")), []);
    }
}
