//! Checks that hold back the release which a build opens: what is noted of them and what follows
//! from it are one commit.

use windlass_engine::app::AppState;
use windlass_engine::id::{BuildId, ReleaseId};
use windlass_engine::input::{Input, Observation};
use windlass_engine::records::BuildRecord;
use windlass_store::Tx;

use crate::commit::{Committed, apply, read_state};
use crate::control::{Control, Extra, put_audit};
use crate::error::Error;

/// What follows from a change of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    None,
    /// They have to be waited for.
    Awaited,
    /// They concluded.
    Concluded {
        /// Whether well.
        succeeded: bool,
    },
}

/// A change of the record of a build. It is told whether checks can still hold back its release.
pub type ChangeChecks = Box<dyn FnOnce(&mut BuildRecord, bool) -> Result<Verdict, Error> + Send>;

impl Control {
    /// Changes what is noted of the checks of a build whose success opens `release`, and lets what
    /// follows from that happen. When this returns it is in force in the router.
    ///
    /// # Errors
    /// Those of `change`; [`Error::NotFound`].
    pub async fn change_checks(
        &self,
        id: &BuildId,
        release: Option<ReleaseId>,
        change: ChangeChecks,
        extra: Extra,
    ) -> Result<BuildRecord, Error> {
        let settings = self.commit_settings().clone();
        let (control, id) = (self.clone(), id.clone());
        let (committed, record) = self
            .write(move |tx| {
                control.claim(tx, extra.once.as_ref())?;
                put_audit(tx, extra.audit)?;
                let missing = Error::NotFound { what: "build" };
                let record: Option<BuildRecord> = tx.get(&id)?;
                let mut record = record.filter(|record| !record.withdrawn).ok_or(missing)?;
                let row = tx.app_state(&record.app)?;
                let row = row.ok_or(Error::NotFound { what: "app" })?;
                let state = read_state(&row)?;
                let held = release.filter(|release| can_hold(&state, &id, release));
                let verdict = change(&mut record, held.is_some())?;
                tx.put(&record)?;
                let input = held.and_then(|release| input(&state, &id, release, verdict));
                let committed: Option<Committed> = match input {
                    Some(input) => Some(apply(tx, &record.app, &input, Some(&settings))?),
                    None => None,
                };
                Ok((committed, reread(tx, &id)?))
            })
            .await?;
        if let Some(committed) = committed {
            self.act_in_force(&committed).await;
        }
        Ok(record)
    }
}

fn reread(tx: &Tx<'_>, id: &BuildId) -> Result<BuildRecord, Error> {
    tx.get(id)?.ok_or(Error::NotFound { what: "build" })
}

/// Whether checks can hold back a release: its build is not over, or it waits for them already.
fn can_hold(state: &AppState, id: &BuildId, release: &ReleaseId) -> bool {
    let mut builds = state.builds.iter();
    let builds = builds.any(|build| {
        let opens = build.on_built.as_ref().and_then(|it| it.release.as_ref());
        build.id == *id
            && !build.is_finished()
            && build.canceled_by.is_none()
            && opens.is_some_and(|opens| opens.release == *release)
    });
    let waits = state.release(release).is_some_and(|release| {
        release.awaits_checks && release.checks.is_none() && release.outcome().is_none()
    });
    builds || waits
}

fn input(state: &AppState, id: &BuildId, release: ReleaseId, verdict: Verdict) -> Option<Input> {
    match verdict {
        Verdict::None => None,
        // One that is there waits already.
        Verdict::Awaited if state.release(&release).is_some() => None,
        Verdict::Awaited => Some(Input::AwaitChecks { build: id.clone() }),
        Verdict::Concluded { succeeded } => Some(Input::Observe(Observation::ChecksConcluded {
            release,
            succeeded,
        })),
    }
}
