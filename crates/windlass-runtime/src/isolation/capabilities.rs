//! What a root without a user of its own may still do: enough for its own files and ports, nothing
//! that takes away what the other means hide.

use rustix::thread::{
    CapabilitySet, capability_is_in_bounding_set, remove_capability_from_bounding_set,
};

/// What stays. Not among it: mounting, devices, files by handle, modules, tracing, the network's
/// rules, clocks, the power switch.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::NET_BIND_SERVICE);

/// Gives up everything else from the next program on, for good.
///
/// # Errors
/// When the kernel refuses: a means that was asked for must not be missing in silence.
pub(crate) fn give_up() -> Result<(), String> {
    for capability in CapabilitySet::all().difference(KEPT).iter() {
        // One that this kernel does not know, or that this process lacks, is not there to be used.
        if !matches!(capability_is_in_bounding_set(capability), Ok(true)) {
            continue;
        }
        remove_capability_from_bounding_set(capability)
            .map_err(|error| format!("giving up {capability:?}: {error}"))?;
    }
    Ok(())
}
