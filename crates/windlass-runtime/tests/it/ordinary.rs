//! The tests of isolation, limits and survivors once more as an ordinary user, when it is root who
//! runs them.

use std::fs;
use std::io::BufRead as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, chown, geteuid};

use crate::bench::{PROGRAMS, tell};

/// A user that nobody else is.
const USER: u32 = 69_999;
/// Tests that depend on who runs them.
const TESTS: [&str; 6] = [
    "checks::port_",
    "disk::",
    "isolation::",
    "limits::",
    "promises::",
    "survivors::",
];

#[test]
fn everything_about_isolation_holds_for_an_ordinary_user() {
    if !geteuid().is_root() {
        tell("an ordinary user runs these tests: what needs root was not run");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    open_to_all(dir);
    // Where they were built, another user may not be allowed to look.
    for program in [
        env!("CARGO_BIN_EXE_windlass-runtime-shim").into(),
        env!("CARGO_BIN_EXE_windlass-runtime-app").into(),
        std::env::current_exe().unwrap(),
    ] {
        let program: PathBuf = program;
        let copy = dir.join(program.file_name().unwrap());
        fs::copy(&program, &copy).unwrap();
        open_to_all(&copy);
    }
    let tmp = dir.join("tmp");
    fs::create_dir(&tmp).unwrap();
    chown(&tmp, Some(Uid::from_raw(USER)), Some(Gid::from_raw(USER))).unwrap();
    let groups = Delegated::to_user();
    if groups.0.is_empty() {
        tell(&format!(
            "as user {USER}: no control group could be handed down"
        ));
    }

    let tests = dir.join(std::env::current_exe().unwrap().file_name().unwrap());
    let mut command = Command::new("/bin/sh");
    command
        .arg("-c")
        .arg("for group in $GROUPS_OF_TEST; do echo 0 > $group/cgroup.procs || exit 1; done; exec setpriv --reuid $USER_OF_TEST --regid $USER_OF_TEST --clear-groups -- \"$0\" \"$@\"")
        .arg(&tests)
        .args(TESTS)
        .args(["--test-threads", "2"])
        .env("GROUPS_OF_TEST", groups.paths())
        .env("USER_OF_TEST", USER.to_string())
        .env(PROGRAMS, dir)
        .env("TMPDIR", &tmp)
        .env("HOME", &tmp)
        .current_dir(&tmp)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = command.output().unwrap();
    let summary = output
        .stdout
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with("test result:"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "as user {USER}:\n{text}");
    let summary = summary.unwrap();
    let passed: usize = summary
        .split_once(" passed")
        .and_then(|(before, _)| before.rsplit(' ').next()?.parse().ok())
        .unwrap();
    assert!(passed > 20, "{summary}");
    tell(&format!("as user {USER}: {summary}"));
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Groups that were made for the user, as a session manager hands them down.
struct Delegated(Vec<PathBuf>);

impl Delegated {
    fn to_user() -> Self {
        let mut made = Self(Vec::new());
        for own in own_groups() {
            let group = own.join(format!("windlass-it-{}", std::process::id()));
            if fs::create_dir(&group).is_err() {
                continue;
            }
            made.0.push(group.clone());
            let files = [
                "",
                "cgroup.procs",
                "tasks",
                "cgroup.subtree_control",
                "cgroup.threads",
            ];
            for file in files
                .map(|file| group.join(file))
                .iter()
                .filter(|file| file.exists())
            {
                chown(file, Some(Uid::from_raw(USER)), Some(Gid::from_raw(USER))).unwrap();
            }
        }
        made
    }

    fn paths(&self) -> String {
        let paths = self.0.iter().map(|path| path.display().to_string());
        paths.collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        for group in &self.0 {
            let made = [group.join("windlass"), group.clone()];
            for group in &made {
                let _ = fs::remove_dir(group);
            }
        }
    }
}

/// Directories of the control groups that this process is in and that limit or end processes.
fn own_groups() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else {
            continue;
        };
        let is_wanted = |options: &str| match controllers {
            "" => options.starts_with("cgroup2 "),
            "memory" | "pids" => {
                options.starts_with("cgroup ")
                    && options
                        .rsplit(' ')
                        .next()
                        .is_some_and(|last| last.split(',').any(|option| option == controllers))
            }
            _ => false,
        };
        let place = mounts.lines().find_map(|mount| {
            let (place, options) = mount.split_once(" - ")?;
            is_wanted(options).then(|| place.split(' ').nth(4))?
        });
        if let Some(place) = place {
            found.push(Path::new(place).join(group.trim_start_matches('/')));
        }
    }
    found
}
