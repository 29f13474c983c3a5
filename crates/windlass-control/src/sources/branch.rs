//! Names of branches and commits that git is given.

use super::SourceError;

/// Bytes of the name of a branch.
const BRANCH_BYTES: usize = 255;
/// Hex digits of a commit.
const COMMIT_DIGITS: usize = 40;

/// Checks the name of a branch by git's own rules.
///
/// # Errors
/// [`SourceError::Branch`].
pub fn check_branch(name: &str) -> Result<(), SourceError> {
    let bad_byte = |byte: u8| byte <= b' ' || byte == 0x7f || b"~^:?*[\\".contains(&byte);
    let bad_part = |part: &str| {
        part.is_empty()
            || part.starts_with('.')
            || std::path::Path::new(part)
                .extension()
                .is_some_and(|e| e == "lock")
    };
    let bad = name.is_empty()
        || name.len() > BRANCH_BYTES
        || name.starts_with('-')
        || name.ends_with('.')
        || name == "@"
        || name.contains("..")
        || name.contains("@{")
        || name.bytes().any(bad_byte)
        || name.split('/').any(bad_part);
    if bad {
        return Err(SourceError::Branch(
            name.chars().take(BRANCH_BYTES).collect(),
        ));
    }
    Ok(())
}

/// Checks that a text is a whole commit id.
///
/// # Errors
/// [`SourceError::Commit`].
pub fn check_commit(text: &str) -> Result<(), SourceError> {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() == COMMIT_DIGITS && text.bytes().all(digit) {
        return Ok(());
    }
    let shown = text.chars().take(COMMIT_DIGITS).collect();
    Err(SourceError::Commit(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches() {
        for good in ["main", "feature/x-1", "release-1.2", "ü", "a@b"] {
            check_branch(good).unwrap();
        }
        for bad in [
            "",
            "-x",
            "--upload-pack=id",
            "a b",
            "a..b",
            "a/",
            "/a",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[",
            "a\\b",
            "@",
            "a@{0}",
            "a.",
            "a\n",
        ] {
            assert!(check_branch(bad).is_err(), "{bad:?}");
        }
        assert!(check_branch(&"a".repeat(256)).is_err());
    }

    #[test]
    fn commits() {
        check_commit("0123456789abcdef0123456789abcdef01234567").unwrap();
        for bad in [
            "",
            "main",
            "0123",
            "0123456789ABCDEF0123456789abcdef01234567",
        ] {
            assert!(check_commit(bad).is_err(), "{bad:?}");
        }
    }
}
