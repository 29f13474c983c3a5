//! Reads the log files of one run, forwards or newest first, while they are being written.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::MAX_LINE_BYTES;
use super::record::{LogPosition, LogRecord};

/// Size of one read when reading backwards, in bytes. A record always fits: every byte of its text
/// may be escaped, and the head is short.
const BLOCK_BYTES: u64 = 4 * MAX_LINE_BYTES as u64;

/// Reads the log of one run straight from its files. It blocks: call it off the async threads.
///
/// A torn or damaged line is skipped; the last line is only read once it is complete.
#[derive(Debug, Clone)]
pub struct LogReader {
    dir: PathBuf,
}

/// A piece of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// The records, in the order that was asked for.
    pub records: Vec<LogRecord>,
    /// Forwards: where to read on. Backwards: the position of the oldest record of the page; read
    /// on before it.
    pub next: LogPosition,
    /// True if there is (for now) nothing more in this direction.
    pub is_end: bool,
}

impl LogReader {
    /// Reads the log in `dir`; the directory may be missing.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Reads up to `limit` records that begin at `from` or later, oldest first.
    ///
    /// A position in a file that rotation has removed means the oldest file there is.
    pub fn read_from(&self, from: LogPosition, limit: usize) -> io::Result<LogPage> {
        let mut page = LogPage {
            next: from,
            is_end: true,
            ..LogPage::default()
        };
        for file in files(&self.dir)?
            .into_iter()
            .filter(|file| *file >= from.file)
        {
            let offset = if file == from.file { from.offset } else { 0 };
            page.next = LogPosition { file, offset };
            let Some(mut source) = open(&self.dir, file)? else {
                continue;
            };
            source.seek(SeekFrom::Start(offset))?;
            let mut lines = Lines::new(source, page.next);
            while let Some((line, position)) = lines.next_line()? {
                if page.records.len() >= limit {
                    page.is_end = false;
                    page.next = position;
                    return Ok(page);
                }
                page.next = lines.position;
                page.records.extend(LogRecord::parse(&line, position));
            }
        }
        Ok(page)
    }

    /// Reads up to `limit` records that begin before `before` (`None`: the end), newest first.
    pub fn read_back(&self, before: Option<LogPosition>, limit: usize) -> io::Result<LogPage> {
        let mut page = LogPage {
            next: before.unwrap_or_default(),
            is_end: true,
            ..LogPage::default()
        };
        let mut numbers = files(&self.dir)?;
        numbers.retain(|file| before.is_none_or(|before| *file <= before.file));
        for file in numbers.into_iter().rev() {
            let Some(mut source) = open(&self.dir, file)? else {
                continue;
            };
            let size = source.metadata()?.len();
            let mut end = match before {
                Some(before) if before.file == file => before.offset.min(size),
                _ => size,
            };
            while end > 0 {
                let (records, begin) = block_before(&mut source, file, end)?;
                for record in records.into_iter().rev() {
                    if page.records.len() >= limit {
                        page.is_end = false;
                        return Ok(page);
                    }
                    page.next = record.position;
                    page.records.push(record);
                }
                end = begin;
            }
        }
        Ok(page)
    }

    /// Where the log ends now: a reader that wants only what comes later begins here.
    pub fn end(&self) -> io::Result<LogPosition> {
        let Some(file) = files(&self.dir)?.pop() else {
            return Ok(LogPosition::default());
        };
        let Some(source) = open(&self.dir, file)? else {
            return Ok(LogPosition::default());
        };
        Ok(LogPosition {
            file,
            offset: source.metadata()?.len(),
        })
    }
}

/// Numbers of the log files in `dir`, ascending.
pub(crate) fn files(dir: &Path) -> io::Result<Vec<u64>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Path of a log file.
pub(crate) fn path_of(dir: &Path, file: u64) -> PathBuf {
    dir.join(format!("{file}.log"))
}

fn open(dir: &Path, file: u64) -> io::Result<Option<File>> {
    match File::open(path_of(dir, file)) {
        Ok(source) => Ok(Some(source)),
        // Rotation removed it between the listing and now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Complete lines of a file, with bounded memory.
struct Lines {
    source: BufReader<File>,
    position: LogPosition,
}

impl Lines {
    fn new(source: File, position: LogPosition) -> Self {
        Self {
            source: BufReader::new(source),
            position,
        }
    }

    fn next_line(&mut self) -> io::Result<Option<(Vec<u8>, LogPosition)>> {
        let mut line = Vec::new();
        (&mut self.source)
            .take(BLOCK_BYTES)
            .read_until(b'\n', &mut line)?;
        // A piece of full length without an end is damage (no record is this long): hand it out as
        // a line that will not parse, and go on behind it.
        if line.last() != Some(&b'\n') && (line.len() as u64) < BLOCK_BYTES {
            return Ok(None);
        }
        let position = self.position;
        self.position.offset += line.len() as u64;
        line.pop();
        Ok(Some((line, position)))
    }
}

/// Reads the records of the block that ends at `end` (a line border, or the middle of a torn line),
/// and says where the block begins.
fn block_before(source: &mut File, file: u64, end: u64) -> io::Result<(Vec<LogRecord>, u64)> {
    let start = end.saturating_sub(BLOCK_BYTES);
    source.seek(SeekFrom::Start(start))?;
    let mut block = Vec::new();
    source.take(end - start).read_to_end(&mut block)?;
    // The first line of a block that does not begin the file may be cut: leave it to the next one.
    let first_end = block.iter().position(|byte| *byte == b'\n');
    let skip = if start > 0 {
        first_end.map_or(0, |at| at + 1)
    } else {
        0
    };
    // A block whose only line feed is its last byte holds nothing but one overlong line: drop it,
    // so that each step makes progress.
    let skip = if skip == block.len() { 0 } else { skip };
    let mut records = Vec::new();
    let mut offset = start + skip as u64;
    for line in block[skip..].split_inclusive(|byte| *byte == b'\n') {
        if let Some(line) = line.strip_suffix(b"\n") {
            records.extend(LogRecord::parse(line, LogPosition { file, offset }));
        }
        offset += line.len() as u64;
    }
    Ok((records, start + skip as u64))
}

#[cfg(test)]
mod tests {
    use super::super::record::{LogStream, format_record};
    use super::*;

    fn write_lines(dir: &Path, file: u64, texts: impl Iterator<Item = String>) {
        let mut bytes = Vec::new();
        for (number, text) in texts.enumerate() {
            let stamp_ns = file * 1_000_000 + number as u64;
            format_record(
                &mut bytes,
                stamp_ns,
                LogStream::Out,
                "APP",
                0,
                text.as_bytes(),
            );
        }
        std::fs::write(path_of(dir, file), bytes).unwrap();
    }

    fn texts(page: &LogPage) -> Vec<String> {
        page.records
            .iter()
            .map(|record| record.text_lossy().into_owned())
            .collect()
    }

    #[test]
    fn pages_forwards_and_backwards_meet_every_line_once() {
        let dir = tempfile::tempdir().unwrap();
        let long = "x".repeat(MAX_LINE_BYTES);
        let line = |file: u64, n: u64| {
            if n.is_multiple_of(7) {
                long.clone()
            } else {
                format!("{file}-{n}")
            }
        };
        for file in 3..6 {
            write_lines(dir.path(), file, (0..40).map(|n| line(file, n)));
        }
        let all: Vec<String> = (3..6)
            .flat_map(|f| (0..40).map(move |n| (f, n)))
            .map(|(f, n)| line(f, n))
            .collect();
        let reader = LogReader::new(dir.path());

        let (mut seen, mut from) = (Vec::new(), LogPosition::default());
        loop {
            let page = reader.read_from(from, 9).unwrap();
            seen.extend(texts(&page));
            from = page.next;
            if page.is_end {
                break;
            }
        }
        assert!(seen == all, "forwards");
        assert_eq!(from, reader.end().unwrap());

        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = reader.read_back(before, 11).unwrap();
            seen.extend(texts(&page));
            before = Some(page.next);
            if page.is_end {
                break;
            }
        }
        seen.reverse();
        assert!(seen == all, "backwards");
    }

    #[test]
    fn torn_last_line_is_ignored_until_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(path_of(dir.path(), 0), "1 o APP/0 whole\n2 o APP/0 to").unwrap();
        let reader = LogReader::new(dir.path());
        let page = reader.read_from(LogPosition::default(), 10).unwrap();
        assert_eq!(texts(&page), ["whole"]);
        assert_eq!(texts(&reader.read_back(None, 10).unwrap()), ["whole"]);
        std::fs::write(path_of(dir.path(), 0), "1 o APP/0 whole\n2 o APP/0 torn\n").unwrap();
        assert_eq!(texts(&reader.read_from(page.next, 10).unwrap()), ["torn"]);
    }

    #[test]
    fn damaged_lines_are_skipped() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            path_of(dir.path(), 0),
            "1 o APP/0 a\n\0\0garbage\n3 o APP/0 b\n",
        )
        .unwrap();
        let reader = LogReader::new(dir.path());
        assert_eq!(
            texts(&reader.read_from(LogPosition::default(), 10).unwrap()),
            ["a", "b"]
        );
        assert_eq!(texts(&reader.read_back(None, 10).unwrap()), ["b", "a"]);
    }

    #[test]
    fn missing_directory_is_an_empty_log() {
        let reader = LogReader::new("/nonexistent/log");
        assert!(
            reader
                .read_from(LogPosition::default(), 10)
                .unwrap()
                .records
                .is_empty()
        );
        assert_eq!(reader.end().unwrap(), LogPosition::default());
    }
}
