//! The command line's side of the admin socket: plain HTTP/1.1 with JSON.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::error::CliError;
use crate::layout::Layout;
use crate::unix_socket;

/// Longest answer that is read whole, bytes.
const ANSWER_LIMIT_BYTES: usize = 64 * 1024 * 1024;
/// Longest wait for the beginning of an answer. Control may be restarting.
const ANSWER_LIMIT: Duration = Duration::from_mins(1);

/// A client of one data directory's control.
#[derive(Debug, Clone)]
pub struct AdminClient {
    layout: Layout,
    limit: Duration,
}

impl AdminClient {
    /// A client for a data directory.
    pub fn new(data_dir: &Path) -> Self {
        Self {
            layout: Layout::new(data_dir),
            limit: ANSWER_LIMIT,
        }
    }

    /// The same with another longest wait for the beginning of an answer.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Asks for something.
    pub async fn get(&self, path: &str) -> Result<Value, CliError> {
        self.call(Method::GET, path, &Value::Null).await
    }

    /// Changes something.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.call(Method::POST, path, body).await
    }

    /// Removes something.
    pub async fn delete(&self, path: &str) -> Result<Value, CliError> {
        self.call(Method::DELETE, path, &Value::Null).await
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value, CliError> {
        let answer = self.send(method, path, body).await?;
        let bytes = Limited::new(answer, ANSWER_LIMIT_BYTES)
            .collect()
            .await
            .map_err(|error| CliError::NoAnswer(error.to_string()))?
            .to_bytes();
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| CliError::NoAnswer(error.to_string()))
    }

    /// Opens an answer that goes on, one JSON value a line.
    pub async fn stream(&self, path: &str) -> Result<Incoming, CliError> {
        self.send(Method::GET, path, &Value::Null).await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Incoming, CliError> {
        let no_answer = |error: &dyn std::fmt::Display| CliError::NoAnswer(error.to_string());
        let socket = unix_socket::connect(&self.layout.admin_socket()).map_err(|_| {
            CliError::NotRunning {
                data_dir: self.layout.root().to_path_buf(),
            }
        })?;
        socket
            .set_nonblocking(true)
            .map_err(|error| no_answer(&error))?;
        let socket = tokio::net::UnixStream::from_std(socket).map_err(|error| no_answer(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .map_err(|error| no_answer(&error))?;
        tokio::spawn(connection);
        let bytes = if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "windlass")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(bytes))
            .map_err(|error| no_answer(&error))?;
        let answer = tokio::time::timeout(self.limit, sender.send_request(request))
            .await
            .map_err(|_| CliError::NoAnswer(format!("waited {} s", self.limit.as_secs())))?
            .map_err(|error| no_answer(&error))?;
        let (head, body) = answer.into_parts();
        if head.status.is_success() {
            return Ok(body);
        }
        Err(refusal(head.status, body).await)
    }
}

async fn refusal(status: StatusCode, body: Incoming) -> CliError {
    let bytes = match Limited::new(body, ANSWER_LIMIT_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return CliError::NoAnswer(error.to_string()),
    };
    let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    match value["error"].as_str() {
        Some(text) => CliError::Rejected(text.to_owned()),
        None => CliError::NoAnswer(format!("status {status}")),
    }
}

/// Encodes text as one segment or query value of a path.
pub fn encode(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn every_reserved_byte_is_encoded() {
        assert_eq!(encode("a b/ü?#&%"), "a%20b%2F%C3%BC%3F%23%26%25");
    }
}
