//! The machine's language runtimes: where programs of applications and builds find them.
//!
//! The usual directories of the system come last; before them those of the server's own `PATH` that
//! hold a runtime, as far as applications can reach them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Where programs are always looked up.
const SYSTEM_PATH: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
/// Where runtimes are installed beside it.
const USUAL: [&str; 2] = ["/usr/local/go/bin", "/usr/lib/go/bin"];
/// Programs by which a runtime is known.
const PROGRAMS: [&str; 3] = ["go", "node", "python3"];
/// Everything below these is readable for every run.
const READABLE: [&str; 4] = ["/usr", "/bin", "/opt", "/nix"];

/// Runtimes that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runtimes {
    directories: Vec<PathBuf>,
    /// What runs must be allowed to read beside the system.
    pub(crate) readable: Vec<PathBuf>,
}

impl Runtimes {
    /// Looks at the machine: at `search_path`, and where runtimes usually are. `others` = whether
    /// applications have users of their own; `home` is never shown to them as a whole.
    pub(crate) fn find(search_path: &[PathBuf], home: Option<&Path>, others: bool) -> Self {
        let usual = USUAL.iter().map(PathBuf::from);
        Self::among(search_path.iter().cloned().chain(usual), others, home)
    }

    fn among(
        directories: impl Iterator<Item = PathBuf>,
        others: bool,
        home: Option<&Path>,
    ) -> Self {
        let (mut found, mut readable) = (Vec::new(), Vec::new());
        let is_system = |directory: &Path| SYSTEM_PATH.iter().any(|s| directory == Path::new(s));
        for directory in directories.filter(|d| d.is_absolute() && !is_system(d)) {
            for program in PROGRAMS {
                let Some(real) = real_program(&directory.join(program), program) else {
                    continue;
                };
                let (Some(bin), true) = (real.parent(), !others || is_open(&real)) else {
                    continue;
                };
                let Some(root) = bin.parent() else {
                    continue;
                };
                // A program in ~/bin is no reason to show the whole home directory.
                if root.parent().is_none() || home.is_some_and(|home| home.starts_with(root)) {
                    continue;
                }
                if is_system(bin) || found.iter().any(|known| known == bin) {
                    continue;
                }
                found.push(bin.to_path_buf());
                if !READABLE.iter().any(|system| root.starts_with(system)) {
                    readable.push(root.to_path_buf());
                }
            }
        }
        Self {
            directories: found,
            readable,
        }
    }

    /// A program on the search path of runs.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        let system = SYSTEM_PATH.iter().map(PathBuf::from);
        let mut all = self.directories.iter().cloned().chain(system);
        all.find_map(|directory| real_program(&directory.join(name), name))
    }

    /// The search path of runs.
    pub(crate) fn path(&self) -> String {
        let own = self.directories.iter().map(|d| d.display().to_string());
        let system = SYSTEM_PATH.iter().map(|&directory| directory.to_owned());
        own.chain(system).collect::<Vec<_>>().join(":")
    }
}

/// The file behind links; behind a script that stands for an interpreter, that interpreter.
fn real_program(candidate: &Path, program: &str) -> Option<PathBuf> {
    let real = fs::canonicalize(candidate).ok()?;
    let is_program = |path: &Path| {
        fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if !is_program(&real) {
        return None;
    }
    let mut start = [0; 2];
    File::open(&real).ok()?.read_exact(&mut start).ok()?;
    if &start != b"#!" {
        return Some(real);
    }
    if program != "python3" {
        return None;
    }
    interpreter(&real)
}

/// Asks a script (of a version manager) for the interpreter that it runs; once.
fn interpreter(script: &Path) -> Option<PathBuf> {
    type Known = Mutex<HashMap<PathBuf, Option<PathBuf>>>;
    static KNOWN: OnceLock<Known> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(answer) = known.get(script) {
        return answer.clone();
    }
    let output = Command::new(script)
        .args(["-c", "import sys; print(sys.executable)"])
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let answer = output
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| fs::canonicalize(text.trim()).ok());
    known.insert(script.to_path_buf(), answer.clone());
    answer
}

/// Whether users other than the owner can get there.
fn is_open(program: &Path) -> bool {
    const OTHERS_READ_AND_RUN: u32 = 0o005;
    const OTHERS_PASS: u32 = 0o001;
    let has = |path: &Path, bits| {
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & bits == bits)
    };
    has(program, OTHERS_READ_AND_RUN)
        && program
            .ancestors()
            .skip(1)
            .all(|directory| has(directory, OTHERS_PASS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(path: &Path, content: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn runtimes_of_the_path_are_found_with_their_roots() {
        let machine = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(machine.path()).unwrap();
        program(&root.join("node-20/bin/node"), "ELF");
        program(&root.join("home/bin/go"), "ELF");
        program(&root.join("other/bin/ruby"), "ELF");
        fs::create_dir_all(root.join("shortcuts")).unwrap();
        let link = root.join("shortcuts/node");
        std::os::unix::fs::symlink("../node-20/bin/node", link).unwrap();
        let script = format!(
            "#!/bin/sh\necho {}\n",
            root.join("python/bin/python3.9").display()
        );
        program(&root.join("shims/python3"), &script);
        program(&root.join("python/bin/python3.9"), "ELF");
        let directories = ["shortcuts", "home/bin", "other/bin", "shims", "absent"];
        let found = |others| {
            let directories = directories.iter().map(|name| root.join(name));
            Runtimes::among(directories, others, Some(&root.join("home")))
        };
        let runtimes = found(false);
        let expected = [root.join("node-20"), root.join("python")];
        assert_eq!(runtimes.readable, expected);
        let path = format!(
            "{}/bin:{}/bin:/usr/local/bin:/usr/bin:/bin",
            expected[0].display(),
            expected[1].display()
        );
        assert_eq!(runtimes.path(), path);

        // A temporary directory is closed to others.
        let closed = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&root, closed).unwrap();
        assert_eq!(found(true).readable, Vec::<PathBuf>::new());
    }
}
