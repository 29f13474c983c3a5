//! Follows all deployments that are under way by one list, so that a thousand who wait ask once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::Value;
use tokio::sync::watch;
use windlass::demo::platform::text;
use windlass::demo::{Failure, WAIT_LIMIT};

use crate::bench::client::Client;

/// Pause between two lists.
const PAUSE: Duration = Duration::from_millis(100);
/// Every deployment that is under way, on one page.
const ACTIVE: &str = "/v3/deployments?status_values=ACTIVE&per_page=5000";

/// One list.
#[derive(Debug, Clone, Default)]
struct List {
    /// How many were begun before this one.
    number: usize,
    /// Reasons by guid.
    active: BTreeMap<String, String>,
}

/// What waits for deployments.
#[derive(Debug)]
pub(super) struct Watch {
    begun: AtomicUsize,
    lists: watch::Sender<List>,
    most: AtomicUsize,
}

impl Watch {
    /// Nothing seen yet.
    pub(super) fn new() -> Self {
        Self {
            begun: AtomicUsize::new(0),
            lists: watch::Sender::new(List::default()),
            most: AtomicUsize::new(0),
        }
    }

    /// Lists until it is dropped, or a list fails.
    pub(super) async fn follow(&self, mut client: Client) -> Result<(), Failure> {
        loop {
            let number = self.begun.fetch_add(1, Ordering::SeqCst);
            let page = client.call(Method::GET, ACTIVE, None).await?.ok()?;
            let rows = page["resources"].as_array().into_iter().flatten();
            let active: BTreeMap<String, String> = rows
                .map(|row| Ok((text(row, "guid")?, text(&row["status"], "reason")?)))
                .collect::<Result<_, Failure>>()?;
            if page["pagination"]["next"] != Value::Null {
                return Err(Failure::Unexpected("more than a page is active".to_owned()));
            }
            self.most.fetch_max(active.len(), Ordering::SeqCst);
            self.lists.send_replace(List { number, active });
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The most deployments that were under way in one list.
    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// Waits until a deployment waits at its step.
    pub(super) async fn paused(&self, guid: &str) -> Result<(), Failure> {
        self.until(guid, |reason| reason == Some("PAUSED")).await
    }

    /// Waits until a deployment has ended.
    pub(super) async fn ended(&self, guid: &str) -> Result<(), Failure> {
        self.until(guid, |reason| reason.is_none()).await
    }

    /// Only lists count that were begun after this call: one that was begun before may not have
    /// what was made meanwhile.
    async fn until(&self, guid: &str, is: impl Fn(Option<&str>) -> bool) -> Result<(), Failure> {
        let first = self.begun.load(Ordering::SeqCst);
        let mut lists = self.lists.subscribe();
        let seen = lists.wait_for(|list| {
            let reason = list.active.get(guid).map(String::as_str);
            list.number >= first && is(reason)
        });
        match tokio::time::timeout(WAIT_LIMIT, seen).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Failure::Unexpected("nobody lists any more".to_owned())),
            Err(_) => {
                let last = self.lists.borrow().active.get(guid).cloned();
                Err(Failure::Late {
                    what: format!("deployment {guid}"),
                    limit: WAIT_LIMIT,
                    last: last.unwrap_or_else(|| "ended".to_owned()),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(number: usize, rows: &[(&str, &str)]) -> List {
        let active = rows
            .iter()
            .map(|(guid, reason)| ((*guid).to_owned(), (*reason).to_owned()));
        List {
            number,
            active: active.collect(),
        }
    }

    #[tokio::test]
    async fn a_list_from_before_says_nothing_of_what_is_not_in_it() {
        let watch = Watch::new();
        watch.begun.store(1, Ordering::SeqCst);
        let waiting = watch.ended("a");
        tokio::pin!(waiting);
        // Begun before the deployment was there.
        watch.lists.send_replace(list(0, &[]));
        tokio::select! {
            biased;
            ended = &mut waiting => panic!("{ended:?}"),
            () = tokio::task::yield_now() => {}
        }
        watch.lists.send_replace(list(1, &[("a", "CANCELING")]));
        tokio::select! {
            biased;
            ended = &mut waiting => panic!("{ended:?}"),
            () = tokio::task::yield_now() => {}
        }
        watch.lists.send_replace(list(2, &[("b", "PAUSED")]));
        assert!(waiting.await.is_ok());
        assert!(watch.paused("b").await.is_ok());
    }
}
