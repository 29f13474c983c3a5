//! `/projects/{project}/link`: the repository that a project is connected to. Deployments that name
//! none come from there; pushes are not listened to.

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use windlass_control::clock;

use super::{change_record, view};
use crate::auth::Authenticated;
use crate::body::{self, Ignored, JsonObject};
use crate::deployments::git::Kind;
use crate::document::{Document, Link};
use crate::error::{ApiError, ApiResult};
use crate::path::Params;
use crate::place;
use crate::query::Pairs;
use crate::server::VercelState;

/// The branch that is meant where nobody names one.
const USUAL_BRANCH: &str = "main";

pub(super) async fn connect(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    JsonObject { object, .. }: JsonObject,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    place.require_write()?;
    let link = read(&state, &object)?;
    set(&state, &caller, &place, Some(link)).await
}

pub(super) async fn disconnect(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    _: Ignored,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    place.require_write()?;
    set(&state, &caller, &place, None).await
}

async fn set(
    state: &VercelState,
    caller: &Authenticated,
    place: &place::Place,
    link: Option<Link>,
) -> ApiResult<Json<Value>> {
    let data = json!({"repository": link.as_ref().map(path)});
    let extra = place.audit(caller, "audit.app.link", data);
    let change = move |app: &mut _| {
        let mut document = Document::of(app);
        document.link = link;
        document.store(app);
    };
    let app = change_record(state, place, change, extra).await?;
    Ok(Json(view::project(state, caller, &app).await?))
}

/// Reads `type` and `repo`.
///
/// # Errors
/// 400.
pub(super) fn read(state: &VercelState, object: &Map<String, Value>) -> ApiResult<Link> {
    let kind = body::text(object, "type")?.and_then(|word| Kind::parse(&word));
    let kind = kind.filter(|kind| kind.provider().is_some());
    let (Some(kind), Some(repo)) = (kind, body::text(object, "repo")?) else {
        return Err(ApiError::bad_request(
            "a repository is given by `type` (github, gitlab or bitbucket) and `repo` \
             (\"owner/name\")",
        ));
    };
    if let Some(provider) = kind.provider() {
        let url = state.control.sources().clone_url(provider, &repo);
        url.map_err(|error| ApiError::bad_request(format!("repo: {error}")))?;
    }
    let (owner, name) = repo.rsplit_once('/').unwrap_or_default();
    Ok(Link {
        kind,
        owner: owner.to_owned(),
        name: name.trim_end_matches(".git").to_owned(),
        production_branch: USUAL_BRANCH.to_owned(),
        created_at: clock::wall().0,
    })
}

fn path(link: &Link) -> String {
    format!("{}/{}", link.owner, link.name)
}

/// `link` of a project. Ids of hosts of repositories are not known here, so they are absent.
pub(super) fn to_wire(link: &Link) -> Value {
    let mut wire = match link.kind {
        Kind::Bitbucket => json!({"owner": link.owner, "slug": link.name, "name": link.name}),
        Kind::Gitlab => json!({
            "projectName": link.name,
            "projectNamespace": link.owner,
            "projectNameWithNamespace": path(link),
        }),
        Kind::Github | Kind::GithubLimited | Kind::GithubCustomHost | Kind::Custom => {
            json!({"org": link.owner, "repo": link.name})
        }
    };
    wire["type"] = link.kind.as_str().into();
    wire["productionBranch"] = link.production_branch.as_str().into();
    wire["createdAt"] = link.created_at.into();
    wire["updatedAt"] = link.created_at.into();
    wire["deployHooks"] = json!([]);
    wire
}
