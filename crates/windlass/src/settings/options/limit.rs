//! What the values of settings may be.

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// A path that is not empty.
    Path,
    /// An address with a port: `127.0.0.1:8443`.
    Address,
    /// The same, or a name of this machine with a port: `api.example.com:443`.
    Listen,
    /// A DNS name of at least two labels, at most 200 bytes.
    Domain,
    /// `https://…` or nothing.
    Url,
    /// `https://…` or `http://…`, maybe with a path.
    BaseUrl,
    /// A path or nothing.
    OptionalPath,
    /// Nothing, or text that is never shown.
    Secret,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A whole number from … to ….
    Number {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// `best`, `bare`, or some of the four means.
    Isolation,
    /// Free text of at most 1,000 bytes.
    Text,
}

impl Limit {
    /// The limit in words.
    pub fn describe(self) -> String {
        match self {
            Self::Path => "a path".to_owned(),
            Self::Address => "an IP address with a port, as in 127.0.0.1:8443".to_owned(),
            Self::Listen => {
                "an IP address or a name that leads to this machine, with a port, as in \
                             127.0.0.1:8443 or api.example.com:443"
                    .to_owned()
            }
            Self::Domain => {
                "a DNS name of at least two labels (letters, digits, hyphens), at most 200 bytes"
                    .to_owned()
            }
            Self::Url => "an https:// URL without a path, or empty".to_owned(),
            Self::BaseUrl => {
                "an https:// or http:// URL without user, query or fragment".to_owned()
            }
            Self::OptionalPath => "a path, or empty".to_owned(),
            Self::Secret => "empty, or text of 8 to 1000 bytes; it is never shown".to_owned(),
            Self::Words(words) => format!("one of {}", words.join(", ")),
            Self::Number { min, max } => format!("a whole number from {min} to {max}"),
            Self::Isolation => {
                "best, bare, or some of landlock,pidns,cgroup,uid with commas".to_owned()
            }
            Self::Text => "text of at most 1000 bytes".to_owned(),
        }
    }
}
