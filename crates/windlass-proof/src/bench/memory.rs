//! Memory of processes, from `/proc`.

/// A field of a process's `status` or `smaps_rollup`, in MiB; 0 of a process that is gone.
fn field(pid: i32, file: &str, name: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1024.0
}

/// Resident memory, MiB.
pub(crate) fn resident(pid: i32) -> f64 {
    field(pid, "status", "VmRSS")
}

/// Resident memory that belongs to no file, MiB: what a leak makes grow.
pub(crate) fn anonymous(pid: i32) -> f64 {
    field(pid, "status", "RssAnon")
}

/// Its part of the memory that it shares, and its own, MiB.
pub(crate) fn proportional(pid: i32) -> f64 {
    field(pid, "smaps_rollup", "Pss")
}

/// What it has alone, MiB.
pub(crate) fn private(pid: i32) -> f64 {
    field(pid, "smaps_rollup", "Private_Clean") + field(pid, "smaps_rollup", "Private_Dirty")
}
