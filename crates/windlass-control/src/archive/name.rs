//! Names of entries: relative, inside the tree, and in one spelling.

use super::{ArchiveError, ArchiveLimits, Refusal};

/// The longest component that Linux file systems take, in bytes.
const COMPONENT_BYTES: usize = 255;

/// A checked path below the destination: components joined by one `/`, none of them empty, `.` or
/// `..`. The empty path is the destination itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EntryPath(Vec<u8>);

impl EntryPath {
    /// Checks a name from an archive. `./a//b/` becomes `a/b`.
    pub(crate) fn parse(raw: &[u8], limits: &ArchiveLimits) -> Result<Self, ArchiveError> {
        Self::check(raw, limits).map_err(|refusal| ArchiveError::entry(raw, refusal))
    }

    fn check(raw: &[u8], limits: &ArchiveLimits) -> Result<Self, Refusal> {
        if raw.is_empty() {
            return Err(Refusal::EmptyName);
        }
        if raw.len() > limits.name_bytes {
            return Err(Refusal::NameTooLong {
                limit_bytes: limits.name_bytes,
            });
        }
        if raw.contains(&0) {
            return Err(Refusal::NulByte);
        }
        if raw.contains(&b'\\') {
            return Err(Refusal::Backslash);
        }
        if raw[0] == b'/' {
            return Err(Refusal::AbsoluteName);
        }
        let mut path = Vec::with_capacity(raw.len());
        let mut depth = 0_usize;
        for component in raw.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => continue,
                b".." => return Err(Refusal::ParentComponent),
                _ => {}
            }
            if component.len() > COMPONENT_BYTES {
                return Err(Refusal::NameTooLong {
                    limit_bytes: COMPONENT_BYTES,
                });
            }
            depth += 1;
            // The first component that counts: `./C:/x` becomes `C:/x`.
            if depth == 1 && is_drive(component) {
                return Err(Refusal::AbsoluteName);
            }
            if depth > limits.depth {
                return Err(Refusal::TooDeep {
                    limit: limits.depth,
                });
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(component);
        }
        Ok(Self(path))
    }

    /// Whether this is the destination itself.
    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The parent's path and the last component; `None` for the destination itself.
    pub(crate) fn split(&self) -> Option<(&[u8], &[u8])> {
        if self.is_root() {
            return None;
        }
        match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => Some((&self.0[..slash], &self.0[slash + 1..])),
            None => Some((b"", &self.0)),
        }
    }
}

/// `C:`, which begins an absolute name on other systems.
fn is_drive(component: &[u8]) -> bool {
    matches!(component, [letter, b':'] if letter.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(raw: &[u8]) -> Refusal {
        EntryPath::check(raw, &ArchiveLimits::PACKAGE).unwrap_err()
    }

    #[test]
    fn one_spelling() {
        for raw in ["a/b", "./a/b", "a//b", "a/./b/", "././a/b//"] {
            let path = EntryPath::parse(raw.as_bytes(), &ArchiveLimits::PACKAGE).unwrap();
            assert_eq!(path.as_bytes(), b"a/b", "{raw}");
            assert_eq!(path.split(), Some((&b"a"[..], &b"b"[..])));
        }
        assert!(
            EntryPath::parse(b"./", &ArchiveLimits::PACKAGE)
                .unwrap()
                .is_root()
        );
        let dots = EntryPath::parse(b"...", &ArchiveLimits::PACKAGE).unwrap();
        assert_eq!(dots.split(), Some((&b""[..], &b"..."[..])));
    }

    #[test]
    fn hostile_names_are_refused() {
        assert_eq!(refusal(b""), Refusal::EmptyName);
        assert_eq!(refusal(b"/etc/passwd"), Refusal::AbsoluteName);
        assert_eq!(refusal(b"C:/windows"), Refusal::AbsoluteName);
        assert_eq!(refusal(b"./C:/windows"), Refusal::AbsoluteName);
        assert_eq!(refusal(b"../x"), Refusal::ParentComponent);
        assert_eq!(refusal(b"a/../../x"), Refusal::ParentComponent);
        assert_eq!(refusal(b"a/.."), Refusal::ParentComponent);
        assert_eq!(refusal(b"..\\x"), Refusal::Backslash);
        assert_eq!(refusal(b"a\0b"), Refusal::NulByte);
        assert_eq!(
            refusal(&[b'a'; 256]),
            Refusal::NameTooLong { limit_bytes: 255 }
        );
        assert_eq!(
            refusal(&[b'a'; 3000]),
            Refusal::NameTooLong { limit_bytes: 2048 }
        );
        assert_eq!(
            refusal("d/".repeat(101).as_bytes()),
            Refusal::TooDeep { limit: 100 }
        );
    }
}
