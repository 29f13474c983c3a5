//! A reader of requests by the letter of the standard, for comparison: plain, and nothing of ours.

/// Headers that are read.
const HEADERS: usize = 256;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// As it stands in the request line.
    pub method: String,
    /// As it stands in the request line.
    pub target: String,
    /// 0 or 1: the version behind `HTTP/1.`.
    pub minor: u8,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Length of the head, its empty line included.
    pub head_bytes: usize,
    /// Length of head and body.
    pub bytes: usize,
    /// The body comes in chunks.
    pub is_chunked: bool,
    /// The body without its chunks.
    pub body: Vec<u8>,
}

/// Reads one request. `None`: there is more to come.
///
/// # Errors
/// What is wrong with it.
pub fn read_message(bytes: &[u8]) -> Result<Option<Message>, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let head_bytes = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let mut message = Message {
        method: text(request.method),
        target: text(request.path),
        minor: request.version.unwrap_or_default(),
        headers: Vec::new(),
        head_bytes,
        bytes: head_bytes,
        is_chunked: false,
        body: Vec::new(),
    };
    let mut length = 0;
    for header in request.headers.iter() {
        let name = header.name.to_ascii_lowercase();
        let value = header.value.to_vec();
        let text = String::from_utf8_lossy(&value).trim().to_ascii_lowercase();
        if name == "content-length" {
            length = text.parse().map_err(|_| format!("length {text:?}"))?;
        } else if name == "transfer-encoding" {
            message.is_chunked = text == "chunked";
        }
        message.headers.push((name, value));
    }
    let rest = &bytes[head_bytes..];
    let taken = if message.is_chunked {
        match chunks(rest)? {
            Some((taken, body)) => {
                message.body = body;
                taken
            }
            None => return Ok(None),
        }
    } else {
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        message.body = body.to_vec();
        length
    };
    message.bytes += taken;
    Ok(Some(message))
}

/// The length of a chunked body with its trailers, and what it says.
fn chunks(bytes: &[u8]) -> Result<Option<(usize, Vec<u8>)>, String> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Some(line) = line(&bytes[at..])? else {
            return Ok(None);
        };
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let digits = std::str::from_utf8(digits).map_err(|_| "a size that is no text")?;
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(format!("size {digits:?}"));
        }
        let size = usize::from_str_radix(digits, 16).map_err(|_| format!("size {digits:?}"))?;
        at += line.len() + 2;
        if size == 0 {
            break;
        }
        let end = at.checked_add(size).ok_or("a size without end")?;
        let Some(data) = bytes.get(at..end) else {
            return Ok(None);
        };
        body.extend_from_slice(data);
        match &bytes[end..] {
            [b'\r', b'\n', ..] => at = end + 2,
            [] | [b'\r'] => return Ok(None),
            _ => return Err("a chunk without its end".to_owned()),
        }
    }
    loop {
        let Some(line) = line(&bytes[at..])? else {
            return Ok(None);
        };
        at += line.len() + 2;
        if line.is_empty() {
            return Ok(Some((at, body)));
        }
    }
}

/// The bytes before the next CR LF; `None` when there is none yet.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, String> {
    for (at, byte) in bytes.iter().enumerate() {
        match (byte, bytes.get(at + 1)) {
            (b'\r', Some(b'\n')) => return Ok(Some(&bytes[..at])),
            (b'\r', None) => return Ok(None),
            (b'\r' | b'\n' | 0, _) => return Err("a line with a break in it".to_owned()),
            _ => {}
        }
    }
    Ok(None)
}

impl Message {
    /// Whether the connection ends behind it.
    pub fn ends_connection(&self) -> bool {
        let mut words = Vec::new();
        for (name, value) in &self.headers {
            if name == "connection" {
                let value = String::from_utf8_lossy(value).to_ascii_lowercase();
                words.extend(value.split(',').map(|word| word.trim().to_owned()));
            }
        }
        let has = |word: &str| words.iter().any(|found| found == word);
        has("close") || (self.minor == 0 && !has("keep-alive"))
    }
}

impl Message {
    /// Stands for what is none.
    pub(super) fn unreadable(problem: String) -> Self {
        Self {
            method: problem,
            target: String::new(),
            minor: 0,
            headers: Vec::new(),
            head_bytes: 0,
            bytes: 0,
            is_chunked: false,
            body: Vec::new(),
        }
    }
}
