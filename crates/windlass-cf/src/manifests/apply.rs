//! Making an app what its manifest says, by the endpoints that the manifest stands for. What is
//! so already is not written again: a manifest that changes nothing may be applied at any time,
//! during a deployment too.

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use windlass_control::commands::Caller;
use windlass_control::listing::{Column, Filter, ListQuery as Question};
use windlass_control::{Extra, routes as addresses};
use windlass_engine::configuration::{ComponentConfig, Edit};
use windlass_engine::id::{ComponentName, DomainId};
use windlass_engine::records::{Domain, Route, Space};

use super::document::AppManifest;
use super::processes::ProcessManifest;
use super::routing::{self, Routing, WantedRoute};
use super::show;
use crate::apps::access::{self, Place};
use crate::apps::{self, droplet};
use crate::auth::Authenticated;
use crate::body::JsonObject;
use crate::checks::echo;
use crate::error::{ApiError, ApiResult};
use crate::guid::{self, WEB};
use crate::path::{Guid, Params};
use crate::query::of_own_apps;
use crate::server::CfState;
use crate::{processes, routes, services, sidecars};

/// Length of the part that is made up in a random host.
const RANDOM_CHARS: usize = 8;

/// The app of a name in a space.
pub(super) async fn find_app(
    cf: &CfState,
    caller: &Authenticated,
    space: &Space,
    name: &str,
) -> ApiResult<Option<Place>> {
    let question = Question::filtered(vec![
        Filter::is(Column::Name, name),
        Filter::is(Column::Space, space.id.as_str()),
    ]);
    let visible = caller.grants.visible_spaces();
    let found = cf
        .control
        .list_apps(&visible, of_own_apps(question))
        .await?;
    let Some(app) = found.rows.into_iter().next() else {
        return Ok(None);
    };
    access::look_up(cf, caller, &app.id)
}

/// Creates the app of a manifest unless it is there.
pub(super) async fn ensure_app(
    cf: &CfState,
    caller: &Authenticated,
    space: &Space,
    manifest: &AppManifest,
) -> ApiResult<()> {
    if find_app(cf, caller, space, &manifest.name).await?.is_some() {
        return Ok(());
    }
    let mut body = manifest.app.clone();
    body.insert("name".to_owned(), json!(manifest.name));
    let to_space = json!({"space": {"data": {"guid": space.id}}});
    body.insert("relationships".to_owned(), to_space);
    apps::create(State(cf.clone()), caller.clone(), JsonObject(body))
        .await
        .map_err(|error| of_app(error, manifest))?;
    Ok(())
}

/// Makes the app what its manifest says.
pub(super) async fn fill_app(
    cf: &CfState,
    caller: &Authenticated,
    space: &Space,
    manifest: &AppManifest,
) -> ApiResult<()> {
    let place = find_app(cf, caller, space, &manifest.name).await?;
    let place = place.ok_or_else(|| of_app(ApiError::not_found("App"), manifest))?;
    let filling = Filling { cf, caller, place };
    filling
        .all(manifest)
        .await
        .map_err(|error| of_app(error, manifest))
}

fn of_app(mut error: ApiError, manifest: &AppManifest) -> ApiError {
    for entry in &mut error.entries {
        entry.detail = format!(
            "For application '{}': {}",
            echo(&manifest.name),
            entry.detail
        );
    }
    error
}

/// An app that is being filled.
struct Filling<'a> {
    cf: &'a CfState,
    caller: &'a Authenticated,
    place: Place,
}

impl Filling<'_> {
    fn guid(&self) -> Guid {
        Guid(self.place.app.id.to_string())
    }

    fn state(&self) -> State<CfState> {
        State(self.cf.clone())
    }

    async fn all(&self, manifest: &AppManifest) -> ApiResult<()> {
        for (name, on) in &manifest.features {
            self.feature(name, *on).await?;
        }
        self.app(&manifest.app).await?;
        self.environment(&manifest.env).await?;
        for process in &manifest.processes {
            self.process(process).await?;
        }
        for sidecar in &manifest.sidecars {
            self.sidecar(sidecar).await?;
        }
        for service in &manifest.services {
            services::ensure_bound(
                self.cf,
                self.caller,
                &self.place,
                &service.instance,
                service.binding.as_deref(),
            )
            .await?;
        }
        self.routing(&manifest.routing).await?;
        // Manifests hold secrets, and more people see events than variables.
        let data = json!({"request": {"manifest": apps::HIDDEN}});
        let told = (self.place).event(self.caller, "audit.app.apply_manifest", data);
        Ok(self.cf.control.write_audit(vec![told]).await?)
    }

    /// What the manifest says of the app itself: its labels, its buildpacks.
    async fn app(&self, body: &Map<String, Value>) -> ApiResult<()> {
        let now = apps::shown(self.cf, &self.place)?;
        let now = now.as_object().cloned().unwrap_or_default();
        let body = different(body, &now);
        if body.is_empty() {
            return Ok(());
        }
        let caller = self.caller.clone();
        let Json(_) = apps::update(self.state(), caller, self.guid(), JsonObject(body)).await?;
        Ok(())
    }

    async fn feature(&self, name: &str, on: bool) -> ApiResult<()> {
        if apps::features::is_on(&self.place.app, name) == Some(on) {
            return Ok(());
        }
        let params = Params::of([("guid", self.place.app.id.as_str()), ("name", name)]);
        let body = Map::from_iter([("enabled".to_owned(), json!(on))]);
        let caller = self.caller.clone();
        let Json(_) =
            apps::features::update(self.state(), caller, params, JsonObject(body)).await?;
        Ok(())
    }

    async fn environment(&self, body: &Map<String, Value>) -> ApiResult<()> {
        let now = self.cf.control.environment_of(&self.place.app.id)?;
        let is_so = body
            .get("var")
            .and_then(Value::as_object)
            .is_none_or(|wanted| {
                wanted
                    .iter()
                    .all(|(name, value)| now.get(name).map(String::as_str) == value.as_str())
            });
        if !is_so {
            let (caller, body) = (self.caller.clone(), JsonObject(body.clone()));
            let Json(_) =
                apps::environment::update(self.state(), caller, self.guid(), body).await?;
        }
        Ok(())
    }

    async fn process(&self, wanted: &ProcessManifest) -> ApiResult<()> {
        let name = ComponentName::new(wanted.kind.as_str());
        let state = self.place.state(self.cf)?;
        if !state.configuration.components.contains_key(&name) {
            let config = ComponentConfig::new(droplet::role(&name));
            let data = json!({"process_type": wanted.kind});
            let extra = self
                .place
                .audit(self.caller, "audit.app.process.create", data);
            self.edit(vec![Edit::AddComponent(name.clone(), config)], extra)
                .await?;
        }
        let state = self.place.state(self.cf)?;
        let now = state.configuration.components.get(&name);
        let now = now.map(|config| show::process(&wanted.kind, config, state.scale_of(&name)));
        let now = now.unwrap_or_default();
        let params = || Params::of([("guid", self.place.app.id.as_str()), ("type", &wanted.kind)]);
        let caller = || self.caller.clone();
        let update = different(&wanted.update, &now);
        if !update.is_empty() {
            let Json(_) =
                processes::update(self.state(), caller(), params(), JsonObject(update)).await?;
        }
        let scale = different(&wanted.scale, &now);
        if !scale.is_empty() {
            processes::scale(self.state(), caller(), params(), JsonObject(scale)).await?;
        }
        Ok(())
    }

    async fn edit(&self, edits: Vec<Edit>, extra: Extra) -> ApiResult<()> {
        let by = Caller::from(&self.caller.principal);
        let app = &self.place.app.id;
        self.cf
            .control
            .edit_app(app, edits, &by, true, extra)
            .await?;
        Ok(())
    }

    async fn sidecar(&self, body: &Map<String, Value>) -> ApiResult<()> {
        let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
        let state = self.place.state(self.cf)?;
        let now = state.configuration.sidecars.get(name);
        let now = now.map(|sidecar| {
            Map::from_iter([
                ("name".to_owned(), json!(name)),
                ("command".to_owned(), json!(sidecar.command)),
                ("process_types".to_owned(), json!(sidecar.components)),
                ("memory_in_mb".to_owned(), json!(sidecar.memory_mb)),
            ])
        });
        if now.is_some_and(|now| different(body, &now).is_empty()) {
            return Ok(());
        }
        let (caller, body) = (self.caller.clone(), JsonObject(body.clone()));
        if state.configuration.sidecars.contains_key(name) {
            let own = Guid(guid::sidecar(&self.place.app.id, name));
            let Json(_) = sidecars::update(self.state(), caller, own, body).await?;
        } else {
            sidecars::create(self.state(), caller, self.guid(), body).await?;
        }
        Ok(())
    }

    // ------------------------------------------------------------ routes

    async fn routing(&self, wanted: &Routing) -> ApiResult<()> {
        match wanted {
            Routing::Keep => Ok(()),
            Routing::None => self.unmap_all().await,
            Routing::These(wanted) => {
                // All of them are there before the first leads here: a manifest with a bad one
                // must not take any.
                let mut routes = Vec::with_capacity(wanted.len());
                for wanted in wanted {
                    routes.push(self.find_or_create(wanted).await?);
                }
                for (route, wanted) in routes.iter().zip(wanted) {
                    self.lead_here(route, wanted).await?;
                }
                Ok(())
            }
            Routing::Random => {
                let made_up = uuid::Uuid::new_v4().simple().to_string();
                let made_up = made_up.get(..RANDOM_CHARS).unwrap_or_default();
                self.map_own(&format!("{}-{made_up}", self.place.app.name))
                    .await
            }
            Routing::Default => self.map_own(&self.place.app.name).await,
        }
    }

    /// Takes all routes from the app.
    async fn unmap_all(&self) -> ApiResult<()> {
        for route in show::routes_of(self.cf, &self.place.app.id).await? {
            for destination in &route.destinations {
                if destination.app == self.place.app.id {
                    let params = Params::of([
                        ("guid", route.id.as_str()),
                        ("destination", destination.id.as_str()),
                    ]);
                    let caller = self.caller.clone();
                    routes::change::delete(self.state(), caller, params).await?;
                }
            }
        }
        Ok(())
    }

    /// A route on the default domain, unless the app has one.
    async fn map_own(&self, host: &str) -> ApiResult<()> {
        if !show::routes_of(self.cf, &self.place.app.id)
            .await?
            .is_empty()
        {
            return Ok(());
        }
        let domain = self
            .cf
            .tenancy()
            .default_domain(&self.place.organization.id)?;
        let domain =
            domain.ok_or_else(|| ApiError::unprocessable("No default domains available"))?;
        let name = format!("{host}.{}", domain.name);
        let wanted = WantedRoute {
            text: name.clone(),
            host: name,
            path: String::new(),
            protocol: None,
            options: None,
        };
        let route = self.route(&wanted, &domain, &host.to_lowercase()).await?;
        self.lead_here(&route, &wanted).await
    }

    /// A route of the manifest, found or created.
    async fn find_or_create(&self, wanted: &WantedRoute) -> ApiResult<Route> {
        for (host, domain) in routing::cuts(&wanted.host) {
            if let Some(domain) = self.domain(domain).await? {
                return self.route(wanted, &domain, host).await;
            }
        }
        Err(ApiError::unprocessable(format!(
            "No domains exist for route {}",
            echo(&wanted.text)
        )))
    }

    async fn domain(&self, name: &str) -> ApiResult<Option<Domain>> {
        let question = Question::filtered(vec![Filter::is(Column::Name, name)]);
        let grants = &self.caller.grants;
        let found = self.cf.tenancy().list_domains(grants, question).await?;
        Ok(found.rows.into_iter().next())
    }

    async fn route(&self, wanted: &WantedRoute, domain: &Domain, host: &str) -> ApiResult<Route> {
        if let Some(route) = self.at(&domain.id, host, &wanted.path)? {
            if route.space != self.place.space.id {
                return Err(ApiError::unprocessable(
                    "Routes cannot be mapped to destinations in different spaces",
                ));
            }
            return Ok(route);
        }
        let mut body = Map::from_iter([(
            "relationships".to_owned(),
            json!({
                "space": {"data": {"guid": self.place.space.id}},
                "domain": {"data": {"guid": domain.id}},
            }),
        )]);
        if !host.is_empty() {
            body.insert("host".to_owned(), json!(host));
        }
        if !wanted.path.is_empty() {
            body.insert("path".to_owned(), json!(wanted.path));
        }
        if let Some(options) = &wanted.options {
            body.insert("options".to_owned(), options.clone());
        }
        routes::create(self.state(), self.caller.clone(), JsonObject(body)).await?;
        self.at(&domain.id, host, &wanted.path)?
            .ok_or_else(|| ApiError::not_found("Route"))
    }

    fn at(&self, domain: &DomainId, host: &str, path: &str) -> ApiResult<Option<Route>> {
        Ok(self.cf.control.route_at(domain, host, path)?)
    }

    /// Leads a route to the app's web process.
    async fn lead_here(&self, route: &Route, wanted: &WantedRoute) -> ApiResult<()> {
        let leads_here = addresses::apps_of(&route.destinations).contains(&self.place.app.id);
        if leads_here && wanted.protocol.is_none() {
            return Ok(());
        }
        let mut destination = json!({
            "app": {"guid": self.place.app.id, "process": {"type": WEB}},
        });
        if let Some(protocol) = &wanted.protocol {
            destination["protocol"] = protocol.clone();
        }
        let body = Map::from_iter([("destinations".to_owned(), json!([destination]))]);
        let guid = Guid(route.id.to_string());
        let caller = self.caller.clone();
        let Json(_) = routes::change::insert(self.state(), caller, guid, JsonObject(body)).await?;
        Ok(())
    }
}

/// Fields of a body that are not so already.
fn different(body: &Map<String, Value>, now: &Map<String, Value>) -> Map<String, Value> {
    let fields = body
        .iter()
        .filter(|(key, value)| !now.get(*key).is_some_and(|now| contains(now, value)));
    fields
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Whether all that is wanted is so.
fn contains(now: &Value, wanted: &Value) -> bool {
    match (now, wanted) {
        (Value::Object(now), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| contains(now.get(key).unwrap_or(&Value::Null), wanted)),
        (now, wanted) => now == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_written() {
        let object = |value: Value| serde_json::from_value::<Map<String, Value>>(value).unwrap();
        let now = object(json!({"instances": 2, "command": null,
            "health_check": {"type": "http", "data": {"endpoint": "/", "timeout": null}}}));
        let same =
            json!({"instances": 2, "command": null, "health_check": {"data": {"endpoint": "/"}}});
        assert!(different(&object(same), &now).is_empty());
        let other =
            json!({"instances": 3, "command": null, "health_check": {"data": {"endpoint": "/x"}}});
        let keys: Vec<String> = different(&object(other), &now)
            .into_iter()
            .map(|it| it.0)
            .collect();
        assert_eq!(keys, ["instances", "health_check"]);
    }
}
