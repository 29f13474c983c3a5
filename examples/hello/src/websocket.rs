//! `/websocket`: sends every message back, until the client closes or this instance is to stop.

use std::io::{BufRead, Error, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::{sha1, stop};

/// What the handshake joins to the client's key.
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The longest message, in bytes.
const MESSAGE_BYTES: u64 = 1024 * 1024;
/// How often a silent connection looks whether it is to stop.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How long the rest of a message, and the client's farewell, may take.
const PATIENCE: Duration = Duration::from_secs(10);

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// Status of a server that goes away.
const GOING_AWAY: u16 = 1001;

/// One frame, unmasked.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    kind: u8,
    payload: Vec<u8>,
}

/// Answers the handshake and talks until the end.
pub fn converse(
    stream: &TcpStream,
    reader: &mut impl BufRead,
    writer: &mut impl Write,
    key: &str,
    version: &str,
) -> Result<()> {
    let accepted = base64(&sha1::digest(format!("{key}{MAGIC}").as_bytes()));
    write!(
        writer,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accepted}\r\nX-Hello-Version: {version}\r\n\r\n"
    )?;
    writer.flush()?;
    loop {
        if stop::is_stopping() {
            return say_goodbye(stream, reader, writer);
        }
        stream.set_read_timeout(Some(LOOK_AGAIN))?;
        match reader.fill_buf() {
            Ok([]) => return Ok(()),
            Ok(_) => {}
            Err(error) if is_silence(&error) => continue,
            Err(error) => return Err(error),
        }
        stream.set_read_timeout(Some(PATIENCE))?;
        let frame = read(reader)?;
        match frame.kind {
            TEXT | BINARY => write(writer, frame.kind, &frame.payload)?,
            PING => write(writer, PONG, &frame.payload)?,
            CLOSE => return write(writer, CLOSE, &frame.payload),
            PONG => {}
            kind => {
                let text = format!("a frame of kind {kind}");
                return Err(Error::new(ErrorKind::InvalidData, text));
            }
        }
    }
}

/// Says that this instance goes, and waits for the client to hang up: what it has sent meanwhile
/// must be read, or the connection is reset and the farewell lost.
fn say_goodbye(
    stream: &TcpStream,
    reader: &mut impl BufRead,
    writer: &mut impl Write,
) -> Result<()> {
    write(writer, CLOSE, &GOING_AWAY.to_be_bytes())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    while read(reader)?.kind != CLOSE {}
    stream.shutdown(Shutdown::Write)
}

fn is_silence(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn read(reader: &mut impl BufRead) -> Result<Frame> {
    let bad = |text: &str| Error::new(ErrorKind::InvalidData, text.to_owned());
    let mut head = [0; 2];
    reader.read_exact(&mut head)?;
    let [first, second] = head;
    if first & 0x80 == 0 || second & 0x80 == 0 {
        return Err(bad("a frame that is not whole or not masked"));
    }
    let length = match second & 0x7f {
        126 => {
            let mut long = [0; 2];
            reader.read_exact(&mut long)?;
            u64::from(u16::from_be_bytes(long))
        }
        127 => {
            let mut long = [0; 8];
            reader.read_exact(&mut long)?;
            u64::from_be_bytes(long)
        }
        short => u64::from(short),
    };
    if length > MESSAGE_BYTES {
        return Err(bad("a message that is too long"));
    }
    let mut mask = [0; 4];
    reader.read_exact(&mut mask)?;
    let mut payload = Vec::new();
    reader.take(length).read_to_end(&mut payload)?;
    if payload.len() as u64 != length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    let kind = first & 0x0f;
    Ok(Frame { kind, payload })
}

fn write(writer: &mut impl Write, kind: u8, payload: &[u8]) -> Result<()> {
    let mut frame = vec![0x80 | kind];
    match payload.len() {
        short @ 0..126 => frame.push(u8::try_from(short).unwrap_or(0)),
        long => match u16::try_from(long) {
            Ok(long) => {
                frame.push(126);
                frame.extend(long.to_be_bytes());
            }
            Err(_) => {
                frame.push(127);
                frame.extend((long as u64).to_be_bytes());
            }
        },
    }
    frame.extend(payload);
    writer.write_all(&frame)?;
    writer.flush()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let all = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            if place <= three.len() {
                text.push(char::from(DIGITS[(all >> (18 - 6 * place) & 63) as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_of_the_standard() {
        let key = format!("dGhlIHNhbXBsZSBub25jZQ=={MAGIC}");
        let accepted = base64(&sha1::digest(key.as_bytes()));
        assert_eq!(accepted, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(base64(b"a"), "YQ==");
        assert_eq!(base64(b"ab"), "YWI=");
        assert_eq!(base64(b"abc"), "YWJj");
    }

    #[test]
    fn frames_of_all_lengths() {
        let masked = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        let frame = read(&mut &masked[..]).unwrap();
        assert_eq!(
            (frame.kind, frame.payload.as_slice()),
            (TEXT, &b"Hello"[..])
        );
        for (length, head) in [(5, 2), (126, 4), (70_000, 10)] {
            let mut written = Vec::new();
            write(&mut written, BINARY, &vec![7; length]).unwrap();
            assert_eq!(written.len(), head + length);
        }
        assert!(read(&mut &masked[..8]).is_err(), "half a frame");
        assert!(
            read(&mut &[0x81, 0x05, 1, 2, 3, 4, 5][..]).is_err(),
            "not masked"
        );
        let long = [0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0];
        assert!(read(&mut &long[..]).is_err(), "too long");
    }
}
