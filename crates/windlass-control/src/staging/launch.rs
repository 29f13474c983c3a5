//! How a process of a droplet is started: source the profile scripts, then become the command.

use std::path::Path;

use super::WorkDirectories;

/// A program with its arguments; nothing in it is quoted for a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchCommand {
    /// Absolute path of the shell.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// The shell that sources and runs. `$1` = the shell, `$2` = the application's directory, `$3` =
/// the command; all three are taken off before anything of the application runs.
///
/// Scripts of `profile.d` come first (buildpacks), then those of `.profile.d`, then `.profile`
/// (application). The process replaces the shell, so signals reach it and not a shell in between.
const SCRIPT: &str = r#"
windlass_shell=$1 windlass_app=$2 windlass_command=$3
shift 3
cd "$windlass_app" || exit 72
for windlass_script in ../profile.d/* .profile.d/* .profile; do
    case $windlass_script in .profile) windlass_script=./.profile ;; esac
    if [ -f "$windlass_script" ] && [ -r "$windlass_script" ]; then
        . "$windlass_script"
        cd "$windlass_app" || exit 72
    fi
done
unset windlass_script
exec "$windlass_shell" -c "$windlass_command"
"#;

/// In order of preference: profile scripts and commands are often written for bash.
const SHELLS: [&str; 4] = ["/bin/bash", "/usr/bin/bash", "/bin/sh", "/usr/bin/sh"];

/// The command that starts `command` in the directories of an instance or task.
pub fn launch_command(directories: &WorkDirectories, command: &str) -> LaunchCommand {
    let shell = SHELLS
        .into_iter()
        .find(|shell| Path::new(shell).exists())
        .unwrap_or("/bin/sh");
    launch_with(shell, directories, command)
}

fn launch_with(shell: &str, directories: &WorkDirectories, command: &str) -> LaunchCommand {
    let app = directories.app.display().to_string();
    let arguments = ["-c", SCRIPT, "windlass-launch", shell, &app, command];
    LaunchCommand {
        program: shell.to_owned(),
        arguments: arguments.map(str::to_owned).to_vec(),
    }
}

/// The variables that say where things are.
pub fn launch_environment(directories: &WorkDirectories) -> Vec<(String, String)> {
    let WorkDirectories { app, tmp, deps, .. } = directories;
    [
        ("HOME", app),
        ("PWD", app),
        ("TMPDIR", tmp),
        ("DEPS_DIR", deps),
    ]
    .map(|(name, path)| (name.to_owned(), path.display().to_string()))
    .to_vec()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Output};

    use super::*;

    fn instance() -> (tempfile::TempDir, WorkDirectories) {
        let run_dir = tempfile::Builder::new()
            .prefix("it's a run ")
            .tempdir()
            .unwrap();
        let directories = WorkDirectories::new(run_dir.path());
        for directory in [&directories.app, &directories.profile, &directories.tmp] {
            fs::create_dir_all(directory).unwrap();
        }
        (run_dir, directories)
    }

    fn run(shell: &str, directories: &WorkDirectories, command: &str) -> Output {
        let launch = launch_with(shell, directories, command);
        Command::new(&launch.program)
            .args(&launch.arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(launch_environment(directories))
            .output()
            .unwrap()
    }

    fn text(output: Output) -> String {
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn profile_scripts_are_sourced_in_order_by_either_shell() {
        let (_run_dir, directories) = instance();
        let app = &directories.app;
        fs::create_dir(app.join(".profile.d")).unwrap();
        fs::write(
            directories.profile.join("0_a.sh"),
            "export ORDER=$ORDER-a; cd /\n",
        )
        .unwrap();
        fs::write(
            directories.profile.join("1_b.sh"),
            "export ORDER=$ORDER-b\n",
        )
        .unwrap();
        fs::write(app.join(".profile.d/c.sh"), "ORDER=$ORDER-c\n").unwrap();
        fs::write(app.join(".profile"), "ORDER=$ORDER-d\n").unwrap();
        for shell in ["/bin/sh", "/bin/bash"] {
            if Path::new(shell).exists() {
                let output = text(run(shell, &directories, "echo \"$ORDER|$#|$(pwd)|$HOME\""));
                let app = app.display();
                assert_eq!(output, format!("-a-b-c-d|0|{app}|{app}\n"), "{shell}");
            }
        }
    }

    #[test]
    fn the_command_is_one_argument_and_nothing_expands_twice() {
        let (_run_dir, directories) = instance();
        let output = text(run(
            "/bin/sh",
            &directories,
            r#"echo 'a  b' "$((1 + 1))" "it's \$5""#,
        ));
        assert_eq!(output, "a  b 2 it's $5\n");
    }

    #[test]
    fn the_command_replaces_the_shell() {
        let (_run_dir, directories) = instance();
        let launch = launch_with("/bin/sh", &directories, "exec sh -c 'echo $$'");
        let child = Command::new(&launch.program)
            .args(&launch.arguments)
            .process_group(0)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let id = child.id();
        assert_eq!(text(child.wait_with_output().unwrap()), format!("{id}\n"));
    }

    #[test]
    fn a_missing_application_is_an_error() {
        let (_run_dir, directories) = instance();
        fs::remove_dir(&directories.app).unwrap();
        let output = run("/bin/sh", &directories, "echo never");
        assert_eq!(output.status.code(), Some(72));
        assert!(output.stdout.is_empty());
    }
}
