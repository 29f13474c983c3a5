//! Which machines a source may come from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::url::Host;
use super::{SourceError, SourceUrl};

/// Rules about addresses. Link-local ones, those of metadata services and those that are no single
/// machine are always refused; private networks are allowed, since many repositories live there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AddressRules {
    /// Whether this machine itself may be asked.
    pub allow_loopback: bool,
}

/// Why an address is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefusal {
    /// This machine.
    #[error("{0} is this machine itself; allow_loopback_sources permits that")]
    Loopback(IpAddr),
    /// A neighbour that only this network knows, among them metadata services.
    #[error("{0} is a link-local address, which no source may come from")]
    LinkLocal(IpAddr),
    /// A service that gives the machine's own credentials away.
    #[error("{0} is the address of a metadata service, which no source may come from")]
    Metadata(IpAddr),
    /// Nobody, or many.
    #[error("{0} is not the address of one machine")]
    NotOne(IpAddr),
}

/// Metadata services that are not link-local.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

impl AddressRules {
    /// Checks one address.
    ///
    /// # Errors
    /// The reason.
    pub fn check(self, address: IpAddr) -> Result<(), AddressRefusal> {
        match address {
            IpAddr::V4(v4) => self.check_v4(v4, address),
            IpAddr::V6(v6) => self.check_v6(v6),
        }
    }

    /// Checks the host of an address when it is a number.
    pub(super) fn check_host(self, url: &SourceUrl) -> Result<(), SourceError> {
        match url.host_form() {
            Host::Name(_) => Ok(()),
            Host::Number(address) => self.check_of(&url.host(), *address),
        }
    }

    /// Checks an address that a host stands for.
    pub(super) fn check_of(self, host: &str, address: IpAddr) -> Result<(), SourceError> {
        self.check(address).map_err(|refusal| SourceError::Address {
            host: host.to_owned(),
            refusal,
        })
    }

    fn check_v4(self, v4: Ipv4Addr, shown: IpAddr) -> Result<(), AddressRefusal> {
        if METADATA_V4.contains(&v4) {
            return Err(AddressRefusal::Metadata(shown));
        }
        if v4.is_link_local() {
            return Err(AddressRefusal::LinkLocal(shown));
        }
        // 0.0.0.0/8 is "this network", 240.0.0.0/4 is reserved.
        if v4.octets()[0] == 0 || v4.is_multicast() || v4.octets()[0] >= 240 {
            return Err(AddressRefusal::NotOne(shown));
        }
        if v4.is_loopback() && !self.allow_loopback {
            return Err(AddressRefusal::Loopback(shown));
        }
        Ok(())
    }

    fn check_v6(self, v6: Ipv6Addr) -> Result<(), AddressRefusal> {
        let shown = IpAddr::V6(v6);
        if METADATA_V6.contains(&v6) {
            return Err(AddressRefusal::Metadata(shown));
        }
        if v6.is_loopback() {
            return if self.allow_loopback {
                Ok(())
            } else {
                Err(AddressRefusal::Loopback(shown))
            };
        }
        if v6.is_unspecified() || v6.is_multicast() {
            return Err(AddressRefusal::NotOne(shown));
        }
        // fe80::/10, and fec0::/10 that came before unique local addresses.
        if v6.segments()[0] & 0xff80 == 0xfe80 {
            return Err(AddressRefusal::LinkLocal(shown));
        }
        match embedded(v6) {
            Some(v4) => self.check_v4(v4, shown),
            None => Ok(()),
        }
    }
}

/// The IPv4 address that a gateway would make of this one.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([first, second], [third, fourth]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(first, second, third, fourth))
    };
    let last = |invert: u16| v4(segments[6] ^ invert, segments[7] ^ invert);
    match segments {
        // Mapped, translated and the old compatible form; NAT64's well-known and local prefixes.
        [0, 0, 0, 0, 0, 0xffff | 0, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..]
        | [0x64, 0xff9b, 1, ..] => last(0),
        // 6to4.
        [0x2002, high, low, ..] => v4(high, low),
        // Teredo: the client's address, inverted.
        [0x2001, 0, ..] => last(u16::MAX),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, allow_loopback: bool) -> Option<AddressRefusal> {
        AddressRules { allow_loopback }
            .check(text.parse().unwrap())
            .err()
    }

    #[test]
    fn link_local_and_metadata_are_refused_in_every_spelling() {
        for text in [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "2001:0:1:2:3:4:5601:5601",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
        ] {
            for allow_loopback in [false, true] {
                assert!(refused(text, allow_loopback).is_some(), "{text}");
            }
        }
    }

    #[test]
    fn loopback_needs_permission_in_every_spelling() {
        for text in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(
                matches!(refused(text, false), Some(AddressRefusal::Loopback(_))),
                "{text}"
            );
            assert_eq!(refused(text, true), None, "{text}");
        }
    }

    #[test]
    fn others_are_fine() {
        for text in [
            "140.82.121.4",
            "10.0.0.1",
            "192.168.1.1",
            "fd12::1",
            "2606:50c0::1",
        ] {
            assert_eq!(refused(text, false), None, "{text}");
        }
    }
}
