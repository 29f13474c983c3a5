//! Rules of routes in Cloud Foundry's words.

use windlass_control::routes::RouteRefusal;
use windlass_engine::records::{Domain, Organization, Protocol};

use super::Found;
use crate::error::ApiError;

/// A refusal of a new address.
pub(super) fn of_address(
    refusal: &RouteRefusal,
    host: &str,
    path: &str,
    domain: &Domain,
    organization: &Organization,
) -> ApiError {
    let name = &domain.name;
    let text = match refusal {
        RouteRefusal::Taken => match (host, path) {
            ("", "") => format!("Route already exists for domain '{name}'."),
            ("", path) => format!("Route already exists with path '{path}' for domain '{name}'."),
            (host, "") => format!("Route already exists with host '{host}' for domain '{name}'."),
            (host, path) => format!(
                "Route already exists with host '{host}' and path '{path}' for domain '{name}'."
            ),
        },
        RouteRefusal::HostInOtherSpace | RouteRefusal::HostOfApp => {
            "Routes for this host and domain have been reserved for another space.".to_owned()
        }
        RouteRefusal::ConflictsWithDomain { domain } => {
            format!("Route conflicts with domain '{domain}'.")
        }
        RouteRefusal::DomainNotAvailable => format!(
            "Invalid domain. Domain '{name}' is not available in organization '{}'.",
            organization.name
        ),
        RouteRefusal::HostMissing => {
            "Missing host. Routes in shared domains must have a host defined.".to_owned()
        }
        RouteRefusal::HostTooLong => {
            "Host combined with domain name must be no more than 253 characters.".to_owned()
        }
        RouteRefusal::WildcardOnInternalDomain => {
            "Wildcard hosts are not supported for internal domains.".to_owned()
        }
        RouteRefusal::PathOnInternalDomain => {
            "Paths are not supported for internal domains.".to_owned()
        }
        other => destination_text(other).to_owned(),
    };
    ApiError::unprocessable(text)
}

/// A refusal of destinations.
pub(super) fn of_destinations(refusal: &RouteRefusal, found: &Found) -> ApiError {
    if let RouteRefusal::OtherProtocol { existing, asked } = refusal {
        return ApiError::unprocessable(format!(
            "Cannot add destination with protocol: {}. Destination already exists for route: \
             {}{}, app: {}, process: {}, and protocol: {}.",
            protocol_word(*asked),
            found.route.full_host,
            found.route.path,
            existing.app,
            existing.component,
            protocol_word(existing.protocol),
        ));
    }
    if let RouteRefusal::NoSuchApp { app } = refusal {
        let text = format!("App(s) with guid(s) \"{app}\" do not exist.");
        return ApiError::unprocessable(text);
    }
    ApiError::unprocessable(destination_text(refusal))
}

fn protocol_word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http1 => "http1",
        Protocol::Http2 => "http2",
    }
}

fn destination_text(refusal: &RouteRefusal) -> &'static str {
    match refusal {
        RouteRefusal::TooManyDestinations => "Routes can be mapped to at most 100 destinations.",
        RouteRefusal::DuplicateDestinations => "Destinations cannot contain duplicate entries",
        RouteRefusal::InsertIntoWeighted => {
            "Destinations cannot be inserted when there are weighted destinations already \
             configured."
        }
        RouteRefusal::DeleteOfWeighted => "Weighted destinations cannot be deleted individually.",
        RouteRefusal::BadWeights => "Destinations must have weights that sum to 100.",
        RouteRefusal::NoSuchDestination => {
            "Unable to unmap route from destination. Ensure the route has a destination with this \
             guid."
        }
        RouteRefusal::AppElsewhere => {
            "Routes destinations must be in either the route's space or the route's shared spaces"
        }
        RouteRefusal::OtherProtocol { .. } | RouteRefusal::NoSuchApp { .. } => {
            "Destinations are invalid."
        }
        RouteRefusal::Taken
        | RouteRefusal::HostInOtherSpace
        | RouteRefusal::HostOfApp
        | RouteRefusal::ConflictsWithDomain { .. }
        | RouteRefusal::DomainNotAvailable
        | RouteRefusal::HostMissing
        | RouteRefusal::HostTooLong
        | RouteRefusal::WildcardOnInternalDomain
        | RouteRefusal::PathOnInternalDomain => "Route is invalid.",
    }
}

#[cfg(test)]
mod tests {
    use windlass_engine::id::{DomainId, OrganizationId};
    use windlass_engine::records::{Metadata, Quota, Stamps};

    use super::*;

    #[test]
    fn a_taken_address_is_named() {
        let domain = Domain {
            id: DomainId::from("d"),
            name: "example.org".to_owned(),
            internal: false,
            organization: None,
            shared_with: Vec::new(),
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        };
        let organization = Organization {
            id: OrganizationId::from("o"),
            name: "o".to_owned(),
            suspended: false,
            deleting: false,
            quota: Quota::default(),
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        };
        let text = |host: &str, path: &str| {
            of_address(&RouteRefusal::Taken, host, path, &domain, &organization)
                .detail()
                .to_owned()
        };
        assert_eq!(
            text("shop", ""),
            "Route already exists with host 'shop' for domain 'example.org'."
        );
        assert_eq!(
            text("shop", "/x"),
            "Route already exists with host 'shop' and path '/x' for domain 'example.org'."
        );
        assert_eq!(
            text("", ""),
            "Route already exists for domain 'example.org'."
        );
    }
}
