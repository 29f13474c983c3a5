//! Archives that no honest program would write, byte by byte.

use std::io::Write;

use flate2::{Compression, write::DeflateEncoder, write::GzEncoder};
use tar::{EntryType, Header};

/// An entry of a hand-made zip.
#[derive(Debug, Clone)]
pub(crate) struct ZipEntry {
    pub(crate) name: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) flags: u16,
    pub(crate) deflate: bool,
    pub(crate) data: Vec<u8>,
}

pub(crate) fn file(name: &str, data: &[u8]) -> ZipEntry {
    entry(name.as_bytes(), 0o100_644, data)
}

pub(crate) fn entry(name: &[u8], mode: u32, data: &[u8]) -> ZipEntry {
    ZipEntry {
        name: name.to_vec(),
        mode,
        flags: 0,
        deflate: false,
        data: data.to_vec(),
    }
}

fn put16(out: &mut Vec<u8>, values: &[u16]) {
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn put32(out: &mut Vec<u8>, values: &[u32]) {
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn len32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

fn len16(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).unwrap()
}

/// A zip with exactly these entries, whatever they are.
pub(crate) fn zip(entries: &[ZipEntry]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut table = Vec::new();
    for entry in entries {
        let mut crc = flate2::Crc::new();
        crc.update(&entry.data);
        let packed = if entry.deflate {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&entry.data).unwrap();
            encoder.finish().unwrap()
        } else {
            entry.data.clone()
        };
        let method = if entry.deflate { 8 } else { 0 };
        let offset = len32(&out);
        let mut common = Vec::new();
        put16(&mut common, &[20, entry.flags, method, 0, 0x21]);
        put32(
            &mut common,
            &[crc.sum(), len32(&packed), len32(&entry.data)],
        );
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
    let count = u16::try_from(entries.len()).unwrap();
    out.extend_from_slice(&table);
    put32(&mut out, &[0x0605_4b50]);
    put16(&mut out, &[0, 0, count, count]);
    put32(&mut out, &[len32(&table), start]);
    put16(&mut out, &[0]);
    out
}

/// An entry of a hand-made tar.
pub(crate) struct TarEntry {
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: EntryType,
    pub(crate) mode: u32,
    pub(crate) data: Vec<u8>,
}

pub(crate) fn tar_entry(kind: EntryType, name: &str, link: &str, data: &[u8]) -> TarEntry {
    TarEntry {
        name: name.as_bytes().to_vec(),
        link: link.as_bytes().to_vec(),
        kind,
        mode: 0o644,
        data: data.to_vec(),
    }
}

pub(crate) fn tar_file(name: &str, data: &[u8]) -> TarEntry {
    tar_entry(EntryType::Regular, name, "", data)
}

/// A tar with exactly these entries, not compressed.
pub(crate) fn tar(entries: &[TarEntry]) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..entry.name.len()].copy_from_slice(&entry.name);
        header.as_old_mut().linkname[..entry.link.len()].copy_from_slice(&entry.link);
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_size(entry.data.len() as u64);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(&entry.data);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}
