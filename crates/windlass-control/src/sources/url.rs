//! Addresses of repositories: the few forms that are accepted.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Bytes of an address.
const URL_BYTES: usize = 2_048;
/// Bytes of a name of the domain name system.
const HOST_BYTES: usize = 253;
/// Bytes of one label of it.
const LABEL_BYTES: usize = 63;
/// The user at hosts that are reached by ssh.
const SSH_USER: &str = "git";

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Unencrypted.
    Http,
    /// By TLS.
    Https,
    /// By ssh with the configured key.
    Ssh,
}

impl Scheme {
    /// As addresses and git write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ssh => "ssh",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Ssh => 22,
        }
    }
}

/// A host by name or number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// In lower case.
    Name(String),
    Number(IpAddr),
}

/// A checked address. Its text form is the one that git is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceUrl {
    scheme: Scheme,
    user: Option<String>,
    host: Host,
    port: u16,
    path: String,
}

/// Why an address is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another way to reach something, maybe a file of this machine.
    #[error("the address of a repository begins with https://, http:// or ssh://")]
    Scheme,
    /// A password in an address gets into logs.
    #[error("the address of a repository must not hold a user or password")]
    Credentials,
    /// The host is no name and no number.
    #[error("the host of the repository's address is not valid")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("the port of the repository's address is not valid")]
    Port,
    /// The path is missing, climbs, or has characters that none needs.
    #[error("the path of the repository's address is not valid")]
    Path,
    /// Longer than any that is meant well.
    #[error("the address of a repository is longer than {URL_BYTES} bytes")]
    TooLong,
}

impl SourceUrl {
    /// How it is reached.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The port, also when the text does not name it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Below the host, with a leading slash.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The host as the address names it, without brackets.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Name(name) => name.clone(),
            Host::Number(address) => address.to_string(),
        }
    }

    pub(crate) fn host_form(&self) -> &Host {
        &self.host
    }

    /// The user of ssh.
    pub(crate) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or(SSH_USER)
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        if self.scheme == Scheme::Ssh {
            write!(f, "{}@", self.user())?;
        }
        match &self.host {
            Host::Name(name) => f.write_str(name)?,
            Host::Number(IpAddr::V4(address)) => write!(f, "{address}")?,
            Host::Number(IpAddr::V6(address)) => write!(f, "[{address}]")?,
        }
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

impl FromStr for SourceUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > URL_BYTES {
            return Err(UrlError::TooLong);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return short_ssh(text);
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "ssh" => Scheme::Ssh,
            _ => return Err(UrlError::Scheme),
        };
        let slash = rest.find('/').ok_or(UrlError::Path)?;
        let (authority, path) = rest.split_at(slash);
        let (user, place) = match authority.rsplit_once('@') {
            None if scheme == Scheme::Ssh => (Some(SSH_USER.to_owned()), authority),
            None => (None, authority),
            Some((user, place)) if scheme == Scheme::Ssh => (Some(ssh_user(user)?), place),
            Some(_) => return Err(UrlError::Credentials),
        };
        let (host, port) = split_port(place)?;
        Ok(Self {
            scheme,
            user,
            host: parse_host(host)?,
            port: port.unwrap_or(scheme.default_port()),
            path: parse_path(path)?,
        })
    }
}

/// `git@host:owner/name.git`.
fn short_ssh(text: &str) -> Result<SourceUrl, UrlError> {
    let (place, path) = text.split_once(':').ok_or(UrlError::Scheme)?;
    let (user, host) = place.split_once('@').ok_or(UrlError::Scheme)?;
    Ok(SourceUrl {
        scheme: Scheme::Ssh,
        user: Some(ssh_user(user)?),
        host: parse_host(host)?,
        port: Scheme::Ssh.default_port(),
        path: parse_path(&format!("/{}", path.trim_start_matches('/')))?,
    })
}

fn ssh_user(text: &str) -> Result<String, UrlError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || text.starts_with('-') || !text.bytes().all(plain) {
        return Err(UrlError::Credentials);
    }
    Ok(text.to_owned())
}

fn split_port(place: &str) -> Result<(&str, Option<u16>), UrlError> {
    if place.starts_with('[') && !place.contains(']') {
        return Err(UrlError::Host);
    }
    let after_host = place.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = place[after_host..].find(':').map(|at| at + after_host) else {
        return Ok((place, None));
    };
    let digits = &place[colon + 1..];
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UrlError::Port);
    }
    match digits.parse() {
        Ok(port) if port > 0 => Ok((&place[..colon], Some(port))),
        _ => Err(UrlError::Port),
    }
}

fn parse_host(text: &str) -> Result<Host, UrlError> {
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        let address: Ipv6Addr = inner.parse().map_err(|_| UrlError::Host)?;
        return Ok(Host::Number(IpAddr::V6(address)));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Number(IpAddr::V4(address)));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        (1..=LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    // 0x7f.1, 2130706433: numbers in other clothes, which programs read differently.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with(|c: char| c.is_ascii_digit());
    if name.len() > HOST_BYTES || is_number || !name.split('.').all(label) {
        return Err(UrlError::Host);
    }
    Ok(Host::Name(name))
}

fn parse_path(path: &str) -> Result<String, UrlError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~+%@,=:".contains(&byte);
    let climbs = |part: &str| matches!(part, "." | "..");
    if path.trim_matches('/').is_empty()
        || !path.bytes().all(plain)
        || path.split('/').any(climbs)
        || path[1..].starts_with('-')
    {
        return Err(UrlError::Path);
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_forms() {
        for (text, canonical) in [
            ("https://GitHub.com/a/b", "https://github.com/a/b"),
            ("HTTPS://h.example:443/a", "https://h.example/a"),
            ("http://h.example:8080/a.git", "http://h.example:8080/a.git"),
            ("http://127.0.0.1:1/a", "http://127.0.0.1:1/a"),
            ("http://[::1]:3000/a", "http://[::1]:3000/a"),
            ("https://h.example./a/~b+c", "https://h.example/a/~b+c"),
            ("git@github.com:a/b.git", "ssh://git@github.com/a/b.git"),
            ("ssh://h.example:2222/a", "ssh://git@h.example:2222/a"),
            ("ssh://me@h.example/a", "ssh://me@h.example/a"),
        ] {
            let url: SourceUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), canonical);
            assert_eq!(canonical.parse::<SourceUrl>().unwrap(), url);
        }
    }

    #[test]
    fn refused_forms() {
        for (text, expected) in [
            ("", UrlError::Scheme),
            ("/srv/repository", UrlError::Scheme),
            ("file:///srv/repository", UrlError::Scheme),
            ("ext::sh -c id", UrlError::Scheme),
            ("git://h/a", UrlError::Scheme),
            ("-u./x", UrlError::Scheme),
            ("https://user:secret@h/a", UrlError::Credentials),
            ("https://token@h/a", UrlError::Credentials),
            ("ssh://-oProxyCommand=id/a", UrlError::Host),
            ("ssh://-x@h/a", UrlError::Credentials),
            ("ssh://a:b@h/a", UrlError::Credentials),
            ("-oProxyCommand=id@h:a", UrlError::Credentials),
            ("git@h:-a", UrlError::Path),
            ("https://2130706433/a", UrlError::Host),
            ("https://0x7f.1/a", UrlError::Host),
            ("https://127.1/a", UrlError::Host),
            ("https://h_/a b", UrlError::Path),
            ("https://a..b/x", UrlError::Host),
            ("https://[::1/x", UrlError::Host),
            ("https:///x", UrlError::Host),
            ("https://h", UrlError::Path),
            ("https://h/", UrlError::Path),
            ("https://h/../a", UrlError::Path),
            ("https://h/a?x=1", UrlError::Path),
            ("https://h/a#x", UrlError::Path),
            ("https://h/a\n", UrlError::Path),
            ("https://h\\x/a", UrlError::Host),
            ("https://h:0/a", UrlError::Port),
            ("https://h:65536/a", UrlError::Port),
            ("https://h:+1/a", UrlError::Port),
            ("https://h:/a", UrlError::Port),
        ] {
            assert_eq!(text.parse::<SourceUrl>(), Err(expected), "{text}");
        }
        let long = format!("https://h/{}", "a".repeat(URL_BYTES));
        assert_eq!(long.parse::<SourceUrl>(), Err(UrlError::TooLong));
    }
}
