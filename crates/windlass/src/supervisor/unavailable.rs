//! The answer of an API while control is away for long: 503 in its own form.
//!
//! For the first ten seconds connections wait in the backlog, so that a restart of control is not
//! seen. After that the supervisor takes them itself until control is back.

use std::net::TcpListener;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::ca::CertificateFiles;
use crate::tls;

/// How long connections wait for control.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest time for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Answers at the same time; further connections wait.
const ANSWERS_AT_ONCE: usize = 64;
/// Longest request head that is read, bytes.
const HEAD_LIMIT_BYTES: usize = 16 * 1024;
/// Pause after a failed accept (too many open files), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Most of a request that is read and thrown away after the answer, bytes: a connection that is
/// closed with bytes unread is reset, and the answer may be lost with it.
const LINGER_LIMIT_BYTES: usize = 64 * 1024 * 1024;

const CLOUD_FOUNDRY: &str = r#"{"errors":[{"code":10015,"title":"CF-ServiceUnavailable","detail":"Windlass' control is starting or down; try again in a few seconds. On the machine, `windlass status` says why."}]}"#;

const DIGITALOCEAN: &str = r#"{"id":"service_unavailable","message":"Windlass' control is starting or down; try again in a few seconds. On the machine, `windlass status` says why.","request_id":"none"}"#;

const VERCEL: &str = r#"{"error":{"code":"service_unavailable","message":"Windlass' control is starting or down; try again in a few seconds. On the machine, `windlass status` says why."}}"#;

/// The form of an API's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Cloud Foundry's.
    CloudFoundry,
    /// DigitalOcean's.
    DigitalOcean,
    /// Vercel's.
    Vercel,
}

impl Form {
    fn body(self) -> &'static str {
        match self {
            Self::CloudFoundry => CLOUD_FOUNDRY,
            Self::DigitalOcean => DIGITALOCEAN,
            Self::Vercel => VERCEL,
        }
    }
}

/// Runs as long as the supervisor.
pub(super) async fn answer_while_away(
    listener: TcpListener,
    certificate: CertificateFiles,
    mut ready: watch::Receiver<bool>,
    form: Form,
) {
    let acceptor = match tls::server_config(&certificate, &[b"http/1.1"]) {
        Ok(config) => TlsAcceptor::from(config),
        Err(error) => return tracing::error!(%error, "no 503 answers while control is away"),
    };
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "no 503 answers while control is away"),
    };
    loop {
        if become_ready(&mut ready, false).await.is_err() {
            return;
        }
        match tokio::time::timeout(PATIENCE, become_ready(&mut ready, true)).await {
            Ok(Ok(())) => continue,
            Ok(Err(_)) => return,
            Err(_) => {}
        }
        let mut answers = JoinSet::new();
        loop {
            while answers.len() >= ANSWERS_AT_ONCE {
                answers.join_next().await;
            }
            tokio::select! {
                back = become_ready(&mut ready, true) => match back {
                    Ok(()) => break,
                    Err(_) => return,
                },
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let answer = answer(acceptor.clone(), stream, form);
                        answers.spawn(tokio::time::timeout(ANSWER_LIMIT, answer));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
        while answers.join_next().await.is_some() {}
    }
}

async fn become_ready(
    ready: &mut watch::Receiver<bool>,
    wanted: bool,
) -> Result<(), watch::error::RecvError> {
    ready.wait_for(|ready| *ready == wanted).await.map(|_| ())
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream, form: Form) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    exchange(&mut stream, form).await
}

async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    form: Form,
) -> std::io::Result<()> {
    read_head(stream).await?;
    write_answer(stream, form).await?;
    linger(stream).await
}

/// Waits until the client has read the answer and closed, or has sent too much.
async fn linger(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    let mut left = LINGER_LIMIT_BYTES;
    let mut bytes = vec![0; 16 * 1024];
    while left > 0 {
        match stream.read(&mut bytes).await? {
            0 => break,
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut bytes = [0; 2048];
    while head.len() < HEAD_LIMIT_BYTES && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut bytes).await?;
        if read == 0 {
            break;
        }
        head.extend_from_slice(&bytes[..read]);
    }
    Ok(())
}

async fn write_answer(stream: &mut (impl AsyncWrite + Unpin), form: Form) -> std::io::Result<()> {
    let body = form.body();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json; charset=utf-8\r\n\
         content-length: {}\r\nretry-after: 5\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_answer_is_valid_json_of_the_stated_length() {
        for (form, place, word) in [
            (
                Form::CloudFoundry,
                "/errors/0/title",
                "CF-ServiceUnavailable",
            ),
            (Form::DigitalOcean, "/id", "service_unavailable"),
            (Form::Vercel, "/error/code", "service_unavailable"),
        ] {
            let (mut ours, mut theirs) = tokio::io::duplex(4096);
            theirs
                .write_all(b"GET /v3/apps HTTP/1.1\r\nhost: x\r\n\r\n")
                .await
                .expect("writes");
            read_head(&mut ours).await.expect("reads");
            write_answer(&mut ours, form).await.expect("answers");
            drop(ours);
            let mut text = String::new();
            theirs.read_to_string(&mut text).await.expect("reads");
            let (head, body) = text.split_once("\r\n\r\n").expect("head and body");
            assert!(head.starts_with("HTTP/1.1 503 "));
            assert!(head.contains(&format!("content-length: {}", body.len())));
            let value: serde_json::Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(value.pointer(place), Some(&word.into()));
        }
    }

    #[tokio::test]
    async fn who_uploads_gets_the_answer_and_no_reset() {
        const BODY: usize = 4 * 1024 * 1024;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("binds");
        let address = listener.local_addr().expect("address");
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            exchange(&mut stream, Form::CloudFoundry).await
        });
        let mut client = TcpStream::connect(address).await.expect("connects");
        let head =
            format!("POST /v3/packages HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY}\r\n\r\n");
        client.write_all(head.as_bytes()).await.expect("writes");
        client
            .write_all(&vec![0; BODY])
            .await
            .expect("writes the body");
        let mut text = String::new();
        client
            .read_to_string(&mut text)
            .await
            .expect("reads the answer");
        assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
        drop(client);
        server.await.expect("no panic").expect("an exchange");
    }
}
