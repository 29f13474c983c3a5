//! `/projects/{project}/env` and `/env/pull`: environment variables.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, patch};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use windlass_control::clock;
use windlass_engine::records::AppRecord;

use crate::auth::Authenticated;
use crate::body::{Ignored, JsonObject, OneOrMany};
use crate::document::{Document, Environment, Secrecy, Variable};
use crate::error::{ApiError, ApiResult};
use crate::path::Params;
use crate::place::{self, Place};
use crate::projects::change_record;
use crate::query::Pairs;
use crate::server::VercelState;

mod variable;

use variable::{Author, Draft};

/// Most variables of a project.
const MAX_VARIABLES: usize = 1_000;

pub(crate) fn routes() -> Router<VercelState> {
    Router::new()
        .route("/projects/{project}/env", get(list).post(create))
        .route(
            "/projects/{project}/env/{variable}",
            patch(update).get(show).delete(delete),
        )
        .route("/env/pull/{project}/{target}", get(pull))
        .route("/env/pull/{project}/{target}/{branch}", get(pull))
}

async fn list(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    let decrypt = query.switch("decrypt")?;
    let target = match query.text("target") {
        Some(word) => Some(target(word)?),
        None => None,
    };
    let branch = query.text("gitBranch");
    let document = Document::of(&place.app);
    let mut envs = Vec::new();
    for variable in &document.env {
        let is_asked = target.is_none_or(|target| variable.targets.contains(&target))
            && branch.is_none_or(|branch| {
                variable.branch.is_none() || variable.branch.as_deref() == Some(branch)
            });
        if is_asked {
            envs.push(to_wire(&state, &place, variable, decrypt)?);
        }
    }
    // There are few enough for one page.
    let pagination = json!({"count": envs.len(), "next": null, "prev": null});
    Ok(Json(json!({"envs": envs, "pagination": pagination})))
}

/// One variable, with its value unless that is never shown.
async fn show(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    let document = Document::of(&place.app);
    let variable = find(&document, params.get("variable"))?;
    Ok(Json(to_wire(&state, &place, variable, true)?))
}

async fn create(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    body: OneOrMany,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    place.require_write()?;
    let upsert = query.switch("upsert")?;
    let author = Author::of(&caller);
    let mut wanted = Vec::with_capacity(body.objects.len());
    for object in &body.objects {
        let draft = Draft::read(object)?;
        wanted.push(draft.into_variable(state.control.secrets(), &author)?);
    }
    let keys: Vec<&str> = wanted
        .iter()
        .map(|variable| variable.key.as_str())
        .collect();
    let extra = place.audit(&caller, "audit.app.env.create", json!({ "keys": keys }));
    let new = wanted.clone();
    let change = move |app: &mut AppRecord| {
        let mut document = Document::of(app);
        for variable in new {
            put(&mut document.env, variable, upsert);
        }
        document.store(app);
    };
    let app = change_record(&state, &place, change, extra).await?;
    let document = Document::of(&app);
    let (mut created, mut failed) = (Vec::new(), Vec::new());
    for variable in &wanted {
        match document.env.iter().find(|known| known.id == variable.id) {
            Some(known) => created.push(to_wire(&state, &place, known, false)?),
            None => failed.push(not_put(&document.env, variable)),
        }
    }
    if body.is_list {
        let failed: Vec<Value> = failed.iter().map(ApiError::to_wire).collect();
        let answer = json!({"created": created, "failed": failed});
        return Ok((StatusCode::CREATED, Json(answer)));
    }
    match (created.pop(), failed.pop()) {
        (Some(created), _) => {
            let answer = json!({"created": created, "failed": []});
            Ok((StatusCode::CREATED, Json(answer)))
        }
        (None, failed) => Err(failed.unwrap_or_else(|| ApiError::bad_request("nothing to create"))),
    }
}

/// Puts a variable in, unless it conflicts or there are too many. With `upsert` it takes the place
/// of those that it conflicts with.
fn put(env: &mut Vec<Variable>, variable: Variable, upsert: bool) {
    if upsert {
        env.retain(|known| !known.conflicts_with(&variable));
    }
    let conflicts = env.iter().any(|known| known.conflicts_with(&variable));
    if !conflicts && env.len() < MAX_VARIABLES {
        env.push(variable);
    }
}

/// Why a variable was not put in.
fn not_put(env: &[Variable], variable: &Variable) -> ApiError {
    match env.iter().find(|known| known.conflicts_with(variable)) {
        Some(known) => conflict(variable, known),
        None => ApiError::bad_request(format!(
            "a project has at most {MAX_VARIABLES} environment variables"
        )),
    }
}

fn conflict(variable: &Variable, known: &Variable) -> ApiError {
    let targets: Vec<&str> = variable
        .targets
        .iter()
        .map(|target| target.as_str())
        .collect();
    ApiError::invalid(
        "ENV_CONFLICT",
        format!(
            "A variable with the name `{}` already exists for the target {}{}",
            variable.key,
            targets.join(","),
            match &variable.branch {
                Some(branch) => format!(" on branch {branch}"),
                None => String::new(),
            }
        ),
    )
    .with("key", variable.key.as_str())
    .with("envVarKey", variable.key.as_str())
    .with("envVarId", known.id.as_str())
    .with("target", json!(targets))
}

async fn update(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    JsonObject { object, .. }: JsonObject,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    place.require_write()?;
    let document = Document::of(&place.app);
    let id = params.get("variable").to_owned();
    let known = find(&document, &id)?;
    let secrets = state.control.secrets();
    let changed = Draft::change(known, &object)?;
    let changed = changed.apply(known, secrets, &Author::of(&caller))?;
    let data = json!({"keys": [changed.key]});
    let extra = place.audit(&caller, "audit.app.env.update", data);
    let wanted = changed.clone();
    let change = move |app: &mut AppRecord| {
        let mut document = Document::of(app);
        let is_free = !document
            .env
            .iter()
            .any(|known| known.id != changed.id && known.conflicts_with(&changed));
        let place = document.env.iter_mut().find(|known| known.id == changed.id);
        if let (true, Some(known)) = (is_free, place) {
            *known = changed;
            document.store(app);
        }
    };
    let app = change_record(&state, &place, change, extra).await?;
    let document = Document::of(&app);
    let known = find(&document, &id)?;
    if *known != wanted {
        let others = document.env.iter().filter(|other| other.id != id);
        return Err(others
            .into_iter()
            .find(|other| other.conflicts_with(&wanted))
            .map_or_else(
                || ApiError::conflict("the variable was changed meanwhile"),
                |other| conflict(&wanted, other),
            ));
    }
    Ok(Json(to_wire(&state, &place, known, false)?))
}

async fn delete(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    _: Ignored,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    place.require_write()?;
    let document = Document::of(&place.app);
    let gone = find(&document, params.get("variable"))?.clone();
    let data = json!({"keys": [gone.key]});
    let extra = place.audit(&caller, "audit.app.env.delete", data);
    let id = gone.id.clone();
    let change = move |app: &mut AppRecord| {
        let mut document = Document::of(app);
        document.env.retain(|variable| variable.id != id);
        document.store(app);
    };
    change_record(&state, &place, change, extra).await?;
    Ok(Json(to_wire(&state, &place, &gone, false)?))
}

/// The values for a developer's machine: all but the sensitive ones.
async fn pull(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    place.require_secrets()?;
    let target = target(params.get("target"))?;
    let branch = match params.get("branch") {
        "" => query.text("gitBranch"),
        branch => Some(branch),
    };
    let document = Document::of(&place.app);
    let mut env = Map::new();
    for variable in in_force(&document.env, target, branch) {
        if variable.secrecy != Secrecy::Sensitive {
            let value = variable::open(state.control.secrets(), variable)?;
            env.insert(variable.key.clone(), value.into());
        }
    }
    Ok(Json(json!({"env": env, "buildEnv": {}})))
}

/// The variables of an environment; those of the branch win.
pub(crate) fn in_force<'a>(
    env: &'a [Variable],
    target: Environment,
    branch: Option<&str>,
) -> Vec<&'a Variable> {
    let has = |variable: &&Variable| variable.targets.contains(&target);
    let general = env
        .iter()
        .filter(has)
        .filter(|known| known.branch.is_none());
    let own = env
        .iter()
        .filter(has)
        .filter(|known| known.branch.is_some() && known.branch.as_deref() == branch);
    general.chain(own).collect()
}

/// The plain value of a variable.
///
/// # Errors
/// 500.
pub(crate) fn value(state: &VercelState, variable: &Variable) -> ApiResult<String> {
    variable::open(state.control.secrets(), variable)
}

/// Variables that a project is created with.
///
/// # Errors
/// 400.
pub(crate) fn of_new_project(
    state: &VercelState,
    caller: &Authenticated,
    list: &Value,
) -> ApiResult<Vec<Variable>> {
    let bad = || crate::body::kind("environmentVariables", "a list of objects");
    let author = Author::of(caller);
    let mut env = Vec::new();
    for item in list.as_array().ok_or_else(bad)? {
        let draft = Draft::read(item.as_object().ok_or_else(bad)?)?;
        let variable = draft.into_variable(state.control.secrets(), &author)?;
        let id = variable.id.clone();
        put(&mut env, variable.clone(), false);
        if !env.iter().any(|known| known.id == id) {
            return Err(not_put(&env, &variable));
        }
    }
    Ok(env)
}

fn target(word: &str) -> ApiResult<Environment> {
    Environment::parse(word).ok_or_else(|| ApiError::not_found("Environment"))
}

fn find<'a>(document: &'a Document, id: &str) -> ApiResult<&'a Variable> {
    let found = document.env.iter().find(|variable| variable.id == id);
    found.ok_or_else(|| ApiError::not_found("Environment Variable"))
}

/// A variable on the wire. A value is shown when it is plain, or asked for by somebody who may see
/// it, and never when it is sensitive.
fn to_wire(
    state: &VercelState,
    place: &Place,
    variable: &Variable,
    decrypt: bool,
) -> ApiResult<Value> {
    let is_shown = match variable.secrecy {
        Secrecy::Sensitive => false,
        Secrecy::Encrypted => decrypt && place.access.read_secrets,
        Secrecy::Plain | Secrecy::System => place.access.read_secrets,
    };
    let value = if is_shown {
        variable::open(state.control.secrets(), variable)?
    } else {
        String::new()
    };
    let targets: Vec<&str> = variable
        .targets
        .iter()
        .map(|target| target.as_str())
        .collect();
    let mut wire = json!({
        "id": variable.id,
        "key": variable.key,
        "value": value,
        "type": variable.secrecy.as_str(),
        "target": targets,
        "configurationId": null,
        "customEnvironmentIds": [],
        "createdAt": variable.created_at,
        "updatedAt": variable.updated_at,
        "createdBy": variable.created_by,
        "updatedBy": variable.updated_by,
        "decrypted": is_shown,
        "securityIssues": [],
    });
    if let Some(branch) = &variable.branch {
        wire["gitBranch"] = branch.as_str().into();
    }
    if let Some(comment) = &variable.comment {
        wire["comment"] = comment.as_str().into();
    }
    Ok(wire)
}

/// The time of a change, ms.
fn now_ms() -> i64 {
    clock::wall().0
}
