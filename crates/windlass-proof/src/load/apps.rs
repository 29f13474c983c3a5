//! `load --apps`: very many apps are deployed at once, over the real API, engine and store; only
//! their instances run in name (see [`crate::double`]). Everybody's wish is fulfilled, nothing
//! grows from round to round, and no cancel waits for the work of others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use tokio::task::JoinSet;
use windlass::demo::platform::{Platform, text};
use windlass::demo::{Failure, WAIT_LIMIT, WAIT_POLL};

use crate::bench::client::Door;
use crate::crashes::dice::Dice;
use crate::double;
use crate::programs;
use crate::rig::Rig;
use crate::seed::{self, Crowd};
use books::{Books, Served};
use round::{Line, Played};
use story::Story;
use tally::Seen;
use watch::Watch;

mod books;
mod memory;
mod round;
mod story;
mod tally;
mod watch;

/// Connections that are opened, and apps that get their routes, at the same time.
const AT_ONCE: usize = 64;

/// Runs it.
///
/// # Errors
/// When Windlass can't be had, or a call is refused that must not be.
pub(super) fn run(apps: usize, rounds: u32, seed: u64) -> Result<Seen, Failure> {
    let mut rig = Rig::new(&programs::this()?, &programs::root(), &[])?;
    rig.server.terminate()?;
    let crowd = Crowd {
        from: 0,
        apps,
        active: 0,
    };
    seed::put(&rig.server, &rig.platform, crowd)?;
    let data_dir = rig.server.data_dir();
    double::give_all_ports(&data_dir).map_err(|source| Failure::File {
        what: "write to",
        path: data_dir,
        source,
    })?;
    rig.server.up()?;
    rig.renew()?;
    windlass::program::take_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::System {
            what: "start a runtime",
            source,
        })?;
    let mut seen = runtime.block_on(rounds_of(&rig, apps, rounds, seed))?;
    drop(runtime);
    for guid in seen.cancels_not_in_force() {
        let record = rig.server.json(&["deployment", "show", &guid])?;
        match record["time_to_safe_ms"].as_f64() {
            Some(ms) => seen.safe_ms.push(ms),
            None => seen.wrong.push(format!("canceled {guid} was never safe")),
        }
    }
    seen.wrong.extend(rig.end()?);
    seen.tell();
    Ok(seen)
}

async fn rounds_of(rig: &Rig, apps: usize, rounds: u32, seed: u64) -> Result<Seen, Failure> {
    let door = Door::of(&rig.platform)?;
    let mut lines = open(&door, &rig.platform, apps).await?;
    super::say(&format!("  {apps} connections open"));
    let books = Arc::new(Books::open(&rig.server.data_dir())?);
    let watch = Arc::new(Watch::new());
    let (following, client) = (Arc::clone(&watch), door.client().await?);
    let mut follower = tokio::spawn(async move { following.follow(client).await });
    let mut before = settled(&books, apps, |_, _| Ok(())).await?;
    let mut dice = Dice::new(seed);
    let mut seen = Seen::new(apps, seed, memory::look(&rig.server)?);
    for round in 1..=rounds {
        let (begun, first) = (Instant::now(), books.last_commit()?);
        let cast = lines
            .into_iter()
            .map(|line| (line, Story::by(&mut dice)))
            .collect();
        let (mut played, peak) = tokio::select! {
            played = round::play(&rig.server, &books, &watch, cast) => played?,
            ended = &mut follower => return Err(unfollowed(ended)),
        };
        seen.took.push(begun.elapsed());
        for app in &mut played {
            seen.wrong.extend(app.check().await?);
        }
        let stories: BTreeMap<String, Story> = played
            .iter()
            .map(|app| (seed::app_id(app.line.number), app.story))
            .collect();
        let after = settled(&books, apps, |app, served| {
            is_right(stories.get(app).copied(), before.get(app), served)
        })
        .await?;
        before = after;
        let commits = books.last_commit()? - first;
        seen.round(&played, &books, commits)?;
        seen.peaks.push(peak);
        seen.afters.push(memory::look(&rig.server)?);
        lines = played.into_iter().map(|app: Played| app.line).collect();
        let took = secs(begun.elapsed());
        super::say(&format!(
            "  round {round} of {rounds}: {took:.1} s, {commits} commits"
        ));
    }
    seen.most_at_once = watch.most();
    follower.abort();
    Ok(seen)
}

/// Opens a connection for each app, and gives it a route.
async fn open(door: &Door, platform: &Platform, apps: usize) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    let mut jobs: JoinSet<Result<Line, Failure>> = JoinSet::new();
    for number in 0..apps {
        if jobs.len() >= AT_ONCE
            && let Some(line) = jobs.join_next().await
        {
            lines.push(line.map_err(broken)??);
        }
        let (door, space, domain) = (
            door.clone(),
            platform.space.clone(),
            platform.domain.clone(),
        );
        jobs.spawn(async move {
            let mut client = door.client().await?;
            let route = json!({ "host": seed::app_name(number), "relationships": {
                "space": { "data": { "guid": space } },
                "domain": { "data": { "guid": domain } },
            } });
            let route = client
                .call(Method::POST, "/v3/routes", Some(&route))
                .await?;
            let path = format!("/v3/routes/{}/destinations", text(&route.ok()?, "guid")?);
            let to = json!({ "destinations": [{ "app": { "guid": seed::app_id(number) } }] });
            client.call(Method::POST, &path, Some(&to)).await?.ok()?;
            Ok(Line {
                number,
                is_second: false,
                client,
            })
        });
    }
    while let Some(line) = jobs.join_next().await {
        lines.push(line.map_err(broken)??);
    }
    lines.sort_by_key(|line| line.number);
    Ok(lines)
}

/// Waits until every app is served by the one instance that it has, as `is` wants it; what serves
/// each then.
async fn settled(
    books: &Books,
    apps: usize,
    is: impl Fn(&str, &Served) -> Result<(), String>,
) -> Result<BTreeMap<String, Served>, Failure> {
    let begun = Instant::now();
    loop {
        let (served, running) = (books.served()?, books.running()?);
        let is_settled = (0..apps).map(seed::app_id).try_for_each(|app| {
            let of_table = served.get(&app).cloned().unwrap_or_default();
            let of_driver = running.get(&app).cloned().unwrap_or_default();
            let by: Vec<&BTreeSet<String>> = of_table.values().collect();
            if by != [&of_driver] || of_driver.len() != 1 {
                return Err(format!(
                    "app {app}: table {of_table:?}, running {of_driver:?}"
                ));
            }
            is(&app, &of_table).map_err(|why| format!("app {app}: {why}"))
        });
        match is_settled {
            Ok(()) => return Ok(served),
            Err(last) if begun.elapsed() > WAIT_LIMIT => {
                return Err(Failure::Late {
                    what: "all apps to be as they should".to_owned(),
                    limit: WAIT_LIMIT,
                    last,
                });
            }
            Err(_) => tokio::time::sleep(10 * WAIT_POLL).await,
        }
    }
}

/// A canceled app is served by the version of before, and by the very instance; another by
/// another version.
fn is_right(story: Option<Story>, before: Option<&Served>, now: &Served) -> Result<(), String> {
    let (Some(story), Some(before)) = (story, before) else {
        return Err("it was not there before".to_owned());
    };
    let is_same = before.keys().eq(now.keys());
    match (story.moves(), is_same) {
        (true, true) | (false, false) => {
            Err(format!("{}: {before:?} before, {now:?} now", story.name()))
        }
        (true, false) | (false, true) => Ok(()),
    }
}

fn unfollowed(ended: Result<Result<(), Failure>, tokio::task::JoinError>) -> Failure {
    match ended {
        Ok(Err(failure)) => failure,
        Ok(Ok(())) => Failure::Unexpected("nobody lists any more".to_owned()),
        Err(error) => broken(error),
    }
}

fn broken(error: tokio::task::JoinError) -> Failure {
    Failure::Unexpected(format!("apps: {error}"))
}

/// Seconds, for people.
fn secs(span: Duration) -> f64 {
    span.as_secs_f64()
}
