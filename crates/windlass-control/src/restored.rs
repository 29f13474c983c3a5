//! What a database is told that comes from a backup.

use windlass_store::{Store, StoreError, Tx};

use crate::start::DOWN_KEY;

/// Key of the least epoch of the table file.
const EPOCH_KEY: &str = "table_epoch";

/// Tells the next control that nothing runs of what the database says is running, and that routers
/// may have seen newer tables than it knows: of `seen_epoch` at most, as far as this machine can tell.
///
/// # Errors
/// When the store fails.
pub fn note_restored(tx: &mut Tx<'_>, seen_epoch: u64) -> Result<(), StoreError> {
    let epoch = tx
        .meta(EPOCH_KEY)?
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(1)
        .max(seen_epoch);
    tx.put_meta(EPOCH_KEY, &(epoch + 1).to_string())?;
    tx.put_meta(DOWN_KEY, "1")
}

/// Least epoch that a database knows of its table file; 0 = any.
///
/// # Errors
/// When the store fails.
pub fn table_epoch(store: &Store) -> Result<u64, StoreError> {
    let text = store.read(|reader| reader.meta(EPOCH_KEY))?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
}
