//! The route table in the form that workers read: finished schedules, sorted
//! rules, shared states of instances. Immutable; workers swap whole tables.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use http::{HeaderName, HeaderValue, Method};
use tokio::sync::Notify;
use tracing::warn;

use crate::counters::{Registry, VersionCounters};
use crate::proxy::files::StaticFiles;
use crate::proxy::site::SiteFiles;
use crate::schedule::Schedule;
use crate::shards::Shards;
use crate::table::{
    AnswerHeader, Change, HostRoutes, IngressAnswer, IngressRule, Pins, Position, RequestHeader,
    RouteRule, Split, Table, TargetKind, Upstream, Version,
};
use crate::upstream::UpstreamState;
use crate::upstreams::{Marked, Upstreams};

/// A whole table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Compiled {
    pub(crate) position: Position,
    pub(crate) groups: Shards<CompiledGroup>,
    pub(crate) hosts: Shards<CompiledHost>,
}

/// One group.
#[derive(Debug)]
pub(crate) struct CompiledGroup {
    pub(crate) id: Arc<str>,
    pub(crate) app_id: String,
    pub(crate) sticky_cookies: Vec<String>,
    pub(crate) versions: Vec<CompiledVersion>,
    /// Over `versions`; `None` when nothing can serve.
    pub(crate) schedule: Option<Arc<Schedule>>,
    /// Requests wait: nobody has confirmed the instances since the reboot.
    pub(crate) is_unconfirmed: bool,
    /// Whether it stands for a whole app, whose rules say which group answers.
    pub(crate) is_whole_app: bool,
    pub(crate) ingress: Vec<CompiledIngress>,
    pub(crate) split: Split,
    pub(crate) pins: Option<Box<Pins>>,
}

/// One rule of an app about its paths.
#[derive(Debug)]
pub(crate) struct CompiledIngress {
    pub(crate) host: Option<String>,
    /// Of a prefix without a slash at its end.
    pub(crate) path: String,
    pub(crate) exact: bool,
    pub(crate) answer: CompiledAnswer,
}

/// What answers the requests of an ingress rule.
#[derive(Debug)]
pub(crate) enum CompiledAnswer {
    /// A rule whose only destination is the group.
    Group {
        rule: CompiledRule,
        replace: Option<String>,
    },
    Redirect(Arc<Elsewhere>),
}

/// Parts of an address that differ from the request's.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    pub(crate) uri: Option<String>,
    pub(crate) authority: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) scheme: Option<String>,
    pub(crate) status: u16,
}

/// One version.
#[derive(Debug)]
pub(crate) struct CompiledVersion {
    pub(crate) id: Arc<str>,
    pub(crate) share: u16,
    pub(crate) target: CompiledTarget,
    pub(crate) counters: Arc<VersionCounters>,
}

/// What answers.
#[derive(Debug)]
pub(crate) enum CompiledTarget {
    Instances {
        upstreams: Vec<Arc<UpstreamState>>,
    },
    OnDemand {
        upstreams: Vec<Arc<UpstreamState>>,
        hold_ms: u32,
        hold_limit: u32,
    },
    Static(Arc<StaticFiles>),
    Site {
        site: Arc<SiteFiles>,
        upstreams: Vec<Arc<UpstreamState>>,
        hold_ms: u32,
        hold_limit: u32,
        headers: Arc<[AnswerHeader]>,
        request_headers: Arc<[RequestHeader]>,
    },
    Redirect {
        location: String,
        status: u16,
        keep_path: bool,
    },
}

/// The rules of one host, most specific first.
#[derive(Debug)]
pub(crate) struct CompiledHost {
    pub(crate) rules: Vec<CompiledRule>,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) route_id: Arc<str>,
    /// Without a slash at its end; empty matches everything.
    pub(crate) path_prefix: String,
    pub(crate) method: Option<Method>,
    pub(crate) headers: Vec<(HeaderName, Option<HeaderValue>)>,
    pub(crate) destinations: Vec<Arc<str>>,
    /// Over `destinations`, when there are several.
    pub(crate) schedule: Option<Arc<Schedule>>,
    /// Of the answer while none of them is there; empty = that of what may come back.
    pub(crate) absent: Arc<[AnswerHeader]>,
}

impl CompiledVersion {
    /// All instances, also of a withdrawn version.
    pub(crate) fn upstreams(&self) -> &[Arc<UpstreamState>] {
        match &self.target {
            CompiledTarget::Instances { upstreams }
            | CompiledTarget::OnDemand { upstreams, .. }
            | CompiledTarget::Site { upstreams, .. } => upstreams,
            CompiledTarget::Static(_) | CompiledTarget::Redirect { .. } => &[],
        }
    }

    /// Instances that requests may be sent to; none of a withdrawn version, and
    /// none of a site, whose routes say first which requests they are for.
    pub(crate) fn pickable(&self) -> &[Arc<UpstreamState>] {
        match &self.target {
            CompiledTarget::Instances { upstreams }
            | CompiledTarget::OnDemand { upstreams, .. }
                if self.share > 0 =>
            {
                upstreams
            }
            CompiledTarget::Instances { .. }
            | CompiledTarget::OnDemand { .. }
            | CompiledTarget::Static(_)
            | CompiledTarget::Site { .. }
            | CompiledTarget::Redirect { .. } => &[],
        }
    }

    /// Whether requests may be sent to it at all.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.share == 0
    }

    /// Weight in the schedule: the share, unless nothing could answer.
    fn weight(&self) -> u64 {
        match &self.target {
            CompiledTarget::Instances { upstreams } if upstreams.is_empty() => 0,
            CompiledTarget::Instances { .. }
            | CompiledTarget::OnDemand { .. }
            | CompiledTarget::Static(_)
            | CompiledTarget::Site { .. }
            | CompiledTarget::Redirect { .. } => u64::from(self.share),
        }
    }
}

/// Sites that are kept before any is forgotten.
const FIRST_SITES_LIMIT: usize = 64;

/// Makes compiled tables and keeps what outlives them: the states of upstreams
/// (also of withdrawn ones, until their requests have ended) and the counters.
#[derive(Debug)]
pub(crate) struct Compiler {
    workers: usize,
    registry: Arc<Registry>,
    upstreams: Upstreams,
    /// Sites that some table still has, so that each is read once.
    sites: HashMap<PathBuf, Weak<SiteFiles>>,
    /// With as many sites those that no table has are forgotten.
    sites_limit: usize,
    current: Arc<Compiled>,
}

impl Compiler {
    pub(crate) fn new(workers: usize, registry: Arc<Registry>, drained: Arc<Notify>) -> Self {
        Self {
            workers,
            registry,
            upstreams: Upstreams::new(drained),
            sites: HashMap::new(),
            sites_limit: FIRST_SITES_LIMIT,
            current: Arc::new(Compiled::default()),
        }
    }

    /// Compiles what `changes` touch, or everything; the rest is shared with
    /// the table before. `table` holds the changes already.
    pub(crate) fn compile(&mut self, table: &Table, changes: Option<&[Change]>) -> Arc<Compiled> {
        let whole = changes.is_none_or(|changes| {
            changes
                .iter()
                .any(|change| matches!(change, Change::Snapshot { .. }))
        });
        let mut next = if whole {
            Compiled::default()
        } else {
            Compiled::clone(&self.current)
        };
        next.position = table.position();
        if whole {
            self.upstreams.leave_all();
            for id in table.groups.keys() {
                self.put_group(&mut next, table, id);
            }
            for (host, routes) in &table.hosts {
                self.put_host(&mut next, host, routes);
            }
        } else {
            for change in changes.unwrap_or_default() {
                match change {
                    Change::PutGroup { group, .. } => self.put_group(&mut next, table, group),
                    Change::RemoveGroup { group, .. } => {
                        if let Some(before) = next.groups.remove(group.as_str()) {
                            self.upstreams.leave(&before);
                        }
                    }
                    Change::PutHost { host, value } => self.put_host(&mut next, host, value),
                    Change::RemoveHost { host, .. } => {
                        next.hosts.remove(host.as_str());
                    }
                    Change::Snapshot { .. } => {}
                }
            }
        }
        let next = Arc::new(next);
        self.current = Arc::clone(&next);
        next
    }

    /// Marks which upstreams the compiled table picks. Call it when every worker has switched.
    pub(crate) fn mark(&mut self) -> Marked {
        self.upstreams.mark()
    }

    /// The upstreams that the router still knows.
    pub(crate) fn upstreams(&self) -> &Upstreams {
        &self.upstreams
    }

    fn put_group(&mut self, next: &mut Compiled, table: &Table, id: &str) {
        let Some(group) = table.groups.get(id) else {
            return;
        };
        let key: Arc<str> = id.into();
        let versions: Vec<CompiledVersion> = group
            .versions
            .iter()
            .map(|version| self.version(&key, version))
            .collect();
        let compiled = CompiledGroup {
            schedule: self.schedule(id, &versions),
            id: Arc::clone(&key),
            app_id: group.app_id.clone(),
            sticky_cookies: group.sticky_cookies.clone(),
            versions,
            is_unconfirmed: table.unconfirmed.contains(id),
            is_whole_app: group.is_whole_app,
            ingress: group.ingress.iter().map(ingress).collect(),
            split: group.split.clone(),
            pins: group.pins.clone(),
        };
        if let Some(before) = next.groups.get(id) {
            self.upstreams.leave(before);
        }
        self.upstreams.enter(&compiled);
        next.groups.insert(key, Arc::new(compiled));
    }

    /// The schedule of the group before, when nothing in it changes: its
    /// sequence then goes on where it was.
    fn schedule(&self, id: &str, versions: &[CompiledVersion]) -> Option<Arc<Schedule>> {
        let weights: Vec<u64> = versions.iter().map(CompiledVersion::weight).collect();
        if let Some(before) = self.current.groups.get(id) {
            let same = before.versions.len() == versions.len()
                && before
                    .versions
                    .iter()
                    .zip(versions)
                    .all(|(old, new)| old.id == new.id && old.weight() == new.weight());
            if same {
                return before.schedule.clone();
            }
        }
        Schedule::new(&weights, self.workers).map(Arc::new)
    }

    fn version(&mut self, group: &Arc<str>, version: &Version) -> CompiledVersion {
        let id: Arc<str> = version.id.as_str().into();
        let target = match &version.target {
            TargetKind::Instances { upstreams } => CompiledTarget::Instances {
                upstreams: self.states(upstreams),
            },
            TargetKind::OnDemand {
                upstreams,
                hold_ms,
                hold_limit,
            } => CompiledTarget::OnDemand {
                upstreams: self.states(upstreams),
                hold_ms: *hold_ms,
                hold_limit: *hold_limit,
            },
            TargetKind::Static {
                root,
                index,
                fallback,
                not_found,
            } => CompiledTarget::Static(Arc::new(StaticFiles {
                root: root.clone(),
                index: index.clone(),
                fallback: fallback.clone(),
                not_found: not_found.clone(),
            })),
            TargetKind::Site {
                root,
                upstreams,
                hold_ms,
                hold_limit,
                headers,
                request_headers,
            } => CompiledTarget::Site {
                site: self.site(root),
                upstreams: self.states(upstreams),
                hold_ms: *hold_ms,
                hold_limit: *hold_limit,
                headers: headers.as_slice().into(),
                request_headers: request_headers.as_slice().into(),
            },
            TargetKind::Redirect {
                location,
                status,
                keep_path,
            } => CompiledTarget::Redirect {
                location: location.clone(),
                status: *status,
                keep_path: *keep_path,
            },
        };
        let counters = self.registry.version(group, &id, self.workers);
        CompiledVersion {
            id,
            share: version.share,
            target,
            counters,
        }
    }

    fn site(&mut self, root: &Path) -> Arc<SiteFiles> {
        if let Some(known) = self.sites.get(root).and_then(Weak::upgrade) {
            return known;
        }
        if self.sites.len() >= self.sites_limit {
            self.sites.retain(|_, site| site.strong_count() > 0);
            self.sites_limit = FIRST_SITES_LIMIT.max(self.sites.len() * 2);
        }
        let site = Arc::new(SiteFiles::new(root.to_owned()));
        self.sites.insert(root.to_owned(), Arc::downgrade(&site));
        site
    }

    fn states(&mut self, upstreams: &[Upstream]) -> Vec<Arc<UpstreamState>> {
        upstreams
            .iter()
            .map(|upstream| self.upstreams.state(upstream))
            .collect()
    }

    fn put_host(&self, next: &mut Compiled, host: &str, routes: &HostRoutes) {
        let mut rules: Vec<CompiledRule> = routes
            .rules
            .iter()
            .filter_map(|rule| self.rule(host, rule))
            .collect();
        // The sort is stable: of equally specific rules the first one wins.
        rules.sort_by_key(|rule| {
            std::cmp::Reverse((
                rule.path_prefix.matches('/').count(),
                rule.path_prefix.len(),
                rule.method.is_some(),
                rule.headers.len(),
            ))
        });
        next.hosts.insert(
            host.to_ascii_lowercase().into(),
            Arc::new(CompiledHost { rules }),
        );
    }

    fn rule(&self, host: &str, rule: &RouteRule) -> Option<CompiledRule> {
        let compiled = self.compile_rule(rule);
        if compiled.is_none() {
            warn!(
                host,
                route = rule.route_id,
                "a rule names an impossible method or header"
            );
        }
        compiled
    }

    fn compile_rule(&self, rule: &RouteRule) -> Option<CompiledRule> {
        let method = match &rule.method {
            Some(method) => Some(Method::from_bytes(method.as_bytes()).ok()?),
            None => None,
        };
        let mut headers = Vec::new();
        for header in &rule.headers {
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            let value = match &header.value {
                Some(value) => Some(HeaderValue::from_str(value).ok()?),
                None => None,
            };
            headers.push((name, value));
        }
        let weights: Vec<u64> = rule
            .destinations
            .iter()
            .map(|to| u64::from(to.weight))
            .collect();
        let several = rule.destinations.len() > 1;
        Some(CompiledRule {
            route_id: rule.route_id.as_str().into(),
            path_prefix: rule.path_prefix.trim_end_matches('/').to_owned(),
            method,
            headers,
            destinations: rule
                .destinations
                .iter()
                .map(|to| to.group.as_str().into())
                .collect(),
            schedule: several
                .then(|| Schedule::new(&weights, self.workers))
                .flatten()
                .map(Arc::new),
            absent: rule.absent.as_slice().into(),
        })
    }
}

fn ingress(rule: &IngressRule) -> CompiledIngress {
    let answer = match &rule.answer {
        IngressAnswer::Group { group, replace } => CompiledAnswer::Group {
            rule: CompiledRule {
                route_id: group.as_str().into(),
                path_prefix: String::new(),
                method: None,
                headers: Vec::new(),
                destinations: vec![group.as_str().into()],
                schedule: None,
                absent: Arc::default(),
            },
            replace: replace.clone(),
        },
        IngressAnswer::Redirect {
            uri,
            authority,
            port,
            scheme,
            status,
        } => CompiledAnswer::Redirect(Arc::new(Elsewhere {
            uri: uri.clone(),
            authority: authority.clone(),
            port: *port,
            scheme: scheme.clone(),
            status: *status,
        })),
    };
    CompiledIngress {
        host: rule.host.clone(),
        path: if rule.exact {
            rule.path.clone()
        } else {
            rule.path.trim_end_matches('/').to_owned()
        },
        exact: rule.exact,
        answer,
    }
}

/// What the router may use of a table: upstreams of another boot are forgotten.
pub(crate) fn usable<'a>(table: &'a Table, boot_id: &str) -> Cow<'a, Table> {
    if table.boot_id == boot_id {
        return Cow::Borrowed(table);
    }
    let mut table = table.clone();
    table.forget_upstreams(boot_id);
    Cow::Owned(table)
}

#[cfg(test)]
pub(crate) fn compile_for_test(
    groups: Vec<(&str, crate::table::Group)>,
    hosts: Vec<(&str, HostRoutes)>,
) -> Arc<Compiled> {
    let mut table = Table {
        epoch: 1,
        generation: 1,
        ..Table::default()
    };
    table
        .groups
        .extend(groups.into_iter().map(|(id, group)| (id.to_owned(), group)));
    table.hosts.extend(
        hosts
            .into_iter()
            .map(|(host, routes)| (host.to_owned(), routes)),
    );
    Compiler::new(1, Arc::default(), Arc::default()).compile(&table, None)
}
