//! A repository's address together with the machines that it was found to stand for.

use std::net::{IpAddr, ToSocketAddrs};

use super::url::Host;
use super::{AddressRules, SourceError, SourceUrl};

/// Addresses of one name that are used.
const ADDRESSES: usize = 8;

/// An address whose machines were checked. Git is told to ask exactly these: a name that means
/// something else a moment later changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    url: SourceUrl,
    addresses: Vec<IpAddr>,
}

impl Remote {
    /// Looks the host up and checks every address of it. Blocking.
    ///
    /// # Errors
    /// [`SourceError::LookUp`], [`SourceError::Address`].
    pub fn look_up(url: SourceUrl, rules: AddressRules) -> Result<Self, SourceError> {
        let host = url.host();
        let addresses: Vec<IpAddr> = match url.host_form() {
            Host::Number(address) => vec![*address],
            Host::Name(name) => (name.as_str(), url.port())
                .to_socket_addrs()
                .map_err(|error| SourceError::LookUp {
                    host: host.clone(),
                    reason: error.to_string(),
                })?
                .map(|address| address.ip())
                .collect(),
        };
        Self::checked(url, addresses, rules)
    }

    fn checked(
        url: SourceUrl,
        mut addresses: Vec<IpAddr>,
        rules: AddressRules,
    ) -> Result<Self, SourceError> {
        let host = url.host();
        if addresses.is_empty() {
            let reason = "it has no address".to_owned();
            return Err(SourceError::LookUp { host, reason });
        }
        // One bad address among good ones is no accident.
        for address in &addresses {
            rules.check_of(&host, *address)?;
        }
        addresses.dedup();
        addresses.truncate(ADDRESSES);
        Ok(Self { url, addresses })
    }

    /// The address.
    pub fn url(&self) -> &SourceUrl {
        &self.url
    }

    /// The first machine.
    pub(crate) fn first(&self) -> Option<IpAddr> {
        self.addresses.first().copied()
    }

    /// As `http.curloptResolve` wants it; `None` when the address has no name that could be looked
    /// up again.
    pub(crate) fn pin(&self) -> Option<String> {
        let Host::Name(name) = self.url.host_form() else {
            return None;
        };
        let addresses: Vec<String> = self
            .addresses
            .iter()
            .map(|address| match address {
                IpAddr::V4(v4) => v4.to_string(),
                IpAddr::V6(v6) => format!("[{v6}]"),
            })
            .collect();
        Some(format!(
            "{name}:{}:{}",
            self.url.port(),
            addresses.join(",")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(addresses: &[&str]) -> Result<Remote, SourceError> {
        let url = "https://h.example:444/a".parse().unwrap();
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Remote::checked(url, addresses, AddressRules::default())
    }

    #[test]
    fn every_address_of_a_name_counts_and_is_pinned() {
        let remote = checked(&["192.0.2.1", "2001:db8::1"]).unwrap();
        assert_eq!(
            remote.pin().as_deref(),
            Some("h.example:444:192.0.2.1,[2001:db8::1]")
        );
        for bad in ["127.0.0.1", "169.254.169.254", "::1"] {
            assert!(
                matches!(
                    checked(&["192.0.2.1", bad]),
                    Err(SourceError::Address { .. })
                ),
                "{bad}"
            );
        }
        assert!(matches!(checked(&[]), Err(SourceError::LookUp { .. })));
    }

    #[test]
    fn names_of_this_machine_are_looked_up() {
        let url: SourceUrl = "http://localhost:1/a".parse().unwrap();
        let refused = Remote::look_up(url.clone(), AddressRules::default()).unwrap_err();
        assert!(matches!(refused, SourceError::Address { .. }), "{refused}");
        let rules = AddressRules {
            allow_loopback: true,
        };
        assert!(Remote::look_up(url, rules).unwrap().pin().is_some());
    }
}
