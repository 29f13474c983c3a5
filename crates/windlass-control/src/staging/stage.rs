//! `windlass stage --plan FILE`: the program of a staging run, inside its sandbox.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use super::StagingPlan;
use super::lifecycle::{say, stage};
use super::result::{FailureId, LifecycleFailure, StagingEnd, StagingOutcome};
use crate::sources::{SourceError, fetch};

/// Bytes of a plan.
const PLAN_BYTES: u64 = 1024 * 1024;
const USAGE_STATUS: u8 = 2;

/// Stages what the plan says and writes the outcome beside it.
/// `arguments` are those after the subcommand: `--plan FILE`.
/// The exit status is 0, or one of the kind of failure; the outcome file is what counts.
pub fn stage_main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.into_iter();
    let plan = match (arguments.next(), arguments.next(), arguments.next()) {
        (Some(flag), Some(file), None) if flag == "--plan" => read_plan(Path::new(&file)),
        _ => Err("usage: windlass stage --plan FILE".to_owned()),
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(problem) => {
            let _ = writeln!(std::io::stderr(), "{problem}");
            return ExitCode::from(USAGE_STATUS);
        }
    };
    let (commit, end) = match fetched(&plan) {
        Ok(commit) => match stage(&plan) {
            Ok(result) => (commit, StagingEnd::Staged(result)),
            Err(failure) => (commit, StagingEnd::Failed(failure)),
        },
        Err(error) => {
            let failure = LifecycleFailure::new(FailureId::StagingError, error.to_string());
            (None, StagingEnd::Failed(failure))
        }
    };
    finish(&plan, commit, end)
}

/// The first phase of a build from git.
fn fetched(plan: &StagingPlan) -> Result<Option<String>, SourceError> {
    let Some(wanted) = &plan.fetch else {
        return Ok(None);
    };
    let directories = plan.directories();
    let (scratch, app) = (&directories.repository, &directories.app);
    fetch(wanted, scratch, app, &mut |line| say(line)).map(Some)
}

fn finish(plan: &StagingPlan, commit: Option<String>, end: StagingEnd) -> ExitCode {
    let status = match &end {
        StagingEnd::Staged(_) => 0,
        StagingEnd::Failed(failure) => {
            let _ = writeln!(std::io::stderr(), "{failure}");
            failure.exit_status()
        }
    };
    let outcome = StagingOutcome {
        version: 1,
        commit,
        end,
    };
    match write_outcome(&plan.directories().result_file, &outcome) {
        Ok(()) => ExitCode::from(status),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "cannot write the result: {error}");
            ExitCode::from(LifecycleFailure::new(FailureId::StagingError, "").exit_status())
        }
    }
}

fn read_plan(path: &Path) -> Result<StagingPlan, String> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(PLAN_BYTES).read_to_end(&mut text))
        .map_err(|error| format!("cannot read the plan {}: {error}", path.display()))?;
    let plan: StagingPlan =
        serde_json::from_slice(&text).map_err(|error| format!("the plan is not valid: {error}"))?;
    if plan.version == 1 {
        Ok(plan)
    } else {
        say(&format!(
            "the plan has version {}, this program knows 1",
            plan.version
        ));
        Err("the plan is of another version of this program".to_owned())
    }
}

/// Whole or not at all: the server may read at any moment.
fn write_outcome(path: &Path, outcome: &StagingOutcome) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(&serde_json::to_vec_pretty(outcome)?)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(directory)?.sync_all()
}
