//! `/aliases` and `/deployments/{deployment}/aliases`: hosts that lead to deployments.
//!
//! A host is one of three: a deployment's own, one of its project (which leads to what the project
//! runs), or one that was given by hand. Only the last can be moved and taken away here.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::identity::Visibility;
use windlass_control::listing::{Column, Filter, ListQuery, Page as ListPage};
use windlass_control::routes::{RouteError, RouteRefusal};
use windlass_engine::id::{ComponentName, RouteId};
use windlass_engine::records::{Dialect, Domain, Metadata, Organization, Route, WantedHost};

use crate::auth::Authenticated;
use crate::body::{self, Ignored, JsonObject};
use crate::deployments::COMPONENT;
use crate::deployments::find::{self, Found};
use crate::deployments::state::ReadyState;
use crate::deployments::view::{Shown, Surroundings};
use crate::error::{ApiError, ApiResult};
use crate::page::Page;
use crate::path::Params;
use crate::place;
use crate::query::Pairs;
use crate::server::VercelState;
use crate::time;

/// Domains of a team that are looked through.
const MAX_DOMAINS: u32 = 1_000;

pub(crate) fn routes() -> Router<VercelState> {
    Router::new()
        .route(
            "/deployments/{deployment}/aliases",
            get(of_deployment).post(assign),
        )
        .route("/aliases", get(list))
        .route("/aliases/{alias}", get(show).delete(delete))
        .route("/domains/{domain}", get(domain))
}

/// A host with what it leads to.
struct Alias {
    route: Route,
    found: Found,
}

impl Alias {
    /// Whether it was given by hand.
    fn is_given(&self) -> bool {
        let to = self.route.destinations.first();
        self.route.full_host != self.found.detail.host && to.is_some_and(|to| to.revision.is_some())
    }

    fn to_wire(&self) -> Value {
        let created = self.route.stamps.created_at;
        let record = &self.found.record;
        json!({
            "uid": self.route.id,
            "alias": self.route.full_host,
            "created": time::iso(created),
            "createdAt": created.0,
            "updatedAt": self.route.stamps.updated_at.0,
            "deploymentId": record.id,
            "deployment": {"id": record.id, "url": self.found.detail.host},
            "creator": {
                "uid": self.found.detail.creator.id,
                "username": self.found.detail.creator.name,
                "email": self.found.detail.creator.name,
            },
            "projectId": record.app,
            "redirect": null,
        })
    }
}

async fn of_deployment(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let found = find::deployment(&state, &caller, &query, params.get("deployment")).await?;
    let around = Surroundings::read(&state, &found).await?;
    let shown = Shown::new(&found, &around);
    let aliases: Vec<Value> = around
        .routes()
        .iter()
        .filter(|route| shown.hosts().contains(&route.full_host.as_str()))
        .map(|route| {
            json!({
                "uid": route.id,
                "alias": route.full_host,
                "created": time::iso(route.stamps.created_at),
                "redirect": null,
            })
        })
        .collect();
    Ok(Json(json!({ "aliases": aliases })))
}

/// Makes a host lead to a deployment.
async fn assign(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    JsonObject { object, .. }: JsonObject,
) -> ApiResult<Json<Value>> {
    let found = find::deployment(&state, &caller, &query, params.get("deployment")).await?;
    found.place.require_operate()?;
    let name = body::text(&object, "alias")?.ok_or_else(|| body::kind("alias", "a string"))?;
    if body::text(&object, "redirect")?.is_some() {
        return Err(ApiError::bad_request(
            "an alias that redirects is not offered by this Windlass",
        ));
    }
    let around = Surroundings::read(&state, &found).await?;
    if Shown::new(&found, &around).ready != ReadyState::Ready {
        return Err(ApiError::invalid(
            "deployment_not_ready",
            "The deployment is not ready",
        ));
    }
    let (label, domain) = address(&state, &found.place.organization, &name).await?;
    let full_host = format!("{label}.{}", domain.name);
    if let Some(known) = alias(&state, &caller, &full_host).await?
        && !known.is_given()
    {
        return Err(ApiError::bad_request(format!(
            "{full_host} is a host of the project or of a deployment: promote a deployment instead"
        )));
    }
    let host = WantedHost {
        domain: domain.id,
        label,
        component: ComponentName::from(COMPONENT),
        metadata: Metadata::default(),
    };
    let data = json!({"deployment": found.record.id, "alias": full_host});
    let extra = found.place.audit(&caller, "audit.app.alias.assign", data);
    let actor = caller.principal.actor();
    let revision = Some(found.detail.revision.clone());
    let moved = state
        .control
        .put_host(&actor, &found.place.app.id, host, revision, extra)
        .await
        .map_err(refused)?;
    let before = moved.before.as_ref().and_then(|route| {
        let to = route.destinations.first()?;
        Some(find::of_version(to.revision.as_ref()?))
    });
    let mut answer = json!({
        "uid": moved.route.id,
        "alias": moved.route.full_host,
        "created": time::iso(moved.route.stamps.created_at),
    });
    if let Some(before) = before.filter(|before| *before != found.record.id) {
        answer["oldDeploymentId"] = before.as_str().into();
    }
    Ok(Json(answer))
}

pub(crate) fn refused(error: RouteError) -> ApiError {
    match error {
        RouteError::Refused(RouteRefusal::Taken | RouteRefusal::HostInOtherSpace) => {
            ApiError::alias_in_use()
        }
        RouteError::Refused(refusal) => ApiError::invalid("invalid_alias", refusal.to_string()),
        RouteError::Other(error) => error.into(),
    }
}

/// Label and domain of a host: below the longest domain that the team can use; a name without dots
/// lies below the usual one.
pub(crate) async fn address(
    state: &VercelState,
    organization: &Organization,
    name: &str,
) -> ApiResult<(String, Domain)> {
    let name = name
        .trim_start_matches("https://")
        .trim_end_matches('/')
        .to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let invalid = || {
        ApiError::invalid(
            "invalid_alias",
            format!(
                "{:?} is no host directly below a domain of the team",
                name.chars().take(100).collect::<String>()
            ),
        )
    };
    let found = if name.contains('.') {
        domains(state, organization)
            .await?
            .into_iter()
            .filter_map(|domain| {
                let label = name.strip_suffix(&domain.name)?.strip_suffix('.')?;
                Some((label.to_owned(), domain))
            })
            .max_by_key(|(_, domain)| domain.name.len())
    } else {
        let domain = state.control.tenancy().default_domain(&organization.id)?;
        domain.map(|domain| (name.clone(), domain))
    };
    found
        .filter(|(label, _)| is_label(label))
        .ok_or_else(invalid)
}

async fn domains(state: &VercelState, organization: &Organization) -> ApiResult<Vec<Domain>> {
    let question = ListQuery::filtered(vec![Filter::is(Column::Internal, false)])
        .page(ListPage::first(MAX_DOMAINS));
    let tenancy = state.control.tenancy();
    let found = tenancy
        .list_organization_domains(&organization.id, question)
        .await?;
    Ok(found.rows)
}

async fn list(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
) -> ApiResult<Json<Value>> {
    let page = Page::parse(&query)?;
    let mut filters = Vec::new();
    if let Some(project) = query.text("projectId") {
        let place = place::project(&state, &caller, &query, project).await?;
        filters.push(Filter::is(Column::App, place.app.id.as_str()));
    } else {
        let team = place::team(&state, &caller, &query).await?;
        let organization = team.organization.id.as_str();
        filters.push(Filter::is(Column::Organization, organization));
    }
    let visible = caller.grants.visible_spaces();
    let routes = state
        .control
        .list_routes(&visible, page.question(filters))
        .await?;
    let mut aliases = Vec::new();
    for route in routes.rows {
        if let Some(alias) = resolve(&state, &caller, route)?
            && alias.route.full_host != alias.found.detail.host
            && query
                .text("domain")
                .is_none_or(|domain| alias.route.full_host.ends_with(domain))
        {
            aliases.push(alias);
        }
    }
    let pagination = page.cut(&mut aliases, |alias| alias.route.stamps.created_at);
    let aliases: Vec<Value> = aliases.iter().map(Alias::to_wire).collect();
    Ok(Json(json!({"aliases": aliases, "pagination": pagination})))
}

async fn show(
    State(state): State<VercelState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<Json<Value>> {
    let alias = alias(&state, &caller, params.get("alias")).await?;
    let alias = alias.ok_or_else(|| ApiError::not_found("Alias"))?;
    Ok(Json(alias.to_wire()))
}

async fn delete(
    State(state): State<VercelState>,
    caller: Authenticated,
    params: Params,
    _: Ignored,
) -> ApiResult<Json<Value>> {
    let alias = alias(&state, &caller, params.get("alias")).await?;
    let alias = alias.ok_or_else(|| ApiError::not_found("Alias"))?;
    alias.found.place.require_operate()?;
    if !alias.is_given() {
        return Err(ApiError::bad_request(format!(
            "{} goes with its project or deployment",
            alias.route.full_host
        )));
    }
    let actor = caller.principal.actor();
    let done = state.control.delete_route(&actor, &alias.route.id).await;
    done.map_err(refused)?;
    Ok(Json(json!({"status": "SUCCESS"})))
}

/// The host with this name or id that leads to a deployment which the caller sees.
async fn alias(
    state: &VercelState,
    caller: &Authenticated,
    name: &str,
) -> ApiResult<Option<Alias>> {
    if let Some(route) = state.control.route(&RouteId::from(name))? {
        return resolve(state, caller, route);
    }
    let question = ListQuery::filtered(vec![Filter::is(
        Column::FullHost,
        name.to_ascii_lowercase(),
    )])
    .page(ListPage::first(1));
    let routes = state
        .control
        .list_routes(&Visibility::All, question)
        .await?;
    match routes.rows.into_iter().next() {
        Some(route) => resolve(state, caller, route),
        None => Ok(None),
    }
}

fn resolve(state: &VercelState, caller: &Authenticated, route: Route) -> ApiResult<Option<Alias>> {
    let Some(to) = route.destinations.first() else {
        return Ok(None);
    };
    let revision = match &to.revision {
        Some(revision) => Some(revision.clone()),
        None => find::serving(state, &to.app)?,
    };
    let Some(revision) = revision else {
        return Ok(None);
    };
    let found = find::by_id(state, caller, &find::of_version(&revision))?;
    let found = found.filter(|found| found.place.app.dialect == Dialect::Vercel);
    Ok(found.map(|found| Alias { route, found }))
}

/// A domain that a host lies below: clients look at it before they give an alias.
async fn domain(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let team = place::team(&state, &caller, &query).await?;
    let name = params.get("domain");
    let found = address(&state, &team.organization, name).await;
    let (_, domain) = found.map_err(|_| ApiError::not_found("Domain"))?;
    Ok(Json(json!({"domain": {
        "id": domain.id,
        "name": domain.name,
        "serviceType": "external",
        "verified": true,
        "nameservers": [],
        "intendedNameservers": [],
        "customNameservers": null,
        "creator": {"id": "", "username": "", "email": ""},
        "teamId": team.id(),
        "userId": "",
        "boughtAt": null,
        "expiresAt": null,
        "orderedAt": null,
        "transferStartedAt": null,
        "transferredAt": null,
        "renew": false,
        "createdAt": domain.stamps.created_at.0,
    }})))
}
