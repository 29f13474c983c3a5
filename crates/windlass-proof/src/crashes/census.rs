//! What a Windlass has on the machine, and what of it nobody answers for.
//!
//! A process is found by any mark: its files, its environment (the token of its run), its control
//! group, its session, its user, its parent, the port it listens on. Marks that only the living
//! show (sessions, users, ports, descendants) are kept from look to look, so that a process whose
//! ancestors are gone is found too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::processes::{self, Listener, Process};

/// Users from here on may be the apps' own; below are those of the machine.
const FIRST_APP_USER: u32 = 1000;

/// Everything that was ever seen of one Windlass.
#[derive(Debug)]
pub(super) struct Census {
    data_dir: PathBuf,
    /// Names of runs.
    runs: BTreeSet<String>,
    tokens: BTreeSet<String>,
    users: BTreeSet<u32>,
    ports: BTreeSet<u16>,
    /// Sessions, with the start of the youngest process that may have made them.
    sessions: BTreeMap<i32, u64>,
    processes: BTreeSet<(i32, u64)>,
}

/// A run that has not ended, by its state file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) name: String,
    pub(super) shim: i32,
    pub(super) port: Option<u16>,
    groups: Vec<PathBuf>,
    token: String,
    user: Option<u32>,
    main: Option<i32>,
    is_over: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Runs with a state file, ended or not.
    pub(super) runs: Vec<Run>,
    /// Directories of runs without a state file, and such as are being removed.
    pub(super) stray_dirs: Vec<String>,
    processes: Vec<(Process, &'static str)>,
    listeners: Vec<Listener>,
    groups: Vec<PathBuf>,
    temporary: Vec<PathBuf>,
}

impl Census {
    /// Of the Windlass with this data directory.
    pub(super) fn new(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_path_buf(),
            runs: BTreeSet::new(),
            tokens: BTreeSet::new(),
            users: BTreeSet::new(),
            ports: BTreeSet::new(),
            sessions: BTreeMap::new(),
            processes: BTreeSet::new(),
        }
    }

    /// Looks at the machine and keeps the marks.
    pub(super) fn look(&mut self) -> Look {
        let (runs, stray_dirs) = self.run_dirs();
        for run in &runs {
            self.runs.insert(run.name.clone());
            self.tokens.insert(run.token.clone());
            self.users
                .extend(run.user.filter(|user| *user >= FIRST_APP_USER));
            self.ports.extend(run.port);
        }
        let all = processes::all();
        for main in runs.iter().filter_map(|run| run.main) {
            if let Some(leader) = all.iter().find(|process| process.pid == main) {
                self.sessions
                    .entry(leader.session)
                    .or_insert(leader.start_ticks);
            }
        }
        // Another Windlass on this machine gives its apps the same users, and takes up the ports
        // of one that has ended.
        let foreign = self.foreign(&all);
        let mut listeners = processes::listeners(&all, |port| self.ports.contains(&port));
        listeners.retain(|listener| {
            let owners = &listener.owners;
            owners.is_empty() || !owners.iter().all(|owner| foreign.contains(owner))
        });
        let processes = self.ours(&all, &listeners, &foreign);
        Look {
            processes,
            groups: self.groups(),
            temporary: self.temporary(),
            listeners,
            runs,
            stray_dirs,
        }
    }

    /// Living processes that carry a mark, with it.
    fn ours(
        &mut self,
        all: &[Process],
        listeners: &[Listener],
        foreign: &BTreeSet<i32>,
    ) -> Vec<(Process, &'static str)> {
        let me = i32::try_from(std::process::id()).unwrap_or(0);
        let all: Vec<Process> = all
            .iter()
            .filter(|process| !foreign.contains(&process.pid))
            .cloned()
            .collect();
        let mut found: BTreeMap<i32, &'static str> = BTreeMap::new();
        for process in all.iter().filter(|process| process.pid != me) {
            if let Some(mark) = self.mark_of(process, listeners) {
                found.insert(process.pid, mark);
            }
        }
        // Whatever descends from one that was found.
        loop {
            let more: Vec<i32> = all
                .iter()
                .filter(|process| !found.contains_key(&process.pid) && process.pid != me)
                .filter(|process| found.contains_key(&process.parent))
                .map(|process| process.pid)
                .collect();
            if more.is_empty() {
                break;
            }
            found.extend(more.into_iter().map(|pid| (pid, "parent")));
        }
        let mut ours = Vec::new();
        for process in all.iter().filter(|process| !process.is_zombie) {
            if let Some(mark) = found.get(&process.pid) {
                self.processes.insert((process.pid, process.start_ticks));
                ours.push((process.clone(), *mark));
            }
        }
        ours
    }

    /// Shims and supervisors of other data directories, with all that is below them.
    fn foreign(&self, all: &[Process]) -> BTreeSet<i32> {
        let is_elsewhere = |dir: &String| !Path::new(dir).starts_with(&self.data_dir);
        let is_foreign = |process: &&Process| {
            let words = process.arguments();
            match words.get(1).map(String::as_str) {
                Some("shim") => words.get(2).is_some_and(is_elsewhere),
                Some("up") => words
                    .iter()
                    .position(|word| word == "--data-dir")
                    .and_then(|at| words.get(at + 1))
                    .is_some_and(is_elsewhere),
                _ => false,
            }
        };
        let mut foreign: BTreeSet<i32> =
            all.iter().filter(is_foreign).map(|shim| shim.pid).collect();
        loop {
            let below = all
                .iter()
                .filter(|process| foreign.contains(&process.parent));
            let more: Vec<i32> = below
                .map(|process| process.pid)
                .filter(|pid| !foreign.contains(pid))
                .collect();
            if more.is_empty() {
                return foreign;
            }
            foreign.extend(more);
        }
    }

    fn mark_of(&self, process: &Process, listeners: &[Listener]) -> Option<&'static str> {
        let dir = &self.data_dir;
        let leads = |name: &str| {
            let link = fs::read_link(format!("/proc/{}/{name}", process.pid));
            link.is_ok_and(|path| path.starts_with(dir))
        };
        let text = dir.to_string_lossy();
        if ["cwd", "root", "exe"].into_iter().any(leads)
            || process.arguments().iter().any(|word| word.contains(&*text))
        {
            return Some("files");
        }
        let holds_token =
            |token: &String| process.environment_holds(&format!("WINDLASS_RUN_TOKEN={token}"));
        if process.environment_holds(&text) || self.tokens.iter().any(holds_token) {
            return Some("token");
        }
        let groups = process.groups();
        if self
            .runs
            .iter()
            .any(|run| groups.contains(&format!("/windlass/{run}.")))
        {
            return Some("control group");
        }
        let is_of_session = self
            .sessions
            .get(&process.session)
            .is_some_and(|since| process.start_ticks >= *since);
        if is_of_session {
            return Some("session");
        }
        if process
            .user()
            .is_some_and(|user| self.users.contains(&user))
        {
            return Some("user");
        }
        if listeners
            .iter()
            .any(|listener| listener.owners.contains(&process.pid))
        {
            return Some("port");
        }
        self.processes
            .contains(&(process.pid, process.start_ticks))
            .then_some("seen before")
    }

    fn run_dirs(&self) -> (Vec<Run>, Vec<String>) {
        let (mut runs, mut stray) = (Vec::new(), Vec::new());
        for name in names_in(&self.data_dir.join("runs")) {
            let path = self.data_dir.join("runs").join(&name).join("state.json");
            let state = fs::read(path).ok();
            match state.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()) {
                Some(state) => runs.push(run_of(name, &state)),
                None => stray.push(name),
            }
        }
        (runs, stray)
    }

    /// Control groups of our runs.
    fn groups(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let root = Path::new("/sys/fs/cgroup");
        let mut waiting = vec![root.to_path_buf()];
        while let Some(dir) = waiting.pop() {
            for name in names_in(&dir) {
                let path = dir.join(&name);
                if !path.is_dir() {
                    continue;
                }
                let ours = dir.ends_with("windlass")
                    && self
                        .runs
                        .iter()
                        .any(|run| name.starts_with(&format!("{run}.")));
                if ours {
                    found.push(path);
                } else if !dir.ends_with("windlass") {
                    waiting.push(path);
                }
            }
        }
        found
    }

    /// Files that are only there while something is being written.
    fn temporary(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut waiting = vec![self.data_dir.clone()];
        while let Some(dir) = waiting.pop() {
            for name in names_in(&dir) {
                let path = dir.join(&name);
                // What apps and builds have for themselves.
                let theirs =
                    ["work", "tmp"].contains(&&*name) && dir != self.data_dir.join("blobs");
                let is_temporary = [".new", ".partial", ".tmp"]
                    .iter()
                    .any(|end| name.ends_with(end))
                    || name.starts_with(".gone-")
                    || dir == self.data_dir.join("blobs/tmp");
                if is_temporary {
                    found.push(path);
                } else if !theirs && fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir()) {
                    waiting.push(path);
                }
            }
        }
        found
    }
}

impl Look {
    /// Runs that have not ended.
    pub(super) fn live(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| !run.is_over)
    }

    /// How many processes have this first argument.
    pub(super) fn called(&self, word: &str) -> usize {
        let is_called = |process: &Process| process.arguments().get(1).is_some_and(|it| it == word);
        let processes = self.processes.iter();
        processes.filter(|(process, _)| is_called(process)).count()
    }

    /// Whatever is there beyond the roles and `wanted` living runs, one line each. With no roles
    /// at all, `roles` is 0.
    pub(super) fn leftovers(&self, wanted: usize, roles: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        let live: Vec<&Run> = self.live().collect();
        if live.len() != wanted {
            let names: Vec<&str> = live.iter().map(|run| run.name.as_str()).collect();
            wrong.push(format!(
                "{} living runs instead of {wanted}: {}",
                live.len(),
                names.join(" ")
            ));
        }
        // After `down` the ended runs stay on disk: they tell the next start how they have ended.
        let ended = self.runs.iter().filter(|run| run.is_over && roles > 0);
        for run in ended {
            wrong.push(format!("directory of an ended run: {}", run.name));
        }
        for dir in &self.stray_dirs {
            wrong.push(format!("directory of no run: {dir}"));
        }
        let shims: Vec<i32> = live.iter().map(|run| run.shim).collect();
        for shim in &shims {
            if !self
                .processes
                .iter()
                .any(|(process, _)| process.pid == *shim)
            {
                wrong.push(format!("a living run without its shim {shim}"));
            }
        }
        let mut found_roles = 0;
        for (process, mark) in &self.processes {
            if shims.contains(&process.pid) || self.is_below(process, &shims) {
                continue;
            }
            let words = process.arguments();
            let word = words.get(1).map(String::as_str);
            if matches!(word, Some("up" | "control" | "router")) && *mark == "files" {
                found_roles += 1;
                continue;
            }
            wrong.push(format!(
                "process {} ({}) without a shim, found by its {mark}",
                process.pid,
                process.command()
            ));
        }
        if found_roles != roles {
            wrong.push(format!("{found_roles} roles instead of {roles}"));
        }
        for listener in &self.listeners {
            let port = listener.port;
            if !live.iter().any(|run| run.port == Some(port)) {
                wrong.push(format!(
                    "somebody listens on port {port} of no living run: {:?}",
                    listener.owners
                ));
            }
        }
        let groups: BTreeSet<&PathBuf> = live.iter().flat_map(|run| &run.groups).collect();
        for group in self.groups.iter().filter(|group| !groups.contains(group)) {
            wrong.push(format!(
                "control group of no living run: {}",
                group.display()
            ));
        }
        for path in &self.temporary {
            wrong.push(format!("temporary file: {}", path.display()));
        }
        wrong
    }

    fn is_below(&self, process: &Process, shims: &[i32]) -> bool {
        let mut above = process.parent;
        // A chain of parents has no circle; the bound is for a look between two changes.
        for _ in 0..self.processes.len() {
            if shims.contains(&above) {
                return true;
            }
            let Some((next, _)) = self.processes.iter().find(|(known, _)| known.pid == above)
            else {
                return false;
            };
            above = next.parent;
        }
        false
    }
}

fn run_of(name: String, state: &Value) -> Run {
    let number = |field: &str| state[field].as_i64();
    let pid = |field: &str| number(field).and_then(|pid| i32::try_from(pid).ok());
    let phase = state["phase"].as_str().unwrap_or_default();
    Run {
        name,
        shim: pid("shim_pid").unwrap_or(0),
        port: number("port").and_then(|port| u16::try_from(port).ok()),
        groups: state["cgroups"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|path| path.as_str().map(PathBuf::from))
            .collect(),
        token: state["token"].as_str().unwrap_or_default().to_owned(),
        user: number("uid").and_then(|uid| u32::try_from(uid).ok()),
        main: pid("main_pid"),
        is_over: ["ended", "lost"].contains(&phase),
    }
}

fn names_in(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[cfg(test)]
mod tests;
