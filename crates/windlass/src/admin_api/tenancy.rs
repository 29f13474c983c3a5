//! Organizations and spaces.

use axum::Json;
use axum::extract::{ConnectInfo, Path, Query, State};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use windlass_control::tenancy::{NewOrganization, NewSpace, OrganizationPatch};
use windlass_engine::records::{Dialect, Metadata, Organization, Quota};
use windlass_store::{Column, Filter, ListQuery, Page};

use super::Admin;
use super::error::Answer;
use super::peer::Peer;

/// Most rows of one list.
const LIST_LIMIT: u32 = Page::MAX_LIMIT;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrganizationRequest {
    name: String,
    space: Option<String>,
}

pub(super) async fn create_organization(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(request): Json<NewOrganizationRequest>,
) -> Answer {
    let new = NewOrganization {
        name: request.name,
        suspended: false,
        quota: Quota::default(),
        metadata: Metadata::default(),
    };
    let actor = peer.principal().actor();
    let tenancy = admin.control.tenancy();
    let made = tenancy.create_organization(&actor, new).await?;
    let mut answer = organization(&made);
    if let Some(name) = request.space {
        let new = NewSpace {
            organization: made.id,
            name,
            metadata: Metadata::default(),
        };
        answer["space"] = tenancy.create_space(&actor, new).await?.name.into();
    }
    Ok(Json(answer))
}

pub(super) async fn organizations(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Answer {
    let query = ListQuery::default().page(Page::first(LIST_LIMIT));
    let page = admin
        .control
        .tenancy()
        .list_organizations(&admin.grants(peer)?, query)
        .await?;
    Ok(Json(page.rows.iter().map(organization).collect()))
}

pub(super) async fn delete_organization(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
) -> Answer {
    let found = admin.organization_named(&name)?;
    let principal = peer.principal();
    let dialect = Dialect::CloudFoundry;
    admin
        .control
        .delete_organization(&principal, dialect, &found.id)
        .await?;
    Ok(Json(json!({ "deleting": name })))
}

/// Limits to change; those that are absent stay.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QuotaRequest {
    #[serde(default)]
    memory_mb: Limit<u64>,
    #[serde(default)]
    instances: Limit<u32>,
    #[serde(default)]
    tasks: Limit<u32>,
}

/// A limit of a request: absent, `null`, or a number.
#[derive(Debug, Default)]
enum Limit<T> {
    #[default]
    Stays,
    Unlimited,
    AtMost(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Limit<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Option::<T>::deserialize(deserializer)?;
        Ok(given.map_or(Self::Unlimited, Self::AtMost))
    }
}

impl<T> Limit<T> {
    fn over(self, present: Option<T>) -> Option<T> {
        match self {
            Self::Stays => present,
            Self::Unlimited => None,
            Self::AtMost(limit) => Some(limit),
        }
    }
}

pub(super) async fn set_quota(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Json(request): Json<QuotaRequest>,
) -> Answer {
    let found = admin.organization_named(&name)?;
    let quota = Quota {
        memory_mb: request.memory_mb.over(found.quota.memory_mb),
        instances: request.instances.over(found.quota.instances),
        tasks: request.tasks.over(found.quota.tasks),
    };
    let patch = OrganizationPatch {
        quota: Some(quota),
        ..OrganizationPatch::default()
    };
    let actor = peer.principal().actor();
    let changed = admin
        .control
        .tenancy()
        .update_organization(&actor, &found.id, patch)
        .await?;
    Ok(Json(organization(&changed)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSpaceRequest {
    name: String,
    organization: String,
}

pub(super) async fn create_space(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(request): Json<NewSpaceRequest>,
) -> Answer {
    let organization = admin.organization_named(&request.organization)?;
    let new = NewSpace {
        organization: organization.id,
        name: request.name,
        metadata: Metadata::default(),
    };
    let made = admin
        .control
        .tenancy()
        .create_space(&peer.principal().actor(), new)
        .await?;
    Ok(Json(
        json!({ "name": made.name, "id": made.id, "organization": organization.name }),
    ))
}

#[derive(Debug, Deserialize)]
pub(super) struct SpacesQuery {
    organization: Option<String>,
}

pub(super) async fn spaces(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Query(query): Query<SpacesQuery>,
) -> Answer {
    let mut list = ListQuery::default().page(Page::first(LIST_LIMIT));
    if let Some(name) = query.organization {
        let organization = admin.organization_named(&name)?;
        list.filters
            .push(Filter::is(Column::Organization, organization.id.as_str()));
    }
    let page = admin
        .control
        .tenancy()
        .list_spaces(&admin.grants(peer)?, list)
        .await?;
    let mut rows = Vec::new();
    for space in page.rows {
        let organization = admin.control.tenancy().organization(&space.organization)?;
        let organization =
            organization.map_or_else(|| space.organization.to_string(), |row| row.name);
        rows.push(json!({ "name": space.name, "id": space.id, "organization": organization }));
    }
    Ok(Json(Value::Array(rows)))
}

pub(super) async fn delete_space(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path((organization, name)): Path<(String, String)>,
) -> Answer {
    let (_, space) = admin.space_named(&organization, &name)?;
    let principal = peer.principal();
    let dialect = Dialect::CloudFoundry;
    admin
        .control
        .delete_space(&principal, dialect, &space.id)
        .await?;
    Ok(Json(json!({ "deleting": name })))
}

fn organization(row: &Organization) -> Value {
    json!({
        "name": row.name,
        "id": row.id,
        "suspended": row.suspended,
        "memory_mb": row.quota.memory_mb,
        "instances": row.quota.instances,
        "tasks": row.quota.tasks,
    })
}
