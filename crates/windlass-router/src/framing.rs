//! Where an HTTP/1 request ends, judged strictly.
//!
//! A proxy and the server behind it must see the same requests in the same
//! bytes. Whatever two implementations could read differently is refused here,
//! before anything is forwarded: the parser behind is more lenient (it takes
//! bare line feeds, and a length beside a transfer coding).

pub(crate) mod request_line;

use request_line::{is_method, is_target};

/// Longest line of a chunk's size with its extensions, in bytes.
const CHUNK_LINE_LIMIT_BYTES: usize = 4 * 1024;
/// Trailers after the last chunk, in bytes.
const TRAILER_LIMIT_BYTES: usize = 8 * 1024;
/// Digits of a chunk size, leading zeros included.
const CHUNK_DIGITS: usize = 15;
/// No chunk has as many bytes: with more, some servers fear for their counters.
const CHUNK_LIMIT_BYTES: u64 = 1 << 59;
/// Digits of a length: below 2^63.
const LENGTH_DIGITS: usize = 18;

/// Why a request is refused before it is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request line is not `METHOD target HTTP/1.x`.
    RequestLine,
    /// Not HTTP/1.0 or 1.1.
    HttpVersion,
    /// A header line is malformed, or folded.
    HeaderLine,
    /// A line does not end with CR LF, or has a CR or NUL within.
    LineEnding,
    /// Length and transfer coding contradict each other or repeat.
    Framing,
    /// No `Host`, several, or an impossible one.
    Host,
    /// The target is too long.
    UriTooLong,
    /// The headers are too large or too many.
    HeadersTooLarge,
    /// The headers did not arrive in time.
    HeaderTimeout,
    /// An `Expect` other than `100-continue`.
    Expectation,
}

impl Refusal {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 10] = [
        Self::RequestLine,
        Self::HttpVersion,
        Self::HeaderLine,
        Self::LineEnding,
        Self::Framing,
        Self::Host,
        Self::UriTooLong,
        Self::HeadersTooLarge,
        Self::HeaderTimeout,
        Self::Expectation,
    ];
}

/// How the body of a request is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes, perhaps none.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// What a head says about the bytes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) framing: Framing,
    /// The client asks to leave HTTP.
    pub(crate) wants_upgrade: bool,
}

/// Limits of a head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadLimits {
    pub(crate) bytes: usize,
    pub(crate) headers: usize,
    pub(crate) uri_bytes: usize,
}

/// Looks for the end of the head (behind its empty line), from `scanned` on.
/// A line feed without its carriage return is refused as soon as it is seen.
pub(crate) fn head_end(bytes: &[u8], scanned: usize) -> Result<Option<usize>, Refusal> {
    for at in scanned..bytes.len() {
        if bytes[at] == b'\n' {
            if at == 0 || bytes[at - 1] != b'\r' {
                return Err(Refusal::LineEnding);
            }
            if at >= 3 && bytes[at - 2] == b'\n' {
                return Ok(Some(at + 1));
            }
        }
    }
    Ok(None)
}

/// Checks a whole head, its empty line included.
pub(crate) fn check_head(head: &[u8], limits: HeadLimits) -> Result<Head, Refusal> {
    if head.len() > limits.bytes {
        return Err(Refusal::HeadersTooLarge);
    }
    // Every line keeps its own ending, so that none is stripped twice.
    let text = head.strip_suffix(b"\r\n").ok_or(Refusal::LineEnding)?;
    let mut lines = text
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r\n").ok_or(Refusal::LineEnding));
    let is_11 = check_request_line(lines.next().unwrap_or(Ok(&[]))?, limits)?;
    let mut seen = Seen::default();
    let mut count = 0;
    for line in lines {
        count += 1;
        if count > limits.headers {
            return Err(Refusal::HeadersTooLarge);
        }
        seen.take_in(line?)?;
    }
    seen.judge(is_11)
}

/// Checks the request line; true for HTTP/1.1.
fn check_request_line(line: &[u8], limits: HeadLimits) -> Result<bool, Refusal> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::RequestLine);
    };
    if !is_method(method) {
        return Err(Refusal::RequestLine);
    }
    if target.len() > limits.uri_bytes {
        return Err(Refusal::UriTooLong);
    }
    // Whatever the method.
    if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
        return Err(Refusal::RequestLine);
    }
    let is_11 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        _ if version.starts_with(b"HTTP/") => return Err(Refusal::HttpVersion),
        _ => return Err(Refusal::RequestLine),
    };
    // The proxy has an answer of its own to who asks for a tunnel.
    if method == b"CONNECT" || is_target(target) {
        Ok(is_11)
    } else {
        Err(Refusal::RequestLine)
    }
}

/// The headers that decide where the request ends.
#[derive(Debug, Default)]
struct Seen {
    length: Option<u64>,
    chunked: bool,
    hosts: usize,
    connection_upgrade: bool,
    upgrade: bool,
    /// A bit for each of [`ONCE`].
    once: u8,
}

/// Headers of which two would be two different requests: which of them counts is anybody's choice.
const ONCE: [&[u8]; 8] = [
    b"authorization",
    b"content-range",
    b"expect",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
];

impl Seen {
    fn take_in(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .ok_or(Refusal::HeaderLine)?;
        let (name, raw) = (&line[..colon], &line[colon + 1..]);
        // No other white space is a part of the grammar: a form feed is a control character.
        let value = trimmed(raw, |byte| matches!(byte, b' ' | b'\t'));
        // A line that begins with white space continues the one before: that is
        // no token either.
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return Err(Refusal::HeaderLine);
        }
        if line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(Refusal::LineEnding);
        }
        if value
            .iter()
            .any(|byte| byte.is_ascii_control() && *byte != b'\t')
        {
            return Err(Refusal::HeaderLine);
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = parse_length(plain(raw)).ok_or(Refusal::Framing)?;
            if self.length.replace(length).is_some() {
                return Err(Refusal::Framing);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !plain(raw).eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::Framing);
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
            if !is_host(plain(raw)) {
                return Err(Refusal::Host);
            }
        } else if name.eq_ignore_ascii_case(b"connection") {
            self.connection_upgrade |= has_token(value, b"upgrade");
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.upgrade = !has_token(value, b"h2c");
        } else if name.eq_ignore_ascii_case(b"expect")
            && !value.eq_ignore_ascii_case(b"100-continue")
        {
            return Err(Refusal::Expectation);
        }
        self.once(name)
    }

    /// Notes a header that may stand only once.
    fn once(&mut self, name: &[u8]) -> Result<(), Refusal> {
        let known = ONCE.iter().position(|once| name.eq_ignore_ascii_case(once));
        if let Some(number) = known {
            let bit = 1 << number;
            if self.once & bit != 0 {
                return Err(Refusal::HeaderLine);
            }
            self.once |= bit;
        }
        Ok(())
    }

    fn judge(&self, is_11: bool) -> Result<Head, Refusal> {
        if self.chunked && (self.length.is_some() || !is_11) {
            return Err(Refusal::Framing);
        }
        if self.hosts > 1 || (self.hosts == 0 && is_11) {
            return Err(Refusal::Host);
        }
        let framing = if self.chunked {
            Framing::Chunked
        } else {
            Framing::Length(self.length.unwrap_or(0))
        };
        let wants_upgrade =
            is_11 && self.connection_upgrade && self.upgrade && framing == Framing::Length(0);
        Ok(Head {
            framing,
            wants_upgrade,
        })
    }
}

fn trimmed(mut text: &[u8], is_blank: impl Fn(u8) -> bool) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_blank(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_blank(*last)
    {
        text = rest;
    }
    text
}

/// A value that decides where a request ends: a tab before it is a part of it for some.
fn plain(raw: &[u8]) -> &[u8] {
    trimmed(raw, |byte| byte == b' ')
}

fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > LENGTH_DIGITS || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Whether a comma-separated list holds a token, in any case.
pub(crate) fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|byte| *byte == b',')
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

/// Characters of a host with an optional port: a name that cannot be in the
/// table is answered as unknown later. No label but the last is empty.
fn is_host(value: &[u8]) -> bool {
    let name = value.split(|byte| *byte == b':').next().unwrap_or_default();
    !name.is_empty()
        && name != b"."
        && !value.windows(2).any(|pair| pair == b"..")
        && value.iter().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
        })
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Follows a body to its end.
#[derive(Debug)]
pub(crate) enum BodyFollower {
    /// Bytes left.
    Length(u64),
    /// Place within the chunks.
    Chunked(ChunkPlace),
}

/// Place within a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkPlace {
    /// In the digits of a size.
    Size { digits: usize, size: u64 },
    /// In the extensions behind a size.
    Extension { length: usize, size: u64 },
    /// Before the line feed of a size line.
    SizeFeed { size: u64 },
    /// In the data.
    Data { left: u64 },
    /// Before the carriage return behind the data.
    DataReturn,
    /// Before the line feed behind the data.
    DataFeed,
    /// At the start of a trailer line.
    TrailerStart { length: usize },
    /// In a trailer line.
    Trailer { length: usize },
    /// Before the line feed of a trailer line.
    TrailerFeed { length: usize },
    /// Before the very last line feed.
    LastFeed,
    /// Behind the body.
    End,
}

impl BodyFollower {
    /// Begins behind a head.
    pub(crate) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(ChunkPlace::Size { digits: 0, size: 0 }),
        }
    }

    /// Whether the body has ended.
    pub(crate) fn is_at_end(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(ChunkPlace::End))
    }

    /// Goes on over `bytes` and returns how many of them belong to the body.
    pub(crate) fn follow(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        match self {
            Self::Length(left) => {
                let taken = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                *left -= taken as u64;
                Ok(taken)
            }
            Self::Chunked(place) => {
                let mut at = 0;
                while at < bytes.len() && *place != ChunkPlace::End {
                    if let ChunkPlace::Data { left } = place {
                        let rest = bytes.len() - at;
                        let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest);
                        at += taken;
                        *left -= taken as u64;
                        if *left == 0 {
                            *place = ChunkPlace::DataReturn;
                        }
                    } else {
                        *place = place.after(bytes[at])?;
                        at += 1;
                    }
                }
                Ok(at)
            }
        }
    }
}

impl ChunkPlace {
    fn after(self, byte: u8) -> Result<Self, Refusal> {
        Ok(match (self, byte) {
            (Self::Size { digits, size }, digit) if digit.is_ascii_hexdigit() => {
                if digits == CHUNK_DIGITS {
                    return Err(Refusal::Framing);
                }
                let value = char::from(digit).to_digit(16).unwrap_or(0);
                let size = size * 16 + u64::from(value);
                if size >= CHUNK_LIMIT_BYTES {
                    return Err(Refusal::Framing);
                }
                Self::Size {
                    digits: digits + 1,
                    size,
                }
            }
            (Self::Size { digits: 1.., size } | Self::Extension { size, .. }, b'\r') => {
                Self::SizeFeed { size }
            }
            (Self::Size { digits: 1.., size }, b';') => Self::Extension { length: 0, size },
            (Self::Extension { length, size }, byte)
                if length < CHUNK_LINE_LIMIT_BYTES && !is_line_break(byte) =>
            {
                Self::Extension {
                    length: length + 1,
                    size,
                }
            }
            (Self::SizeFeed { size: 0 }, b'\n') => Self::TrailerStart { length: 0 },
            (Self::SizeFeed { size }, b'\n') => Self::Data { left: size },
            (Self::DataReturn, b'\r') => Self::DataFeed,
            (Self::DataFeed, b'\n') => Self::Size { digits: 0, size: 0 },
            (Self::TrailerStart { .. }, b'\r') => Self::LastFeed,
            (Self::Trailer { length }, b'\r') => Self::TrailerFeed { length },
            (Self::TrailerStart { length } | Self::Trailer { length }, byte)
                if length < TRAILER_LIMIT_BYTES && !is_line_break(byte) =>
            {
                Self::Trailer { length: length + 1 }
            }
            (Self::TrailerFeed { length }, b'\n') => Self::TrailerStart { length },
            (Self::LastFeed, b'\n') => Self::End,
            (
                Self::Size { .. }
                | Self::Extension { .. }
                | Self::SizeFeed { .. }
                | Self::Data { .. }
                | Self::DataReturn
                | Self::DataFeed
                | Self::TrailerStart { .. }
                | Self::Trailer { .. }
                | Self::TrailerFeed { .. }
                | Self::LastFeed
                | Self::End,
                _,
            ) => return Err(Refusal::Framing),
        })
    }
}

fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

#[cfg(test)]
mod tests;
