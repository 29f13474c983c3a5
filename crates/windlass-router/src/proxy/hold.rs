//! Requests that wait for an instance: after a reboot, on demand, or for the
//! very first table. The wait is bounded in time and number.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use windlass_clock::task::{Instant, timeout_at};

use super::Look;
use super::answer::Answer;
use super::exchange::Exchange;
use crate::compiled::CompiledTarget;
use crate::counters::VersionCounters;
use crate::matching::Asked;
use crate::pick::{Choice, Wish};
use crate::worker::{Report, Worker};

/// Longest hold for a version that is started on demand.
const ON_DEMAND_HOLD_LIMIT: Duration = Duration::from_secs(30);
/// Requests that one version on demand may hold.
const ON_DEMAND_COUNT_LIMIT: u32 = 100;

/// Picks, and waits as long as something is awaited that may come. Beside the
/// choice there is the path that the answering side sees, where it differs.
pub(super) async fn choose(
    worker: &Worker,
    asked: Asked<'_>,
    wish: Wish<'_>,
    exchange: &mut Exchange,
) -> Result<(Choice, Option<String>), Answer> {
    let began = Instant::now();
    let limits = &worker.shared.limits;
    let mut place = None;
    let mut own_place = None;
    loop {
        // Enabled before the look: a table that comes in between is not missed.
        let mut switched = std::pin::pin!(worker.switched.notified());
        switched.as_mut().enable();
        let looked = worker.look(asked, wish);
        let limit = match looked {
            Look::NoTable => limits.hold_time,
            Look::UnknownRoute => return Err(Answer::UnknownRoute),
            Look::Chosen {
                route,
                choice,
                path,
            } => {
                exchange.set_route(&route);
                let Choice::Wait { group, version } = choice else {
                    return Ok((choice, path));
                };
                match version.map(|version| &group.versions[version]) {
                    None => limits.hold_time,
                    Some(version) => {
                        let CompiledTarget::OnDemand {
                            hold_ms,
                            hold_limit,
                            ..
                        } = &version.target
                        else {
                            return Ok((Choice::Nothing, None));
                        };
                        let count = (*hold_limit).min(ON_DEMAND_COUNT_LIMIT);
                        if own_place.is_none() {
                            let Some(taken) = HoldPlace::take(&version.counters, count) else {
                                return Err(Answer::NoEndpoints);
                            };
                            own_place = Some(taken);
                            // Without room in the queue others have asked.
                            let wanted = Report::Wanted(version.id.to_string());
                            let _ = worker.shared.reports.try_send(wanted);
                        }
                        ON_DEMAND_HOLD_LIMIT.min(Duration::from_millis(u64::from(*hold_ms)))
                    }
                }
            }
        };
        if place.is_none() {
            let held = Arc::clone(&worker.shared.held);
            let Ok(taken) = held.try_acquire_owned() else {
                return Err(Answer::NoEndpoints);
            };
            worker.shared.registry.held.fetch_add(1, Ordering::Relaxed);
            place = Some(Held {
                worker,
                _place: taken,
            });
        }
        if timeout_at(began + limit, switched).await.is_err() {
            return Err(Answer::NoEndpoints);
        }
    }
}

/// A request that waits, for the router's limit and gauge.
struct Held<'a> {
    worker: &'a Worker,
    _place: OwnedSemaphorePermit,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.worker
            .shared
            .registry
            .held
            .fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that waits for one version.
struct HoldPlace(Arc<VersionCounters>);

impl HoldPlace {
    fn take(counters: &Arc<VersionCounters>, limit: u32) -> Option<Self> {
        let place = Self(Arc::clone(counters));
        // Beyond the limit the place is given back at once.
        (counters.held.fetch_add(1, Ordering::Relaxed) < limit).then_some(place)
    }
}

impl Drop for HoldPlace {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}
