//! Which instance answers a request. Each worker has a picker of its own and
//! picks without any lock.

use std::collections::HashMap;
use std::sync::Arc;

use crate::compiled::{
    Compiled, CompiledGroup, CompiledRule, CompiledTarget, CompiledVersion, Elsewhere,
};
use crate::schedule::Schedule;
use crate::table::Position;
use crate::upstream::{InFlight, UpstreamState};

mod functions;
mod pins;
mod visitors;

pub(crate) use functions::{FunctionChoice, VersionOf};
pub(crate) use visitors::Visitor;

/// A worker's places in all schedules.
#[derive(Debug)]
pub(crate) struct Picker {
    worker: usize,
    groups: HashMap<Arc<str>, GroupPlace>,
    routes: HashMap<Arc<str>, Place>,
    /// Next instance for a function, whichever it is.
    function_turn: usize,
}

#[derive(Debug)]
struct Place {
    schedule: Arc<Schedule>,
    next: usize,
}

#[derive(Debug)]
struct GroupPlace {
    place: Place,
    /// Next instance, by version.
    turns: Vec<usize>,
}

/// How a request wants to be picked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish<'a> {
    /// Instance that an earlier response pinned the client to.
    pub(crate) pinned: Option<&'a str>,
    /// Instance that the request names: app and index.
    pub(crate) named: Option<(&'a str, u32)>,
    /// Instances that failed this request already.
    pub(crate) failed: &'a [Arc<str>],
    /// Whose request it is, for groups that divide visitors.
    pub(crate) visitor: Option<Visitor<'a>>,
    /// Query of the request, where it may name a version.
    pub(crate) query: Option<&'a str>,
}

/// A picked instance. The request counts as in flight from here on.
#[derive(Debug)]
pub(crate) struct Pick {
    pub(crate) group: Arc<CompiledGroup>,
    pub(crate) version: usize,
    pub(crate) in_flight: InFlight,
    pub(crate) position: Position,
    /// Whether it was picked outside the shares.
    pub(crate) is_pinned: bool,
}

/// What became of a pick.
#[derive(Debug)]
pub(crate) enum Choice {
    /// An instance.
    Instance(Pick),
    /// The version answers without an instance.
    Other {
        group: Arc<CompiledGroup>,
        version: usize,
        position: Position,
    },
    /// Another address, by a rule of the app.
    Elsewhere(Arc<Elsewhere>),
    /// Something is awaited: a confirmation after the reboot, or (`version`) the
    /// start of an instance.
    Wait {
        group: Arc<CompiledGroup>,
        version: Option<usize>,
    },
    /// The instance that the request names is not there.
    NoSuchInstance,
    /// Nothing can answer.
    Nothing,
}

impl Pick {
    pub(crate) fn version(&self) -> &CompiledVersion {
        &self.group.versions[self.version]
    }

    pub(crate) fn upstream(&self) -> &Arc<UpstreamState> {
        &self.in_flight.upstream
    }
}

impl Picker {
    pub(crate) fn new(worker: usize) -> Self {
        Self {
            worker,
            groups: HashMap::new(),
            routes: HashMap::new(),
            function_turn: worker,
        }
    }

    /// Forgets places in what the table no longer has.
    pub(crate) fn switch(&mut self, table: &Compiled) {
        self.groups.retain(|id, _| table.groups.contains_key(id));
        if self.routes.len() > 2 * table.hosts.len() + 1_000 {
            // Routes are not indexed by id; beginning anew is harmless.
            self.routes.clear();
        }
    }

    /// Picks. Synchronous from the look at the table to the count of the
    /// request: that is what an acknowledgement rests on.
    pub(crate) fn pick(
        &mut self,
        table: &Compiled,
        rule: &CompiledRule,
        wish: Wish<'_>,
        now_ms: u64,
    ) -> Choice {
        let groups = || {
            rule.destinations
                .iter()
                .filter_map(|id| table.groups.get(id))
        };
        if let Some((app, index)) = wish.named {
            let found = groups()
                .filter(|group| group.app_id == app)
                .find_map(|group| {
                    find(group, |upstream| upstream.index == index).map(|found| (group, found))
                });
            return found.map_or(Choice::NoSuchInstance, |(group, (version, upstream))| {
                Choice::Instance(begin(table, group, version, upstream, true))
            });
        }
        if let Some(pinned) = wish.pinned {
            let found = groups().find_map(|group| {
                find(group, |upstream| {
                    *upstream.public_id == *pinned
                        && !wish.failed.contains(&upstream.id)
                        && upstream.is_reachable(now_ms)
                })
                .map(|found| (group, found))
            });
            if let Some((group, (version, upstream))) = found {
                return Choice::Instance(begin(table, group, version, upstream, true));
            }
        }
        let first = self.destination(rule);
        let mut waits = None;
        // The destination whose turn it is, else any other that can answer.
        for offset in 0..rule.destinations.len() {
            let id = &rule.destinations[(first + offset) % rule.destinations.len()];
            let Some(group) = table.groups.get(id) else {
                continue;
            };
            let group = pins::version_asked_for(table, group, wish).unwrap_or(group);
            match self.pick_in(table, group, wish, now_ms) {
                Choice::Nothing => {}
                wait @ Choice::Wait { .. } => {
                    waits.get_or_insert(wait);
                }
                choice @ (Choice::Instance(_)
                | Choice::Other { .. }
                | Choice::Elsewhere(_)
                | Choice::NoSuchInstance) => {
                    return choice;
                }
            }
        }
        waits.unwrap_or(Choice::Nothing)
    }

    fn destination(&mut self, rule: &CompiledRule) -> usize {
        let Some(schedule) = &rule.schedule else {
            return 0;
        };
        let worker = self.worker;
        let place = self
            .routes
            .entry(Arc::clone(&rule.route_id))
            .or_insert_with(|| Place::new(schedule, worker));
        place.take(schedule, worker)
    }

    fn pick_in(
        &mut self,
        table: &Compiled,
        group: &Arc<CompiledGroup>,
        wish: Wish<'_>,
        now_ms: u64,
    ) -> Choice {
        let failed = wish.failed;
        if group.is_unconfirmed {
            return Choice::Wait {
                group: Arc::clone(group),
                version: None,
            };
        }
        let Some(schedule) = &group.schedule else {
            return Choice::Nothing;
        };
        let worker = self.worker;
        let places = self
            .groups
            .entry(Arc::clone(&group.id))
            .or_insert_with(|| GroupPlace {
                place: Place::new(schedule, worker),
                turns: vec![],
            });
        places.turns.resize(group.versions.len(), worker);
        // A second attempt of the same request takes no second slot.
        let version = if let Some(version) = visitors::version_of(group, wish.visitor) {
            version
        } else if failed.is_empty() {
            places.place.take(schedule, worker)
        } else {
            places.place.peek(schedule)
        };
        match &group.versions[version].target {
            CompiledTarget::Static(_)
            | CompiledTarget::Site { .. }
            | CompiledTarget::Redirect { .. } => {
                return Choice::Other {
                    group: Arc::clone(group),
                    version,
                    position: table.position,
                };
            }
            CompiledTarget::OnDemand { upstreams, .. } if upstreams.is_empty() => {
                return Choice::Wait {
                    group: Arc::clone(group),
                    version: Some(version),
                };
            }
            CompiledTarget::OnDemand { .. } | CompiledTarget::Instances { .. } => {}
        }
        let usable = |upstream: &UpstreamState| {
            !failed.contains(&upstream.id) && upstream.is_reachable(now_ms)
        };
        // The version whose turn it is, else any other that can be reached,
        // else one that may be reachable again.
        for offset in 0..group.versions.len() {
            let version = (version + offset) % group.versions.len();
            if let Some(upstream) = places.turn(group, version, usable) {
                return Choice::Instance(begin(table, group, version, &upstream, false));
            }
        }
        for offset in 0..group.versions.len() {
            let version = (version + offset) % group.versions.len();
            let untried = |upstream: &UpstreamState| !failed.contains(&upstream.id);
            if let Some(upstream) = places.turn(group, version, untried) {
                return Choice::Instance(begin(table, group, version, &upstream, false));
            }
        }
        Choice::Nothing
    }
}

impl Place {
    fn new(schedule: &Arc<Schedule>, worker: usize) -> Self {
        Self {
            schedule: Arc::clone(schedule),
            next: schedule.start(worker),
        }
    }

    /// The candidate whose turn it is; goes on to the next. A new schedule
    /// begins at the worker's start.
    fn take(&mut self, schedule: &Arc<Schedule>, worker: usize) -> usize {
        if !Arc::ptr_eq(&self.schedule, schedule) {
            *self = Self::new(schedule, worker);
        }
        let candidate = schedule.at(self.next);
        self.next = schedule.next(self.next);
        candidate
    }

    /// The candidate whose turn is next, without taking it.
    fn peek(&self, schedule: &Arc<Schedule>) -> usize {
        schedule.at(self.next)
    }
}

impl GroupPlace {
    /// The next instance of a version, in turn.
    fn turn(
        &mut self,
        group: &CompiledGroup,
        version: usize,
        usable: impl Fn(&UpstreamState) -> bool,
    ) -> Option<Arc<UpstreamState>> {
        let upstreams = group.versions[version].pickable();
        let turn = self.turns[version];
        for offset in 0..upstreams.len() {
            let place = turn.wrapping_add(offset) % upstreams.len();
            if usable(&upstreams[place]) {
                self.turns[version] = place + 1;
                return Some(Arc::clone(&upstreams[place]));
            }
        }
        None
    }
}

/// The first pickable instance, versions with larger shares first.
fn find(
    group: &CompiledGroup,
    is_it: impl Fn(&UpstreamState) -> bool,
) -> Option<(usize, &Arc<UpstreamState>)> {
    let mut order: Vec<usize> = (0..group.versions.len()).collect();
    order.sort_by_key(|version| std::cmp::Reverse(group.versions[*version].share));
    order.into_iter().find_map(|version| {
        let found = group.versions[version]
            .pickable()
            .iter()
            .find(|upstream| is_it(upstream));
        found.map(|upstream| (version, upstream))
    })
}

fn begin(
    table: &Compiled,
    group: &Arc<CompiledGroup>,
    version: usize,
    upstream: &Arc<UpstreamState>,
    is_pinned: bool,
) -> Pick {
    Pick {
        group: Arc::clone(group),
        version,
        in_flight: InFlight::begin(upstream),
        position: table.position,
        is_pinned,
    }
}

#[cfg(test)]
mod tests;
