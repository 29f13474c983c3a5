//! Rules of an app about which component answers which path.

use serde::{Deserialize, Serialize};

use crate::id::ComponentName;

/// One rule. Of a list the first that matches decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IngressRule {
    /// Host that the request must name, lower case; `None` = any.
    pub host: Option<String>,
    /// Path that the request must have.
    pub path: PathMatch,
    /// What answers.
    pub action: IngressAction,
}

/// Which paths a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathMatch {
    /// Whole segments: `/api` is for `/api` and `/api/x`, not for `/apix`; `/` is for all.
    Prefix(String),
    /// Exactly this path.
    Exact(String),
}

/// What answers the requests of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IngressAction {
    /// A component.
    Component {
        /// Which.
        component: ComponentName,
        /// Path that it sees.
        path: PathChange,
    },
    /// Another address.
    Redirect(Redirect),
}

/// What becomes of the matched part of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathChange {
    /// It stays.
    Preserve,
    /// It is cut off.
    Strip,
    /// This takes its place.
    Replace(String),
}

/// An answer that leads elsewhere; what is `None` is that of the request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Redirect {
    /// Path (and query) in place of that of the request.
    pub uri: Option<String>,
    /// Host.
    pub authority: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// 300 to 308.
    pub status: u16,
}
