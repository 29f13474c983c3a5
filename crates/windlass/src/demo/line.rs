//! A client that keeps its connection: what it sends leaves at once.

use http::Method;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::api::{ANSWER_LIMIT, Answer, Api, Sender, answer};
use super::failure::Failure;

/// A caller with one open connection.
#[derive(Debug)]
pub struct Line {
    api: Api,
    open: Option<(Sender, JoinHandle<()>)>,
}

impl Line {
    /// Of this caller. Nothing is opened yet.
    pub fn new(api: Api) -> Self {
        Self { api, open: None }
    }

    /// Opens the connection if it is not open, and has it carry a request, so that the next one
    /// waits for nothing.
    ///
    /// # Errors
    /// [`Failure::NoAnswer`].
    pub fn warm(&mut self, path: &str) -> Result<(), Failure> {
        self.read(path).map(drop)
    }

    /// Reads something.
    ///
    /// # Errors
    /// [`Failure::NoAnswer`], [`Failure::Refused`].
    pub fn get(&mut self, path: &str) -> Result<Value, Failure> {
        self.read(path)?.ok()
    }

    /// A connection that the server closed because nothing came for long is opened again, once.
    fn read(&mut self, path: &str) -> Result<Answer, Failure> {
        match self.call(Method::GET, path, None, &[]) {
            Err(Failure::NoAnswer { .. }) => self.call(Method::GET, path, None, &[]),
            answered => answered,
        }
    }

    /// Sends a request with a JSON body; any status is an answer. Without one the connection is
    /// given up, and nobody knows whether the request was carried out.
    ///
    /// # Errors
    /// [`Failure::NoAnswer`].
    pub fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let line = format!("{method} {path}");
        let no_answer = |text: String| Failure::NoAnswer {
            request: line.clone(),
            text,
        };
        let (bytes, kind) = match body {
            Some(Value::Null) | None => (bytes::Bytes::new(), None),
            Some(value) => (value.to_string().into(), Some("application/json")),
        };
        let request = self
            .api
            .request(method, path, bytes, kind, headers)
            .map_err(no_answer)?;
        let kept = self.open.take().filter(|(sender, _)| !sender.is_closed());
        let talk = async {
            let (mut sender, carried) = match kept {
                Some(open) => open,
                None => self.api.connect().await?,
            };
            sender.ready().await.map_err(|error| error.to_string())?;
            let (head, bytes) = answer(&mut sender, request).await?;
            Ok(((sender, carried), head, bytes))
        };
        let talk = async {
            tokio::time::timeout(ANSWER_LIMIT, talk)
                .await
                .unwrap_or_else(|_| Err(format!("waited {} s", ANSWER_LIMIT.as_secs())))
        };
        let (open, head, bytes) = self.api.block_on(talk).map_err(no_answer)?;
        self.open = Some(open);
        Ok(Answer::new(line, head, &bytes))
    }
}
