//! URLs that clients on this machine use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::settings::Settings;

/// URL of the Cloud Foundry API.
pub fn cf_api(settings: &Settings) -> String {
    settings
        .cf_url
        .clone()
        .unwrap_or_else(|| format!("https://{}", local(settings.listen.cf)))
}

/// URL of the DigitalOcean API.
pub fn digitalocean_api(settings: &Settings) -> String {
    settings
        .digitalocean_url
        .clone()
        .unwrap_or_else(|| format!("https://{}", local(settings.listen.digitalocean)))
}

/// URL of the Vercel API.
pub fn vercel_api(settings: &Settings) -> String {
    settings
        .vercel_url
        .clone()
        .unwrap_or_else(|| format!("https://{}", local(settings.listen.vercel)))
}

/// URL of the router without TLS.
pub fn router_http(settings: &Settings) -> String {
    format!("http://{}", local(settings.listen.router_http))
}

/// URL of the router with TLS.
pub fn router_https(settings: &Settings) -> String {
    format!("https://{}", local(settings.listen.router_https))
}

/// URL of the counters.
pub fn metrics(settings: &Settings) -> String {
    format!("http://{}/metrics", local(settings.listen.metrics))
}

/// An address that can be connected to: the unspecified one becomes loopback.
fn local(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unspecified_address_is_reached_by_loopback() {
        assert_eq!(
            local("0.0.0.0:443".parse().expect("address")).to_string(),
            "127.0.0.1:443"
        );
        assert_eq!(
            local("[::]:443".parse().expect("address")).to_string(),
            "[::1]:443"
        );
        assert_eq!(
            local("10.0.0.1:1".parse().expect("address")).to_string(),
            "10.0.0.1:1"
        );
    }
}
