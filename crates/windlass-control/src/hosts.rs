//! Host names that apps have of their own: one that the installation gave them, and those that
//! their releases name.
//!
//! A name of a release is the app's from the commit that creates the release, so that nobody else
//! gets it meanwhile, and leads there at once. It goes in the commit in which no release that
//! counts names it any more.

use std::collections::BTreeSet;

use windlass_engine::app::AppState;
use windlass_engine::id::{AppHostId, AppId, CommitNumber, DomainId, OrganizationId};
use windlass_engine::records::{AppHost, AppRecord, Domain, Organization, Route, Stamps};
use windlass_engine::release::{Outcome, Release};
use windlass_store::{Column, Filter, ListQuery, Order, Page, Reader, ReleaseRow, StoreError, Tx};

use crate::clock;
use crate::commands::deploy_whole::OwnHost;
use crate::control::Control;
use crate::error::Error;
use crate::history::ReleaseRecord;
use crate::routes::{self, RouteError, RouteRefusal};

/// What is taken when a host is: the word of [`Error::Taken`].
pub const HOST: &str = "host";

/// Releases that are looked at: the policies keep few of them open.
const NEWEST: u32 = 10;

impl Control {
    /// Refuses hosts that an app of this organization can't have now. `app` is the one that they
    /// are for, if it is there already.
    ///
    /// # Errors
    /// [`Error::Taken`], [`Error::Invalid`].
    pub fn check_hosts(
        &self,
        organization: &OrganizationId,
        app: Option<&AppId>,
        hosts: &BTreeSet<String>,
    ) -> Result<(), Error> {
        self.store().read(|reader| {
            for host in hosts {
                if !is_held_by(reader, host, app)? {
                    check_free(reader, organization, host)?;
                }
            }
            Ok(())
        })
    }

    /// The hosts of an app, the oldest first.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn hosts_of(&self, app: &AppId) -> Result<Vec<AppHost>, Error> {
        Ok(self
            .store()
            .read(|reader| reader.all::<AppHost>(of_app(app)))?)
    }

    /// Publishes hosts as they are now. A failure is only reported, and tried again.
    pub(crate) fn publish_hosts(&self, hosts: &BTreeSet<String>, commit: CommitNumber) {
        for host in hosts {
            let _ = self.publish_host_in_time(host, commit);
        }
    }
}

/// The release that says what an app shall be: the newest one; after a cancel the newest one that
/// is open, else the one that serves. `newest` are those of the app, newest first.
pub fn wanted<'a>(
    newest: &'a [ReleaseRecord],
    serving: Option<&'a ReleaseRecord>,
) -> Option<&'a ReleaseRecord> {
    let first = newest.first()?;
    if !matches!(first.release.outcome(), Some(Outcome::Canceled(_))) {
        return Some(first);
    }
    let open = newest.iter().find(|record| is_open(&record.release));
    Some(open.or(serving).unwrap_or(first))
}

/// Gives an app its own host inside the commit that creates it. Gives the whole name.
pub(crate) fn put_own(
    tx: &mut Tx<'_>,
    app: &AppRecord,
    host: &OwnHost,
) -> Result<String, RouteError> {
    let organization: Organization = crate::tenancy::live_organization(tx, &app.organization)?;
    let domain = tx
        .get::<Domain>(&host.domain)?
        .ok_or(Error::NotFound { what: "domain" })?;
    let full_host = routes::own_host(&organization, &domain, &host.label)?;
    if is_held_by(tx, &full_host, Some(&app.id))? {
        return Err(RouteRefusal::Taken.into());
    }
    check_free(tx, &app.organization, &full_host)?;
    put(tx, &app.id, &full_host, true)?;
    Ok(full_host)
}

/// Makes hosts those of an app. Gives those that are new.
pub(crate) fn claim(
    tx: &mut Tx<'_>,
    app: &AppId,
    hosts: &BTreeSet<String>,
) -> Result<BTreeSet<String>, Error> {
    let record: AppRecord = tx.get(app)?.ok_or(Error::NotFound { what: "app" })?;
    let mut new = BTreeSet::new();
    for host in hosts {
        if is_held_by(tx, host, Some(app))? {
            continue;
        }
        check_free(tx, &record.organization, host)?;
        put(tx, app, host, false)?;
        new.insert(host.clone());
    }
    Ok(new)
}

/// Frees the hosts that no release of an app that counts names any more. Gives them.
pub(crate) fn settle(tx: &mut Tx<'_>, app: &AppId) -> Result<BTreeSet<String>, Error> {
    let mut loose: Vec<AppHost> = tx.all(of_app(app))?;
    loose.retain(|host| !host.is_lasting);
    if loose.is_empty() {
        return Ok(BTreeSet::new());
    }
    let named = named(tx, app)?;
    loose.retain(|host| !named.contains(&host.full_host));
    delete(tx, loose)
}

/// Frees all hosts of an app. Gives them.
pub(crate) fn free(tx: &mut Tx<'_>, app: &AppId) -> Result<BTreeSet<String>, Error> {
    let hosts = tx.all(of_app(app))?;
    delete(tx, hosts)
}

/// Frees the hosts below a domain that is deleted. Gives them.
pub(crate) fn free_below(tx: &mut Tx<'_>, domain: &DomainId) -> Result<BTreeSet<String>, Error> {
    let hosts = tx.all(vec![Filter::is(Column::Domain, domain.as_str())])?;
    delete(tx, hosts)
}

/// Whether a commit has changed which releases count.
pub(crate) fn may_settle(before: &AppState, after: &AppState) -> bool {
    let counting = |state: &AppState| -> Vec<_> {
        let releases = state.releases.iter();
        releases
            .map(|release| (release.id.clone(), is_open(release)))
            .collect()
    };
    before.base != after.base || counting(before) != counting(after)
}

/// Whether an app has exactly this host of its own, or one that covers it.
pub(crate) fn reserving(reader: &Reader<'_>, name: &str) -> Result<Option<AppHost>, StoreError> {
    let names = [name.to_owned(), format!("*.{name}")];
    let above = parents(name).map(|parent| format!("*.{parent}"));
    let names: Vec<String> = names.into_iter().chain(above).collect();
    reader.find(&[Filter::one_of(
        Column::FullHost,
        names.iter().map(String::as_str),
    )])
}

fn of_app(app: &AppId) -> Vec<Filter> {
    vec![Filter::is(Column::App, app.as_str())]
}

fn is_open(release: &Release) -> bool {
    !release.is_restoring() && !release.is_finalized()
}

fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| &name[at + 1..])
}

fn put(tx: &mut Tx<'_>, app: &AppId, host: &str, is_lasting: bool) -> Result<(), Error> {
    let at = clock::wall();
    let name = host.strip_prefix("*.").unwrap_or(host);
    let domains = above(tx, name)?;
    let nearest = domains.iter().max_by_key(|domain| domain.name.len());
    tx.put(&AppHost {
        id: AppHostId::new(uuid::Uuid::new_v4().to_string()),
        app: app.clone(),
        full_host: host.to_owned(),
        domain: nearest.map(|domain| domain.id.clone()),
        is_lasting,
        stamps: Stamps {
            created_at: at,
            updated_at: at,
            created_commit: tx.commit_number(),
        },
    })?;
    Ok(())
}

fn delete(tx: &mut Tx<'_>, hosts: Vec<AppHost>) -> Result<BTreeSet<String>, Error> {
    for host in &hosts {
        tx.delete::<AppHost>(&host.id)?;
    }
    Ok(hosts.into_iter().map(|host| host.full_host).collect())
}

/// What the releases of an app that count name: those that are open, the one that serves, and the
/// one that says what the app shall be.
fn named(reader: &Reader<'_>, app: &AppId) -> Result<BTreeSet<String>, Error> {
    let newest = records(reader, of_app(app), NEWEST)?;
    let mut deployed = of_app(app);
    deployed.push(Filter::is(Column::StatusReason, "DEPLOYED"));
    let serving = records(reader, deployed, 1)?.into_iter().next();
    let open = newest.iter().filter(|record| is_open(&record.release));
    Ok(open
        .chain(&serving)
        .chain(wanted(&newest, serving.as_ref()))
        .flat_map(|record| record.detail.hosts.iter().cloned())
        .collect())
}

fn records(
    reader: &Reader<'_>,
    filters: Vec<Filter>,
    limit: u32,
) -> Result<Vec<ReleaseRecord>, StoreError> {
    let query = ListQuery::filtered(filters)
        .ordered(Order::descending(Column::CreatedCommit))
        .page(Page::first(limit));
    let rows = reader.list::<ReleaseRow>(&query)?.rows;
    rows.iter().map(ReleaseRecord::from_row).collect()
}

/// Whether an app has a host already; another one that has it is an error.
fn is_held_by(reader: &Reader<'_>, host: &str, app: Option<&AppId>) -> Result<bool, Error> {
    match reader.find::<AppHost>(&[Filter::is(Column::FullHost, host)])? {
        None => Ok(false),
        Some(held) if Some(&held.app) == app => Ok(true),
        Some(_) => Err(taken(host)),
    }
}

/// Domains of which a name is one or lies below one.
fn above(reader: &Reader<'_>, name: &str) -> Result<Vec<Domain>, StoreError> {
    let names = std::iter::once(name).chain(parents(name));
    reader.all(vec![Filter::one_of(Column::Name, names)])
}

/// Refuses a host that is the address of something else, or belongs to somebody else.
fn check_free(reader: &Reader<'_>, organization: &OrganizationId, host: &str) -> Result<(), Error> {
    if reader
        .find::<Route>(&[Filter::is(Column::FullHost, host)])?
        .is_some()
    {
        return Err(taken(host));
    }
    let name = host.strip_prefix("*.").unwrap_or(host);
    for domain in above(reader, name)? {
        let is_own = domain.organization.as_ref().is_some_and(|owner| {
            owner == organization || domain.shared_with.contains(organization)
        });
        if domain.organization.is_some() && !is_own {
            return Err(taken(host));
        }
        if domain.internal || (domain.organization.is_none() && domain.name == name) {
            let reason = format!("{host} is not for one app alone: all share the domain");
            return Err(Error::Invalid {
                field: HOST.to_owned(),
                reason,
            });
        }
    }
    let wildcards: Vec<String> = parents(name).map(|parent| format!("*.{parent}")).collect();
    let covering = Filter::one_of(Column::FullHost, wildcards.iter().map(String::as_str));
    for wildcard in reader.all::<AppHost>(vec![covering])? {
        let owner: Option<AppRecord> = reader.get(&wildcard.app)?;
        if owner.is_none_or(|owner| owner.organization != *organization) {
            return Err(taken(host));
        }
    }
    Ok(())
}

fn taken(host: &str) -> Error {
    Error::Taken {
        what: HOST,
        value: host.to_owned(),
    }
}
