//! The table in force, for those who are no workers: the TLS handshake of an unknown name.

use std::sync::{Arc, PoisonError, RwLock};

use crate::compiled::Compiled;

/// The newest table that all workers pick by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Published(Arc<RwLock<Option<Arc<Compiled>>>>);

impl Published {
    pub(crate) fn put(&self, table: Arc<Compiled>) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *current = Some(table);
    }

    /// The name that a certificate for a server name is made for: the name itself, or `*.domain`
    /// for a name directly below a wildcard. `None` = the table has no such host.
    pub(crate) fn certified_name(&self, name: &str) -> Option<String> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let hosts = &current.as_ref()?.hosts;
        if hosts.contains_key(name) {
            return Some(name.to_owned());
        }
        let (_, domain) = name.split_once('.')?;
        let wildcard = format!("*.{domain}");
        if hosts.contains_key(wildcard.as_str()) {
            return Some(wildcard);
        }
        let mut rest = domain;
        while let Some((_, domain)) = rest.split_once('.') {
            if hosts.contains_key(format!("*.{domain}").as_str()) {
                return Some(name.to_owned());
            }
            rest = domain;
        }
        None
    }
}
