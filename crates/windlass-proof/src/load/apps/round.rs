//! One round: every app is deployed at once, and at the step of its canary something is done with
//! it, also at once.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use windlass::demo::Failure;
use windlass::demo::platform::text;
use windlass::demo::server::Server;

use super::books::Books;
use super::memory::{self, Moment};
use super::story::{Made, Story};
use super::watch::Watch;
use crate::bench::client::Client;
use crate::seed;

/// Header with the time to safe.
const TIME_TO_SAFE: &str = "x-windlass-time-to-safe-ms";

/// An app with a connection of its own to the API.
#[derive(Debug)]
pub(super) struct Line {
    /// Its number.
    pub(super) number: usize,
    /// Whether its second artifact runs.
    pub(super) is_second: bool,
    /// The connection.
    pub(super) client: Client,
}

/// A cancel that was answered.
#[derive(Debug, Clone)]
pub(super) struct Cancel {
    /// Of which deployment.
    pub(super) guid: String,
    /// Newest commit of the server when it was sent.
    pub(super) sent: u64,
    /// Newest commit when its answer was there.
    pub(super) answered: u64,
    /// How long that took.
    pub(super) took: Duration,
    /// From its commit to the table in force, milliseconds; `None` = the answer said: not yet.
    pub(super) safe_ms: Option<f64>,
}

/// What an app went through.
#[derive(Debug)]
pub(super) struct Played {
    /// The app.
    pub(super) line: Line,
    /// What was asked of it.
    pub(super) story: Story,
    /// Its deployments.
    pub(super) made: Vec<Made>,
    /// Its cancels.
    pub(super) cancels: Vec<Cancel>,
}

/// Where all meet.
struct Stage {
    books: Arc<Books>,
    watch: Arc<Watch>,
    start: Barrier,
    paused: Barrier,
    go: Barrier,
}

/// Plays it; what became of each, and what the roles held while all deployments waited.
pub(super) async fn play(
    server: &Server,
    books: &Arc<Books>,
    watch: &Arc<Watch>,
    lines: Vec<(Line, Story)>,
) -> Result<(Vec<Played>, Moment), Failure> {
    let everyone = lines.len() + 1;
    let stage = Arc::new(Stage {
        books: Arc::clone(books),
        watch: Arc::clone(watch),
        start: Barrier::new(lines.len()),
        paused: Barrier::new(everyone),
        go: Barrier::new(everyone),
    });
    let mut jobs = JoinSet::new();
    for (line, story) in lines {
        jobs.spawn(app(line, story, Arc::clone(&stage)));
    }
    tokio::select! {
        _ = stage.paused.wait() => {}
        Some(ended) = jobs.join_next() => return Err(early(ended)),
    }
    let peak = memory::look(server)?;
    tokio::select! {
        _ = stage.go.wait() => {}
        Some(ended) = jobs.join_next() => return Err(early(ended)),
    }
    let mut all = Vec::new();
    while let Some(played) = jobs.join_next().await {
        all.push(played.map_err(broken)??);
    }
    all.sort_by_key(|played| played.line.number);
    Ok((all, peak))
}

async fn app(line: Line, story: Story, stage: Arc<Stage>) -> Result<Played, Failure> {
    let mut app = Played {
        line,
        story,
        made: Vec::new(),
        cancels: Vec::new(),
    };
    stage.start.wait().await;
    if story == Story::CancelTwice {
        let first = app.create("canary", "CANCELED").await?;
        app.cancel(&first, &stage.books).await?;
    }
    let outcome = match story {
        Story::Continue => "DEPLOYED",
        Story::Cancel | Story::CancelTwice => "CANCELED",
        Story::Supersede => "SUPERSEDED",
    };
    let canary = app.create("canary", outcome).await?;
    stage.watch.paused(&canary).await?;
    stage.paused.wait().await;
    stage.go.wait().await;
    match story {
        Story::Continue => {
            let path = format!("/v3/deployments/{canary}/actions/continue");
            app.line
                .client
                .call(Method::POST, &path, Some(&json!({})))
                .await?
                .ok()?;
        }
        Story::Cancel | Story::CancelTwice => app.cancel(&canary, &stage.books).await?,
        Story::Supersede => {
            app.create("rolling", "DEPLOYED").await?;
        }
    }
    for made in &app.made {
        stage.watch.ended(&made.guid).await?;
    }
    if story.moves() {
        app.line.is_second = !app.line.is_second;
    }
    Ok(app)
}

impl Played {
    /// Creates a deployment of the artifact that does not run.
    async fn create(&mut self, strategy: &str, outcome: &'static str) -> Result<String, Failure> {
        let number = self.line.number;
        let droplet = if self.line.is_second {
            seed::first_artifact(number)
        } else {
            seed::second_artifact(number)
        };
        let body = json!({
            "strategy": strategy,
            "droplet": { "guid": droplet },
            "relationships": { "app": { "data": { "guid": seed::app_id(number) } } },
        });
        let reply = self
            .line
            .client
            .call(Method::POST, "/v3/deployments", Some(&body))
            .await?;
        let guid = text(&reply.ok()?, "guid")?;
        self.made.push(Made {
            guid: guid.clone(),
            outcome,
        });
        Ok(guid)
    }

    async fn cancel(&mut self, guid: &str, books: &Books) -> Result<(), Failure> {
        let path = format!("/v3/deployments/{guid}/actions/cancel");
        let sent = books.last_commit()?;
        let reply = self
            .line
            .client
            .call(Method::POST, &path, Some(&json!({})))
            .await?;
        let answered = books.last_commit()?;
        let safe_ms = reply
            .headers
            .get(TIME_TO_SAFE)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let took = reply.took;
        let status = &reply.ok()?["status"];
        if status["reason"] != "CANCELING" && status["reason"] != "CANCELED" {
            return Err(Failure::Unexpected(format!(
                "a cancel was answered {status}"
            )));
        }
        self.cancels.push(Cancel {
            guid: guid.to_owned(),
            sent,
            answered,
            took,
            safe_ms,
        });
        Ok(())
    }

    /// Asks what an app's deployments and its droplet are now; what is not as it has to be.
    pub(super) async fn check(&mut self) -> Result<Vec<String>, Failure> {
        let mut wrong = Vec::new();
        for made in self.made.clone() {
            let path = format!("/v3/deployments/{}", made.guid);
            let status = &self.get(&path).await?["status"];
            if status["value"] != "FINALIZED" || status["reason"] != made.outcome {
                wrong.push(format!(
                    "deployment {}: {status}, not {}",
                    made.guid, made.outcome
                ));
            }
        }
        let number = self.line.number;
        let path = format!("/v3/apps/{}/droplets/current", seed::app_id(number));
        let droplet = text(&self.get(&path).await?, "guid")?;
        let expected = if self.line.is_second {
            seed::second_artifact(number)
        } else {
            seed::first_artifact(number)
        };
        if droplet != expected {
            wrong.push(format!(
                "app {number} ({}): droplet {droplet}, not {expected}",
                self.story.name()
            ));
        }
        Ok(wrong)
    }

    async fn get(&mut self, path: &str) -> Result<Value, Failure> {
        self.line.client.call(Method::GET, path, None).await?.ok()
    }
}

fn early(ended: Result<Result<Played, Failure>, tokio::task::JoinError>) -> Failure {
    match ended {
        Ok(Ok(played)) => Failure::Unexpected(format!("app {} was early", played.line.number)),
        Ok(Err(failure)) => failure,
        Err(error) => broken(error),
    }
}

fn broken(error: tokio::task::JoinError) -> Failure {
    Failure::Unexpected(format!("apps: {error}"))
}
