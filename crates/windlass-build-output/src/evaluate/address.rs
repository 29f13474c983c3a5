//! Paths and addresses that routes make.

use crate::query::Query;

/// A path with exactly one slash at its begin, so that it names no host.
pub(super) fn rooted(path: &str) -> String {
    let path = path.trim_start_matches(['/', '\\']);
    format!("/{path}")
}

/// Where a redirect leads. An own address stays one whatever was put into it,
/// and the query of the request goes along.
pub(super) fn location(location: &str, is_own: bool, query: &Query) -> String {
    let (address, fragment) = match location.split_once('#') {
        Some((address, fragment)) => (address, Some(fragment)),
        None => (location, None),
    };
    let (address, own_query) = address.split_once('?').unwrap_or((address, ""));
    let mut location = if is_own {
        rooted(address)
    } else {
        address.to_owned()
    };
    let mut merged = Query::parse(own_query);
    merged.add_missing(query);
    if !merged.is_empty() {
        location.push('?');
        location.push_str(&merged.text());
    }
    if let Some(fragment) = fragment {
        location.push('#');
        location.push_str(fragment);
    }
    location
}
