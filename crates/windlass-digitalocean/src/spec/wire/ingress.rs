//! Ingress rules as the wire has them.

use serde::Deserialize;

/// Rules of what traffic goes where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IngressSpec {
    /// In order: the first that matches wins.
    pub rules: Vec<IngressRule>,
}

/// One rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IngressRule {
    /// Which requests.
    #[serde(rename = "match")]
    pub matching: RuleMatch,
    /// Which component answers.
    pub component: Option<RoutingComponent>,
    /// Where the client is sent.
    pub redirect: Option<RedirectSpec>,
}

/// Which requests a rule is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RuleMatch {
    /// By path.
    pub path: Option<StringMatch>,
    /// By host.
    pub authority: Option<StringMatch>,
}

/// How a text is matched. An empty text is a text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StringMatch {
    /// What it starts with.
    pub prefix: Option<String>,
    /// What it is.
    pub exact: Option<String>,
}

/// Which component answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RoutingComponent {
    /// Its name.
    pub name: String,
    /// Whether it sees the prefix.
    pub preserve_path_prefix: bool,
    /// What the prefix becomes.
    pub rewrite: String,
}

/// Where the client is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RedirectSpec {
    /// Path; empty = that of the request.
    pub uri: String,
    /// Host; empty = that of the request.
    pub authority: String,
    /// Port; 0 = that of the scheme.
    pub port: u16,
    /// `http` or `https`; empty = `https`.
    pub scheme: String,
    /// Status; 0 = 302.
    pub redirect_code: u16,
}
