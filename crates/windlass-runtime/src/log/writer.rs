//! Writes log files: stamps, rotation, torn lines.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use super::reader::{LogReader, files, path_of};
use super::record::{LogPosition, LogStream, format_record};
use super::{LogLimits, MAX_LINE_BYTES};

/// Source type of lines by the platform about the run.
pub(crate) const CELL: &str = "CELL";

/// The only writer of one log directory.
#[derive(Debug)]
pub(crate) struct LogWriter {
    dir: PathBuf,
    limits: LogLimits,
    file: File,
    file_number: u64,
    /// Bytes of the file that have been written.
    size: u64,
    /// Last three digits of each stamp.
    stamp_digits: u64,
    last_stamp_ns: u64,
    buffer: Vec<u8>,
    /// Records that could not be written (a full disk), to be announced.
    lost: u64,
}

impl LogWriter {
    /// Opens the log in `dir` (made if missing) behind its last complete record. `log_number` is
    /// the one that no other writer of the app has.
    pub(crate) fn open(
        dir: impl Into<PathBuf>,
        limits: LogLimits,
        log_number: u32,
    ) -> io::Result<Self> {
        let dir = dir.into();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)?;
        let file_number = files(&dir)?.pop().unwrap_or(0);
        let last = LogReader::new(&dir).read_back(None, 1)?.records.pop();
        let mut file = open_file(&dir, file_number)?;
        let size = cut_torn_line(&mut file)?;
        let last_stamp_ns = last.map_or(0, |record| record.stamp_ns);
        Ok(Self {
            dir,
            limits,
            file,
            file_number,
            size,
            stamp_digits: u64::from(log_number % 1000),
            last_stamp_ns,
            buffer: Vec::new(),
            lost: 0,
        })
    }

    /// Adds one line; lines longer than [`MAX_LINE_BYTES`] become several records. It reaches the
    /// file at the next [`Self::flush`].
    pub(crate) fn line(
        &mut self,
        now_us: u64,
        stream: LogStream,
        source_type: &str,
        index: u32,
        text: &[u8],
    ) {
        let mut rest = text;
        loop {
            let (piece, left) = rest.split_at(rest.len().min(MAX_LINE_BYTES));
            let stamp_ns = self.next_stamp(now_us);
            format_record(
                &mut self.buffer,
                stamp_ns,
                stream,
                source_type,
                index,
                piece,
            );
            if self.size + self.buffer.len() as u64 >= self.limits.bytes_per_file
                || self.buffer.len() >= 4 * MAX_LINE_BYTES
            {
                self.flush();
            }
            if left.is_empty() {
                return;
            }
            rest = left;
        }
    }

    /// Writes what is buffered and begins the next file if this one is full.
    pub(crate) fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let buffer = std::mem::take(&mut self.buffer);
        if self.file.write_all(&buffer).is_ok() {
            self.size += buffer.len() as u64;
        } else {
            // The disk is full, or worse. The app must not hang on it: what does not fit is
            // counted, and a piece of a line is taken back so that the next one stands alone.
            self.lost += buffer.split(|byte| *byte == b'\n').count() as u64 - 1;
            let _ = self.file.set_len(self.size);
        }
        self.buffer = buffer;
        self.buffer.clear();
        if self.size >= self.limits.bytes_per_file {
            self.rotate();
        }
    }

    /// Where the next record will begin, once everything is flushed.
    pub(crate) fn end(&self) -> LogPosition {
        LogPosition {
            file: self.file_number,
            offset: self.size,
        }
    }

    /// Number of records that could not be written since the last call.
    pub(crate) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn rotate(&mut self) {
        let Ok(file) = open_file(&self.dir, self.file_number + 1) else {
            // Go on in the old file; the next flush tries again.
            return;
        };
        (self.file, self.file_number, self.size) = (file, self.file_number + 1, 0);
        let oldest_kept = (self.file_number + 1).saturating_sub(self.limits.files.max(1));
        let (mut gone, mut gone_bytes) = (0_u64, 0);
        for number in files(&self.dir).unwrap_or_default() {
            if number < oldest_kept {
                let path = path_of(&self.dir, number);
                gone_bytes += fs::metadata(&path).map_or(0, |metadata| metadata.len());
                gone += u64::from(fs::remove_file(path).is_ok());
            }
        }
        if gone > 0 {
            let text = format!("older output removed: {gone_bytes} bytes (limit of the log files)");
            let stamp_ns = self.next_stamp(self.last_stamp_ns / 1000);
            format_record(
                &mut self.buffer,
                stamp_ns,
                LogStream::Out,
                CELL,
                0,
                text.as_bytes(),
            );
        }
    }

    /// The clock, but always later than the last stamp, also when the clock jumps back.
    fn next_stamp(&mut self, now_us: u64) -> u64 {
        let micros = now_us.max(self.last_stamp_ns / 1000 + 1);
        self.last_stamp_ns = micros * 1000 + self.stamp_digits;
        self.last_stamp_ns
    }
}

fn open_file(dir: &std::path::Path, number: u64) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path_of(dir, number))
}

/// Removes a line without its end, left by a writer that was killed; returns the size.
fn cut_torn_line(file: &mut File) -> io::Result<u64> {
    let size = file.metadata()?.len();
    let tail_bytes = size.min(4 * MAX_LINE_BYTES as u64);
    file.seek(SeekFrom::Start(size - tail_bytes))?;
    let mut tail = Vec::new();
    file.take(tail_bytes).read_to_end(&mut tail)?;
    let kept = tail
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at as u64 + 1);
    let new_size = size - tail_bytes + kept;
    if new_size < size {
        file.set_len(new_size)?;
    }
    Ok(new_size)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: LogLimits = LogLimits {
        bytes_per_file: 400,
        files: 3,
    };

    #[test]
    fn stamps_rise_over_clock_jumps_and_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(
            dir.path(),
            LogLimits {
                bytes_per_file: 1 << 20,
                files: 2,
            },
            1_007,
        )
        .unwrap();
        for now_us in [1_000, 1_000, 500, 2_000] {
            writer.line(now_us, LogStream::Out, "APP", 3, b"x");
        }
        writer.flush();
        drop(writer);
        let mut writer = LogWriter::open(dir.path(), LIMITS, 7).unwrap();
        writer.line(7, LogStream::Out, "APP", 3, b"x");
        writer.flush();
        let page = LogReader::new(dir.path())
            .read_from(LogPosition::default(), 10)
            .unwrap();
        let stamps: Vec<u64> = page.records.iter().map(|record| record.stamp_ns).collect();
        assert_eq!(
            stamps,
            [1_000_007, 1_001_007, 1_002_007, 2_000_007, 2_001_007]
        );
    }

    #[test]
    fn rotation_keeps_the_newest_files_and_says_what_went() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), LIMITS, 0).unwrap();
        for number in 0..100 {
            writer.line(
                number,
                LogStream::Out,
                "APP",
                0,
                format!("line {number}").as_bytes(),
            );
            writer.flush();
        }
        assert!(files(dir.path()).unwrap().len() <= 3);
        let page = LogReader::new(dir.path())
            .read_from(LogPosition::default(), 100)
            .unwrap();
        assert_eq!(page.records[0].source_type, CELL);
        let last = page.records.last().unwrap();
        assert_eq!(
            (last.text_lossy().as_ref(), page.next),
            ("line 99", writer.end())
        );
        let rising = page
            .records
            .windows(2)
            .all(|pair| pair[0].stamp_ns < pair[1].stamp_ns);
        assert!(rising, "stamps rise across files");
    }

    #[test]
    fn torn_line_is_cut_at_reopening() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            path_of(dir.path(), 0),
            "5000 o APP/0 whole\n9000 o APP/0 to",
        )
        .unwrap();
        let mut writer = LogWriter::open(dir.path(), LIMITS, 0).unwrap();
        writer.line(1, LogStream::Err, "APP", 0, b"next");
        writer.flush();
        let text = fs::read_to_string(path_of(dir.path(), 0)).unwrap();
        assert_eq!(text, "5000 o APP/0 whole\n6000 e APP/0 next\n");
    }

    #[test]
    fn long_line_becomes_several_records() {
        let dir = tempfile::tempdir().unwrap();
        let limits = LogLimits {
            bytes_per_file: 1 << 20,
            files: 2,
        };
        let mut writer = LogWriter::open(dir.path(), limits, 0).unwrap();
        writer.line(
            1,
            LogStream::Out,
            "APP",
            0,
            &vec![b'y'; MAX_LINE_BYTES * 2 + 5],
        );
        writer.flush();
        let page = LogReader::new(dir.path())
            .read_from(LogPosition::default(), 10)
            .unwrap();
        let lengths: Vec<usize> = page
            .records
            .iter()
            .map(|record| record.text.len())
            .collect();
        assert_eq!(lengths, [MAX_LINE_BYTES, MAX_LINE_BYTES, 5]);
    }
}
