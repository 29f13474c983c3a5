//! How a site meets visitors and its functions: names that its dialect chose.

use serde::{Deserialize, Serialize};

/// A header that answers of a site carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerHeader {
    /// Its name.
    pub name: String,
    /// Its value, in which `{request_id}` stands for the id of the request.
    pub value: String,
    /// Which answers carry it.
    pub on: AnswerKind,
}

/// Kinds of answers of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerKind {
    /// Every answer.
    Any,
    /// A file.
    File,
    /// What a function has answered.
    Function,
    /// There is nothing at the path, and the site has no document for that.
    NotFound,
    /// A function could not be reached or did not answer.
    FunctionFailed,
}

/// A header that functions see. One of this name that the client sent is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestHeader {
    /// Its name.
    pub name: String,
    /// Its value, in which `{request_id}` stands for the id of the request and
    /// `{client}` for the address of the client.
    pub value: String,
}

/// Where a request says which version it is for: the first of these that it
/// has. It counts when it names a version of the component that is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// Name of a parameter of the query.
    pub parameter: String,
    /// Name of a header.
    pub header: String,
    /// Name of a cookie.
    pub cookie: String,
}
