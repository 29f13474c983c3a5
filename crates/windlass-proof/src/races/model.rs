//! What may be answered when: the things that races are about, as small as the wire shows them.

pub mod deployment;
pub mod rollout;
pub mod task;
