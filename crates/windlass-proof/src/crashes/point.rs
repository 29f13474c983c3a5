//! Named crash points, as the program lists them.

use std::path::Path;

use windlass::demo::Failure;

/// File of the data directory that names the point at which somebody is to die, once.
pub(super) const FILE: &str = "crash-at";
/// File of the data directory in which a build with crash points lists them.
const LIST_FILE: &str = "crash-points";

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Role {
    /// `windlass up`.
    Supervisor,
    /// `windlass control`.
    Control,
    /// `windlass router`.
    Router,
    /// `windlass shim`, or the init process below it.
    Shim,
    /// `windlass restore`.
    Restore,
}

impl Role {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [
        Self::Supervisor,
        Self::Control,
        Self::Router,
        Self::Shim,
        Self::Restore,
    ];

    /// Its name.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Control => "control",
            Self::Router => "router",
            Self::Shim => "shim",
            Self::Restore => "restore",
        }
    }
}

/// A crash point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) role: Role,
    pub(super) name: String,
}

/// What the Windlass of this data directory lists.
pub(super) fn listed(data_dir: &Path) -> Result<Vec<Point>, Failure> {
    let path = data_dir.join(LIST_FILE);
    let text = std::fs::read_to_string(&path).map_err(|_| {
        Failure::Unexpected(
            "this program has no crash points: build it with RUSTFLAGS='--cfg windlass_fail --cfg \
             windlass_test'"
                .to_owned(),
        )
    })?;
    text.lines().map(parse).collect()
}

fn parse(line: &str) -> Result<Point, Failure> {
    let bad = || Failure::Unexpected(format!("no crash point: {line}"));
    let (role, name) = line.split_once(' ').ok_or_else(bad)?;
    let role = Role::ALL
        .into_iter()
        .find(|known| known.word() == role)
        .ok_or_else(bad)?;
    Ok(Point {
        role,
        name: name.to_owned(),
    })
}
