//! The buildpacks that the server brings along.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{BUILDPACKS, Selection};

/// A buildpack inside this program.
#[derive(Debug)]
pub struct BuiltIn {
    /// Its name; also its directory.
    pub name: &'static str,
    /// Other names under which users know it.
    pub aliases: &'static [&'static str],
    scripts: &'static [(&'static str, &'static str)],
}

macro_rules! script {
    ($name:literal, $script:literal) => {
        (
            $script,
            include_str!(concat!("../../buildpacks/", $name, "/bin/", $script)),
        )
    };
}

macro_rules! scripts {
    ($name:literal) => {
        &[
            script!($name, "detect"),
            script!($name, "supply"),
            script!($name, "finalize"),
            script!($name, "release"),
        ]
    };
}

/// All of them, in the order of detection.
pub const BUILT_IN: &[BuiltIn] = &[
    BuiltIn {
        name: "staticfile",
        aliases: &["staticfile_buildpack", "html"],
        scripts: scripts!("staticfile"),
    },
    BuiltIn {
        name: "node",
        aliases: &["nodejs_buildpack", "nodejs", "node-js"],
        scripts: scripts!("node"),
    },
    BuiltIn {
        name: "go",
        aliases: &["go_buildpack"],
        scripts: scripts!("go"),
    },
    BuiltIn {
        name: "python",
        aliases: &["python_buildpack"],
        scripts: scripts!("python"),
    },
    BuiltIn {
        name: "binary",
        aliases: &["binary_buildpack"],
        scripts: scripts!("binary"),
    },
];

/// Why buildpacks cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BuildpackError {
    /// There is no such buildpack.
    #[error("there is no buildpack {name:?}; there are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Too many were named.
    #[error("more than {limit} buildpacks")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The machine failed.
    #[error("cannot write buildpack file {}: {source}", path.display())]
    Io {
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A buildpack that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installed {
    /// As it was asked for.
    pub(super) name: String,
    /// Holds `bin/`.
    pub(super) directory: PathBuf,
}

/// The directory with the buildpacks.
#[derive(Debug, Clone)]
pub struct Buildpacks {
    root: PathBuf,
}

impl Buildpacks {
    /// Writes the built-in buildpacks below `root` where they are missing or differ.
    pub fn install(root: impl Into<PathBuf>) -> Result<Self, BuildpackError> {
        let root = root.into();
        for built_in in BUILT_IN {
            let io = |path: &Path| {
                let path = path.to_path_buf();
                move |source| BuildpackError::Io { path, source }
            };
            let directory = root.join(built_in.name);
            let stamp = directory.join("digest");
            let digest = built_in.digest();
            if fs::read_to_string(&stamp).is_ok_and(|found| found == digest) {
                continue;
            }
            let bin = directory.join("bin");
            fs::create_dir_all(&bin).map_err(io(&bin))?;
            for (name, content) in built_in.scripts {
                let path = bin.join(name);
                write_script(&path, content).map_err(io(&path))?;
            }
            // Last: after a crash in between, everything is written again.
            fs::write(&stamp, digest).map_err(io(&stamp))?;
        }
        Ok(Self { root })
    }

    /// The names of all buildpacks, in the order of detection.
    pub fn names(&self) -> Vec<&'static str> {
        BUILT_IN.iter().map(|built_in| built_in.name).collect()
    }

    /// Checks names that a user gave, before anything is staged.
    pub fn check(&self, names: &[String]) -> Result<(), BuildpackError> {
        self.resolve(names).map(drop)
    }

    /// The buildpacks of a staging: those that were named, or all of them for detection.
    pub(super) fn resolve(
        &self,
        names: &[String],
    ) -> Result<(Selection, Vec<Installed>), BuildpackError> {
        if names.is_empty() {
            let all = BUILT_IN
                .iter()
                .map(|built_in| self.installed(built_in, built_in.name));
            return Ok((Selection::Detect, all.collect()));
        }
        if names.len() > BUILDPACKS {
            return Err(BuildpackError::TooMany { limit: BUILDPACKS });
        }
        let find = |name: &String| {
            let built_in = BUILT_IN.iter().find(|b| b.answers_to(name));
            built_in
                .map(|built_in| self.installed(built_in, name))
                .ok_or_else(|| BuildpackError::Unknown {
                    name: name.clone(),
                    known: self.names().join(", "),
                })
        };
        let named: Result<Vec<_>, _> = names.iter().map(find).collect();
        Ok((Selection::Named, named?))
    }

    fn installed(&self, built_in: &BuiltIn, name: &str) -> Installed {
        Installed {
            name: name.to_owned(),
            directory: self.root.join(built_in.name),
        }
    }
}

impl BuiltIn {
    fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    fn digest(&self) -> String {
        let mut sha256 = Sha256::new();
        for (name, content) in self.scripts {
            for part in [name, content] {
                sha256.update((part.len() as u64).to_le_bytes());
                sha256.update(part.as_bytes());
            }
        }
        hex::encode(sha256.finalize())
    }
}

fn write_script(path: &Path, content: &str) -> std::io::Result<()> {
    // A new file: an old one may be running, and writing to it fails.
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(content.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(0o755))?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installing_is_idempotent_and_repairs_what_differs() {
        let root = tempfile::tempdir().unwrap();
        Buildpacks::install(root.path()).unwrap();
        let detect = root.path().join("binary/bin/detect");
        let mode = fs::metadata(&detect).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        fs::write(&detect, "changed").unwrap();
        Buildpacks::install(root.path()).unwrap();
        assert_eq!(
            fs::read_to_string(&detect).unwrap(),
            "changed",
            "same version: left alone"
        );
        fs::write(root.path().join("binary/digest"), "older version").unwrap();
        Buildpacks::install(root.path()).unwrap();
        assert_ne!(fs::read_to_string(&detect).unwrap(), "changed");
    }

    #[test]
    fn names_and_aliases() {
        let root = tempfile::tempdir().unwrap();
        let buildpacks = Buildpacks::install(root.path()).unwrap();
        let (selection, all) = buildpacks.resolve(&[]).unwrap();
        assert_eq!((selection, all.len()), (Selection::Detect, BUILT_IN.len()));
        let (selection, named) = buildpacks
            .resolve(&["binary_buildpack".to_owned()])
            .unwrap();
        assert_eq!(selection, Selection::Named);
        assert_eq!(named[0].name, "binary_buildpack");
        assert_eq!(named[0].directory, root.path().join("binary"));
        let error = buildpacks.check(&["../evil".to_owned()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no buildpack \"../evil\"; there are: staticfile, node, go, python, binary"
        );
        let many = vec!["binary".to_owned(); 17];
        assert!(matches!(
            buildpacks.check(&many),
            Err(BuildpackError::TooMany { limit: 16 })
        ));
    }
}
