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
use super::site::told;
use crate::compiled::CompiledTarget;
use crate::counters::VersionCounters;
use crate::matching::Asked;
use crate::pick::{Choice, FunctionChoice, Pick, VersionOf, Wish};
use crate::table::AnswerKind;
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
    let mut holding = Holding::begin(worker);
    loop {
        // From before the look: it is told of a table that comes in between.
        let switched = worker.switched.notified();
        let limit = match worker.look(asked, wish) {
            Look::NoTable => worker.shared.limits.hold_time,
            Look::UnknownRoute => return Err(Answer::UnknownRoute),
            Look::Absent { route, headers } => {
                exchange.set_route(&route);
                let headers = told(&headers, AnswerKind::NotFound, exchange.request_id());
                return Err(Answer::Site {
                    status: 404,
                    headers,
                });
            }
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
                    None => worker.shared.limits.hold_time,
                    Some(version) => {
                        let CompiledTarget::OnDemand {
                            hold_ms,
                            hold_limit,
                            ..
                        } = &version.target
                        else {
                            return Ok((Choice::Nothing, None));
                        };
                        let of = VersionOf {
                            group: &group.id,
                            version: &version.id,
                        };
                        holding.want(of, &version.counters, *hold_limit)?;
                        on_demand_limit(*hold_ms)
                    }
                }
            }
        };
        Box::pin(holding.wait(switched, limit)).await?;
    }
}

/// Picks an instance for a function and waits while none runs. `None` = the
/// version does not serve any more.
pub(super) async fn choose_for_function(
    worker: &Worker,
    of: VersionOf<'_>,
) -> Result<Option<Pick>, Answer> {
    let mut holding = Holding::begin(worker);
    loop {
        let switched = worker.switched.notified();
        match worker.look_function(of, &[]) {
            FunctionChoice::Instance(pick) => return Ok(Some(pick)),
            FunctionChoice::Moved => return Ok(None),
            FunctionChoice::Nothing => return Err(Answer::NoEndpoints),
            FunctionChoice::Wait {
                counters,
                hold_ms,
                hold_limit,
            } => {
                holding.want(of, &counters, hold_limit)?;
                holding.wait(switched, on_demand_limit(hold_ms)).await?;
            }
        }
    }
}

fn on_demand_limit(hold_ms: u32) -> Duration {
    ON_DEMAND_HOLD_LIMIT.min(Duration::from_millis(u64::from(hold_ms)))
}

/// A request that may have to wait, with its places.
struct Holding<'a> {
    worker: &'a Worker,
    began: Instant,
    place: Option<Held<'a>>,
    own_place: Option<HoldPlace>,
}

impl<'a> Holding<'a> {
    fn begin(worker: &'a Worker) -> Self {
        Self {
            worker,
            began: Instant::now(),
            place: None,
            own_place: None,
        }
    }

    /// Takes a place among those that wait for a version, and asks control for
    /// an instance of it.
    fn want(
        &mut self,
        of: VersionOf<'_>,
        counters: &Arc<VersionCounters>,
        hold_limit: u32,
    ) -> Result<(), Answer> {
        if self.own_place.is_some() {
            return Ok(());
        }
        let count = hold_limit.min(ON_DEMAND_COUNT_LIMIT);
        self.own_place = HoldPlace::take(counters, count);
        if self.own_place.is_none() {
            return Err(Answer::NoEndpoints);
        }
        // Without room in the queue others have asked.
        let _ = self.worker.shared.reports.try_send(Report::Wanted {
            group: of.group.to_owned(),
            version: of.version.to_owned(),
        });
        Ok(())
    }

    /// Waits for the next table, at most until the limit since the beginning.
    async fn wait(
        &mut self,
        switched: impl Future<Output = ()>,
        limit: Duration,
    ) -> Result<(), Answer> {
        let shared = &self.worker.shared;
        if self.place.is_none() {
            let held = Arc::clone(&shared.held);
            let Ok(taken) = held.try_acquire_owned() else {
                return Err(Answer::NoEndpoints);
            };
            shared.registry.held.fetch_add(1, Ordering::Relaxed);
            self.place = Some(Held {
                worker: self.worker,
                _place: taken,
            });
        }
        timeout_at(self.began + limit, switched)
            .await
            .map_err(|_| Answer::NoEndpoints)
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
