//! Route tables as files: what is read and written again reads the same, a file that is cut off
//! anywhere gives a table that once was, and every table that is read can be taken over.
//!
//! An input is a file, or lines of JSON that are made records of one.

use std::fs;

use windlass_router::hostile::{compile, record, table_of};
use windlass_router::table_file::FileEnd;
use windlass_router::{Change, Delta, Durability, Table, TableWriter};

/// Feeds one file.
pub fn check(input: &[u8]) {
    file(input);
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let deltas = lines.iter().map(|line| serde_json::from_slice(line));
    let deltas: Result<Vec<Delta>, _> = deltas.collect();
    if let Ok(deltas) = deltas {
        let records = deltas.iter().map(|delta| record(delta).expect("is short"));
        let records: Vec<Vec<u8>> = records.collect();
        let bytes = records.concat();
        file(&bytes);
        cut(&bytes, &records);
        steps(&deltas);
    }
}

fn file(bytes: &[u8]) {
    let read = table_of(bytes);
    let Some(table) = read.table else {
        return;
    };
    let again = table_of(&snapshot(&table));
    assert_eq!(again.end, FileEnd::Clean);
    assert_eq!(again.table.as_ref(), Some(&table));
    compile(&table);
    reopened(bytes, &table, read.end);
}

fn snapshot(table: &Table) -> Vec<u8> {
    let delta = Delta {
        epoch: table.epoch,
        boot_id: table.boot_id.clone(),
        generation: table.generation,
        changes: vec![Change::Snapshot {
            table: Box::new(table.clone()),
        }],
    };
    record(&delta).expect("is short")
}

/// Control goes on with the file: nothing of the routes is lost, and what it appends is read.
fn reopened(bytes: &[u8], table: &Table, end: FileEnd) {
    // Counts at their very end stop nobody: that many changes take more than a lifetime.
    if table.epoch > u64::MAX / 2 || table.generation > u64::MAX / 2 {
        return;
    }
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("table");
    fs::write(&path, bytes).expect("is written");
    let mut writer = TableWriter::open(&path, &table.boot_id, 0).expect("opens");
    assert_eq!(writer.table().groups, table.groups);
    assert_eq!(writer.table().hosts, table.hosts);
    if end == FileEnd::Clean && table.epoch > 0 {
        assert_eq!(writer.table(), table);
    } else {
        assert!(writer.table().epoch > table.epoch, "an epoch begins");
    }
    writer
        .append(Vec::new(), Durability::Written)
        .expect("appends");
    let kept = fs::read(&path).expect("is read");
    let read = table_of(&kept);
    assert_eq!(read.end, FileEnd::Clean);
    assert_eq!(read.table.as_ref(), Some(writer.table()));
}

/// A file that is cut off within a record gives the table before that record.
fn cut(bytes: &[u8], records: &[Vec<u8>]) {
    let Some(last) = records.last() else {
        return;
    };
    let start = bytes.len() - last.len();
    let before = table_of(&bytes[..start]);
    if before.end != FileEnd::Clean {
        return;
    }
    for kept in [1, last.len() / 2, last.len() - 1] {
        let read = table_of(&bytes[..start + kept]);
        assert_eq!(read.end, FileEnd::Torn);
        assert_eq!(read.table, before.table);
    }
}

/// A table never goes back, whatever it is told.
fn steps(deltas: &[Delta]) {
    let mut table = Table::default();
    for delta in deltas {
        let before = table.position();
        match table.apply(delta) {
            Ok(true) => assert!(table.position() > before),
            Ok(false) | Err(_) => assert_eq!(table.position(), before),
        }
    }
}
