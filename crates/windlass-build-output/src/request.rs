//! What routes look at.

/// A request for a site.
#[derive(Debug, Clone, Copy)]
pub struct SiteRequest<'a> {
    /// Upper case.
    pub method: &'a str,
    /// Lower case, without port.
    pub host: &'a str,
    /// Still encoded, beginning with `/`.
    pub path: &'a str,
    /// Still encoded, without `?`.
    pub query: &'a str,
    /// Names in lower case; a name may occur several times.
    pub headers: &'a [(String, String)],
}

impl<'a> SiteRequest<'a> {
    /// Values of a header, by its name in lower case.
    pub(crate) fn header_values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// Values of a cookie.
    pub(crate) fn cookie_values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.header_values("cookie")
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(move |(found, _)| *found == name)
            .map(|(_, value)| value)
    }
}
