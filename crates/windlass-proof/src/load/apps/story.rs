//! What is asked of an app in a round, and what has to come of it.

use crate::crashes::dice::Dice;

/// What is done with the canary of an app when it waits at its step, together with all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Story {
    /// It goes on.
    Continue,
    /// It is canceled.
    Cancel,
    /// A first one is canceled as soon as its creation is answered, a second one at its step.
    CancelTwice,
    /// A rolling deployment takes its place.
    Supersede,
}

/// A deployment that was made, and how it has to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    /// Its guid.
    pub(super) guid: String,
    /// `DEPLOYED`, `CANCELED` or `SUPERSEDED`.
    pub(super) outcome: &'static str,
}

impl Story {
    /// By chance: half of all apps see a cancel.
    pub(super) fn by(dice: &mut Dice) -> Self {
        match dice.below(10) {
            0..3 => Self::Continue,
            3..6 => Self::Cancel,
            6..8 => Self::CancelTwice,
            _ => Self::Supersede,
        }
    }

    /// Its name in what is printed.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Continue => "continued",
            Self::Cancel => "canceled",
            Self::CancelTwice => "canceled twice",
            Self::Supersede => "superseded",
        }
    }

    /// Whether the app runs another version afterwards than before.
    pub(super) fn moves(self) -> bool {
        match self {
            Self::Continue | Self::Supersede => true,
            Self::Cancel | Self::CancelTwice => false,
        }
    }
}
