//! Progress of builds and jobs: what they printed is looked up in their logs when a deadline has
//! come. No line costs a commit, and a control that was down meanwhile knows it as well.

use std::path::PathBuf;

use windlass_engine::app::AppState;
use windlass_engine::build::BuildState;
use windlass_engine::id::AppId;
use windlass_engine::input::{Input, Observation};
use windlass_engine::release::{Deadline, JobState};
use windlass_engine::time::Uptime;
use windlass_runtime::LogReader;

use crate::clock;
use crate::commit::Committed;
use crate::control::Control;
use crate::error::Error;
use crate::run_name::RunName;

impl Control {
    /// A wake-up time of an app has come: what its builds and jobs printed is told first, then
    /// its deadlines are judged.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such app.
    pub(crate) async fn tick(&self, app: &AppId) -> Result<Committed, Error> {
        if let Some(state) = self.state(app)? {
            for run in overdue(&state, clock::uptime()) {
                let Some(idle_ms) = self.idle_ms(app, &run).await? else {
                    continue;
                };
                if let Some(seen) = progress(run, idle_ms) {
                    self.commit(app, Input::Observe(seen)).await?;
                }
            }
        }
        self.commit(app, Input::Tick).await
    }

    /// How long ago a run wrote its last line, milliseconds; `None` = it wrote none.
    async fn idle_ms(&self, app: &AppId, run: &RunName) -> Result<Option<u64>, Error> {
        let dir = self.app_logs_dir(app).join(run.to_string());
        let last_ns = tokio::task::spawn_blocking(move || last_stamp_ns(dir))
            .await
            .map_err(Error::internal)?
            .map_err(Error::internal)?;
        let now_ms = u64::try_from(clock::wall().0).unwrap_or(0);
        Ok(last_ns.map(|stamp_ns| now_ms.saturating_sub(stamp_ns / 1_000_000)))
    }
}

fn last_stamp_ns(dir: PathBuf) -> std::io::Result<Option<u64>> {
    if !dir.is_dir() {
        return Ok(None);
    }
    let page = LogReader::new(dir).read_back(None, 1)?;
    Ok(page.records.first().map(|record| record.stamp_ns))
}

/// Runs whose deadline has come.
fn overdue(state: &AppState, now: Uptime) -> Vec<RunName> {
    let is_over = |deadline: Deadline| matches!(deadline, Deadline::Running { at } if at <= now);
    let builds = state
        .builds
        .iter()
        .filter(|build| build.state == BuildState::Running && is_over(build.deadline))
        .map(|build| RunName::Build {
            build: build.id.clone(),
            run: build.run,
        });
    let jobs = state
        .releases
        .iter()
        .filter(|release| is_over(release.deadline))
        .flat_map(|release| {
            let running = release
                .jobs
                .iter()
                .filter(|job| job.state == JobState::Running);
            running.map(|job| RunName::Job {
                release: release.id.clone(),
                component: job.component.clone(),
            })
        });
    builds.chain(jobs).collect()
}

fn progress(run: RunName, idle_ms: u64) -> Option<Observation> {
    match run {
        RunName::Build { build, run: _ } => Some(Observation::BuildProgress { build, idle_ms }),
        RunName::Job { release, component } => Some(Observation::JobProgress {
            release,
            component,
            idle_ms,
        }),
        RunName::Instance { .. } | RunName::Task(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tempfile::tempdir;
    use windlass_engine::app::{AppSettings, ConcurrencyPolicy};
    use windlass_engine::configuration::{ComponentConfig, ComponentRole, Edit, JobKind};
    use windlass_engine::id::CommitNumber;
    use windlass_engine::input::{CreateBuildCommand, DeployCommand, EditCommand, IfStopped};
    use windlass_engine::strategy::Strategy;
    use windlass_engine::time::{Now, Timestamp};
    use windlass_engine::transition::{Ledgers, transition};
    use windlass_runtime::{LogAppender, LogLimits, LogStream};

    use super::*;

    const DEADLINE_MS: u64 = 1_000;

    /// An app with a build and with a release that waits for its job, both begun at uptime 1.
    fn state() -> AppState {
        let settings = AppSettings {
            deadline_ms: Some(DEADLINE_MS),
            ..AppSettings::default()
        };
        let mut state = AppState::new(
            AppId::from("app"),
            ConcurrencyPolicy::SupersedeNow,
            settings,
        );
        let job = ComponentConfig::new(ComponentRole::Job(JobKind::PreDeploy));
        let inputs = [
            Input::Edit(EditCommand {
                edits: vec![
                    Edit::Artifact(Some("a".into())),
                    Edit::AddComponent("migrate".into(), job),
                ],
                actor: "anna".to_owned(),
                refuse_during_release: false,
            }),
            Input::CreateBuild(CreateBuildCommand::of_package(
                "b".into(),
                "p".into(),
                "a2".into(),
            )),
            Input::Deploy(DeployCommand {
                release: "r".into(),
                revision: "v".into(),
                edits: Vec::new(),
                target_edits: Vec::new(),
                target_scale: BTreeMap::new(),
                strategy: Strategy::Rolling { max_in_flight: 1 },
                if_stopped: IfStopped::Release,
                awaited_builds: Vec::new(),
            }),
        ];
        for input in inputs {
            let now = Now {
                wall: Timestamp(1),
                uptime: Uptime(1),
                commit: CommitNumber(1),
            };
            state = transition(&state, &input, now, &Ledgers::default())
                .unwrap()
                .state;
        }
        state
    }

    #[test]
    fn only_what_is_overdue_is_looked_at() {
        let state = state();
        assert!(overdue(&state, Uptime(DEADLINE_MS)).is_empty());
        let due: Vec<String> = overdue(&state, Uptime(DEADLINE_MS + 1))
            .iter()
            .map(ToString::to_string)
            .collect();
        let build = RunName::Build {
            build: "b".into(),
            run: 1,
        };
        let job = RunName::Job {
            release: "r".into(),
            component: "migrate".into(),
        };
        assert_eq!(due, [build.to_string(), job.to_string()]);
    }

    #[test]
    fn the_last_line_of_a_run_is_found() {
        let dir = tempdir().unwrap();
        let run = dir.path().join("run");
        assert_eq!(last_stamp_ns(run.clone()).unwrap(), None);
        let limits = LogLimits {
            bytes_per_file: 64 * 1024,
            files: 2,
        };
        let log = LogAppender::open(&run, limits, 0).unwrap();
        log.line(LogStream::Out, "STG", 0, "first").unwrap();
        let first = last_stamp_ns(run.clone()).unwrap();
        log.line(LogStream::Out, "STG", 0, "second").unwrap();
        let second = last_stamp_ns(run).unwrap();
        assert!(first.is_some() && second > first);
    }
}
