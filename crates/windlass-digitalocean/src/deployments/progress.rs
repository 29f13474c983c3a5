//! The progress tree: what watching clients count.
//!
//! Clients decide by the counters alone. `success_steps` equal to `total_steps` means success and
//! `error_steps` means failure, so: all leaves succeed only together with phase ACTIVE, and every
//! other ending has at least one leaf in error. Leaves are told from one record, in one commit
//! with the phase; nothing is counted apart.

use serde_json::{Map, Value, json};
use windlass_engine::configuration::JobKind;
use windlass_engine::time::Timestamp;

use super::phase::Phase;
use crate::time::fine;

/// What the tree is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The phase.
    pub(crate) phase: Phase,
    /// The components in the order of the spec.
    pub(crate) parts: Vec<Part>,
    /// Steps of a canary.
    pub(crate) canary: Vec<Canary>,
    /// Why it did not succeed, if it is over and did not.
    pub(crate) ending: Option<Reason>,
    /// When what happened.
    pub(crate) times: Times,
}

/// One component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: PartKind,
    /// Its build.
    pub(crate) build: Leaf,
    /// The start of its processes.
    pub(crate) deploy: Leaf,
    /// Their health, or the end of a job.
    pub(crate) wait: Leaf,
}

/// What a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartKind {
    /// Gets traffic.
    Service,
    /// Runs without traffic.
    Worker,
    /// Files.
    StaticSite,
    /// Runs once.
    Job(JobKind),
}

/// A step of a canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Canary {
    /// Share of the traffic, percent.
    pub(crate) weight: u16,
    /// Where it stands.
    pub(crate) leaf: Leaf,
}

/// Where a leaf stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// Not begun.
    Pending,
    /// Going on.
    Running,
    /// Done.
    Done,
    /// Done, with a word about how.
    DoneBecause(Reason),
    /// Failed by itself.
    Failed(Reason),
}

/// Why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    /// The code, for programs.
    pub(crate) code: &'static str,
    /// The words, for people.
    pub(crate) message: String,
}

/// When what happened. `None` = not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_field_names,
    reason = "named as in the marks that they come from"
)]
pub(crate) struct Times {
    /// The first build began.
    pub(crate) building_at: Option<Timestamp>,
    /// Everything was built.
    pub(crate) built_at: Option<Timestamp>,
    /// The first process was started.
    pub(crate) started_at: Option<Timestamp>,
    /// It was over.
    pub(crate) ended_at: Option<Timestamp>,
}

/// A node of the tree.
#[derive(Debug, Clone)]
struct Step {
    name: String,
    status: Status,
    steps: Vec<Step>,
    times: (Option<Timestamp>, Option<Timestamp>),
    reason: Option<Reason>,
    component: Option<String>,
    message: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Pending,
    Running,
    Success,
    Error,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Success => "SUCCESS",
            Self::Error => "ERROR",
        }
    }
}

/// The `progress` of a deployment.
pub(crate) fn progress(facts: &Facts) -> Value {
    let mut steps = vec![build(facts), deploy(facts)];
    if let Some(ending) = &facts.ending {
        close(&mut steps, facts.phase, ending);
    }
    for step in &mut steps {
        step.settle();
        step.stop_clock(facts.times.ended_at, facts.phase);
    }
    let mut counts = Counts::default();
    for step in &steps {
        step.count(&mut counts);
    }
    let mut object = counts.to_wire();
    object.insert(
        "steps".to_owned(),
        steps.iter().map(Step::to_wire).collect::<Value>(),
    );
    Value::Object(object)
}

fn build(facts: &Facts) -> Step {
    let times = facts.times;
    let initialize = match times.building_at {
        Some(at) => Step::leaf("initialize", &Leaf::Done).timed(Some(at), Some(at)),
        None => Step::leaf("initialize", &Leaf::Pending),
    };
    let components = facts.parts.iter().map(|part| {
        Step::leaf(&part.name, &part.build)
            .of(&part.name)
            .says(format!("Building {}", part.kind.noun()))
    });
    let components =
        Step::node("components", components.collect()).timed(times.building_at, times.built_at);
    Step::node("build", vec![initialize, components]).timed(times.building_at, times.built_at)
}

fn deploy(facts: &Facts) -> Step {
    let times = facts.times;
    let is_active = all_done(facts.phase, facts.ending.as_ref());
    let initialize = match times.started_at {
        Some(at) => Step::leaf("initialize", &Leaf::Done).timed(Some(at), Some(at)),
        None if is_active => {
            Step::leaf("initialize", &Leaf::Done).timed(times.ended_at, times.ended_at)
        }
        None => Step::leaf("initialize", &Leaf::Pending),
    };
    let mut parts: Vec<&Part> = facts.parts.iter().filter(|part| part.is_shown()).collect();
    // In the order in which they come; the sort keeps that of the spec within each.
    parts.sort_by_key(|part| part.kind.turn());
    let components = parts.into_iter().map(|part| {
        let noun = part.kind.noun();
        let mut steps = vec![
            Step::leaf("deploy", &part.deploy)
                .of(&part.name)
                .says(format!("Deploying {noun}")),
        ];
        if part.kind != PartKind::StaticSite {
            steps.push(
                Step::leaf("wait", &part.wait)
                    .of(&part.name)
                    .says(format!("Waiting for {noun}")),
            );
        }
        Step::node(&part.name, steps).of(&part.name)
    });
    let mut steps = vec![
        initialize,
        Step::node("components", components.collect()).timed(times.started_at, None),
    ];
    if !facts.canary.is_empty() {
        let canary = facts.canary.iter().map(|step| {
            Step::leaf(&format!("weight-{}", step.weight), &step.leaf)
                .says(format!("Serving {}% of traffic", step.weight))
        });
        steps.push(Step::node("canary", canary.collect()).timed(times.started_at, None));
    }
    let finalize = if is_active {
        Step::leaf("finalize", &Leaf::Done).timed(times.ended_at, times.ended_at)
    } else {
        Step::leaf("finalize", &Leaf::Pending)
    };
    steps.push(finalize);
    Step::node("deploy", steps).timed(times.started_at, None)
}

/// Whether everything has been done: it serves, or has served.
fn all_done(phase: Phase, ending: Option<&Reason>) -> bool {
    match phase {
        Phase::Active => true,
        Phase::Superseded => ending.is_none(),
        Phase::PendingBuild
        | Phase::Building
        | Phase::PendingDeploy
        | Phase::Deploying
        | Phase::Error
        | Phase::Canceled => false,
    }
}

/// Ends a tree that did not succeed. After a cancel nothing of it is going to happen any more:
/// every open leaf is in error. After a failure what was not reached stays pending, as there.
fn close(steps: &mut [Step], phase: Phase, ending: &Reason) {
    let ends_pending = phase != Phase::Error;
    for step in &mut *steps {
        step.each_leaf(&mut |leaf| match leaf.status {
            Status::Running => leaf.fail(ending),
            Status::Pending if ends_pending => leaf.fail(ending),
            Status::Pending | Status::Success | Status::Error => {}
        });
    }
    let mut failed = false;
    for step in &mut *steps {
        step.each_leaf(&mut |leaf| failed |= leaf.status == Status::Error);
    }
    if failed {
        return;
    }
    // A failure between two leaves is the first one's that was not reached.
    let mut is_first = true;
    for step in steps {
        step.each_leaf(&mut |leaf| {
            if leaf.status == Status::Pending && std::mem::take(&mut is_first) {
                leaf.fail(ending);
            }
        });
    }
}

impl PartKind {
    fn noun(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Worker => "worker",
            Self::StaticSite => "static site",
            Self::Job(_) => "job",
        }
    }

    /// When it is deployed.
    fn turn(self) -> u8 {
        match self {
            Self::Job(JobKind::PreDeploy) => 0,
            Self::Service | Self::Worker | Self::StaticSite => 1,
            Self::Job(JobKind::PostDeploy) => 2,
            Self::Job(JobKind::FailedDeploy) => 3,
        }
    }
}

impl Part {
    /// A job that runs only after a failure is no step of a success: it would stay pending for
    /// ever, and clients would wait for it.
    fn is_shown(&self) -> bool {
        self.kind != PartKind::Job(JobKind::FailedDeploy) || self.deploy != Leaf::Pending
    }
}

impl Step {
    fn leaf(name: &str, leaf: &Leaf) -> Self {
        let (status, reason) = match leaf {
            Leaf::Pending => (Status::Pending, None),
            Leaf::Running => (Status::Running, None),
            Leaf::Done => (Status::Success, None),
            Leaf::DoneBecause(reason) => (Status::Success, Some(reason.clone())),
            Leaf::Failed(reason) => (Status::Error, Some(reason.clone())),
        };
        Self {
            name: name.to_owned(),
            status,
            steps: Vec::new(),
            times: (None, None),
            reason,
            component: None,
            message: None,
        }
    }

    fn node(name: &str, steps: Vec<Self>) -> Self {
        Self {
            steps,
            ..Self::leaf(name, &Leaf::Pending)
        }
    }

    fn timed(mut self, start: Option<Timestamp>, end: Option<Timestamp>) -> Self {
        self.times = (start, end);
        self
    }

    fn of(mut self, component: &str) -> Self {
        self.component = Some(component.to_owned());
        self
    }

    fn says(mut self, message: String) -> Self {
        self.message = Some(message);
        self
    }

    fn fail(&mut self, reason: &Reason) {
        self.status = Status::Error;
        self.reason = Some(reason.clone());
    }

    fn each_leaf(&mut self, act: &mut impl FnMut(&mut Self)) {
        if self.is_leaf() {
            act(self);
        }
        for step in &mut self.steps {
            step.each_leaf(act);
        }
    }

    /// A node without children (an app without parts) is none: it is not counted.
    fn is_leaf(&self) -> bool {
        self.steps.is_empty() && !matches!(self.name.as_str(), "components" | "canary")
    }

    /// A parent is in error if any child is, a success if all are, pending if all are, and
    /// otherwise on its way.
    fn settle(&mut self) {
        if self.is_leaf() {
            return;
        }
        for step in &mut self.steps {
            step.settle();
        }
        let is = |status| self.steps.iter().all(|step| step.status == status);
        let has = |status| self.steps.iter().any(|step| step.status == status);
        self.status = if has(Status::Error) {
            Status::Error
        } else if is(Status::Success) {
            Status::Success
        } else if is(Status::Pending) {
            Status::Pending
        } else {
            Status::Running
        };
    }

    /// A step that has begun and is over has an end.
    fn stop_clock(&mut self, ended_at: Option<Timestamp>, phase: Phase) {
        for step in &mut self.steps {
            step.stop_clock(ended_at, phase);
        }
        let is_over = matches!(self.status, Status::Success | Status::Error);
        if self.times.0.is_some() && self.times.1.is_none() && is_over && !phase.is_open() {
            self.times.1 = ended_at;
        }
    }

    fn count(&self, counts: &mut Counts) {
        if self.is_leaf() {
            counts.total += 1;
            match self.status {
                Status::Pending => counts.pending += 1,
                Status::Running => counts.running += 1,
                Status::Success => counts.success += 1,
                Status::Error => counts.error += 1,
            }
        }
        for step in &self.steps {
            step.count(counts);
        }
    }

    fn to_wire(&self) -> Value {
        let mut object = Map::new();
        object.insert("name".to_owned(), json!(self.name));
        object.insert("status".to_owned(), json!(self.status.as_str()));
        if !self.steps.is_empty() {
            let steps = self.steps.iter().map(Self::to_wire).collect::<Value>();
            object.insert("steps".to_owned(), steps);
        }
        if let Some(start) = self.times.0 {
            object.insert("started_at".to_owned(), json!(fine(start)));
        }
        if let Some(end) = self.times.1 {
            object.insert("ended_at".to_owned(), json!(fine(end)));
        }
        if let Some(reason) = &self.reason {
            object.insert(
                "reason".to_owned(),
                json!({"code": reason.code, "message": reason.message}),
            );
        }
        if let Some(component) = &self.component {
            object.insert("component_name".to_owned(), json!(component));
        }
        if let Some(message) = &self.message {
            object.insert("message_base".to_owned(), json!(message));
        }
        Value::Object(object)
    }
}

/// Leaves by where they stand.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    pending: u32,
    running: u32,
    success: u32,
    error: u32,
    total: u32,
}

impl Counts {
    /// Zeros are left out.
    fn to_wire(self) -> Map<String, Value> {
        let named = [
            ("pending_steps", self.pending),
            ("running_steps", self.running),
            ("success_steps", self.success),
            ("error_steps", self.error),
            ("total_steps", self.total),
        ];
        named
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| (name.to_owned(), json!(count)))
            .collect()
    }
}

#[cfg(test)]
mod tests;
