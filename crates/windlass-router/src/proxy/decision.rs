//! Whether a request leaves HTTP.

use std::sync::Arc;

use crate::guard::ClientConnection;

/// The guard waits to hear whether a request leaves HTTP; it must hear it
/// however the request ends.
#[derive(Debug)]
pub(super) struct Decision {
    connection: Option<Arc<ClientConnection>>,
}

impl Decision {
    pub(super) fn new(connection: &Arc<ClientConnection>) -> Self {
        Self {
            connection: connection.take_undecided().then(|| Arc::clone(connection)),
        }
    }

    pub(super) fn is_owed(&self) -> bool {
        self.connection.is_some()
    }

    pub(super) fn leave_http(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.decide(true);
        }
    }
}

impl Drop for Decision {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.decide(false);
        }
    }
}
