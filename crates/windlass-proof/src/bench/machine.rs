//! What the figures were measured on.

use serde_json::{Value, json};

/// Processor, cores, memory, kernel, system, file system of the temporary directory.
pub(super) fn describe() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str, separator: char| {
        text.lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(separator))
            .map(|(_, value)| value.trim().trim_matches('"').to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    json!({
        "processor": field(&read("/proc/cpuinfo"), "model name", ':'),
        "cores": cores,
        "memory": field(&read("/proc/meminfo"), "MemTotal", ':'),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "system": field(&read("/etc/os-release"), "PRETTY_NAME", '='),
        "disk": file_system(&std::env::temp_dir()),
        "load_at_end": read("/proc/loadavg").split(' ').next(),
    })
}

/// Type of the file system that holds a directory.
fn file_system(directory: &std::path::Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let directory = directory.canonicalize().ok()?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (at, kind) = (words.next()?, words.next()?);
            directory
                .starts_with(at)
                .then(|| (at.len(), kind.to_owned()))
        })
        .max_by_key(|(length, _)| *length)
        .map(|(_, kind)| kind)
}
