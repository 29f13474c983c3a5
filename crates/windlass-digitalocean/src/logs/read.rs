//! The lines behind a link, batch by batch.

use windlass_control::logs::{LogFollower, LogLine, LogScope, MAX_LINES};
use windlass_engine::id::{AppId, ComponentName, ReleaseId};

use super::token::{Kind, Link};
use crate::deployments::phase::Phase;
use crate::deployments::view::serving;
use crate::document::Detail;
use crate::error::{ApiError, ApiResult};
use crate::server::DoState;
use crate::time::of_line;

/// Lines of one batch of each run while following.
const BATCH: usize = 500;

/// Where a reader of a link stands.
#[derive(Debug)]
pub(super) struct Reader {
    state: DoState,
    link: Link,
    detail: Detail,
    /// `None` before the first lines.
    follower: Option<LogFollower>,
}

impl Reader {
    /// Before the first line of a link.
    pub(super) fn open(state: &DoState, link: Link) -> ApiResult<Self> {
        let record = state
            .control
            .release(&ReleaseId::from(link.deployment.as_str()))?;
        let detail = Detail::of(&record).ok_or_else(|| ApiError::not_found("deployment"))?;
        Ok(Self {
            state: state.clone(),
            link,
            detail,
            follower: None,
        })
    }

    /// The lines that there are, or the last of them where only those are wanted; afterwards those
    /// that came since.
    pub(super) async fn next(&mut self) -> ApiResult<String> {
        let lines = match self.follower.take() {
            None => {
                let app = AppId::from(self.link.app.as_str());
                let (follower, mut lines) = self
                    .state
                    .control
                    .follow_logs_of(&app, self.scopes()?, MAX_LINES)
                    .await?;
                self.follower = Some(follower);
                self.keep_own(&mut lines);
                if let Some(tail) = self.link.tail {
                    lines.drain(..lines.len().saturating_sub(tail));
                }
                lines
            }
            Some(follower) => {
                let (follower, mut lines) = follower.next(BATCH).await?;
                self.follower = Some(follower);
                self.keep_own(&mut lines);
                lines
            }
        };
        Ok(self.text(&lines))
    }

    /// Whether nothing new will come.
    pub(super) async fn is_over(&self) -> ApiResult<bool> {
        let id = ReleaseId::from(self.link.deployment.as_str());
        let record = self.state.control.release(&id)?;
        let serving = serving(&self.state, &record.app).await?;
        let serves = serving.is_some_and(|serving| serving.release.id == id);
        let phase = Phase::of(&record, serves);
        Ok(match self.link.kind {
            Kind::Run => !phase.is_open() && phase != Phase::Active,
            Kind::Build => !matches!(phase, Phase::PendingBuild | Phase::Building),
            Kind::Deploy => !phase.is_open(),
            Kind::RunRestarted => true,
        })
    }

    fn keep_own(&self, lines: &mut Vec<LogLine>) {
        if let Some(only) = &self.link.component {
            lines.retain(|line| name_of(line).is_none_or(|name| name == *only));
        }
    }

    fn scopes(&self) -> ApiResult<Vec<LogScope>> {
        let release = ReleaseId::from(self.link.deployment.as_str());
        let component = self.link.component.as_deref().map(ComponentName::from);
        Ok(match self.link.kind {
            Kind::Build => {
                let builds = self.detail.components.iter().filter(|known| {
                    let only = self.link.component.as_ref();
                    only.is_none_or(|only| known.name == *only)
                });
                vec![LogScope::Builds(
                    builds.filter_map(|known| known.build.clone()).collect(),
                )]
            }
            Kind::Deploy => vec![LogScope::Jobs { release, component }],
            Kind::Run | Kind::RunRestarted => {
                let record = self.state.control.release(&release)?;
                let mut scopes = vec![LogScope::Instances {
                    revision: record.release.target,
                    restarted: self.link.kind == Kind::RunRestarted,
                }];
                if self.link.kind == Kind::Run {
                    scopes.push(LogScope::Jobs { release, component });
                }
                scopes
            }
        })
    }

    /// The name of the component that a build is for.
    fn built(&self, run: &str) -> Option<String> {
        let build = run.strip_prefix("b.")?.rsplit_once('.')?.0;
        let is = |id: &windlass_engine::id::BuildId| id.as_str() == build;
        let mut components = self.detail.components.iter();
        components
            .find(|component| component.build.as_ref().is_some_and(is))
            .map(|component| component.name.clone())
    }

    fn text(&self, lines: &[LogLine]) -> String {
        let mut text = String::new();
        for line in lines {
            let name = name_of(line).or_else(|| self.built(&line.run));
            text.push_str(name.as_deref().unwrap_or("build"));
            text.push(' ');
            text.push_str(&of_line(line.stamp_ns));
            text.push(' ');
            text.push_str(&String::from_utf8_lossy(&line.text));
            text.push('\n');
        }
        text
    }
}

/// The component that wrote a line; `None` for builds.
fn name_of(line: &LogLine) -> Option<String> {
    let rest = line
        .source_type
        .strip_prefix("APP/PROC/")
        .or_else(|| line.source_type.strip_prefix("APP/JOB/"))?;
    let name = rest.split('/').next().unwrap_or(rest);
    Some(name.to_ascii_lowercase())
}
