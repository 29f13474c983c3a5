//! Requests that name the version which they are for: what a page loads later
//! comes from the version that the page came from, whatever the shares say.

use std::sync::Arc;

use http::HeaderMap;
use http::header::COOKIE;

use super::Wish;
use crate::compiled::{Compiled, CompiledGroup};
use crate::table::Pins;

/// A longer name is none of a version, in bytes.
const NAME_LIMIT_BYTES: usize = 128;

/// The group of the version that a request for this group names, if that is
/// published. Only the group of an app has names for pins: a version's own group
/// answers for itself.
pub(super) fn version_asked_for<'a>(
    table: &'a Compiled,
    group: &CompiledGroup,
    wish: Wish<'_>,
) -> Option<&'a Arc<CompiledGroup>> {
    let pins = group.pins.as_ref()?;
    let headers = wish.visitor?.headers;
    let name = name(pins, headers, wish.query)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if name.len() > NAME_LIMIT_BYTES || !name.bytes().all(is_plain) {
        return None;
    }
    table.groups.get(format!("{}@{name}", group.id).as_str())
}

/// What the request says first.
fn name<'a>(pins: &Pins, headers: &'a HeaderMap, query: Option<&'a str>) -> Option<&'a str> {
    let pairs = query.into_iter().flat_map(|query| query.split('&'));
    let mut parameters = pairs.filter_map(|pair| pair.split_once('='));
    let in_query = parameters.find(|(name, _)| *name == pins.parameter);
    let in_header = || headers.get(pins.header.as_str())?.to_str().ok();
    let in_cookie = || {
        let lines = headers.get_all(COOKIE).iter();
        lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == pins.cookie)
            .map(|(_, value)| value)
    };
    in_query
        .map(|(_, value)| value)
        .or_else(in_header)
        .or_else(in_cookie)
}
