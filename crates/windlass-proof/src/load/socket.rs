//! A client of WebSockets: it sends messages and wants each of them back.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::connection::{Visit, open, version};
use super::tally::{Kind, Tally};

/// Longest wait for a message.
const PATIENCE: Duration = Duration::from_mins(1);
/// The longest message that comes back, in bytes.
const MESSAGE_BYTES: usize = 64 * 1024;
/// Key and acceptance of the standard's example: only a proxy would care that they repeat.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPTED: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// What masks the messages.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
/// Status of a server that goes away.
const GOING_AWAY: [u8; 2] = 1001_u16.to_be_bytes();

/// How a WebSocket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// All messages came back, and we closed it.
    Well,
    /// Its instance went away, and said so.
    CutByDrain,
}

/// Talks for so many messages.
pub(super) async fn talk(
    visit: &Visit,
    tally: &Tally,
    messages: u32,
    pause: Duration,
) -> Result<Ended, String> {
    let request = Request::get("/websocket")
        .header(http::header::HOST, &visit.host)
        .header(http::header::CONNECTION, "Upgrade")
        .header(http::header::UPGRADE, "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", KEY)
        .body(Full::new(Bytes::new()))
        .map_err(|error| error.to_string())?;
    let answer = open(visit, request).await?;
    let accepted = answer.headers().get("sec-websocket-accept");
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS
        || accepted.is_none_or(|accepted| accepted != ACCEPTED)
    {
        return Err(format!("status {} {:?}", answer.status(), answer.headers()));
    }
    tally.answered(Kind::Socket, &version(answer.headers())?);
    let upgraded = hyper::upgrade::on(answer)
        .await
        .map_err(|error| error.to_string())?;
    let mut stream = TokioIo::new(upgraded);
    let text = |error: std::io::Error| error.to_string();
    for number in 0..messages {
        let message = format!("message {number}");
        write(&mut stream, TEXT, message.as_bytes())
            .await
            .map_err(text)?;
        let (kind, payload) = read(&mut stream).await?;
        match kind {
            TEXT if payload == message.as_bytes() => tally.echoed(),
            CLOSE if payload == GOING_AWAY => {
                write(&mut stream, CLOSE, &GOING_AWAY).await.map_err(text)?;
                return Ok(Ended::CutByDrain);
            }
            _ => return Err(format!("message {number}: frame {kind} {payload:?}")),
        }
        tokio::time::sleep(pause).await;
    }
    write(&mut stream, CLOSE, &[]).await.map_err(text)?;
    while read(&mut stream).await?.0 != CLOSE {}
    Ok(Ended::Well)
}

async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    kind: u8,
    payload: &[u8],
) -> std::io::Result<()> {
    // Ours are all short.
    let length = u8::try_from(payload.len()).unwrap_or(0) & 0x7f;
    let mut frame = vec![0x80 | kind, 0x80 | length];
    frame.extend(MASK);
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    stream.write_all(&frame).await?;
    stream.flush().await
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<(u8, Vec<u8>), String> {
    let read = async {
        let mut head = [0; 2];
        stream.read_exact(&mut head).await?;
        let length = match head[1] {
            126 => usize::from(stream.read_u16().await?),
            127 => usize::try_from(stream.read_u64().await?).unwrap_or(usize::MAX),
            short => usize::from(short),
        };
        if length > MESSAGE_BYTES {
            return Err(std::io::Error::other(format!(
                "a message of {length} bytes"
            )));
        }
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await?;
        Ok((head[0] & 0x0f, payload))
    };
    match timeout(PATIENCE, read).await {
        Ok(read) => read.map_err(|error| format!("after the handshake: {error}")),
        Err(_) => Err(format!("no message in {} s", PATIENCE.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_as_the_standard_has_them() {
        let mut written = Vec::new();
        write(&mut written, TEXT, b"Hello").await.expect("written");
        assert_eq!(
            written,
            [
                0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58
            ]
        );
        let found = read(&mut &[0x81, 0x05, b'H', b'e', b'l', b'l', b'o'][..]).await;
        assert_eq!(found, Ok((TEXT, b"Hello".to_vec())));
        assert!(
            read(&mut &[0x81, 0x05, b'H'][..]).await.is_err(),
            "half a frame"
        );
        assert!(
            read(&mut &[0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0][..])
                .await
                .is_err(),
            "too long"
        );
    }
}
