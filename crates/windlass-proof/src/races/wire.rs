//! Deployments on the wire of Cloud Foundry, in the words of the model.

use std::time::Duration;

use http::Method;
use serde_json::Value;
use windlass::demo::api::Answer;
use windlass::demo::line::Line;

use super::model::deployment::{Client, Reply, Request, Word};
use super::start::Side;

/// Cancels a deployment, with a number that says by whom.
pub(super) fn cancel(line: &mut Line, guid: &str, by: u8) -> Option<Reply> {
    let path = format!("/v3/deployments/{guid}/actions/cancel");
    let reason = by.to_string();
    ask(
        line,
        Method::POST,
        &path,
        None,
        &[("x-windlass-reason", &reason)],
    )
}

/// The side that cancels a deployment.
pub(super) fn canceling<'a>(
    line: &'a mut Line,
    guid: &'a str,
    start: Duration,
) -> Side<'a, Request, Reply> {
    Side {
        who: "cancel",
        request: Request::Cancel {
            by: 1,
            client: Client::CloudFoundry,
        },
        start,
        ask: Box::new(move || cancel(line, guid, 1)),
    }
}

/// Continues a deployment.
pub(super) fn resume(line: &mut Line, guid: &str) -> Option<Reply> {
    let path = format!("/v3/deployments/{guid}/actions/continue");
    ask(line, Method::POST, &path, None, &[])
}

/// Asks, and understands what is answered.
pub(super) fn ask(
    line: &mut Line,
    method: Method,
    path: &str,
    body: Option<&Value>,
    headers: &[(&str, &str)],
) -> Option<Reply> {
    line.call(method, path, body, headers)
        .ok()
        .as_ref()
        .map(reply)
}

/// An answer about a deployment in the words of the model.
pub(super) fn reply(answer: &Answer) -> Reply {
    let strange = || Reply::Strange(format!("{} {}", answer.status, answer.text));
    match answer.status {
        200 | 201 => {
            let word = answer.body["status"]["reason"].as_str().and_then(Word::of);
            word.map_or_else(strange, Reply::Is)
        }
        422 => {
            let detail = answer.body["errors"][0]["detail"]
                .as_str()
                .unwrap_or_default();
            let word = detail
                .rsplit_once("reason: ")
                .and_then(|(_, word)| Word::of(word));
            word.map_or_else(strange, |word| Reply::Refused(Some(word)))
        }
        _ => strange(),
    }
}
