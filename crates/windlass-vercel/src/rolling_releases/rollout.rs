//! A release by stages as it goes, or went.

use serde_json::{Value, json};
use windlass_control::history::ReleaseRecord;
use windlass_engine::release::{Outcome, Release, ReleaseState};
use windlass_engine::strategy::{Gate, Stage, StageGate, Strategy, steps_of_stages};

/// A release by stages that has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rollout<'a> {
    pub(crate) record: &'a ReleaseRecord,
    stages: &'a [Stage],
    /// Index of the stage that it has come to.
    stage: usize,
    /// Share of the visitors there, percent.
    percent: u8,
}

/// Where one stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// On its way.
    Active,
    /// Everybody is there.
    Complete,
    /// Everybody is back.
    Aborted,
}

impl State {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Active, Self::Complete, Self::Aborted];

    /// The word on the wire.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Complete => "COMPLETE",
            Self::Aborted => "ABORTED",
        }
    }
}

/// Whether a release waits for its turn, or for checks: nothing moves yet.
pub(crate) fn waits(release: &Release) -> bool {
    match release.state {
        ReleaseState::Pending | ReleaseState::Building => true,
        ReleaseState::RollingOut { .. } | ReleaseState::Paused { .. } => {
            release.is_held_by_checks()
        }
        ReleaseState::Restoring { .. } | ReleaseState::Finalized { .. } => false,
    }
}

impl<'a> Rollout<'a> {
    /// That of a release; `None` for one of another kind and for one that never began.
    pub(crate) fn of(record: &'a ReleaseRecord) -> Option<Self> {
        let release = &record.release;
        let Strategy::Stages(stages) = &release.strategy else {
            return None;
        };
        let reached = release.steps.get(release.last_step)?;
        if reached.gate == Gate::Checks || waits(release) {
            return None;
        }
        let steps = steps_of_stages(stages);
        // What holds it back comes before its stages.
        let before = release.steps.len().checked_sub(steps.len())?;
        let (stage, reached) = steps.get(release.last_step.checked_sub(before)?)?;
        Some(Self {
            record,
            stages,
            stage: *stage,
            percent: reached.percent,
        })
    }

    /// Where it stands.
    pub(crate) fn state(&self) -> State {
        match self.record.release.outcome() {
            None => State::Active,
            Some(Outcome::Deployed) => State::Complete,
            Some(Outcome::Canceled(_) | Outcome::Superseded { .. } | Outcome::Failed(_)) => {
                State::Aborted
            }
        }
    }

    /// Index of the stage that it has come to.
    pub(super) fn stage(&self) -> usize {
        self.stage
    }

    /// What ends that stage.
    pub(super) fn gate(&self) -> StageGate {
        let stage = self.stages.get(self.stage);
        stage.map_or(StageGate::Automatic, |stage| stage.gate)
    }

    /// The document, without the deployments.
    pub(super) fn to_wire(self) -> Value {
        let release = &self.record.release;
        let state = self.state();
        let next = self.stage + 1;
        let is_timed =
            |stage: &Stage| matches!(stage.gate, StageGate::Timer(_) | StageGate::Shift(_));
        json!({
            "id": release.id,
            "state": state.as_str(),
            "substate": null,
            "advancementType": if self.stages.iter().any(is_timed) || self.stages.len() < 2 {
                "automatic"
            } else {
                "manual-approval"
            },
            "stages": (0..self.stages.len()).map(|index| self.stage_at(index)).collect::<Vec<_>>(),
            "activeStage": match state {
                State::Active | State::Complete => self.stage_at(self.stage),
                State::Aborted => Value::Null,
            },
            "nextStage": match state {
                State::Active => self.stage_at(next),
                State::Complete | State::Aborted => Value::Null,
            },
            "currentCanaryPercentage": match state {
                State::Active | State::Complete => self.percent,
                State::Aborted => 0,
            },
            "startedAt": self.record.marks.building_at.unwrap_or(release.created_at).0,
            "updatedAt": release.updated_at.0,
        })
    }

    fn stage_at(&self, index: usize) -> Value {
        let Some(stage) = self.stages.get(index) else {
            return Value::Null;
        };
        let (requires_approval, duration_ms, shifts) = match stage.gate {
            StageGate::Automatic => (false, None, false),
            StageGate::Manual => (true, None, false),
            StageGate::Timer(span_ms) => (false, Some(span_ms), false),
            StageGate::Shift(span_ms) => (false, Some(span_ms), true),
        };
        json!({
            "index": index,
            "isFinalStage": index + 1 == self.stages.len(),
            "targetPercentage": stage.percent,
            "requireApproval": requires_approval,
            // Seconds here, minutes in the configuration.
            "duration": duration_ms.map(|span_ms| span_ms / 1_000),
            "linearShift": shifts,
        })
    }
}
