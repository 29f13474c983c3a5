//! Domains: shared ones of the installation, private ones of organizations.

use serde_json::json;
use windlass_engine::id::{DomainId, OrganizationId};
use windlass_engine::records::{Actor, Domain, Metadata, Organization, Route};
use windlass_store::{Cell, Column, Filter, ListPage, ListQuery, Reader, StoreError, Unique};

use super::{Subject, Tenancy, live_organization, put_event};
use crate::error::Error;
use crate::identity::Grants;

/// Longest domain name, characters.
pub const MAX_DOMAIN_CHARS: usize = 253;
/// Longest label of a domain name, characters.
const MAX_LABEL_CHARS: usize = 63;

/// A domain to be.
#[derive(Debug, Clone)]
pub struct NewDomain {
    /// Name; kept in lower case.
    pub name: String,
    /// Whether it is for traffic between apps only.
    pub internal: bool,
    /// Owner; `None` = shared.
    pub organization: Option<OrganizationId>,
    /// Other organizations that may use it.
    pub shared_with: Vec<OrganizationId>,
    /// Labels and annotations.
    pub metadata: Metadata,
}

impl NewDomain {
    /// A shared domain.
    pub fn shared(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            internal: false,
            organization: None,
            shared_with: Vec::new(),
            metadata: Metadata::default(),
        }
    }
}

impl Tenancy {
    /// Creates a domain.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name; [`Error::Taken`] for the same name; [`Error::Conflict`]
    /// when the name lies below a domain of somebody else or is the host of a route;
    /// [`Error::NotFound`] without the organization.
    pub async fn create_domain(&self, actor: &Actor, new: NewDomain) -> Result<Domain, Error> {
        let name = new.name.to_lowercase();
        check_domain_name(&name)?;
        let by = self.by(actor);
        self.store
            .write(move |tx| {
                let owners = new.organization.iter().chain(&new.shared_with);
                for organization in owners {
                    live_organization(tx, organization)?;
                }
                if tx
                    .find::<Domain>(&[Filter::is(Column::Name, name.as_str())])?
                    .is_some()
                {
                    return Err(Error::Taken {
                        what: "domain name",
                        value: name,
                    });
                }
                check_overlap(tx, &name, new.organization.as_ref())?;
                let mut shared_with = new.shared_with;
                shared_with.sort();
                shared_with.dedup();
                let domain = Domain {
                    id: DomainId::new(uuid::Uuid::new_v4().to_string()),
                    name,
                    internal: new.internal,
                    organization: new.organization,
                    shared_with,
                    metadata: new.metadata,
                    stamps: by.stamps(tx),
                };
                tx.put(&domain).map_err(|error| match error {
                    StoreError::Duplicate {
                        what: Unique::DomainName,
                    } => Error::Taken {
                        what: "domain name",
                        value: domain.name.clone(),
                    },
                    other => other.into(),
                })?;
                put_event(
                    tx,
                    &by,
                    "audit.domain.create",
                    domain_subject(&domain),
                    json!({}),
                )?;
                Ok(domain)
            })
            .await
            .map_err(crate::identity::flatten)
    }

    /// Replaces labels and annotations of a domain.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn update_domain(&self, id: &DomainId, metadata: Metadata) -> Result<Domain, Error> {
        self.change_domain(id, move |domain| {
            domain.metadata = metadata;
            Ok(())
        })
        .await
    }

    /// Lets more organizations use a private domain.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] for a shared domain.
    pub async fn share_domain(
        &self,
        id: &DomainId,
        organizations: Vec<OrganizationId>,
    ) -> Result<Domain, Error> {
        self.change_domain(id, move |domain| {
            if domain.organization.is_none() {
                return Err(Error::Conflict(
                    "only private domains are shared".to_owned(),
                ));
            }
            let owner = domain.organization.clone();
            domain.shared_with.extend(organizations);
            domain
                .shared_with
                .retain(|organization| Some(organization) != owner.as_ref());
            domain.shared_with.sort();
            domain.shared_with.dedup();
            Ok(())
        })
        .await
    }

    /// Ends the sharing of a private domain with an organization.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when it is not shared with it.
    pub async fn unshare_domain(
        &self,
        id: &DomainId,
        organization: &OrganizationId,
    ) -> Result<Domain, Error> {
        let organization = organization.clone();
        self.change_domain(id, move |domain| {
            let before = domain.shared_with.len();
            domain.shared_with.retain(|shared| *shared != organization);
            if domain.shared_with.len() == before {
                return Err(Error::Conflict(
                    "the domain is not shared with it".to_owned(),
                ));
            }
            Ok(())
        })
        .await
    }

    /// One domain, if the caller sees it.
    pub fn domain(&self, grants: &Grants, id: &DomainId) -> Result<Option<Domain>, Error> {
        let id = id.clone();
        let domain = self.store.read(move |reader| reader.get::<Domain>(&id))?;
        let seen = grants.visible_organizations();
        Ok(domain.filter(|domain| match (&domain.organization, &seen) {
            (None, _) | (_, None) => true,
            (Some(owner), Some(seen)) => {
                seen.contains(owner) || domain.shared_with.iter().any(|id| seen.contains(id))
            }
        }))
    }

    /// Domains that the caller sees.
    pub async fn list_domains(
        &self,
        grants: &Grants,
        mut query: ListQuery,
    ) -> Result<ListPage<Domain>, Error> {
        if let Some(seen) = grants.visible_organizations() {
            let ids: Vec<String> = seen.iter().map(ToString::to_string).collect();
            query.filters.push(usable_by(&ids));
        }
        Ok(self
            .store
            .read_list(move |reader| reader.list::<Domain>(&query))
            .await?)
    }

    /// Domains that an organization can use: shared ones, its own, and those shared with it.
    pub async fn list_organization_domains(
        &self,
        organization: &OrganizationId,
        mut query: ListQuery,
    ) -> Result<ListPage<Domain>, Error> {
        query.filters.push(usable_by(&[organization.to_string()]));
        Ok(self
            .store
            .read_list(move |reader| reader.list::<Domain>(&query))
            .await?)
    }

    /// The domain that routes of an organization get when nobody names one: the oldest shared one
    /// that is not internal, else its own oldest.
    pub fn default_domain(&self, organization: &OrganizationId) -> Result<Option<Domain>, Error> {
        let id = organization.to_string();
        Ok(self.store.read(move |reader| {
            let external = Filter::is(Column::Internal, false);
            let shared = [external.clone(), Filter::is_null(Column::Organization)];
            match reader.find::<Domain>(&shared)? {
                Some(domain) => Ok(Some(domain)),
                None => reader.find::<Domain>(&[external, usable_by(&[id])]),
            }
        })?)
    }

    async fn change_domain(
        &self,
        id: &DomainId,
        change: impl FnOnce(&mut Domain) -> Result<(), Error> + Send + 'static,
    ) -> Result<Domain, Error> {
        let (id, at) = (id.clone(), (self.wall)());
        self.store
            .write(move |tx| {
                let mut domain = tx
                    .get::<Domain>(&id)?
                    .ok_or(Error::NotFound { what: "domain" })?;
                change(&mut domain)?;
                for organization in &domain.shared_with {
                    if tx.get::<Organization>(organization)?.is_none() {
                        return Err(Error::NotFound {
                            what: "organization",
                        });
                    }
                }
                domain.stamps.updated_at = at;
                tx.put(&domain)?;
                Ok(domain)
            })
            .await
            .map_err(crate::identity::flatten)
    }
}

/// Shared domains, and those that one of these organizations owns or shares.
fn usable_by(organizations: &[String]) -> Filter {
    let mut owners: Vec<Cell> = organizations.iter().map(|id| id.as_str().into()).collect();
    let shares = Filter::In(Column::SharedWith, owners.clone());
    owners.push(Cell::Null);
    Filter::Any(vec![Filter::In(Column::Organization, owners), shares])
}

/// Refuses a name below a private domain of another organization, and one that is in use as the
/// host of a route.
fn check_overlap(
    reader: &Reader<'_>,
    name: &str,
    organization: Option<&OrganizationId>,
) -> Result<(), Error> {
    let parents: Vec<&str> = name
        .match_indices('.')
        .map(|(at, _)| &name[at + 1..])
        .collect();
    let above = reader.all::<Domain>(vec![Filter::one_of(Column::Name, parents)])?;
    let foreign = above.iter().find(|parent| {
        parent.organization.is_some() && parent.organization.as_ref() != organization
    });
    if let Some(parent) = foreign {
        return Err(reserved(name, &parent.name, "by another domain"));
    }
    if let Some(host) = crate::hosts::reserving(reader, name)? {
        return Err(reserved(name, &host.full_host, "by an app"));
    }
    let route = reader.find::<Route>(&[Filter::is(Column::FullHost, name)])?;
    match route {
        Some(route) => Err(reserved(name, &route.full_host, "by a route")),
        None => Ok(()),
    }
}

fn reserved(name: &str, other: &str, by_whom: &str) -> Error {
    Error::Conflict(format!(
        "The domain name \"{name}\" cannot be created because \"{other}\" is already reserved \
         {by_whom}"
    ))
}

fn check_domain_name(name: &str) -> Result<(), Error> {
    let label = |label: &str| {
        (1..=MAX_LABEL_CHARS).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if name.len() <= MAX_DOMAIN_CHARS && name.contains('.') && name.split('.').all(label) {
        return Ok(());
    }
    Err(Error::Invalid {
        field: "name".to_owned(),
        reason: "must be a domain name of letters, digits, hyphens and at least one dot".to_owned(),
    })
}

/// A domain as the audit trail names it.
pub(crate) fn domain_subject(domain: &Domain) -> Subject {
    let subject = Subject::new("domain", domain.id.as_str(), &domain.name);
    match &domain.organization {
        Some(organization) => subject.within(organization, None),
        None => subject,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a.b", "apps.localhost", "x-1.example.org"] {
            assert!(check_domain_name(good).is_ok(), "{good}");
        }
        let long = format!("{}.org", "a".repeat(64));
        for bad in [
            "", "nodot", ".a", "a.", "a..b", "-a.b", "a-.b", "a_b.c", "é.org", &long,
        ] {
            assert!(check_domain_name(bad).is_err(), "{bad}");
        }
    }
}
