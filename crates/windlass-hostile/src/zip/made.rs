//! A zip with any entries and right checksums.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::feed::Feed;

/// Most entries of one zip.
const ENTRIES: usize = 32;
/// File types and modes that entries claim.
const MODES: [u32; 10] = [
    0o100_644, 0o100_755, 0o040_755, 0o120_777, 0, 0o060_644, 0o010_644, 0o140_644, 0o020_644,
    0o107_777,
];
/// Names of which names are made: those that mean something somewhere.
const PARTS: [&[u8]; 16] = [
    b"a",
    b"b",
    b"/",
    b"..",
    b".",
    b"a/b",
    b"../",
    b"\\",
    b"C:",
    b"\0",
    b"//",
    b"\xff",
    b"a/",
    b"x",
    b"./",
    b"node_modules",
];

struct Entry {
    name: Vec<u8>,
    mode: u32,
    flags: u16,
    deflates: bool,
    /// Added to the size that the table tells.
    lie: u32,
    data: Vec<u8>,
}

/// Makes a zip of what the bytes say.
pub(super) fn zip(bytes: &[u8]) -> Vec<u8> {
    let mut feed = Feed(bytes);
    let mut entries = Vec::new();
    while !feed.is_empty() && entries.len() < ENTRIES {
        entries.push(entry(&mut feed));
    }
    written(&entries)
}

fn entry(feed: &mut Feed<'_>) -> Entry {
    let kind = feed.byte();
    let mode = MODES[usize::from(kind >> 4) % MODES.len()];
    let name = if kind & 1 == 0 {
        feed.bytes().to_vec()
    } else {
        let parts = usize::from(feed.byte() % 12);
        let parts = (0..parts).map(|_| PARTS[usize::from(feed.byte()) % PARTS.len()]);
        parts.collect::<Vec<_>>().concat()
    };
    let times = if kind & 2 == 0 {
        1
    } else {
        usize::from(feed.byte()) * 8
    };
    Entry {
        name,
        mode,
        flags: u16::from(kind & 4 != 0),
        deflates: kind & 8 != 0,
        lie: if kind == 0xff {
            u32::from(feed.byte())
        } else {
            0
        },
        data: feed.bytes().repeat(times),
    }
}

fn len32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("is short")
}

fn len16(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).expect("is short")
}

fn put16(out: &mut Vec<u8>, values: &[u16]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, values: &[u32]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn written(entries: &[Entry]) -> Vec<u8> {
    let (mut out, mut table) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = len32(&out);
        let packed = if entry.deflates {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&entry.data).expect("packs");
            encoder.finish().expect("packs")
        } else {
            entry.data.clone()
        };
        let mut crc = flate2::Crc::new();
        crc.update(&entry.data);
        let method = if entry.deflates { 8 } else { 0 };
        let size = len32(&entry.data).wrapping_add(entry.lie);
        let mut common = Vec::new();
        put16(&mut common, &[20, entry.flags, method, 0, 0x21]);
        put32(&mut common, &[crc.sum(), len32(&packed), size]);
        put16(&mut common, &[len16(&entry.name), 0]);

        put32(&mut out, &[0x0403_4b50]);
        out.extend_from_slice(&common);
        out.extend_from_slice(&entry.name);
        out.extend_from_slice(&packed);

        put32(&mut table, &[0x0201_4b50]);
        put16(&mut table, &[0x0314]);
        table.extend_from_slice(&common);
        put16(&mut table, &[0, 0, 0]);
        put32(&mut table, &[entry.mode << 16, offset]);
        table.extend_from_slice(&entry.name);
    }
    let start = len32(&out);
    let count = u16::try_from(entries.len()).expect("are few");
    out.extend_from_slice(&table);
    put32(&mut out, &[0x0605_4b50]);
    put16(&mut out, &[0, 0, count, count]);
    put32(&mut out, &[len32(&table), start]);
    put16(&mut out, &[0]);
    out
}
