//! What the races have in common that cancel a deployment by its own API and by `windlass`.

use std::time::{Duration, Instant};

use serde_json::Value;
use windlass::demo::server::Server;
use windlass::demo::{Failure, wait_for};

use super::cancel_cancel::{by_command_line, read_canceler};
use super::model::deployment::{Client, Reply, Request, Which, Word};
use super::scene::Story;
use super::start::{Side, race};

/// Lets both cancel, waits for the outcome, and returns whose cancel it was (0 = the API's) with
/// the record.
///
/// # Errors
/// When the outcome does not come.
pub(super) fn cancel_by_both(
    server: &Server,
    story: &mut Story,
    by_api: Side<'_, Request, Reply>,
    id: &str,
    start: Duration,
) -> Result<(usize, Value), Failure> {
    let by_line = Side {
        who: "windlass",
        request: Request::Cancel {
            by: 2,
            client: Client::CommandLine,
        },
        start,
        ask: Box::new(|| Some(by_command_line(server, id, 2))),
    };
    race(story, vec![by_api, by_line], None);
    let begin = Instant::now();
    let canceler = read_canceler(server, id)?;
    let span = (begin, Instant::now());
    let read = Some(Reply::Canceler(canceler));
    story.add("watcher", Request::ReadCanceler, read, span);
    let record = wait_for("the outcome", || {
        let record = server.json(&["deployment", "show", id])?;
        let is_over = record["outcome"].is_string() && record["cleanup"] == "done";
        Ok(if is_over {
            Ok(record)
        } else {
            Err(record["state"].to_string())
        })
    })?;
    let outcome = record["outcome"].as_str().unwrap_or_default();
    let read = Word::of(&outcome.to_uppercase()).map(Reply::Is);
    let now = Instant::now();
    story.add("watcher", Request::Read(Which::First), read, (now, now));
    Ok((usize::from(canceler != Some(1)), record))
}

/// Notes that the deployment was created.
pub(super) fn created(story: &mut Story, begin: Instant) {
    let created = Request::Create(Which::First);
    let span = (begin, Instant::now());
    story.add("creator", created, Some(Reply::Done), span);
}
