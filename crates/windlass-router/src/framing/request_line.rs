//! What a request line may ask for, at least as strict as the servers that stand behind a proxy.

/// Whether a method is one: upper case letters, `-` and `_`. Methods are case-sensitive, and what
/// looks like a known one in another case is read as that by some.
pub(crate) fn is_method(method: &[u8]) -> bool {
    !method.is_empty()
        && method
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'))
}

/// Whether a target is a path, or an address of HTTP with one.
pub(crate) fn is_target(target: &[u8]) -> bool {
    if !target.iter().all(u8::is_ascii_graphic) {
        return false;
    }
    let path = match target.first() {
        Some(b'/') => Some(target),
        _ => path_of_address(target),
    };
    path.is_some_and(is_path)
}

/// The path of an absolute address.
fn path_of_address(target: &[u8]) -> Option<&[u8]> {
    let after = |scheme: &[u8]| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let rest = after(b"http://").or_else(|| after(b"https://"))?;
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let is_authority = !authority.is_empty()
        && authority.iter().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']')
        });
    is_authority.then_some(path)
}

/// Whether a path decodes to one that stays below its root: `%` is followed by two digits, nothing
/// is NUL, and no `..` leads out. The query is anybody's.
pub(crate) fn is_path(path: &[u8]) -> bool {
    let end = path.iter().position(|byte| matches!(byte, b'?' | b'#'));
    let mut rest = path[..end.unwrap_or(path.len())].iter();
    let mut depth = 0_usize;
    // Length of the segment, and whether it is dots alone so far.
    let (mut length, mut is_dots) = (0_usize, true);
    loop {
        let byte = match rest.next() {
            Some(b'%') => match (
                rest.next().copied().and_then(digit),
                rest.next().copied().and_then(digit),
            ) {
                (Some(high), Some(low)) => Some(high * 16 + low),
                _ => return false,
            },
            other => other.copied(),
        };
        match byte {
            Some(0) => return false,
            None | Some(b'/') => {
                match (length, is_dots) {
                    (0, _) | (1, true) => {}
                    (2, true) => match depth.checked_sub(1) {
                        Some(less) => depth = less,
                        None => return false,
                    },
                    _ => depth += 1,
                }
                if byte.is_none() {
                    return true;
                }
                (length, is_dots) = (0, true);
            }
            Some(other) => {
                length += 1;
                is_dots &= other == b'.';
            }
        }
    }
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods() {
        for good in ["GET", "M-SEARCH", "MY_METHOD", "PROPFIND"] {
            assert!(is_method(good.as_bytes()), "{good}");
        }
        for bad in ["", "get", "GeT", "GET1", "G!T", "G T"] {
            assert!(!is_method(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn targets_that_are_read_the_same_everywhere() {
        for good in [
            "/",
            "/a/../b",
            "/a/./../b",
            "/a%20b",
            "/a//b",
            "/?a=100%&b=%zz&c=/../..",
            "/#%",
            "/..;/a",
            "/...",
            "/a/%2e%2e/b",
            "/a;b=\"<>",
            "http://app.test",
            "http://app.test:80/x",
            "HTTPS://[::1]/x?y",
            "http://app.test?x",
        ] {
            assert!(is_target(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "*",
            "a",
            "?a",
            "/..",
            "/../a",
            "/a/../../b",
            "/./../a",
            "//../a",
            "/%2e%2E/a",
            "/%2e./a",
            "/a%2f..%2f..%2fb",
            "/100%",
            "/%a",
            "/%zz",
            "/%00",
            "/a b",
            "/\u{e9}",
            "http://",
            "http:///a",
            "http://user@app.test/",
            "http://a_b/",
            "ftp://app.test/",
            "http://app.test/../a",
        ] {
            assert!(!is_target(bad.as_bytes()), "{bad}");
        }
    }
}
