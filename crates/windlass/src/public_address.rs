//! URLs that clients on this machine use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::settings::Settings;

/// The port that a URL with `https` need not name.
const HTTPS_PORT: u16 = 443;

/// URL of the Cloud Foundry API.
pub fn cf_api(settings: &Settings) -> String {
    api(
        settings.cf_url.as_ref(),
        settings.listen_names.cf.as_ref(),
        settings.listen.cf,
    )
}

/// URL of the DigitalOcean API.
pub fn digitalocean_api(settings: &Settings) -> String {
    api(
        settings.digitalocean_url.as_ref(),
        settings.listen_names.digitalocean.as_ref(),
        settings.listen.digitalocean,
    )
}

/// URL of the Vercel API.
pub fn vercel_api(settings: &Settings) -> String {
    api(
        settings.vercel_url.as_ref(),
        settings.listen_names.vercel.as_ref(),
        settings.listen.vercel,
    )
}

/// The URL that was set, else one made of the name or the address. Some clients take no port, so
/// the usual one is left out.
fn api(url: Option<&String>, name: Option<&String>, listen: SocketAddr) -> String {
    if let Some(url) = url {
        return url.clone();
    }
    let host = name.cloned().unwrap_or_else(|| match local(listen).ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    });
    match listen.port() {
        HTTPS_PORT => format!("https://{host}"),
        port => format!("https://{host}:{port}"),
    }
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
    fn the_usual_port_is_left_out() {
        let name = "api.example.com".to_owned();
        let url = "https://cf.example.com".to_owned();
        let at = |address: &str| address.parse().expect("address");
        for (url, name, address, shown) in [
            (None, Some(&name), "10.0.0.1:443", "https://api.example.com"),
            (
                None,
                Some(&name),
                "10.0.0.1:8443",
                "https://api.example.com:8443",
            ),
            (None, None, "0.0.0.0:443", "https://127.0.0.1"),
            (None, None, "[::]:8443", "https://[::1]:8443"),
            (
                Some(&url),
                Some(&name),
                "10.0.0.1:443",
                "https://cf.example.com",
            ),
        ] {
            assert_eq!(api(url, name, at(address)), shown);
        }
    }

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
