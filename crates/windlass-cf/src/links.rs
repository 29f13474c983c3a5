//! Absolute addresses in answers. Clients follow `next`, `Location` and some links verbatim.

use serde_json::{Value, json};

/// Where this dialect is reached from outside.
///
/// API, login, UAA and log cache share one origin: `cf` joins its paths to the login and UAA
/// links, and its log-cache client replaces the whole path, so a bare origin suits all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls {
    origin: String,
}

impl Urls {
    /// `origin` is scheme, host and port (`https://api.localhost:8443`); trailing slashes go.
    pub fn new(origin: &str) -> Self {
        Self {
            origin: origin.trim_end_matches('/').to_owned(),
        }
    }

    /// The origin itself, without a trailing slash.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Absolute address of a path that starts with `/`.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// `{"href": …}`.
    pub fn href(&self, path: &str) -> Value {
        json!({ "href": self.at(path) })
    }

    /// `{"href": …, "method": …}`.
    pub fn action(&self, path: &str, method: &str) -> Value {
        json!({ "href": self.at(path), "method": method })
    }

    /// Address of the job that shows a durable operation (for `Location`).
    pub fn job(&self, operation: &str) -> String {
        self.at(&format!("/v3/jobs/{operation}"))
    }
}

/// `{"data": {"guid": …}}`, or `{"data": null}`.
pub fn to_one(guid: Option<&str>) -> Value {
    match guid {
        Some(guid) => json!({ "data": { "guid": guid } }),
        None => json!({ "data": null }),
    }
}

/// `{"data": [{"guid": …}, …]}`.
pub fn to_many<'a>(guids: impl IntoIterator<Item = &'a str>) -> Value {
    let data: Vec<Value> = guids
        .into_iter()
        .map(|guid| json!({ "guid": guid }))
        .collect();
    json!({ "data": data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_absolute_and_have_one_slash() {
        let urls = Urls::new("https://api.example.org/");
        assert_eq!(
            urls.href("/v3/apps/a"),
            json!({"href": "https://api.example.org/v3/apps/a"})
        );
        assert_eq!(urls.job("j"), "https://api.example.org/v3/jobs/j");
        assert_eq!(to_one(None), json!({"data": null}));
        assert_eq!(
            to_many(["a", "b"]),
            json!({"data": [{"guid": "a"}, {"guid": "b"}]})
        );
    }
}
