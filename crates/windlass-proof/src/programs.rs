//! The programs that are run: Windlass as people have it, Windlass with crash points, the example.

use std::path::{Path, PathBuf};
use std::process::Command;

use windlass::demo::Failure;

/// Windlass in the release profile: the program that `WINDLASS_BINARY` names, else it is built.
///
/// # Errors
/// When it does not build.
pub fn windlass() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os("WINDLASS_BINARY") {
        return Ok(PathBuf::from(path));
    }
    let target = target();
    cargo(
        &["build", "--release", "--locked", "-p", "windlass"],
        &target,
        None,
    )?;
    Ok(target.join("release/windlass"))
}

/// Windlass in the release profile with named crash points, in a target directory of its own.
///
/// # Errors
/// When it does not build.
pub fn with_crash_points() -> Result<PathBuf, Failure> {
    let target = target().join("crash-points");
    cargo(
        &["build", "--release", "--locked", "-p", "windlass"],
        &target,
        Some("--cfg windlass_fail --cfg windlass_test"),
    )?;
    Ok(target.join("release/windlass"))
}

/// A directory with the example's program and its Procfile, ready to be pushed.
///
/// # Errors
/// When it does not build.
pub fn example() -> Result<PathBuf, Failure> {
    let source = root().join("examples/hello");
    let target = target().join("examples");
    let manifest = source.join("Cargo.toml");
    cargo(
        &[
            "build",
            "--release",
            "--locked",
            "--manifest-path",
            &manifest.to_string_lossy(),
        ],
        &target,
        None,
    )?;
    let files = target.join("hello-app");
    std::fs::create_dir_all(&files).map_err(copying(&files))?;
    for (from, name) in [
        (target.join("release/hello"), "hello"),
        (source.join("Procfile"), "Procfile"),
    ] {
        // A program that runs just now can't be written over, but its name can be taken.
        let (new, to) = (files.join(format!("{name}.new")), files.join(name));
        std::fs::copy(&from, &new).map_err(copying(&new))?;
        std::fs::rename(&new, &to).map_err(copying(&to))?;
    }
    Ok(files)
}

/// The root of the checkout.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn cargo(arguments: &[&str], target: &Path, flags: Option<&str>) -> Result<(), Failure> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    cargo
        .args(arguments)
        .arg("--target-dir")
        .arg(target)
        .current_dir(root());
    if let Some(flags) = flags {
        cargo.env("RUSTFLAGS", flags);
    }
    let status = cargo.status().map_err(|source| Failure::System {
        what: "run cargo",
        source,
    })?;
    if status.success() {
        return Ok(());
    }
    let what = arguments.join(" ");
    Err(Failure::Unexpected(format!(
        "cargo {what} ended with {status}"
    )))
}

fn copying(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.to_path_buf();
    move |source| Failure::File {
        what: "write",
        path,
        source,
    }
}

/// This program: as `up` it is Windlass over a driver that knows doubles (see [`crate::double`]).
///
/// # Errors
/// When the system does not say where it lies.
pub fn this() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|source| Failure::System {
        what: "find this program",
        source,
    })
}
