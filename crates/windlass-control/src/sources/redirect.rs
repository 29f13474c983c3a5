//! Redirects: git follows none; each is looked at like an address that a user gave.

use super::{Scheme, SourceError, SourceUrl};

/// Redirects in a row.
pub(super) const REDIRECTS: usize = 3;
/// What git asks for first, below the address of a repository.
const FIRST_REQUEST: &str = "/info/refs?service=git-upload-pack";

/// Where a line of git's own trace says that the server points to.
pub(super) fn location(line: &str) -> Option<&str> {
    let (_, header) = line.split_once("<= Recv header: ")?;
    let (name, value) = header.split_once(':')?;
    name.eq_ignore_ascii_case("location").then(|| value.trim())
}

/// Whether a line belongs to the trace and not to what git says.
pub(super) fn is_trace(line: &str) -> bool {
    line.contains(" http.c:") || line.contains("= Info: ") || line.contains("header: ")
}

/// The address of the repository after a redirect to `location`.
pub(super) fn follow(from: &SourceUrl, location: &str) -> Result<SourceUrl, SourceError> {
    let refuse = |reason: &str| SourceError::Redirect {
        to: location.chars().take(200).collect(),
        reason: reason.to_owned(),
    };
    let whole = if location.starts_with('/') && !location.starts_with("//") {
        let text = from.to_string();
        let base = text.strip_suffix(from.path()).unwrap_or(&text);
        format!("{base}{location}")
    } else {
        location.to_owned()
    };
    let base = whole
        .strip_suffix(FIRST_REQUEST)
        .ok_or_else(|| refuse("that is not a repository"))?;
    let to: SourceUrl = base
        .parse()
        .map_err(|error: super::UrlError| refuse(&error.to_string()))?;
    match (from.scheme(), to.scheme()) {
        (Scheme::Https, Scheme::Http) => Err(refuse("from an encrypted to an unencrypted address")),
        (_, Scheme::Ssh) => Err(refuse("ssh is no target of a redirect")),
        (_, Scheme::Http | Scheme::Https) => Ok(to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_in_the_trace() {
        let line = "22:49:45.08 http.c:684              <= Recv header: Location: http://x/y";
        assert_eq!(location(line), Some("http://x/y"));
        assert!(is_trace(line));
        assert_eq!(location("=> Send header: Location: http://x/y"), None);
        assert!(!is_trace("fatal: unable to access 'http://x/'"));
    }

    #[test]
    fn targets() {
        let from: SourceUrl = "https://h.example/a/b".parse().unwrap();
        let to = |location: &str| follow(&from, location).map(|url| url.to_string());
        let service = "info/refs?service=git-upload-pack";
        assert_eq!(
            to(&format!("https://other.example/a/b.git/{service}")).unwrap(),
            "https://other.example/a/b.git"
        );
        assert_eq!(
            to(&format!("/c.git/{service}")).unwrap(),
            "https://h.example/c.git"
        );
        for bad in [
            "https://h.example/sign_in".to_owned(),
            format!("http://h.example/a/b/{service}"),
            format!("//other.example/a/{service}"),
            format!("file:///etc/{service}"),
            format!("https://u:p@h.example/a/{service}"),
            String::new(),
        ] {
            let error = to(&bad).unwrap_err();
            assert!(matches!(error, SourceError::Redirect { .. }), "{error}");
        }
    }
}
