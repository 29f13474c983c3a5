//! Writes of configuration keys by users.

use super::Work;
use crate::app::KeyChange;
use crate::configuration::{ComponentRole, Edit};
use crate::input::EditCommand;
use crate::rejection::{InFlightConflict, Rejection};

impl Work {
    /// Applies the writes and notes each in the change list: a later cancel keeps them.
    pub(super) fn edit(&mut self, command: &EditCommand) -> Result<(), Rejection> {
        if command.refuse_during_release && self.state.in_flight().is_some() {
            for edit in &command.edits {
                self.refuse_in_flight(edit)?;
            }
        }
        for edit in &command.edits {
            if let Some(component) = edit.component()
                && !matches!(edit, Edit::AddComponent(..))
                && !self.state.configuration.components.contains_key(component)
            {
                return Err(Rejection::UnknownComponent(component.clone()));
            }
            self.state.configuration.apply(edit);
            let change = KeyChange {
                commit: self.now.commit,
                actor: command.actor.clone(),
            };
            self.state.changes.insert(edit.key(), change);
        }
        Ok(())
    }

    fn refuse_in_flight(&self, edit: &Edit) -> Result<(), Rejection> {
        if matches!(edit, Edit::Artifact(_)) {
            return Err(Rejection::ReleaseInFlight {
                what: InFlightConflict::AssignArtifact,
            });
        }
        let routed = edit
            .component()
            .is_some_and(|component| self.state.role_of(component) == Some(ComponentRole::Routed));
        if routed && !matches!(edit, Edit::AddComponent(..)) {
            return Err(Rejection::ReleaseInFlight {
                what: InFlightConflict::UpdateComponent,
            });
        }
        Ok(())
    }
}
