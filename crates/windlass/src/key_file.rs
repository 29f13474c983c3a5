//! The key file: what encrypts secrets in the store. It lies outside of the data directory.
//!
//! One key a line, `<id> <64 hex digits>`; the first encrypts, the others still decrypt, so that a
//! key can be rotated by putting a new line on top. Lines that start with `#` are comments.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::private_file;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Largest key file, bytes.
const FILE_LIMIT_BYTES: u64 = 64 * 1024;

/// Why there is no usable key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file can't be read or written.
    #[error(
        "failed to use key file {path}: {source}; name the right one with --key-file, or put it back"
    )]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read it.
    #[error("key file {path} can be read by others; run: chmod 600 {path}")]
    Open {
        /// Which file.
        path: PathBuf,
    },
    /// There is data, and its key is gone.
    #[error(
        "key file {path} is missing, but {data_dir} holds data that was encrypted with it; put \
         the file back or name it with --key-file"
    )]
    Missing {
        /// Which file.
        path: PathBuf,
        /// Whose key it is.
        data_dir: PathBuf,
    },
    /// A line is no key.
    #[error("key file {path}, line {line}: expected `<id> <64 hex digits>`")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Line number from 1.
        line: usize,
    },
    /// There is no line.
    #[error("key file {path} holds no key; put the original file back")]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// The machine gave no random bytes.
    #[error("failed to make a key: no random bytes from the system")]
    Random,
}

/// One key with its id.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Id that each encrypted value carries.
    pub id: String,
    /// The key.
    pub bytes: [u8; KEY_BYTES],
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, hidden)", self.id)
    }
}

/// Reads the keys, newest first.
pub fn read(path: &Path) -> Result<Vec<Key>, KeyFileError> {
    let io = |source| KeyFileError::Io {
        path: path.to_path_buf(),
        source,
    };
    if private_file::is_open_to_others(path).map_err(io)? {
        return Err(KeyFileError::Open {
            path: path.to_path_buf(),
        });
    }
    if std::fs::metadata(path).map_err(io)?.len() > FILE_LIMIT_BYTES {
        return Err(KeyFileError::Line {
            path: path.to_path_buf(),
            line: 1,
        });
    }
    let text = std::fs::read_to_string(path).map_err(io)?;
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = parse_line(line).ok_or_else(|| KeyFileError::Line {
            path: path.to_path_buf(),
            line: index + 1,
        })?;
        keys.push(key);
    }
    if keys.is_empty() {
        return Err(KeyFileError::Empty {
            path: path.to_path_buf(),
        });
    }
    Ok(keys)
}

/// Reads the keys; makes the file when there is none and `data_exists` is false.
pub fn read_or_create(
    path: &Path,
    data_dir: &Path,
    data_exists: bool,
) -> Result<Vec<Key>, KeyFileError> {
    let io = |source| KeyFileError::Io {
        path: path.to_path_buf(),
        source,
    };
    if path.exists() {
        return read(path);
    }
    if data_exists {
        return Err(KeyFileError::Missing {
            path: path.to_path_buf(),
            data_dir: data_dir.to_path_buf(),
        });
    }
    if let Some(directory) = path.parent() {
        private_file::directory(directory).map_err(io)?;
    }
    let mut bytes = [0; KEY_BYTES];
    let mut id = [0; 4];
    getrandom::fill(&mut bytes).map_err(|_| KeyFileError::Random)?;
    getrandom::fill(&mut id).map_err(|_| KeyFileError::Random)?;
    let text = format!(
        "# Key of Windlass for {}. Keep a copy elsewhere: without it secrets are lost.\n{} {}\n",
        data_dir.display(),
        hex::encode(id),
        hex::encode(bytes)
    );
    private_file::write(path, text.as_bytes(), private_file::SECRET).map_err(io)?;
    read(path)
}

fn parse_line(line: &str) -> Option<Key> {
    let (id, digits) = line.split_once(' ')?;
    let good = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    let mut bytes = [0; KEY_BYTES];
    hex::decode_to_slice(digits.trim(), &mut bytes).ok()?;
    good.then(|| Key {
        id: id.to_owned(),
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_back() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("config/key");
        let made = read_or_create(&path, Path::new("/data"), false).expect("makes");
        let again = read_or_create(&path, Path::new("/data"), true).expect("reads");
        assert_eq!(made, again);
        assert!(!private_file::is_open_to_others(&path).expect("metadata"));
        assert!(!format!("{made:?}").contains(&hex::encode(made[0].bytes)));
    }

    #[test]
    fn data_without_its_key_is_refused() {
        let dir = tempfile::tempdir().expect("temp dir");
        let error = read_or_create(&dir.path().join("key"), dir.path(), true).expect_err("refused");
        assert!(matches!(error, KeyFileError::Missing { .. }));
    }

    #[test]
    fn an_open_or_broken_file_is_refused() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("key");
        private_file::write(&path, b"abc 12\n", private_file::SECRET).expect("writes");
        assert!(matches!(
            read(&path),
            Err(KeyFileError::Line { line: 1, .. })
        ));
        private_file::write(&path, b"# nothing\n", private_file::SECRET).expect("writes");
        assert!(matches!(read(&path), Err(KeyFileError::Empty { .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("chmod");
        assert!(matches!(read(&path), Err(KeyFileError::Open { .. })));
    }

    #[test]
    fn an_older_key_stays_readable_below_a_new_one() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("key");
        let text = format!("new {}\nold {}\n", "11".repeat(32), "22".repeat(32));
        private_file::write(&path, text.as_bytes(), private_file::SECRET).expect("writes");
        let keys = read(&path).expect("reads");
        assert_eq!((keys[0].id.as_str(), keys[1].id.as_str()), ("new", "old"));
    }
}
