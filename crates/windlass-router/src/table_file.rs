//! The table file: one record per delta, `<length> <crc32> <json>\n`.
//!
//! Control is the only writer. It appends a delta and only then sends it, so
//! the file is never behind what a router was told. A router reads the file
//! without any lock: a record that is being written looks torn and is dropped,
//! its delta comes over the socket. The file begins with a snapshot; it is
//! replaced as a whole (temporary file, sync, rename) when it has grown, when
//! it was damaged, and when an epoch begins.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::table::{Change, Delta, Gap, Position, Table};

/// A record is never longer than this, in bytes.
pub const RECORD_LIMIT_BYTES: usize = 64 * 1024 * 1024;
/// Below this size the file is not compacted, in bytes.
pub const COMPACT_ABOVE_BYTES: u64 = 1024 * 1024;
/// The file is compacted when it is this many times larger than its snapshot.
const COMPACT_FACTOR: u64 = 4;
/// Routes and addresses are nobody else's business.
const FILE_MODE: u32 = 0o600;
/// Digits of the longest allowed length.
const LENGTH_DIGITS: usize = 9;
/// Hexadecimal digits of a checksum.
const CHECKSUM_DIGITS: usize = 8;

/// The writing side, held by control.
#[derive(Debug)]
pub struct TableWriter {
    path: PathBuf,
    file: File,
    length_bytes: u64,
    snapshot_bytes: u64,
    table: Table,
    /// The file ends with half a record that could not be taken back.
    is_torn: bool,
}

/// How certain a record must be on disk before the call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Survives the death of any process, not a power failure. Enough for the
    /// table: after a power failure no router lives that knows better.
    Written,
    /// Survives a power failure.
    Synced,
}

/// Why the table file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TableFileError {
    /// The file system refused.
    #[error("cannot {action} the table file {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The table cannot be written as JSON.
    #[error("cannot encode a table record: {0}")]
    Encode(#[from] serde_json::Error),
    /// One record would be too long.
    #[error(
        "a table record of {length_bytes} bytes is over the limit of {RECORD_LIMIT_BYTES}: \
         reduce the number of apps or routes"
    )]
    TooLong {
        /// Its length.
        length_bytes: usize,
    },
    /// Changes that do not follow the table at hand.
    #[error(transparent)]
    Gap(#[from] Gap),
}

/// What a reader found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRead {
    /// The table; `None` when the file is missing or holds no whole record.
    pub table: Option<Table>,
    /// How the file ends.
    pub end: FileEnd,
}

/// How a table file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileEnd {
    /// After a whole record.
    Clean,
    /// In the middle of a record: its writer died or is still at it.
    Torn,
    /// With something that is no record or does not follow; the rest is not
    /// used.
    Damaged,
}

/// Reads the file to its end. A missing file is an empty one.
pub fn read_table(path: &Path) -> Result<TableRead, TableFileError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(read_records(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(TableRead {
            table: None,
            end: FileEnd::Clean,
        }),
        Err(source) => Err(TableFileError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        }),
    }
}

impl TableWriter {
    /// Opens the file, or begins one. A file of another boot keeps its hosts
    /// and groups but loses its upstreams; a missing, torn or damaged file
    /// begins a new epoch, at least `minimum_epoch`.
    pub fn open(path: &Path, boot_id: &str, minimum_epoch: u64) -> Result<Self, TableFileError> {
        let read = read_table(path)?;
        let mut table = read.table.unwrap_or_default();
        let known = table.epoch;
        if read.end == FileEnd::Clean && known >= minimum_epoch.max(1) {
            if table.boot_id == boot_id {
                return Self::resume(path, table);
            }
            table.generation += 1;
        } else {
            table.epoch = (known + 1).max(minimum_epoch);
            table.generation = 1;
        }
        if table.boot_id != boot_id {
            table.forget_upstreams(boot_id);
        }
        let (file, length_bytes) = replace_file(path, &table)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            length_bytes,
            snapshot_bytes: length_bytes,
            table,
            is_torn: false,
        })
    }

    /// Goes on behind the last record of a sound file.
    fn resume(path: &Path, table: Table) -> Result<Self, TableFileError> {
        let error = |source| TableFileError::Io {
            action: "open",
            path: path.to_owned(),
            source,
        };
        let file = OpenOptions::new().append(true).open(path).map_err(error)?;
        let length_bytes = file.metadata().map_err(error)?.len();
        // The size of a snapshot is not known here; 0 only compacts earlier.
        Ok(Self {
            path: path.to_owned(),
            file,
            length_bytes,
            snapshot_bytes: 0,
            table,
            is_torn: false,
        })
    }

    /// The table as the file says it.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Appends the changes as the next generation and returns their delta. On
    /// an error neither file nor table has changed.
    pub fn append(
        &mut self,
        changes: Vec<Change>,
        durability: Durability,
    ) -> Result<Delta, TableFileError> {
        let delta = Delta {
            epoch: self.table.epoch,
            boot_id: self.table.boot_id.clone(),
            generation: self.table.generation + 1,
            changes,
        };
        let record = encode_record(&delta)?;
        if self.is_torn {
            self.compact()?;
        }
        let written = self
            .file
            .write_all(&record)
            .and_then(|()| match durability {
                Durability::Written => Ok(()),
                Durability::Synced => self.file.sync_data(),
            });
        if let Err(source) = written {
            // A half-written record would hide everything that follows it.
            self.is_torn = self.file.set_len(self.length_bytes).is_err();
            return Err(self.error("append to", source));
        }
        self.length_bytes += record.len() as u64;
        self.table.apply(&delta)?;
        if self.length_bytes > COMPACT_ABOVE_BYTES.max(self.snapshot_bytes * COMPACT_FACTOR) {
            // The delta is written and in force: it must be sent. The next one compacts again.
            if let Err(error) = self.compact() {
                warn!(%error, "the table file was not compacted");
            }
        }
        Ok(delta)
    }

    /// Begins an epoch above `known`: what routers hold of it is not to be
    /// trusted any more.
    pub fn raise_epoch(&mut self, known: u64) -> Result<Position, TableFileError> {
        let mut table = self.table.clone();
        table.epoch = known.max(table.epoch) + 1;
        table.generation = 1;
        let (file, length_bytes) = replace_file(&self.path, &table)?;
        self.file = file;
        self.length_bytes = length_bytes;
        self.snapshot_bytes = length_bytes;
        self.is_torn = false;
        self.table = table;
        Ok(self.table.position())
    }

    /// Replaces the file by one snapshot of the same position.
    pub fn compact(&mut self) -> Result<(), TableFileError> {
        let (file, length_bytes) = replace_file(&self.path, &self.table)?;
        self.file = file;
        self.length_bytes = length_bytes;
        self.snapshot_bytes = length_bytes;
        self.is_torn = false;
        Ok(())
    }

    /// Present length of the file, in bytes.
    pub fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    fn error(&self, action: &'static str, source: io::Error) -> TableFileError {
        TableFileError::Io {
            action,
            path: self.path.clone(),
            source,
        }
    }
}

/// Writes a snapshot beside the file, syncs it and puts it in its place.
fn replace_file(path: &Path, table: &Table) -> Result<(File, u64), TableFileError> {
    let error = |action| {
        move |source| TableFileError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    };
    let record = encode_record(&Delta {
        epoch: table.epoch,
        boot_id: table.boot_id.clone(),
        generation: table.generation,
        changes: vec![Change::Snapshot {
            table: Box::new(table.clone()),
        }],
    })?;
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(&beside)
        .map_err(error("create"))?;
    file.write_all(&record).map_err(error("write"))?;
    file.sync_all().map_err(error("sync"))?;
    std::fs::rename(&beside, path).map_err(error("replace"))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(error("sync the folder of"))?;
    // The handle for appending must write at the end also after a repair.
    let file = OpenOptions::new()
        .append(true)
        .open(path)
        .map_err(error("open"))?;
    Ok((file, record.len() as u64))
}

pub(crate) fn encode_record(delta: &Delta) -> Result<Vec<u8>, TableFileError> {
    let json = serde_json::to_vec(delta)?;
    if json.len() > RECORD_LIMIT_BYTES {
        return Err(TableFileError::TooLong {
            length_bytes: json.len(),
        });
    }
    let mut record = format!("{} {:08x} ", json.len(), crc32fast::hash(&json)).into_bytes();
    record.extend_from_slice(&json);
    record.push(b'\n');
    Ok(record)
}

pub(crate) fn read_records(bytes: &[u8]) -> TableRead {
    let mut table = Table::default();
    let mut rest = bytes;
    let end = loop {
        match next_record(rest) {
            Record::End => break FileEnd::Clean,
            Record::Torn => break FileEnd::Torn,
            Record::Damaged => break FileEnd::Damaged,
            Record::Whole { json, length } => {
                let Ok(delta) = serde_json::from_slice::<Delta>(json) else {
                    break FileEnd::Damaged;
                };
                if table.apply(&delta) != Ok(true) {
                    break FileEnd::Damaged;
                }
                rest = &rest[length..];
            }
        }
    };
    let table = (table.position() != Position::default()).then_some(table);
    TableRead { table, end }
}

enum Record<'a> {
    End,
    Torn,
    Damaged,
    Whole { json: &'a [u8], length: usize },
}

fn next_record(bytes: &[u8]) -> Record<'_> {
    if bytes.is_empty() {
        return Record::End;
    }
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits > LENGTH_DIGITS {
        return Record::Damaged;
    }
    if digits == bytes.len() {
        return Record::Torn;
    }
    let header = digits + 1 + CHECKSUM_DIGITS + 1;
    let length = std::str::from_utf8(&bytes[..digits])
        .ok()
        .and_then(|text| text.parse().ok());
    let Some(length) = length.filter(|length: &usize| *length <= RECORD_LIMIT_BYTES) else {
        return Record::Damaged;
    };
    if bytes[digits] != b' ' {
        return Record::Damaged;
    }
    let whole = header + length + 1;
    if bytes.len() < whole {
        return Record::Torn;
    }
    let json = &bytes[header..header + length];
    let checksum = std::str::from_utf8(&bytes[digits + 1..header - 1])
        .ok()
        .and_then(|text| u32::from_str_radix(text, 16).ok());
    let sound = checksum == Some(crc32fast::hash(json))
        && bytes[header - 1] == b' '
        && bytes[whole - 1] == b'\n';
    if sound {
        Record::Whole {
            json,
            length: whole,
        }
    } else {
        Record::Damaged
    }
}

#[cfg(test)]
mod tests;
