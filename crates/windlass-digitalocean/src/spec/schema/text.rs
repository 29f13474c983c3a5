//! Forms of texts.

use crate::spec::error::quoted;

/// What a text must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Anything without a NUL.
    Free,
    /// Name of an app or component: lower-case letters, digits and dashes.
    Name,
    /// Key of an environment variable.
    Key,
    /// Host name of a domain.
    Host,
    /// Path of a URL: starts with `/`, without query and fragment.
    UrlPath,
    /// The same, perhaps with a query.
    UrlPathQuery,
    /// A path prefix to match: empty or a [`Self::UrlPath`].
    Prefix,
    /// A path inside the source: relative, never upwards.
    SourcePath,
    /// File name below the output directory.
    Document,
    /// `owner/name` (GitLab: with groups).
    Repo,
    /// `owner/name` with any number of groups in front.
    GroupedRepo,
    /// Host, perhaps an address, without port.
    Authority,
    /// Name of a branch.
    Branch,
    /// A clone URL. Where it may point is checked where it is used.
    CloneUrl,
}

/// Shortest name of an app or component, bytes.
const NAME_BYTES_MIN: usize = 2;
/// Shortest domain, bytes.
const HOST_BYTES_MIN: usize = 4;

/// Longest host name, bytes.
const HOST_BYTES_MAX: usize = 253;

impl Form {
    /// Says what is wrong with a text that is not empty.
    pub(crate) fn check(self, text: &str) -> Result<(), String> {
        if text.contains('\0') {
            return Err("must not contain a NUL character".to_owned());
        }
        let (is_good, want) = match self {
            Self::Free => (true, ""),
            Self::Name => (
                is_name(text),
                "must be 2 to 32 lower-case letters, digits and dashes, start with a letter and \
                 end with a letter or digit",
            ),
            Self::Key => (
                is_key(text),
                "must be letters, digits and underscores and not start with a digit",
            ),
            Self::Host => (is_host(text), "must be a host name such as app.example.com"),
            Self::UrlPath | Self::Prefix => (
                is_url_path(text),
                "must start with / and have no spaces, query or fragment",
            ),
            Self::UrlPathQuery => (
                is_url_path(&text.replacen('?', "", 1)),
                "must start with / and have no spaces or fragment",
            ),
            Self::SourcePath => (
                is_source_path(text),
                "must be a path inside the repository without ..",
            ),
            Self::Document => (
                is_source_path(text) && !text.starts_with('/') && !text.ends_with('/'),
                "must be a file name relative to the output directory",
            ),
            Self::Repo => (is_repo(text, 2), "must be owner/name"),
            Self::GroupedRepo => (is_repo(text, GROUPS_MAX), "must be owner/name"),
            Self::Authority => (
                is_authority(text),
                "must be a host name or an address without a port",
            ),
            Self::Branch => (is_branch(text), "must be the name of a branch"),
            Self::CloneUrl => (is_clone_url(text), "must be an http, https or ssh URL"),
        };
        if is_good {
            Ok(())
        } else {
            Err(format!("{} {want}", quoted(text)))
        }
    }
}

/// Most parts of a repository's name with its groups.
const GROUPS_MAX: usize = 20;

fn is_name(text: &str) -> bool {
    let inner = |char: u8| char.is_ascii_lowercase() || char.is_ascii_digit() || char == b'-';
    text.len() >= NAME_BYTES_MIN
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(inner)
}

fn is_key(text: &str) -> bool {
    let inner = |char: u8| char.is_ascii_alphanumeric() || char == b'_';
    !text.starts_with(|first: char| first.is_ascii_digit()) && text.bytes().all(inner)
}

fn is_host(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let Some((labels, last)) = text.rsplit_once('.') else {
        return false;
    };
    text.len() >= HOST_BYTES_MIN
        && last.len() >= 2
        && last.bytes().all(|char| char.is_ascii_alphabetic())
        && labels.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|char| char.is_ascii_alphanumeric() || char == b'-')
}

fn is_url_path(text: &str) -> bool {
    let inner = |char: u8| char.is_ascii_graphic() && !matches!(char, b'?' | b'#' | b'\\');
    text.starts_with('/') && text.bytes().all(inner)
}

fn is_source_path(text: &str) -> bool {
    let is_plain = !text.contains('\\') && !text.chars().any(char::is_control);
    is_plain && text.split('/').all(|part| part != "..")
}

fn is_repo(text: &str, parts_max: usize) -> bool {
    let inner = |char: u8| char.is_ascii_alphanumeric() || matches!(char, b'-' | b'_' | b'.');
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(inner)
            && !part.starts_with('-')
            && part.bytes().any(|char| char != b'.')
    };
    (2..=parts_max).contains(&text.split('/').count()) && text.split('/').all(is_part)
}

fn is_authority(text: &str) -> bool {
    if let Some(address) = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
    {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    text.len() <= HOST_BYTES_MAX && text.split('.').all(is_label)
}

/// What git takes for the name of a branch, and never for an option.
fn is_branch(text: &str) -> bool {
    let is_odd = |char: char| char.is_control() || " ~^:?*[\\".contains(char);
    let is_part = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none()
    };
    !text.starts_with('-')
        && !text.ends_with('.')
        && text != "@"
        && !text.contains("..")
        && !text.contains("@{")
        && !text.contains(is_odd)
        && text.split('/').all(is_part)
}

fn is_clone_url(text: &str) -> bool {
    let is_plain = text.bytes().all(|char| char.is_ascii_graphic());
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    is_plain
        && matches!(scheme, "http" | "https" | "ssh")
        && !rest.starts_with(['/', '-', ':', '@', '?', '#'])
        && !rest.is_empty()
}
