//! What a database is told that comes from a backup.

use windlass_store::{StoreError, Tx};

use crate::start::DOWN_KEY;

/// Key of the least epoch of the table file.
const EPOCH_KEY: &str = "table_epoch";

/// Tells the next control that nothing runs of what the database says is running, and that routers
/// may have seen newer tables than it knows.
///
/// # Errors
/// When the store fails.
pub fn note_restored(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let epoch = tx
        .meta(EPOCH_KEY)?
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(1);
    tx.put_meta(EPOCH_KEY, &(epoch + 1).to_string())?;
    tx.put_meta(DOWN_KEY, "1")
}
