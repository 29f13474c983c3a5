use std::collections::BTreeSet;

use super::*;
use crate::table::{Group, TargetKind, Upstream, Version};

fn put(group: &str, plan_generation: u64) -> Change {
    let upstream = Upstream {
        id: format!("{group}-run"),
        address: "127.0.0.1:9".parse().unwrap(),
        index: 0,
        public_id: "p".to_owned(),
    };
    let version = Version {
        id: "v".to_owned(),
        share: 10_000,
        target: TargetKind::Instances {
            upstreams: vec![upstream],
        },
    };
    Change::PutGroup {
        group: group.to_owned(),
        value: Group {
            plan_generation,
            versions: vec![version],
            ..Group::default()
        },
    }
}

fn fresh(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("table")
}

#[test]
fn what_was_appended_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = fresh(&folder);
    let mut writer = TableWriter::open(&path, "boot", 0).unwrap();
    for number in 1..=5 {
        writer
            .append(vec![put("g", number)], Durability::Synced)
            .unwrap();
    }
    let read = read_table(&path).unwrap();
    assert_eq!(read.table.as_ref(), Some(writer.table()));
    assert_eq!(read.end, FileEnd::Clean);
    assert_eq!(
        std::fs::metadata(&path).unwrap().len(),
        writer.length_bytes()
    );
}

#[test]
fn a_file_cut_at_any_byte_gives_the_records_before_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = fresh(&folder);
    let mut writer = TableWriter::open(&path, "boot", 0).unwrap();
    let mut whole = vec![(writer.length_bytes(), writer.table().clone())];
    for number in 1..=3 {
        writer
            .append(vec![put("g", number)], Durability::Written)
            .unwrap();
        whole.push((writer.length_bytes(), writer.table().clone()));
    }
    let bytes = std::fs::read(&path).unwrap();
    for cut in 0..=bytes.len() {
        let read = read_records(&bytes[..cut]);
        let last = whole.iter().rev().find(|(end, _)| *end <= cut as u64);
        assert_eq!(
            read.table.as_ref(),
            last.map(|(_, table)| table),
            "cut at {cut}"
        );
        let at_border = cut == 0 || last.is_some_and(|(end, _)| *end == cut as u64);
        assert_eq!(read.end == FileEnd::Clean, at_border, "cut at {cut}");
        assert_ne!(read.end, FileEnd::Damaged, "cut at {cut}");
    }
}

#[test]
fn a_changed_byte_ends_the_reading_at_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = fresh(&folder);
    let mut writer = TableWriter::open(&path, "boot", 0).unwrap();
    let mut whole = vec![(writer.length_bytes(), writer.table().clone())];
    for number in 1..=3 {
        writer
            .append(vec![put("g", number)], Durability::Written)
            .unwrap();
        whole.push((writer.length_bytes(), writer.table().clone()));
    }
    let bytes = std::fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x04;
        let read = read_records(&changed);
        let before = whole.iter().rev().find(|(end, _)| *end <= at as u64);
        assert_ne!(read.end, FileEnd::Clean, "byte {at}");
        assert_eq!(
            read.table.as_ref(),
            before.map(|(_, table)| table),
            "byte {at}"
        );
    }
}

#[test]
fn a_damaged_or_lost_file_begins_a_higher_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let path = fresh(&folder);
    let mut writer = TableWriter::open(&path, "boot", 0).unwrap();
    writer
        .append(vec![put("g", 1)], Durability::Written)
        .unwrap();
    let epoch = writer.table().epoch;
    drop(writer);

    let kept = TableWriter::open(&path, "boot", 0).unwrap();
    assert_eq!(kept.table().epoch, epoch);
    drop(kept);

    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let torn = TableWriter::open(&path, "boot", 0).unwrap();
    assert_eq!(
        torn.table().position(),
        Position {
            epoch: epoch + 1,
            generation: 1
        }
    );
    drop(torn);

    std::fs::remove_file(&path).unwrap();
    let lost = TableWriter::open(&path, "boot", 40).unwrap();
    assert_eq!(lost.table().epoch, 40);
}

#[test]
fn a_torn_tail_after_whole_records_raises_the_epoch_and_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = fresh(&folder);
    let mut writer = TableWriter::open(&path, "boot", 0).unwrap();
    writer
        .append(vec![put("g", 1)], Durability::Written)
        .unwrap();
    let before = writer.table().clone();
    drop(writer);
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"120 00ab").unwrap();

    let mut writer = TableWriter::open(&path, "boot", 0).unwrap();
    assert_eq!(writer.table().epoch, before.epoch + 1);
    assert_eq!(writer.table().groups, before.groups);
    writer
        .append(vec![put("h", 1)], Durability::Written)
        .unwrap();
    let read = read_table(&path).unwrap();
    assert_eq!(read.end, FileEnd::Clean);
    assert_eq!(read.table.as_ref(), Some(writer.table()));
}

#[test]
fn another_boot_forgets_upstreams_and_keeps_the_routes() {
    let folder = tempfile::tempdir().unwrap();
    let path = fresh(&folder);
    let mut writer = TableWriter::open(&path, "boot", 0).unwrap();
    writer
        .append(vec![put("g", 1)], Durability::Written)
        .unwrap();
    drop(writer);
    let writer = TableWriter::open(&path, "next boot", 0).unwrap();
    assert!(writer.table().pickable_upstreams().is_empty());
    assert_eq!(writer.table().unconfirmed, BTreeSet::from(["g".to_owned()]));
    assert_eq!(
        read_table(&path).unwrap().table.as_ref(),
        Some(writer.table())
    );
}

#[test]
fn a_file_that_grows_is_compacted_at_the_same_position() {
    let folder = tempfile::tempdir().unwrap();
    let path = fresh(&folder);
    let mut writer = TableWriter::open(&path, "boot", 0).unwrap();
    let mut longest = 0;
    let mut compacted = false;
    for number in 1..6_000 {
        writer
            .append(vec![put("g", number)], Durability::Written)
            .unwrap();
        compacted |= writer.length_bytes() < longest;
        longest = longest.max(writer.length_bytes());
    }
    assert!(compacted);
    assert!(longest <= COMPACT_ABOVE_BYTES + 4096);
    assert_eq!(
        read_table(&path).unwrap().table.as_ref(),
        Some(writer.table())
    );
}

#[test]
fn the_file_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = fresh(&folder);
    TableWriter::open(&path, "boot", 0).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn what_a_failed_append_leaves_never_hides_the_next_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = fresh(&folder);
    let mut writer = TableWriter::open(&path, "boot", 0).unwrap();
    let before = writer.table().clone();
    // Half a record, and a file that can neither be written nor cut.
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(b"77 0000"))
        .unwrap();
    writer.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let failed = writer.append(vec![put("g", 1)], Durability::Written);
    assert!(failed.is_err());
    assert_eq!(writer.table(), &before);
    writer
        .append(vec![put("g", 2)], Durability::Written)
        .unwrap();
    let read = read_table(&path).unwrap();
    assert_eq!(read.table.as_ref(), Some(writer.table()));
    assert_eq!(read.end, FileEnd::Clean);
}

#[test]
fn a_record_that_is_written_counts_although_the_file_could_not_be_compacted() {
    let folder = tempfile::tempdir().unwrap();
    let path = fresh(&folder);
    let mut writer = TableWriter::open(&path, "boot", 0).unwrap();
    writer.path = folder.path().join("missing/table");
    let mut large = put("g", 1);
    if let Change::PutGroup { value, .. } = &mut large {
        value.app_id = "x".repeat(2 * usize::try_from(COMPACT_ABOVE_BYTES).unwrap());
    }
    let delta = writer.append(vec![large], Durability::Written).unwrap();
    assert_eq!(delta.position(), writer.table().position());
    let read = read_table(&path).unwrap();
    assert_eq!(read.table.as_ref(), Some(writer.table()));
    // As soon as it can be, it is.
    writer.path = path.clone();
    let before = writer.length_bytes();
    writer
        .append(vec![put("g", 2)], Durability::Written)
        .unwrap();
    assert!(writer.length_bytes() < before);
    let read = read_table(&path).unwrap();
    assert_eq!(read.table.as_ref(), Some(writer.table()));
}
