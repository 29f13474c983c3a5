//! Releases have one outcome for ever, and an accepted cancel is kept.

use windlass_engine::app::RunState;
use windlass_engine::input::Input;
use windlass_engine::release::{CancelCause, Outcome};

use super::{Commit, Held, must};
use crate::history::History;

/// What is not over is still there.
pub(super) fn none_is_lost(commit: &Commit<'_>) -> Held {
    for release in commit
        .before
        .releases
        .iter()
        .filter(|release| !release.is_finalized())
    {
        must(
            "no release is lost",
            commit.after.release(&release.id).is_some(),
            || format!("{} is gone", release.id),
        )?;
    }
    Ok(())
}

/// An outcome that was fixed never changes, and what is over stays over.
pub(super) fn outcome_is_fixed(commit: &Commit<'_>, history: &History) -> Held {
    for release in &commit.after.releases {
        let Some(fate) = history.releases.get(&release.id) else {
            continue;
        };
        let is = release.outcome();
        must(
            "one outcome for ever",
            fate.outcome.is_none() || fate.outcome.as_ref() == is,
            || format!("{}: {:?} became {is:?}", release.id, fate.outcome),
        )?;
        must(
            "over is over",
            !fate.is_finalized || release.is_finalized(),
            || format!("{} is {} again", release.id, release.state_word()),
        )?;
    }
    Ok(())
}

/// A cancel that is not refused fixes the outcome in its own commit.
pub(super) fn cancel_is_accepted(commit: &Commit<'_>) -> Held {
    let Input::CancelRelease(command) = commit.input else {
        return Ok(());
    };
    let before = commit
        .before
        .release(&command.release)
        .and_then(|release| release.outcome());
    let expected = before
        .cloned()
        .unwrap_or(Outcome::Canceled(CancelCause::User));
    let is = commit
        .after
        .release(&command.release)
        .and_then(|release| release.outcome());
    must(
        "an accepted cancel ends canceled",
        is == Some(&expected),
        || format!("{} is to end {expected:?} and is {is:?}", command.release),
    )
}

/// After a canceled or failed release is over, nothing of it runs.
pub(super) fn nothing_of_a_canceled_one_runs(commit: &Commit<'_>, history: &History) -> Held {
    for instance in commit.after.instances.values() {
        let target = &instance.revision;
        let now = commit
            .after
            .releases
            .iter()
            .find(|release| release.target == *target);
        let now = now
            .filter(|release| release.is_finalized())
            .and_then(|r| r.outcome());
        let past = history.of_target(target).filter(|fate| fate.is_finalized);
        let outcome = now.or(past.and_then(|fate| fate.outcome.as_ref()));
        let canceled = matches!(outcome, Some(Outcome::Canceled(_) | Outcome::Failed(_)));
        must("nothing of it is left", !canceled, || {
            format!(
                "instance {} of {target} is there after its end",
                instance.id
            )
        })?;
    }
    Ok(())
}

/// What clients were told holds in what the store has.
pub(crate) fn promises_kept(state: &windlass_engine::app::AppState, history: &History) -> Held {
    const DURABLE: &str = "what was answered is durable";
    for (release, outcome) in &history.canceled {
        let fate = history.releases.get(release);
        let is = fate.and_then(|fate| fate.outcome.as_ref());
        must(DURABLE, is == Some(outcome), || {
            format!("{release} was to end {outcome:?} and is {is:?}")
        })?;
        let known = state.release(release).is_some() || fate.is_some_and(|fate| fate.is_finalized);
        must(DURABLE, known, || {
            format!("{release} is unknown and not over")
        })?;
    }
    for release in &history.created {
        must(DURABLE, history.releases.contains_key(release), || {
            format!("{release} is gone")
        })?;
    }
    must(
        DURABLE,
        !history.is_deleted || state.run == RunState::Deleted,
        || format!("the deleted app is {:?}", state.run),
    )
}
