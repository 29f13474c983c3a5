//! Names of runs: what a driver calls a start of an instance, a task, a build or a job.
//!
//! They are directory names and parts of socket paths, so they are short.

use std::fmt;
use std::str::FromStr;

use windlass_engine::id::{AppId, BuildId, ComponentName, InstanceId, ReleaseId, TaskId};

/// What a run is, by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunName {
    /// A start of an instance.
    Instance {
        /// Of which app.
        app: AppId,
        /// Which instance.
        instance: InstanceId,
        /// Which start of it.
        run: u32,
    },
    /// A task.
    Task(TaskId),
    /// A start of a build.
    Build {
        /// Which build.
        build: BuildId,
        /// Which start of it.
        run: u32,
    },
    /// A job of a release.
    Job {
        /// Of which release.
        release: ReleaseId,
        /// Which component.
        component: ComponentName,
    },
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance { app, instance, run } => write!(f, "i.{app}.{instance}.{run}"),
            Self::Task(task) => write!(f, "t.{task}"),
            Self::Build { build, run } => write!(f, "b.{build}.{run}"),
            Self::Job { release, component } => write!(f, "j.{release}.{component}"),
        }
    }
}

/// A name that no run of ours has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a run")]
pub struct NotARunName(String);

impl FromStr for RunName {
    type Err = NotARunName;

    fn from_str(text: &str) -> Result<Self, NotARunName> {
        let bad = || NotARunName(text.to_owned());
        let (kind, rest) = text.split_once('.').ok_or_else(bad)?;
        match kind {
            "i" => {
                let mut parts = rest.rsplitn(3, '.');
                let run = parts
                    .next()
                    .and_then(|part| part.parse().ok())
                    .ok_or_else(bad)?;
                let instance = parts
                    .next()
                    .and_then(|part| part.parse().ok())
                    .ok_or_else(bad)?;
                let app = parts.next().ok_or_else(bad)?;
                Ok(Self::Instance {
                    app: app.into(),
                    instance: InstanceId(instance),
                    run,
                })
            }
            "t" => Ok(Self::Task(rest.into())),
            "b" => {
                let (build, run) = rest.rsplit_once('.').ok_or_else(bad)?;
                let run = run.parse().map_err(|_| bad())?;
                Ok(Self::Build {
                    build: build.into(),
                    run,
                })
            }
            "j" => {
                let (release, component) = rest.split_once('.').ok_or_else(bad)?;
                Ok(Self::Job {
                    release: release.into(),
                    component: component.into(),
                })
            }
            _ => Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        let app = AppId::from("0f0e7f2c-0000-4000-8000-000000000001");
        let names = [
            RunName::Instance {
                app,
                instance: InstanceId(12),
                run: 3,
            },
            RunName::Task("t-1".into()),
            RunName::Build {
                build: "b-1".into(),
                run: 2,
            },
            RunName::Job {
                release: "r-1".into(),
                component: "migrate".into(),
            },
        ];
        for name in names {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        for bad in ["", "x.y", "i.a.b.c", "i.1", "b.1"] {
            assert!(bad.parse::<RunName>().is_err(), "{bad:?}");
        }
    }
}
