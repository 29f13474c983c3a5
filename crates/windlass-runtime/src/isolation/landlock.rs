//! Files: what a process may reach, enforced by Landlock.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

/// Newest interface that was considered here. Older kernels enforce the part they know.
const NEWEST: ABI = ABI::V6;

/// Read and execute: programs, libraries, settings of the system.
const SYSTEM: [&str; 12] = [
    "/bin",
    "/sbin",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/nix",
    "/proc",
    "/run/systemd/resolve",
];

/// Read only: what language runtimes ask about the machine. Control groups are not among them.
const MACHINE: [&str; 3] = [
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/kernel/mm/transparent_hugepage",
];

/// Read and write: devices without a state of their own.
const DEVICES: [&str; 7] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
];

/// The paths that a run may reach beside the system's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Allowed {
    /// Read and execute.
    pub(crate) readable: Vec<PathBuf>,
    /// Everything.
    pub(crate) writable: Vec<PathBuf>,
    /// Not even to be read, although it may lie below a directory of the system; what is readable
    /// or writable below it is named above.
    pub(crate) hidden: Option<PathBuf>,
}

/// How much of it the kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Degree {
    /// Everything.
    All,
    /// What the kernel knows: an older one lacks, say, the border for signals.
    Part,
}

/// Confines the calling thread and everything it will start, for good.
///
/// # Errors
/// A text for people, also when the kernel has no Landlock: a means that was asked for must not
/// be missing in silence.
pub(crate) fn confine(allowed: &Allowed) -> Result<Degree, String> {
    let read = AccessFs::from_read(NEWEST);
    let all = AccessFs::from_all(NEWEST);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let text = |error: landlock::RulesetError| format!("landlock: {error}");
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)
        .and_then(|ruleset| ruleset.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .map_err(text)?;
    for path in system(allowed.hidden.as_deref())
        .iter()
        .chain(&allowed.readable)
    {
        rules = with_rule(rules, path, read)?;
    }
    for path in MACHINE {
        rules = with_rule(
            rules,
            Path::new(path),
            AccessFs::ReadFile | AccessFs::ReadDir,
        )?;
    }
    for path in DEVICES {
        rules = with_rule(rules, Path::new(path), device)?;
    }
    for path in &allowed.writable {
        rules = with_rule(rules, path, all)?;
    }
    let status = rules.restrict_self().map_err(text)?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err("the kernel does not enforce Landlock".to_owned()),
        RulesetStatus::PartiallyEnforced => Ok(Degree::Part),
        RulesetStatus::FullyEnforced => Ok(Degree::All),
    }
}

/// The directories of the system, without what is hidden below them: no rule can take back what
/// another one gives.
fn system(hidden: Option<&Path>) -> Vec<PathBuf> {
    let hidden = hidden.and_then(|path| path.canonicalize().ok());
    let all = SYSTEM.iter().map(PathBuf::from);
    match hidden {
        Some(hidden) => all.flat_map(|dir| without(dir, &hidden)).collect(),
        None => all.collect(),
    }
}

/// A directory, or where it holds `hidden`, everything else in it.
fn without(dir: PathBuf, hidden: &Path) -> Vec<PathBuf> {
    match dir.canonicalize() {
        Ok(real) if real == hidden => Vec::new(),
        Ok(real) if hidden.starts_with(&real) => {
            let entries = std::fs::read_dir(&real).into_iter().flatten().flatten();
            entries
                .flat_map(|entry| without(entry.path(), hidden))
                .collect()
        }
        Ok(_) | Err(_) => vec![dir],
    }
}

fn with_rule(
    rules: landlock::RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<landlock::RulesetCreated, String> {
    // Not every machine has every one of these, and what is absent needs no rule.
    let Ok(opened) = PathFd::new(path) else {
        return Ok(rules);
    };
    let access = if path.is_dir() {
        access
    } else {
        access & AccessFs::from_file(NEWEST)
    };
    rules
        .add_rule(PathBeneath::new(opened, access))
        .map_err(|error| format!("landlock rule for {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_below_a_directory_is_left_out_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        for dir in ["a/b/data/runs", "a/b/other", "a/c", "d"] {
            std::fs::create_dir_all(root.join(dir)).unwrap();
        }
        std::fs::write(root.join("a/file"), "").unwrap();
        std::os::unix::fs::symlink(root.join("a/b/data"), root.join("a/link")).unwrap();
        let hidden = root.join("a/b/data");
        let mut left = without(root.join("a"), &hidden);
        left.sort();
        assert_eq!(
            left,
            ["a/b/other", "a/c", "a/file"].map(|dir| root.join(dir))
        );
        assert_eq!(without(root.join("d"), &hidden), [root.join("d")]);
        assert_eq!(without(hidden.clone(), &hidden), Vec::<PathBuf>::new());
        assert_eq!(
            without(root.join("a/b/data/runs"), &hidden),
            [root.join("a/b/data/runs")]
        );
        assert_eq!(without(root.join("none"), &hidden), [root.join("none")]);
    }
}
