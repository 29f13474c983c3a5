//! Requests that are carried out once, however often they are sent.
//!
//! A client whose answer was lost sends the same request again. What the first one made is written
//! down in its own commit, so that the repeat finds it, also after a crash in between. Two keys
//! lead to it: the client's own id of the request, for a day; and the content of the request, for
//! a few seconds and only as long as its answer is not known to have reached the client.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use windlass_engine::records::IdempotencyRow;
use windlass_engine::time::Timestamp;
use windlass_store::{Column, Filter, Reader, Tx};

use crate::clock;
use crate::control::Control;
use crate::error::Error;

/// How long a client's own id is known, milliseconds.
const BY_ID_MS: i64 = 24 * 3_600_000;
/// How long an undelivered answer waits for its repeat, milliseconds.
const BY_CONTENT_MS: i64 = 10_000;
/// Ended rows removed with each new one.
const SWEPT: u32 = 20;
/// Deliveries that are remembered until they are written down.
const DELIVERIES: usize = 4_096;

/// A request as it is told from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Who sends it.
    pub caller: &'a str,
    /// Its method.
    pub method: &'a str,
    /// Its path with the query.
    pub path: &'a str,
    /// Its body.
    pub body: &'a [u8],
    /// The client's own id of it, if it gave one.
    pub id: Option<&'a str>,
}

/// The keys of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnceKeys {
    by_id: Option<String>,
    by_content: String,
}

impl OnceKeys {
    /// Those of a request.
    pub fn of(request: &Request<'_>) -> Self {
        let digest = |kind: &str, last: &[u8]| {
            let mut hasher = Sha256::new();
            for part in [
                kind.as_bytes(),
                request.caller.as_bytes(),
                request.method.as_bytes(),
                request.path.as_bytes(),
                last,
            ] {
                hasher.update((part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
            hex::encode(hasher.finalize())
        };
        Self {
            by_id: request.id.map(|id| digest("id", id.as_bytes())),
            by_content: digest("content", request.body),
        }
    }
}

/// A change that is made once: its keys, and what a repeat is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// What it is known by.
    pub keys: OnceKeys,
    /// What was made, in the words of the dialect.
    pub made: Vec<u8>,
}

/// Deliveries that are not written down yet.
#[derive(Debug, Default)]
pub(crate) struct Delivered(Mutex<VecDeque<String>>);

impl Delivered {
    fn note(&self, key: &str) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= DELIVERIES {
            keys.pop_front();
        }
        keys.push_back(key.to_owned());
    }

    fn forget(&self, key: &str) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|known| known != key);
    }

    fn has(&self, key: &str) -> bool {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().any(|known| known == key)
    }
}

/// How many requests were answered with what an earlier one had made.
#[derive(Debug, Default)]
pub struct Repeats(AtomicU64);

impl Repeats {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The number so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Control {
    /// What an earlier request with these keys made, if this one is its repeat.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn made_before(&self, keys: &OnceKeys) -> Result<Option<Vec<u8>>, Error> {
        let now = clock::wall();
        let found = self
            .store()
            .read(|reader| find(reader, keys, self.delivered(), now))?;
        if found.is_some() {
            self.repeats().add();
        }
        Ok(found)
    }

    /// The answer to a request with these keys has reached its client: what is sent from now on is
    /// a request of its own, unless it carries the same id. In force when this returns; written
    /// down by [`Self::answer_delivered`].
    pub fn note_delivered(&self, keys: &OnceKeys) {
        self.delivered().note(&keys.by_content);
    }

    /// The same, and written down.
    pub async fn answer_delivered(&self, keys: &OnceKeys) {
        let key = keys.by_content.clone();
        self.delivered().forget(&key);
        self.delivered().note(&key);
        let row = key.clone();
        let written = self
            .write(move |tx| {
                if let Some(mut row) = tx.get::<IdempotencyRow>(row.as_str())? {
                    row.delivered = true;
                    tx.put(&row)?;
                }
                Ok(())
            })
            .await;
        match written {
            Ok(()) => self.delivered().forget(&key),
            Err(error) => tracing::warn!("a delivery was not written down: {error}"),
        }
    }
}

impl Once {
    /// Writes down what this commit makes.
    ///
    /// # Errors
    /// [`Error::Repeated`] when an earlier commit has made it.
    pub(crate) fn claim(&self, tx: &mut Tx<'_>, delivered: &Delivered) -> Result<(), Error> {
        let now = clock::wall();
        if let Some(made) = find(tx, &self.keys, delivered, now)? {
            return Err(Error::Repeated { made });
        }
        let ended = vec![Filter::before(Column::ExpiresAt, now)];
        tx.delete_where::<IdempotencyRow>(ended, SWEPT)?;
        delivered.forget(&self.keys.by_content);
        let row = |key: &str, keep_ms: i64| IdempotencyRow {
            key: key.to_owned(),
            status: 200,
            body: self.made.clone(),
            delivered: false,
            expires_at: Timestamp(now.0.saturating_add(keep_ms)),
        };
        if let Some(key) = &self.keys.by_id {
            tx.put(&row(key, BY_ID_MS))?;
        }
        tx.put(&row(&self.keys.by_content, BY_CONTENT_MS))?;
        Ok(())
    }
}

fn find(
    reader: &Reader<'_>,
    keys: &OnceKeys,
    delivered: &Delivered,
    now: Timestamp,
) -> Result<Option<Vec<u8>>, Error> {
    let live = |key: &str| -> Result<Option<IdempotencyRow>, Error> {
        let row = reader.get::<IdempotencyRow>(key)?;
        Ok(row.filter(|row| row.expires_at > now))
    };
    if let Some(key) = &keys.by_id
        && let Some(row) = live(key)?
    {
        return Ok(Some(row.body));
    }
    let row =
        live(&keys.by_content)?.filter(|row| !row.delivered && !delivered.has(&keys.by_content));
    Ok(row.map(|row| row.body))
}
