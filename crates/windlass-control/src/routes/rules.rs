//! What a route may be, as pure functions.

use windlass_engine::id::{AppId, ComponentName, DestinationId};
use windlass_engine::records::{Destination, Domain, Organization, Protocol};

use super::MAX_DESTINATIONS;

/// Longest host name, characters (DNS).
const MAX_FULL_HOST_CHARS: usize = 253;

/// Why a route is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteRefusal {
    /// Another route has the address.
    #[error("another route has this host and path")]
    Taken,
    /// A route of another space has the host.
    #[error("the host belongs to another space")]
    HostInOtherSpace,
    /// An app has the host of its own.
    #[error("the host belongs to an app")]
    HostOfApp,
    /// The host is a domain.
    #[error("{domain} is a domain")]
    ConflictsWithDomain {
        /// Its name.
        domain: String,
    },
    /// A private domain of another organization.
    #[error("the organization can't use the domain")]
    DomainNotAvailable,
    /// Shared domains can't be used without a host.
    #[error("a route of a shared domain needs a host")]
    HostMissing,
    /// Host and domain are too long together.
    #[error("host and domain are longer than {MAX_FULL_HOST_CHARS} characters together")]
    HostTooLong,
    /// Internal domains have no wildcard routes.
    #[error("an internal domain has no wildcard routes")]
    WildcardOnInternalDomain,
    /// Internal domains have no paths.
    #[error("an internal domain has no paths")]
    PathOnInternalDomain,
    /// Too many destinations.
    #[error("a route has at most {MAX_DESTINATIONS} destinations")]
    TooManyDestinations,
    /// Two destinations are the same.
    #[error("destinations contain duplicates")]
    DuplicateDestinations,
    /// Destinations can't be added to weighted ones.
    #[error("destinations can't be added to weighted ones; replace all of them")]
    InsertIntoWeighted,
    /// A weighted destination can't be deleted alone.
    #[error("a weighted destination can't be deleted alone; replace all of them")]
    DeleteOfWeighted,
    /// The route leads there already, by another protocol.
    #[error("the route leads there already, by another protocol")]
    OtherProtocol {
        /// What it is.
        existing: Destination,
        /// What was asked for.
        asked: Protocol,
    },
    /// Weights are either absent or add up to 100.
    #[error("weights must be absent or add up to 100")]
    BadWeights,
    /// The route has no such destination.
    #[error("the route has no such destination")]
    NoSuchDestination,
    /// The app does not exist.
    #[error("there is no app {app}")]
    NoSuchApp {
        /// Which.
        app: AppId,
    },
    /// The app lies in another space.
    #[error("the app lies in another space than the route")]
    AppElsewhere,
}

/// A destination to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDestination {
    /// The app.
    pub app: AppId,
    /// The routed component.
    pub component: ComponentName,
    /// Whole percent.
    pub weight: Option<u8>,
    /// Port that was asked for (shown only).
    pub port: Option<u16>,
    /// Protocol; `None` = HTTP/1.1.
    pub protocol: Option<Protocol>,
}

impl NewDestination {
    fn protocol(&self) -> Protocol {
        self.protocol.unwrap_or(Protocol::Http1)
    }

    fn leads_to(&self, destination: &Destination) -> bool {
        self.app == destination.app
            && self.component == destination.component
            && self.port == destination.port
    }
}

/// Host name of a host label below a domain.
pub(super) fn full_host(host: &str, domain: &str) -> String {
    if host.is_empty() {
        domain.to_owned()
    } else {
        format!("{host}.{domain}")
    }
}

/// Judges host and path against domain and organization.
pub(super) fn check_new(
    organization: &Organization,
    domain: &Domain,
    host: &str,
    path: &str,
) -> Result<(), RouteRefusal> {
    let may_use = domain.organization.as_ref().is_none_or(|owner| {
        *owner == organization.id || domain.shared_with.contains(&organization.id)
    });
    if !may_use {
        return Err(RouteRefusal::DomainNotAvailable);
    }
    if domain.organization.is_none() && host.is_empty() {
        return Err(RouteRefusal::HostMissing);
    }
    if full_host(host, &domain.name).chars().count() > MAX_FULL_HOST_CHARS {
        return Err(RouteRefusal::HostTooLong);
    }
    if domain.internal && host == "*" {
        return Err(RouteRefusal::WildcardOnInternalDomain);
    }
    if domain.internal && !path.is_empty() {
        return Err(RouteRefusal::PathOnInternalDomain);
    }
    Ok(())
}

/// The destinations with more of them. Those that are there already stay as they are.
///
/// # Errors
/// [`RouteRefusal`] of destinations.
pub fn with_inserted(
    before: &[Destination],
    added: &[NewDestination],
    new_id: &mut dyn FnMut() -> DestinationId,
) -> Result<Vec<Destination>, RouteRefusal> {
    if before.iter().any(|it| it.weight.is_some()) {
        return Err(RouteRefusal::InsertIntoWeighted);
    }
    check_unique(added)?;
    let mut after = before.to_vec();
    for new in added {
        match before.iter().find(|it| new.leads_to(it)) {
            Some(existing) if existing.protocol != new.protocol() => {
                let existing = existing.clone();
                return Err(RouteRefusal::OtherProtocol {
                    existing,
                    asked: new.protocol(),
                });
            }
            Some(_) => {}
            None => after.push(made(new, new_id())),
        }
    }
    check_all(&after)?;
    Ok(after)
}

/// Other destinations in place of those that there are. What leads to the same place by the same
/// protocol keeps its id.
///
/// # Errors
/// [`RouteRefusal`] of destinations.
pub fn with_replaced(
    before: &[Destination],
    wanted: &[NewDestination],
    new_id: &mut dyn FnMut() -> DestinationId,
) -> Result<Vec<Destination>, RouteRefusal> {
    check_unique(wanted)?;
    let after: Vec<Destination> = wanted
        .iter()
        .map(|new| {
            let same = before.iter().find(|it| {
                new.leads_to(it) && it.protocol == new.protocol() && it.weight == new.weight
            });
            same.cloned().unwrap_or_else(|| made(new, new_id()))
        })
        .collect();
    check_all(&after)?;
    Ok(after)
}

fn made(new: &NewDestination, id: DestinationId) -> Destination {
    Destination {
        id,
        app: new.app.clone(),
        component: new.component.clone(),
        revision: None,
        weight: new.weight,
        port: new.port,
        protocol: new.protocol(),
    }
}

fn check_unique(list: &[NewDestination]) -> Result<(), RouteRefusal> {
    let key = |it: &NewDestination| (it.app.clone(), it.component.clone(), it.port);
    let mut keys: Vec<_> = list.iter().map(key).collect();
    keys.sort();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(RouteRefusal::DuplicateDestinations);
    }
    Ok(())
}

fn check_all(list: &[Destination]) -> Result<(), RouteRefusal> {
    if list.len() > MAX_DESTINATIONS {
        return Err(RouteRefusal::TooManyDestinations);
    }
    let weights: Vec<u16> = list
        .iter()
        .filter_map(|it| it.weight.map(u16::from))
        .collect();
    if weights.is_empty() || (weights.len() == list.len() && weights.iter().sum::<u16>() == 100) {
        return Ok(());
    }
    Err(RouteRefusal::BadWeights)
}

#[cfg(test)]
mod tests {
    use windlass_engine::id::{DomainId, OrganizationId};
    use windlass_engine::records::{Metadata, Quota, Stamps};

    use super::*;

    fn organization() -> Organization {
        Organization {
            id: OrganizationId::from("o"),
            name: "o".to_owned(),
            suspended: false,
            deleting: false,
            quota: Quota::default(),
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        }
    }

    fn domain(owner: Option<&str>, internal: bool) -> Domain {
        Domain {
            id: DomainId::from("d"),
            name: "example.org".to_owned(),
            internal,
            organization: owner.map(OrganizationId::from),
            shared_with: Vec::new(),
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        }
    }

    fn to(app: &str, weight: Option<u8>) -> NewDestination {
        NewDestination {
            app: AppId::from(app),
            component: ComponentName::from("web"),
            weight,
            port: None,
            protocol: None,
        }
    }

    fn counter() -> impl FnMut() -> DestinationId {
        let mut next = 0;
        move || {
            next += 1;
            DestinationId::new(format!("n{next}"))
        }
    }

    fn apps(list: &[Destination]) -> Vec<(&str, &str)> {
        list.iter()
            .map(|it| (it.id.as_str(), it.app.as_str()))
            .collect()
    }

    #[test]
    fn host_and_path_follow_the_domain() {
        let shared = domain(None, false);
        let own = domain(Some("o"), false);
        let foreign = domain(Some("x"), false);
        let internal = domain(None, true);
        let long = "h".repeat(63) + &".h".repeat(95);
        for (domain, host, path, wanted) in [
            (&shared, "shop", "/cart", Ok(())),
            (&shared, "", "", Err(RouteRefusal::HostMissing)),
            (&own, "", "", Ok(())),
            (&foreign, "shop", "", Err(RouteRefusal::DomainNotAvailable)),
            (
                &internal,
                "*",
                "",
                Err(RouteRefusal::WildcardOnInternalDomain),
            ),
            (
                &internal,
                "shop",
                "/x",
                Err(RouteRefusal::PathOnInternalDomain),
            ),
            (&shared, long.as_str(), "", Err(RouteRefusal::HostTooLong)),
        ] {
            assert_eq!(
                check_new(&organization(), domain, host, path),
                wanted,
                "{host} {path}"
            );
        }
        let borrowed = Domain {
            shared_with: vec![OrganizationId::from("o")],
            ..foreign.clone()
        };
        assert_eq!(check_new(&organization(), &borrowed, "shop", ""), Ok(()));
    }

    #[test]
    fn an_insertion_keeps_what_is_there() {
        let before = with_inserted(&[], &[to("a", None)], &mut counter()).unwrap();
        let mut ids = counter();
        ids();
        let after = with_inserted(&before, &[to("a", None), to("b", None)], &mut ids).unwrap();
        assert_eq!(apps(&after), [("n1", "a"), ("n2", "b")]);
        let http2 = NewDestination {
            protocol: Some(Protocol::Http2),
            ..to("a", None)
        };
        let refused = with_inserted(&before, &[http2], &mut counter());
        assert!(matches!(refused, Err(RouteRefusal::OtherProtocol { .. })));
        let twice = [to("b", None), to("b", None)];
        assert_eq!(
            with_inserted(&before, &twice, &mut counter()),
            Err(RouteRefusal::DuplicateDestinations)
        );
    }

    #[test]
    fn weights_are_all_or_none_and_add_up() {
        let weighted = [to("a", Some(60)), to("b", Some(40))];
        let before = with_replaced(&[], &weighted, &mut counter()).unwrap();
        assert_eq!(
            with_inserted(&before, &[to("c", None)], &mut counter()),
            Err(RouteRefusal::InsertIntoWeighted)
        );
        for bad in [
            vec![to("a", Some(60))],
            vec![to("a", Some(100)), to("b", None)],
        ] {
            assert_eq!(
                with_replaced(&before, &bad, &mut counter()),
                Err(RouteRefusal::BadWeights)
            );
        }
    }

    #[test]
    fn a_replacement_keeps_the_ids_of_what_stays() {
        let before = with_replaced(&[], &[to("a", None), to("b", None)], &mut counter()).unwrap();
        let mut ids = counter();
        (0..5).for_each(|_| drop(ids()));
        let after = with_replaced(&before, &[to("b", None), to("c", None)], &mut ids).unwrap();
        assert_eq!(apps(&after), [("n2", "b"), ("n6", "c")]);
        assert_eq!(with_replaced(&before, &[], &mut counter()), Ok(Vec::new()));
    }

    #[test]
    fn a_route_has_a_limited_number_of_destinations() {
        let many: Vec<NewDestination> = (0..=MAX_DESTINATIONS)
            .map(|n| to(&n.to_string(), None))
            .collect();
        assert_eq!(
            with_replaced(&[], &many, &mut counter()),
            Err(RouteRefusal::TooManyDestinations)
        );
        assert!(with_replaced(&[], &many[1..], &mut counter()).is_ok());
    }
}
