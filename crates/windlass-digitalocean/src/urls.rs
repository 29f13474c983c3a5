//! Absolute addresses in answers: of this API, and of apps as the router serves them.

/// Where this API and the apps are reached from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Urls {
    api: String,
    scheme: String,
    /// `None` = the scheme's own.
    port: Option<u16>,
}

impl Urls {
    /// `api` and `router` are scheme, host and port; trailing slashes go.
    pub(crate) fn new(api: &str, router: &str) -> Self {
        let (scheme, rest) = router.split_once("://").unwrap_or(("https", router));
        let authority = rest.trim_end_matches('/');
        let port = authority
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse::<u16>().ok())
            .filter(|port| !matches!((scheme, *port), ("https", 443) | ("http", 80)));
        Self {
            api: api.trim_end_matches('/').to_owned(),
            scheme: scheme.to_owned(),
            port,
        }
    }

    /// Address of a path of this API.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.api)
    }

    /// Address of an app by its host.
    pub(crate) fn of_host(&self, host: &str) -> String {
        match self.port {
            Some(port) => format!("{}://{host}:{port}", self.scheme),
            None => format!("{}://{host}", self.scheme),
        }
    }

    /// Scheme of apps' addresses.
    pub(crate) fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Port of apps' addresses; `None` = the scheme's own.
    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_absolute() {
        let urls = Urls::new("https://127.0.0.1:8445/", "https://127.0.0.1:8444");
        assert_eq!(urls.at("/v2/apps"), "https://127.0.0.1:8445/v2/apps");
        assert_eq!(
            urls.of_host("a.apps.localhost"),
            "https://a.apps.localhost:8444"
        );
        let urls = Urls::new("https://api", "https://10.0.0.1:443");
        assert_eq!(urls.of_host("a.example"), "https://a.example");
        let urls = Urls::new("https://api", "https://[::1]:444");
        assert_eq!(urls.of_host("a.example"), "https://a.example:444");
        let urls = Urls::new("https://api", "https://host");
        assert_eq!(urls.of_host("a.example"), "https://a.example");
    }
}
