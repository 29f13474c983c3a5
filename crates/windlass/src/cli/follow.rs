//! `windlass logs` and `windlass events`: answers that may go on.

use http_body_util::BodyExt;
use serde_json::Value;

use super::client::{AdminClient, encode};
use super::error::CliError;
use crate::output::{self, Output};

/// Longest line of a stream, bytes.
const LINE_LIMIT_BYTES: usize = 1024 * 1024;

pub(super) async fn logs(
    client: &AdminClient,
    output: Output,
    app: &str,
    follow: bool,
    lines: u32,
) -> Result<(), CliError> {
    let path = format!("/logs?app={}&follow={follow}&lines={lines}", encode(app));
    stream(client, &path, |value| match output {
        Output::Json => value.to_string(),
        Output::Text => format!(
            "{} [{}] {} {}",
            text(value, "at"),
            text(value, "source"),
            text(value, "stream"),
            text(value, "text")
        ),
    })
    .await
}

pub(super) async fn events(
    client: &AdminClient,
    output: Output,
    follow: bool,
    limit: u32,
) -> Result<(), CliError> {
    let path = format!("/events?follow={follow}&limit={limit}");
    stream(client, &path, |value| match output {
        Output::Json => value.to_string(),
        Output::Text => format!(
            "{} {} {} {}: {}",
            text(value, "at"),
            text(value, "subject_kind"),
            text(value, "subject"),
            text(value, "kind"),
            text(value, "text")
        ),
    })
    .await
}

/// Prints each line of an answer as it comes.
async fn stream(
    client: &AdminClient,
    path: &str,
    print: impl Fn(&Value) -> String,
) -> Result<(), CliError> {
    let mut body = client.stream(path).await?;
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| CliError::NoAnswer(error.to_string()))?;
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        rest.extend_from_slice(&bytes);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if let Ok(value) = serde_json::from_slice::<Value>(&line) {
                output::line(&print(&value));
            }
        }
        if rest.len() > LINE_LIMIT_BYTES {
            return Err(CliError::NoAnswer("a line is too long".to_owned()));
        }
    }
    Ok(())
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or("-")
}
