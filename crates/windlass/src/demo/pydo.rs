//! The Python client of DigitalOcean, where the machine has it: the real client then makes the
//! calls that the chapter is about. Nothing is installed for it, so that the demo needs no network.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::api::Answer;
use super::failure::Failure;

const PYTHON: &str = "python3";
const SCRIPT: &str = include_str!("pydo.py");

/// The client, with the environment that `windlass env` prints.
#[derive(Debug)]
pub(super) struct Pydo {
    env: BTreeMap<String, String>,
    /// Its version, for people.
    pub(super) version: String,
}

impl Pydo {
    /// The client, if Python and the package are there.
    pub(super) fn find(env: &BTreeMap<String, String>) -> Option<Self> {
        let version = "import importlib.metadata, pydo; print(importlib.metadata.version('pydo'))";
        let found = Command::new(PYTHON)
            .args(["-c", version])
            .stdin(Stdio::null())
            .output()
            .ok()?;
        found.status.success().then(|| Self {
            env: env.clone(),
            version: String::from_utf8_lossy(&found.stdout).trim().to_owned(),
        })
    }

    /// Calls a method of `client.apps`; any status is an answer.
    ///
    /// # Errors
    /// [`Failure::NoAnswer`] when the client ends without one.
    pub(super) fn call(
        &self,
        operation: &str,
        arguments: &[&str],
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let request = format!("client.apps.{operation}({})", arguments.join(", "));
        let no_answer = |text: String| Failure::NoAnswer {
            request: request.clone(),
            text,
        };
        let order = json!({
            "operation": operation,
            "arguments": arguments,
            "body": body,
            "headers": headers.iter().copied().collect::<BTreeMap<_, _>>(),
        });
        let mut client = Command::new(PYTHON)
            .args(["-c", SCRIPT])
            .envs(&self.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Failure::system("start python3"))?;
        if let Some(mut stdin) = client.stdin.take() {
            // A client that ends early says why on its error output.
            let _ = stdin.write_all(order.to_string().as_bytes());
        }
        let done = client
            .wait_with_output()
            .map_err(Failure::system("wait for python3"))?;
        let answer: Value = serde_json::from_slice(&done.stdout)
            .map_err(|_| no_answer(String::from_utf8_lossy(&done.stderr).trim().to_owned()))?;
        let status = answer["status"]
            .as_u64()
            .and_then(|it| u16::try_from(it).ok());
        Ok(Answer {
            request: request.clone(),
            status: status.ok_or_else(|| no_answer(answer.to_string()))?,
            headers: headers_of(&answer["headers"]),
            body: answer["body"].clone(),
            text: answer["body"].to_string(),
        })
    }
}

fn headers_of(headers: &Value) -> HeaderMap {
    let all = headers.as_object().into_iter().flatten();
    all.filter_map(|(name, value)| {
        let name: HeaderName = name.parse().ok()?;
        Some((name, HeaderValue::from_str(value.as_str()?).ok()?))
    })
    .collect()
}
