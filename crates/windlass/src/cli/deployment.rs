//! `windlass deployments|deployment|tasks|task`.

use serde_json::{Value, json};

use super::client::{AdminClient, encode};
use super::error::CliError;
use super::identity::{cell, list};
use super::{DeploymentCommand, TaskCommand};
use crate::output::{self, Output};

/// Longest wait of one request; then the command asks again, milliseconds.
const WAIT_MS: u64 = 20_000;

pub(super) async fn deployments(
    client: &AdminClient,
    output: Output,
    app: Option<&str>,
    active: bool,
    limit: u32,
) -> Result<(), CliError> {
    let answer = client
        .get(&query("/deployments", app, active, limit))
        .await?;
    list(
        output,
        &answer,
        &["id", "dialect", "app", "state", "outcome", "created_at"],
    );
    Ok(())
}

pub(super) async fn tasks(
    client: &AdminClient,
    output: Output,
    app: Option<&str>,
    active: bool,
    limit: u32,
) -> Result<(), CliError> {
    let answer = client.get(&query("/tasks", app, active, limit)).await?;
    list(
        output,
        &answer,
        &["id", "app", "name", "state", "created_at"],
    );
    Ok(())
}

pub(super) async fn deployment(
    client: &AdminClient,
    output: Output,
    command: DeploymentCommand,
) -> Result<(), CliError> {
    let record = match command {
        DeploymentCommand::Show { id } => {
            client.get(&format!("/deployments/{}", encode(&id))).await?
        }
        DeploymentCommand::Cancel {
            id,
            reason,
            now,
            accept_outage,
            wait,
        } => {
            let body = json!({ "reason": reason, "now": now, "accept_outage": accept_outage });
            let path = format!("/deployments/{}", encode(&id));
            let record = client.post(&format!("{path}/cancel"), &body).await?;
            if wait {
                wait_for(client, &path, "outcome", record).await?
            } else {
                record
            }
        }
        DeploymentCommand::Continue { id, reason, wait } => {
            let path = format!("/deployments/{}", encode(&id));
            let body = json!({ "reason": reason });
            let record = client.post(&format!("{path}/continue"), &body).await?;
            if wait {
                wait_for(client, &path, "pause", record).await?
            } else {
                record
            }
        }
    };
    show(output, &record);
    Ok(())
}

pub(super) async fn task(
    client: &AdminClient,
    output: Output,
    command: TaskCommand,
) -> Result<(), CliError> {
    let TaskCommand::Cancel { id, reason, wait } = command;
    let path = format!("/tasks/{}", encode(&id));
    let record = client
        .post(&format!("{path}/cancel"), &json!({ "reason": reason }))
        .await?;
    let record = if wait {
        wait_for(client, &path, "outcome", record).await?
    } else {
        record
    };
    show(output, &record);
    Ok(())
}

/// Asks again until control says that what is waited for has come. A restart of control between
/// two questions is waited for, too.
async fn wait_for(
    client: &AdminClient,
    path: &str,
    what: &str,
    mut record: Value,
) -> Result<Value, CliError> {
    let mut failures = 0;
    loop {
        match client
            .get(&format!("{path}?wait={what}&wait_ms={WAIT_MS}"))
            .await
        {
            Ok(mut answer) => {
                failures = 0;
                let waited = answer
                    .as_object_mut()
                    .and_then(|fields| fields.shift_remove("waited"));
                let came = waited.is_some_and(|waited| waited == "came");
                record = answer;
                if came {
                    return Ok(record);
                }
            }
            Err(error @ CliError::NoAnswer(_)) => {
                failures += 1;
                if failures >= 3 {
                    return Err(error);
                }
                tracing::debug!(%error, last = %record, "asking again");
            }
            Err(error) => return Err(error),
        }
    }
}

fn query(path: &str, app: Option<&str>, active: bool, limit: u32) -> String {
    let app = app.map_or(String::new(), |app| format!("&app={}", encode(app)));
    format!("{path}?active={active}&limit={limit}{app}")
}

/// Prints a record: JSON as it is, or one field a line with nested ones below.
fn show(output: Output, record: &Value) {
    if output == Output::Json {
        return output::json(record);
    }
    for text in lines(record, 0) {
        output::line(&text);
    }
}

fn lines(value: &Value, depth: usize) -> Vec<String> {
    let indent = "  ".repeat(depth);
    let Some(fields) = value.as_object() else {
        return vec![format!("{indent}{}", cell(value))];
    };
    let mut out = Vec::new();
    for (name, value) in fields {
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push(format!("{indent}{name}:"));
                out.extend(lines(value, depth + 1));
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                out.push(format!("{indent}{name}:"));
                out.extend(
                    items
                        .iter()
                        .map(|item| format!("{indent}  - {}", flat(item))),
                );
            }
            other => out.push(format!("{indent}{name}: {}", cell(other))),
        }
    }
    out
}

fn flat(value: &Value) -> String {
    match value.as_object() {
        None => cell(value),
        Some(fields) => {
            let pair = |(name, value): (&String, &Value)| format!("{name}={}", flat(value));
            fields.iter().map(pair).collect::<Vec<_>>().join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_printed_one_field_a_line() {
        let record = json!({
            "id": "d1",
            "cancel": { "by": "admin", "reason": null },
            "events": [{ "kind": "created", "at": 1 }],
            "restored": [],
        });
        let expected = [
            "id: d1",
            "cancel:",
            "  by: admin",
            "  reason: -",
            "events:",
            "  - kind=created at=1",
            "restored: ",
        ];
        assert_eq!(lines(&record, 0), expected);
    }
}
