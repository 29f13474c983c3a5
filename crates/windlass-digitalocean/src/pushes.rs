//! Pushes start deployments: told by a report, or found by looking at the branches now and then.
//!
//! Both ways end in the same place, and a push starts one deployment whichever way it is heard of:
//! what is deployed already is not deployed again.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use windlass_control::Extra;
use windlass_control::identity::Visibility;
use windlass_control::listing::{Column, Filter, ListQuery, Page};
use windlass_control::sources::{Provider, Push};
use windlass_engine::id::ReleaseId;
use windlass_engine::records::{Actor, AppRecord, Dialect};

use crate::apps::view;
use crate::deployments::view::serving;
use crate::document::{Cause, Detail, Document, Pushed};
use crate::error::{ApiError, ApiResult};
use crate::once::{ApiErrorOr, Made};
use crate::place::event;
use crate::server::DoState;
use crate::spec::secret::SealedSpec;
use crate::spec::wire::HostedSourceSpec;
use crate::submit::{self, Order, Sources};

/// Apps that are looked at for one push.
const APPS: u32 = 5_000;

/// Starts the deployments that follow from a push. Gives their ids.
///
/// # Errors
/// Only when the apps can't be looked at; an app that can't be deployed now is logged.
pub(crate) async fn take_in(
    state: &DoState,
    provider: Provider,
    push: &Push,
) -> ApiResult<Vec<ReleaseId>> {
    let mut started = Vec::new();
    for (app, watched) in watching(state).await? {
        let concerned = watched.iter().any(|source| {
            source.provider == provider
                && is_same_repo(&source.repo, &push.repo)
                && source.branch == push.branch
        });
        if !concerned {
            continue;
        }
        match deploy(state, &app, provider, push).await {
            Ok(id) => started.extend(id),
            Err(error) => {
                tracing::info!(app.id = %app.id, "a push was not deployed: {}", error.message);
            }
        }
    }
    Ok(started)
}

/// Looks at the branches until the program ends.
pub async fn poll(state: DoState) {
    let period_s = state.control.sources().settings().poll_interval_s;
    if period_s == 0 {
        return;
    }
    let mut turns = tokio::time::interval(Duration::from_secs(period_s));
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    turns.tick().await;
    loop {
        turns.tick().await;
        let turn = tokio::spawn(look(state.clone())).await;
        match turn {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("branches were not looked at: {}", error.message),
            Err(error) => tracing::error!("looking at branches broke: {error}"),
        }
    }
}

/// Looks at each branch once, whatever number of apps watches it.
async fn look(state: DoState) -> ApiResult<()> {
    let mut branches: BTreeSet<(&'static str, String, String)> = BTreeSet::new();
    for (_, watched) in watching(&state).await? {
        for source in watched {
            branches.insert((source.provider.as_str(), source.repo, source.branch));
        }
    }
    for (provider, repo, branch) in branches {
        let Some(provider) = Provider::ALL
            .into_iter()
            .find(|known| known.as_str() == provider)
        else {
            continue;
        };
        let sources = state.control.sources();
        let head = match sources.clone_url(provider, &repo) {
            Ok(url) => sources.head(&url, &branch).await,
            Err(error) => Err(error),
        };
        let push = match head {
            Ok(commit) => Push {
                repo,
                branch,
                commit,
                author: String::new(),
                message: String::new(),
            },
            Err(error) => {
                tracing::info!(repo, branch, "a branch was not looked at: {error}");
                continue;
            }
        };
        take_in(&state, provider, &push).await?;
    }
    Ok(())
}

/// A source that deploys on push.
#[derive(Debug, Clone)]
struct Watched {
    provider: Provider,
    repo: String,
    branch: String,
}

/// Apps that are deployed on push, with their sources.
async fn watching(state: &DoState) -> ApiResult<Vec<(AppRecord, Vec<Watched>)>> {
    let query = ListQuery::filtered(vec![Filter::is(
        Column::Dialect,
        Dialect::DigitalOcean.as_str(),
    )])
    .page(Page::first(APPS));
    let apps = state.control.list_apps(&Visibility::All, query).await?;
    let mut found = Vec::new();
    for app in apps.rows {
        // The spec that was submitted last says what is watched; after a cancel the next look
        // takes the one in force.
        let Ok(sealed) = SealedSpec::stored(Document::of(&app).spec) else {
            continue;
        };
        let watched = sources(&sealed);
        if !watched.is_empty() {
            found.push((app, watched));
        }
    }
    Ok(found)
}

fn sources(sealed: &SealedSpec) -> Vec<Watched> {
    let mut found = Vec::new();
    for placed in sealed.app().components() {
        let source = &placed.component.base().source;
        for (provider, hosted) in [
            (Provider::GitHub, &source.github),
            (Provider::GitLab, &source.gitlab),
            (Provider::Bitbucket, &source.bitbucket),
        ] {
            if let Some(HostedSourceSpec {
                repo,
                branch,
                deploy_on_push: true,
            }) = hosted
            {
                found.push(Watched {
                    provider,
                    repo: repo.clone(),
                    branch: branch.clone(),
                });
            }
        }
    }
    found
}

fn is_same_repo(ours: &str, theirs: &str) -> bool {
    let plain = |name: &str| {
        name.strip_suffix(".git")
            .unwrap_or(name)
            .to_ascii_lowercase()
    };
    plain(ours) == plain(theirs)
}

/// A deployment of a pushed commit; `None` when it is deployed, or on its way, already.
async fn deploy(
    state: &DoState,
    app: &AppRecord,
    provider: Provider,
    push: &Push,
) -> ApiResult<Option<ReleaseId>> {
    if Document::of(app).pin.is_some() {
        return Err(ApiError::precondition_failed(
            "the app is pinned to a rollback",
        ));
    }
    if is_known(state, app, provider, push).await? {
        return Ok(None);
    }
    let cause = Cause::Push(Pushed {
        provider: provider.as_str().to_owned(),
        repo: push.repo.clone(),
        branch: push.branch.clone(),
        commit: push.commit.clone(),
        author: push.author.clone(),
        message: push.message.clone(),
    });
    let order = Order {
        cause,
        sources: Sources::Pushed {
            url: state
                .control
                .sources()
                .clone_url(provider, &push.repo)
                .map_err(|error| ApiError::bad_request(error.to_string()))?,
            branch: push.branch.clone(),
            commit: push.commit.clone(),
        },
        force_build: false,
        made: |app, deployment| Made::Deployment { app, deployment },
    };
    let release = ReleaseId::new(uuid::Uuid::new_v4().to_string());
    let pushed = json!({
        "deployment": release,
        "repository": push.repo,
        "branch": push.branch,
        "commit": push.commit,
    });
    let actor = Actor {
        id: provider.as_str().to_owned(),
        kind: "source_host".to_owned(),
        name: provider.as_str().to_owned(),
    };
    let kind = "audit.app.deployment.create";
    let extra = Extra {
        audit: vec![event(actor, app, kind, pushed)],
        ..Extra::default()
    };
    let done = submit::deploy_as(state, app, None, order, release, extra).await;
    match done {
        Ok((_, record)) => Ok(Some(record.release.id)),
        Err(ApiErrorOr::Api(error)) => Err(error),
        Err(ApiErrorOr::Control(error)) => Err(error.into()),
    }
}

/// Whether the newest deployment of the app has this commit in every component that watches the
/// branch. One that was canceled or failed counts too: the same commit would end the same way, and
/// whoever wants it again says so.
async fn is_known(
    state: &DoState,
    app: &AppRecord,
    provider: Provider,
    push: &Push,
) -> ApiResult<bool> {
    let newest = view::newest(state, &app.id).await?;
    let active = serving(state, &app.id).await?;
    let spec = view::spec(&Document::of(app), &newest, active.as_ref());
    let Ok(sealed) = SealedSpec::stored(spec) else {
        return Ok(true);
    };
    let mut names: BTreeSet<String> = BTreeSet::new();
    for placed in sealed.app().components() {
        let base = placed.component.base();
        let hosted = match provider {
            Provider::GitHub => &base.source.github,
            Provider::GitLab => &base.source.gitlab,
            Provider::Bitbucket => &base.source.bitbucket,
        };
        let concerned = hosted.as_ref().is_some_and(|hosted| {
            hosted.deploy_on_push
                && is_same_repo(&hosted.repo, &push.repo)
                && hosted.branch == push.branch
        });
        if concerned {
            names.insert(base.name.clone());
        }
    }
    if names.is_empty() {
        return Ok(true);
    }
    for record in newest.iter().take(3) {
        let Some(detail) = Detail::of(record) else {
            continue;
        };
        let mut all = true;
        for component in &detail.components {
            if !names.contains(&component.name) {
                continue;
            }
            let built = match &component.build {
                Some(id) => state
                    .control
                    .find_build(id)?
                    .and_then(|build| build.git?.commit),
                None => None,
            };
            let commit = component.commit.clone().or(built);
            all &= commit.as_deref() == Some(push.commit.as_str());
        }
        if all {
            return Ok(true);
        }
    }
    Ok(false)
}
