//! What makes two states the same: instances as counts, without numbers, generations and times.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use windlass_engine::instance::{Instance, InstancePhase};
use windlass_engine::release::{Deadline, Release, Restore};

use super::node::Node;

/// A hash wide enough that two of a few million states do not share one.
pub(crate) fn fingerprint(node: &Node) -> u128 {
    let mut first = DefaultHasher::new();
    let mut second = DefaultHasher::new();
    0x5bd1_e995_u64.hash(&mut second);
    for hasher in [&mut first, &mut second] {
        hash(node, hasher);
    }
    u128::from(first.finish()) << 64 | u128::from(second.finish())
}

fn hash(node: &Node, hasher: &mut DefaultHasher) {
    let state = &node.state;
    node.budget.hash(hasher);
    node.fates.hash(hasher);
    node.next.hash(hasher);
    state.run.hash(hasher);
    state.base.hash(hasher);
    state.configuration.artifact.hash(hasher);
    state.scale.hash(hasher);
    let mut instances: Vec<_> = state.instances.values().map(class).collect();
    instances.sort_unstable();
    instances.hash(hasher);
    for release in &state.releases {
        hash_release(release, hasher);
    }
    for build in &state.builds {
        (
            &build.id,
            &build.state,
            build.restarted,
            deadline(build.deadline),
        )
            .hash(hasher);
    }
    for task in &state.tasks {
        (&task.id, &task.state).hash(hasher);
    }
}

fn class(instance: &Instance) -> (&str, &str, u8) {
    let phase = match instance.phase {
        InstancePhase::Starting => 0,
        InstancePhase::Running { routable, .. } => 1 + u8::from(routable),
        InstancePhase::Crashed { retry_at } => 3 + u8::from(retry_at.is_some()),
        InstancePhase::Draining { restart, .. } => 5 + u8::from(restart),
        InstancePhase::Stopping => 7,
        InstancePhase::Restarting => 8,
    };
    (
        instance.component.as_str(),
        instance.revision.as_str(),
        phase,
    )
}

fn hash_release(release: &Release, hasher: &mut DefaultHasher) {
    (
        &release.id,
        &release.state,
        &release.base,
        &release.base_scale,
    )
        .hash(hasher);
    (
        release.base_was_routable,
        &release.base_down,
        release.was_started,
        release.had_share,
        &release.served,
    )
        .hash(hasher);
    (
        release.relieved,
        release.cleanup_left,
        deadline(release.deadline),
    )
        .hash(hasher);
    (&release.wanted, &release.best_routable, &release.jobs).hash(hasher);
    release.restore.as_ref().map(restore).hash(hasher);
}

fn restore(restore: &Restore) -> impl Hash {
    (
        restore.urgency,
        restore.share_at_commit.clone(),
        restore.share_cap.clone(),
        restore.zero_generation.is_some(),
        restore.safe,
    )
}

fn deadline(deadline: Deadline) -> u8 {
    match deadline {
        Deadline::Off => 0,
        Deadline::Running { .. } => 1,
        Deadline::Held { .. } => 2,
    }
}
