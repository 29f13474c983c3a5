//! Request bodies: reading JSON within limits, and a small toolkit that finds every problem of
//! an object and answers all of them in one 422, in Cloud Controller's words.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::metadata::MetadataPatch;

/// Largest JSON or YAML body, bytes. Uploads have limits of their own.
pub const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;
/// Longest GUID that a body may name, characters.
const MAX_GUID_CHARS: usize = 200;

/// A JSON object body. Nothing at all counts as `{}`, as in the original; nesting deeper than
/// 128 levels, other JSON and anything that is no UTF-8 is 400 1001.
#[derive(Debug, Clone)]
pub struct JsonObject(pub Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        parse_object(&read_limited(request, MAX_BODY_BYTES).await?).map(Self)
    }
}

/// A body of limited size as bytes.
#[derive(Debug, Clone)]
pub struct LimitedBytes(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for LimitedBytes {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        read_limited(request, MAX_BODY_BYTES).await.map(Self)
    }
}

async fn read_limited(request: Request, limit_bytes: usize) -> Result<Bytes, ApiError> {
    match Limited::new(request.into_body(), limit_bytes)
        .collect()
        .await
    {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(ApiError::too_large(limit_bytes as u64))
        }
        Err(_) => Err(ApiError::parse_error()),
    }
}

/// Reads a JSON object.
///
/// # Errors
/// 400 1001.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) | Err(_) => Err(ApiError::parse_error()),
    }
}

/// Collects what is wrong with a body.
#[derive(Debug, Default)]
pub struct Validator {
    problems: Vec<String>,
}

/// Whole numbers that a field takes.
#[derive(Debug, Clone, Copy)]
pub struct IntegerRange {
    /// Smallest.
    pub min: i64,
    /// Largest.
    pub max: i64,
}

impl IntegerRange {
    /// 1 … 2^31 − 1.
    pub const POSITIVE: Self = Self {
        min: 1,
        max: i32::MAX as i64,
    };
    /// 0 … 2^31 − 1.
    pub const NOT_NEGATIVE: Self = Self {
        min: 0,
        max: i32::MAX as i64,
    };
    /// −1 (unlimited) … 2^63 − 1.
    pub const OR_UNLIMITED: Self = Self {
        min: -1,
        max: i64::MAX,
    };
}

impl Validator {
    /// Nothing wrong yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a problem in the words of the wire.
    pub fn add(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// Whether nothing was wrong so far.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// The list that problems are appended to.
    pub fn problems(&mut self) -> &mut Vec<String> {
        &mut self.problems
    }

    /// 422 with all problems, or nothing.
    ///
    /// # Errors
    /// 422 10008.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(ApiError::unprocessable_all(&self.problems))
        }
    }

    /// Refuses keys that are not in `allowed`: `Unknown field(s): 'a', 'b'`, with `label` in
    /// front when it is not empty.
    pub fn known_fields(&mut self, object: &Map<String, Value>, label: &str, allowed: &[&str]) {
        let unknown: Vec<String> = object
            .keys()
            .filter(|key| !allowed.contains(&key.as_str()))
            .map(|key| format!("'{key}'"))
            .collect();
        if !unknown.is_empty() {
            self.add(join(
                label,
                &format!("Unknown field(s): {}", unknown.join(", ")),
            ));
        }
    }

    /// A string of `min..=max` characters that must be there.
    pub fn required_string<'a>(
        &mut self,
        object: &'a Map<String, Value>,
        key: &str,
        min: usize,
        max: usize,
    ) -> Option<&'a str> {
        let label = humanize(key);
        match object.get(key) {
            None | Some(Value::Null) => {
                self.add(format!("{label} can't be blank"));
                None
            }
            Some(value) => self.string_value(value, &label, min, max),
        }
    }

    /// A string of `min..=max` characters; missing and null are both `None`.
    pub fn optional_string<'a>(
        &mut self,
        object: &'a Map<String, Value>,
        key: &str,
        min: usize,
        max: usize,
    ) -> Option<&'a str> {
        match object.get(key) {
            None | Some(Value::Null) => None,
            Some(value) => self.string_value(value, &humanize(key), min, max),
        }
    }

    /// Checks one value that must be a string.
    pub fn string_value<'a>(
        &mut self,
        value: &'a Value,
        label: &str,
        min: usize,
        max: usize,
    ) -> Option<&'a str> {
        let Value::String(text) = value else {
            self.add(format!("{label} must be a string"));
            return None;
        };
        let chars = text.chars().count();
        if chars < min {
            let unit = if min == 1 { "character" } else { "characters" };
            self.add(format!("{label} is too short (minimum is {min} {unit})"));
            return None;
        }
        if chars > max {
            self.add(format!("{label} is too long (maximum is {max} characters)"));
            return None;
        }
        if text.contains('\0') {
            self.add(format!("{label} must not contain null bytes"));
            return None;
        }
        Some(text)
    }

    /// Refuses a name with control characters, or of blanks only.
    pub fn printable_name(&mut self, name: &str) {
        if name.chars().any(char::is_control) {
            self.add("Name must not contain escaped characters");
        } else if !name.is_empty() && name.trim().is_empty() {
            self.add("Name can't be blank");
        }
    }

    /// A boolean; missing is `None`, null is a problem.
    pub fn optional_bool(&mut self, object: &Map<String, Value>, key: &str) -> Option<bool> {
        match object.get(key) {
            None => None,
            Some(Value::Bool(value)) => Some(*value),
            Some(_) => {
                self.add(format!("{} must be a boolean", humanize(key)));
                None
            }
        }
    }

    /// A whole number; missing and null are both `None`.
    pub fn optional_integer(
        &mut self,
        object: &Map<String, Value>,
        key: &str,
        range: IntegerRange,
    ) -> Option<i64> {
        match object.get(key) {
            None | Some(Value::Null) => None,
            Some(value) => self.integer_value(value, &humanize(key), range),
        }
    }

    /// Checks one value that must be a whole number in `range`.
    pub fn integer_value(
        &mut self,
        value: &Value,
        label: &str,
        range: IntegerRange,
    ) -> Option<i64> {
        let Value::Number(number) = value else {
            self.add(format!("{label} is not a number"));
            return None;
        };
        let Some(integer) = number.as_i64() else {
            let text = if number.is_u64() {
                format!("{label} must be less than or equal to {}", range.max)
            } else {
                format!("{label} must be an integer")
            };
            self.add(text);
            return None;
        };
        if integer < range.min {
            let bound = if range.min == 1 {
                "greater than 0".to_owned()
            } else {
                format!("greater than or equal to {}", range.min)
            };
            self.add(format!("{label} must be {bound}"));
            return None;
        }
        if integer > range.max {
            self.add(format!(
                "{label} must be less than or equal to {}",
                range.max
            ));
            return None;
        }
        Some(integer)
    }

    /// An object; missing and null are both `None`.
    pub fn optional_object<'a>(
        &mut self,
        object: &'a Map<String, Value>,
        key: &str,
    ) -> Option<&'a Map<String, Value>> {
        match object.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::Object(inner)) => Some(inner),
            Some(_) => {
                self.add(format!("{} must be an object", humanize(key)));
                None
            }
        }
    }

    /// An array of strings; missing and null are both `None`.
    pub fn optional_strings(
        &mut self,
        object: &Map<String, Value>,
        key: &str,
    ) -> Option<Vec<String>> {
        let label = humanize(key);
        match object.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::Array(values)) => {
                let strings: Vec<String> = values
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect();
                if strings.len() != values.len() {
                    self.add(format!("{label} can only contain strings"));
                }
                Some(strings)
            }
            Some(_) => {
                self.add(format!("{label} must be an array"));
                None
            }
        }
    }

    /// `metadata` of the body, checked.
    pub fn metadata(&mut self, object: &Map<String, Value>) -> MetadataPatch {
        MetadataPatch::parse(object, &mut self.problems)
    }

    /// `relationships` of the body, with only the `allowed` keys. Missing is `None`.
    pub fn relationships<'a>(
        &mut self,
        object: &'a Map<String, Value>,
        allowed: &[&str],
    ) -> Option<&'a Map<String, Value>> {
        match object.get("relationships") {
            None => None,
            Some(Value::Object(relationships)) => {
                self.known_fields(relationships, "Relationships", allowed);
                Some(relationships)
            }
            Some(_) => {
                self.add("Relationships 'relationships' is not an object");
                None
            }
        }
    }

    /// A to-one relationship `{"data": {"guid": …}}` that must be there.
    pub fn required_to_one(
        &mut self,
        relationships: Option<&Map<String, Value>>,
        name: &str,
    ) -> Option<String> {
        let label = format!("Relationships {}", humanize(name));
        match relationships.and_then(|relationships| relationships.get(name)) {
            None | Some(Value::Null) => {
                self.add(format!("{label} can't be blank"));
                None
            }
            Some(value) => {
                let found = self.to_one_value(value, name, &label)?;
                if found.is_none() {
                    self.add(format!("{label} can't be blank"));
                }
                found
            }
        }
    }

    /// Checks one to-one relationship. Outer `None` = wrong; inner `None` = `{"data": null}`.
    pub fn to_one_value(
        &mut self,
        value: &Value,
        name: &str,
        label: &str,
    ) -> Option<Option<String>> {
        match (
            value.as_object().filter(|object| object.len() == 1),
            value.get("data"),
        ) {
            (Some(_), Some(Value::Null)) => Some(None),
            (Some(_), Some(Value::Object(data))) if data.len() == 1 => {
                let guid = data.get("guid");
                if guid.is_none() {
                    self.add(to_one_form(label, name));
                    return None;
                }
                self.guid_value(guid, &format!("{label} Guid")).map(Some)
            }
            _ => {
                self.add(to_one_form(label, name));
                None
            }
        }
    }

    /// A body `{"data": [{"guid": …}, …]}`: the GUIDs.
    pub fn to_many_body(&mut self, object: &Map<String, Value>) -> Vec<String> {
        self.known_fields(object, "", &["data"]);
        let Some(Value::Array(entries)) = object.get("data") else {
            self.add("Data must be an array");
            return Vec::new();
        };
        let mut guids = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            match entry.as_object() {
                Some(entry) if entry.len() == 1 && entry.contains_key("guid") => {
                    guids.extend(self.guid_value(entry.get("guid"), &format!("Data Guid {index}")));
                }
                _ => {
                    self.add(
                        "Data must be structured like this: \"data: [{\"guid\": \
                         \"valid-guid\"},{\"guid\": \"valid-guid\"}]\"",
                    );
                    return Vec::new();
                }
            }
        }
        guids
    }

    fn guid_value(&mut self, value: Option<&Value>, label: &str) -> Option<String> {
        match value {
            Some(Value::String(guid)) if (1..=MAX_GUID_CHARS).contains(&guid.chars().count()) => {
                Some(guid.clone())
            }
            Some(Value::String(_)) => {
                self.add(format!(
                    "{label} must be between 1 and {MAX_GUID_CHARS} characters"
                ));
                None
            }
            _ => {
                self.add(format!("{label} must be a string"));
                self.add(format!(
                    "{label} must be between 1 and {MAX_GUID_CHARS} characters"
                ));
                None
            }
        }
    }
}

/// `memory_in_mb` → `Memory in mb`, as the original writes field names in its texts.
pub fn humanize(key: &str) -> String {
    let spaced = key.replace('_', " ");
    let mut letters = spaced.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

fn join(label: &str, text: &str) -> String {
    if label.is_empty() {
        text.to_owned()
    } else {
        format!("{label} {text}")
    }
}

fn to_one_form(label: &str, name: &str) -> String {
    format!(
        "{label} must be structured like this: \"{name}: {{\"data\": {{\"guid\": \
         \"valid-guid\"}}}}\""
    )
}

#[cfg(test)]
mod tests;
