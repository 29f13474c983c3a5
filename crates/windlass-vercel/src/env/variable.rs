//! A variable from the body of a request, and its value in and out of its cover.

use serde_json::{Map, Value};
use windlass_control::secrets::Secrets;

use super::now_ms;
use crate::auth::Authenticated;
use crate::document::{Environment, Secrecy, Variable};
use crate::error::{ApiError, ApiResult};
use crate::{body, ids};

/// Longest name, bytes.
const MAX_KEY_BYTES: usize = 256;
/// Longest value, bytes.
const MAX_VALUE_BYTES: usize = 64 * 1024;
/// Longest note, characters.
const MAX_COMMENT_CHARS: usize = 500;

/// Who changes something.
#[derive(Debug, Clone)]
pub(super) struct Author {
    id: String,
}

/// What a body says of a variable.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    key: String,
    /// `None` = stays.
    value: Option<String>,
    secrecy: Secrecy,
    targets: Vec<Environment>,
    branch: Option<String>,
    comment: Option<String>,
}

impl Author {
    pub(super) fn of(caller: &Authenticated) -> Self {
        Self {
            id: caller.principal.user.id.to_string(),
        }
    }
}

impl Draft {
    /// Reads a new variable.
    ///
    /// # Errors
    /// 400.
    pub(super) fn read(object: &Map<String, Value>) -> ApiResult<Self> {
        let key = body::text(object, "key")?.ok_or_else(|| body::kind("key", "a string"))?;
        let value = match object.get("value") {
            Some(Value::String(value)) => value.clone(),
            _ => {
                return Err(ApiError::invalid(
                    "env_value_invalid_type",
                    format!("The value of `{}` should be a string", shown(&key)),
                ));
            }
        };
        let word = body::text(object, "type")?;
        let secrecy = secrecy(word.as_deref().unwrap_or("encrypted"))?;
        let targets = targets(object)?.unwrap_or_default();
        refuse_custom_environments(object)?;
        let draft = Self {
            key,
            value: Some(value),
            secrecy,
            targets,
            branch: body::text(object, "gitBranch")?,
            comment: body::text(object, "comment")?,
        };
        draft.check()?;
        Ok(draft)
    }

    /// Reads a change of a variable.
    ///
    /// # Errors
    /// 400.
    pub(super) fn change(known: &Variable, object: &Map<String, Value>) -> ApiResult<Self> {
        refuse_custom_environments(object)?;
        let word = body::text(object, "type")?;
        let secrecy = match word {
            Some(word) => secrecy(&word)?,
            None => known.secrecy,
        };
        let value = body::any_text(object, "value")?;
        if known.secrecy == Secrecy::Sensitive && secrecy != Secrecy::Sensitive && value.is_none() {
            return Err(ApiError::bad_request(
                "a sensitive variable can't be made another one without a new value",
            ));
        }
        let text = |name: &str, known: &Option<String>| match object.get(name) {
            None => Ok(known.clone()),
            Some(_) => body::text(object, name),
        };
        let draft = Self {
            key: body::text(object, "key")?.unwrap_or_else(|| known.key.clone()),
            value,
            secrecy,
            targets: targets(object)?.unwrap_or_else(|| known.targets.clone()),
            branch: text("gitBranch", &known.branch)?,
            comment: text("comment", &known.comment)?,
        };
        draft.check()?;
        Ok(draft)
    }

    /// The new variable.
    pub(super) fn into_variable(self, secrets: &Secrets, author: &Author) -> ApiResult<Variable> {
        let now = now_ms();
        Ok(Variable {
            id: ids::variable(),
            sealed: seal(secrets, self.value.as_deref().unwrap_or(""))?,
            key: self.key,
            secrecy: self.secrecy,
            targets: self.targets,
            branch: self.branch,
            comment: self.comment,
            created_at: now,
            updated_at: now,
            created_by: author.id.clone(),
            updated_by: None,
        })
    }

    /// The changed variable.
    pub(super) fn apply(
        self,
        known: &Variable,
        secrets: &Secrets,
        author: &Author,
    ) -> ApiResult<Variable> {
        let sealed = match &self.value {
            Some(value) => seal(secrets, value)?,
            None => known.sealed.clone(),
        };
        Ok(Variable {
            id: known.id.clone(),
            key: self.key,
            sealed,
            secrecy: self.secrecy,
            targets: self.targets,
            branch: self.branch,
            comment: self.comment,
            created_at: known.created_at,
            updated_at: now_ms().max(known.updated_at + 1),
            created_by: known.created_by.clone(),
            updated_by: Some(author.id.clone()),
        })
    }

    fn check(&self) -> ApiResult<()> {
        let name_is_good = !self.key.is_empty()
            && self.key.len() <= MAX_KEY_BYTES
            && !self.key.starts_with(|first: char| first.is_ascii_digit())
            && self
                .key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !name_is_good {
            return Err(ApiError::bad_request(format!(
                "The name `{}` contains invalid characters. Only letters, digits, and underscores \
                 are allowed. Furthermore, the name should not start with a digit.",
                shown(&self.key)
            )));
        }
        if let Some(value) = &self.value
            && (value.len() > MAX_VALUE_BYTES || value.contains('\0'))
        {
            return Err(ApiError::bad_request(format!(
                "The value of `{}` must have at most {MAX_VALUE_BYTES} bytes and no NUL",
                self.key
            )));
        }
        if self.targets.is_empty() {
            return Err(ApiError::bad_request(
                "Invalid request: `target` should have at least one of production, preview, \
                 development",
            ));
        }
        if self.secrecy == Secrecy::Sensitive && self.targets.contains(&Environment::Development) {
            return Err(ApiError::bad_request(
                "You cannot set a Sensitive Environment Variable's target to development.",
            ));
        }
        if self.branch.is_some() && self.targets != [Environment::Preview] {
            return Err(ApiError::bad_request(
                "`gitBranch` can only be used with the target preview",
            ));
        }
        let chars = self
            .comment
            .as_deref()
            .map_or(0, |text| text.chars().count());
        if chars > MAX_COMMENT_CHARS {
            return Err(ApiError::bad_request(format!(
                "`comment` must have at most {MAX_COMMENT_CHARS} characters"
            )));
        }
        Ok(())
    }
}

/// The plain value.
pub(super) fn open(secrets: &Secrets, variable: &Variable) -> ApiResult<String> {
    secrets
        .decrypt_text(&variable.sealed)
        .map_err(|error| windlass_control::Error::internal(error).into())
}

fn seal(secrets: &Secrets, value: &str) -> ApiResult<String> {
    secrets
        .encrypt(value.as_bytes())
        .map_err(|error| windlass_control::Error::internal(error).into())
}

fn secrecy(word: &str) -> ApiResult<Secrecy> {
    Secrecy::parse(word).ok_or_else(|| {
        ApiError::bad_request(
            "Invalid request: `type` should be one of system, encrypted, plain, sensitive",
        )
    })
}

fn targets(object: &Map<String, Value>) -> ApiResult<Option<Vec<Environment>>> {
    let Some(words) = body::texts(object, "target")? else {
        return Ok(None);
    };
    let mut targets = Vec::new();
    for word in words {
        let target = Environment::parse(&word).ok_or_else(|| {
            ApiError::bad_request(
                "Invalid request: `target` should be production, preview or development",
            )
        })?;
        targets.push(target);
    }
    targets.sort_unstable();
    targets.dedup();
    Ok(Some(targets))
}

fn refuse_custom_environments(object: &Map<String, Value>) -> ApiResult<()> {
    let asked = body::texts(object, "customEnvironmentIds")?;
    if asked.is_some_and(|ids| !ids.is_empty()) {
        return Err(ApiError::bad_request(
            "custom environments are not offered by this Windlass",
        ));
    }
    Ok(())
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}
