//! What a request says about who should answer it.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use hyper::body::Incoming;

use super::answer::Answer;
use super::target::{Target, asked};
use super::{headers, sticky};
use crate::compiled::CompiledGroup;
use crate::matching::FoundBy;
use crate::pick::{Visitor, Wish};
use crate::worker::{Peer, Worker};

/// What the request says about its instance.
#[derive(Debug)]
pub(super) struct Wishes {
    pub(super) named: Option<(String, u32)>,
    pub(super) pinned: Option<String>,
    /// Where the request comes from.
    address: IpAddr,
    query: Option<String>,
}

impl Wishes {
    pub(super) fn of(
        worker: &Worker,
        peer: &Peer,
        request: &Request<Incoming>,
        target: &Target,
    ) -> Result<Self, Answer> {
        let address = headers::client_address(
            request.headers(),
            peer.address.ip(),
            worker.shared.trust_forwarded_headers,
        );
        let named =
            sticky::named_instance(request.headers()).map_err(|()| Answer::InstanceHeader)?;
        let named = named.map(|(app, index)| (app.to_owned(), index));
        let query = target.path.query().map(str::to_owned);
        if !sticky::has_pin(request.headers()) {
            return Ok(Self {
                named,
                pinned: None,
                address,
                query,
            });
        }
        let table = worker.table();
        let found = table.find(asked(request, target));
        let rule = found.and_then(|found| match found.by {
            FoundBy::Rule(rule, _) => Some(rule),
            FoundBy::Redirect(_) | FoundBy::Nothing => None,
        });
        let pinned = rule
            .into_iter()
            .flat_map(|rule| &rule.destinations)
            .filter_map(|id| table.groups.get(id))
            .find_map(|group| sticky::pinned_instance(request.headers(), &group.sticky_cookies));
        Ok(Self {
            named,
            pinned,
            address,
            query,
        })
    }

    /// Where the request comes from.
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    fn visitor<'a>(&self, headers: &'a HeaderMap) -> Visitor<'a> {
        Visitor {
            address: self.address,
            headers,
        }
    }

    /// What a response says about the visitor's version.
    pub(super) fn notes(
        &self,
        headers: &HeaderMap,
        group: &CompiledGroup,
        version: usize,
        peer: &Peer,
    ) -> Vec<(HeaderName, HeaderValue)> {
        self.visitor(headers).notes(group, version, peer.is_tls)
    }

    pub(super) fn wish<'a>(&'a self, headers: &'a HeaderMap, failed: &'a [Arc<str>]) -> Wish<'a> {
        Wish {
            pinned: self.pinned.as_deref(),
            named: self
                .named
                .as_ref()
                .map(|(app, index)| (app.as_str(), *index)),
            failed,
            visitor: Some(self.visitor(headers)),
            query: self.query.as_deref(),
        }
    }
}
