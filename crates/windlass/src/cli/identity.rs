//! `windlass user|org|space|token`.

use std::io::Read;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::client::{AdminClient, encode};
use super::error::CliError;
use crate::output::{self, Output};

mod words;

pub use words::{OrgCommand, RoleFlags, RoleWord, SpaceCommand, TokenCommand, UserCommand};

/// Longest password that is read, bytes.
const PASSWORD_LIMIT_BYTES: u64 = 1024;

pub(super) async fn user(
    client: &AdminClient,
    output: Output,
    command: UserCommand,
) -> Result<(), CliError> {
    let answer = match command {
        UserCommand::Create {
            name,
            org,
            space,
            password_stdin,
            admin,
            client: is_client,
        } => {
            let password = if password_stdin {
                Some(read_password()?)
            } else {
                None
            };
            let body = json!({
                "name": name,
                "password": password,
                "admin": admin,
                "is_client": is_client,
                "organization": org,
                "space": space,
            });
            client.post("/users", &body).await?
        }
        UserCommand::List => {
            let answer = client.get("/users").await?;
            list(output, &answer, &["name", "admin", "roles", "id"]);
            return Ok(());
        }
        UserCommand::Delete { name } => client.delete(&format!("/users/{}", encode(&name))).await?,
        UserCommand::SetRole(flags) => client.post("/roles", &role(&flags)?).await?,
        UserCommand::UnsetRole(flags) => client.post("/roles/unset", &role(&flags)?).await?,
    };
    done(output, &answer);
    Ok(())
}

pub(super) async fn organization(
    client: &AdminClient,
    output: Output,
    command: OrgCommand,
) -> Result<(), CliError> {
    let answer = match command {
        OrgCommand::Create { name, space } => {
            client
                .post("/organizations", &json!({ "name": name, "space": space }))
                .await?
        }
        OrgCommand::List => {
            let answer = client.get("/organizations").await?;
            list(
                output,
                &answer,
                &["name", "memory_mb", "instances", "tasks", "id"],
            );
            return Ok(());
        }
        OrgCommand::Delete { name } => {
            client
                .delete(&format!("/organizations/{}", encode(&name)))
                .await?
        }
        OrgCommand::SetQuota {
            name,
            memory,
            instances,
            tasks,
        } => {
            let mut body = json!({});
            let limits = [
                ("memory_mb", memory),
                ("instances", instances),
                ("tasks", tasks),
            ];
            for (field, text) in limits {
                if let Some(text) = text {
                    body[field] = quota(field, &text)?;
                }
            }
            if body.as_object().is_none_or(serde_json::Map::is_empty) {
                let text = "name at least one of --memory, --instances, --tasks";
                return Err(CliError::Usage(text.to_owned()));
            }
            client
                .post(&format!("/organizations/{}/quota", encode(&name)), &body)
                .await?
        }
    };
    done(output, &answer);
    Ok(())
}

pub(super) async fn space(
    client: &AdminClient,
    output: Output,
    command: SpaceCommand,
) -> Result<(), CliError> {
    let answer = match command {
        SpaceCommand::Create { name, org } => {
            client
                .post("/spaces", &json!({ "name": name, "organization": org }))
                .await?
        }
        SpaceCommand::List { org } => {
            let query = org.map_or(String::new(), |org| {
                format!("?organization={}", encode(&org))
            });
            let answer = client.get(&format!("/spaces{query}")).await?;
            list(output, &answer, &["name", "organization", "id"]);
            return Ok(());
        }
        SpaceCommand::Delete { name, org } => {
            client
                .delete(&format!("/spaces/{}/{}", encode(&org), encode(&name)))
                .await?
        }
    };
    done(output, &answer);
    Ok(())
}

pub(super) async fn token(
    client: &AdminClient,
    output: Output,
    command: TokenCommand,
) -> Result<(), CliError> {
    let answer = match command {
        TokenCommand::Create { name, user, days } => {
            client
                .post(
                    "/tokens",
                    &json!({ "name": name, "user": user, "days": days }),
                )
                .await?
        }
        TokenCommand::List { user } => {
            let query = user.map_or(String::new(), |user| format!("?user={}", encode(&user)));
            let answer = client.get(&format!("/tokens{query}")).await?;
            list(output, &answer, &["id", "name", "user", "expires_at"]);
            return Ok(());
        }
        TokenCommand::Delete { id } => client.delete(&format!("/tokens/{}", encode(&id))).await?,
        TokenCommand::RotateKey => client.post("/signing_key/rotate", &json!({})).await?,
    };
    done(output, &answer);
    Ok(())
}

fn role(flags: &RoleFlags) -> Result<Value, CliError> {
    let word = flags.role.to_possible_value();
    let word = word
        .as_ref()
        .map_or("", |value| value.get_name())
        .replace('-', "_");
    if word.starts_with("space_") != flags.space.is_some() {
        let text = "space roles need --space, organization roles must not have it";
        return Err(CliError::Usage(text.to_owned()));
    }
    Ok(json!({
        "user": flags.name,
        "role": word,
        "organization": flags.org,
        "space": flags.space,
    }))
}

fn quota(field: &str, text: &str) -> Result<Value, CliError> {
    if text == "unlimited" {
        return Ok(Value::Null);
    }
    text.parse::<u32>().map(Value::from).map_err(|_| {
        CliError::Usage(format!(
            "{field} is `{text}`: give a whole number or `unlimited`"
        ))
    })
}

fn read_password() -> Result<String, CliError> {
    let mut text = String::new();
    std::io::stdin()
        .take(PASSWORD_LIMIT_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| CliError::Failed(format!("failed to read the password: {error}")))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(CliError::Usage(
            "standard input holds no password".to_owned(),
        ));
    }
    Ok(password.to_owned())
}

/// Prints what a change answered: every field on its own line.
fn done(output: Output, answer: &Value) {
    match (output, answer.as_object()) {
        (Output::Json, _) => output::json(answer),
        (Output::Text, None) => output::line("done"),
        (Output::Text, Some(fields)) => {
            for (name, value) in fields {
                output::line(&format!("{name}: {}", cell(value)));
            }
        }
    }
}

/// Prints an array of objects.
pub(super) fn list(output: Output, answer: &Value, heads: &[&str]) {
    if output == Output::Json {
        return output::json(answer);
    }
    let rows = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |value: &Value| heads.iter().map(|head| cell(&value[*head])).collect();
    output::table(heads, &rows.iter().map(row).collect::<Vec<_>>());
}

/// A value as a person reads it.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_role_needs_a_space() {
        let flags = |role, space: Option<&str>| RoleFlags {
            name: "a".to_owned(),
            role,
            org: "o".to_owned(),
            space: space.map(str::to_owned),
        };
        assert!(role(&flags(RoleWord::SpaceDeveloper, None)).is_err());
        assert!(role(&flags(RoleWord::OrganizationManager, Some("s"))).is_err());
        let body = role(&flags(RoleWord::SpaceDeveloper, Some("s"))).expect("fits");
        assert_eq!(body["role"], "space_developer");
    }

    #[test]
    fn a_quota_is_a_number_or_unlimited() {
        assert_eq!(quota("tasks", "unlimited").expect("fits"), Value::Null);
        assert_eq!(quota("tasks", "5").expect("fits"), 5);
        assert!(quota("tasks", "-5").is_err());
    }
}
