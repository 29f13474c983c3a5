//! What befalls a machine: a full disk, a database that takes no writes, a wall clock that jumps.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::Command;

use windlass::demo::Failure;

use super::scene::{Scene, Stage};

/// How far the wall clock jumps.
const JUMP_MS: i64 = 3 * 24 * 60 * 60 * 1000;

/// A fault of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Fault {
    /// Nothing more fits on the file system of the data directory.
    FullDisk,
    /// Nobody can write the database.
    DeadDatabase,
    /// The wall clock is days ahead at once, and later right again.
    ClockAhead,
    /// It is days behind at once, and later right again.
    ClockBehind,
}

impl Fault {
    pub(super) const ALL: [Self; 4] = [
        Self::FullDisk,
        Self::DeadDatabase,
        Self::ClockAhead,
        Self::ClockBehind,
    ];

    /// Its name.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::FullDisk => "full disk",
            Self::DeadDatabase => "dead database",
            Self::ClockAhead => "clock ahead",
            Self::ClockBehind => "clock behind",
        }
    }

    /// Whether nothing can be written down while it lasts.
    pub(super) fn hinders_writes(self) -> bool {
        match self {
            Self::FullDisk | Self::DeadDatabase => true,
            Self::ClockAhead | Self::ClockBehind => false,
        }
    }

    /// It happens.
    pub(super) fn strike(self, scene: &mut Scene) -> Result<Struck, Failure> {
        match self {
            Self::FullDisk => {
                let path = scene.rig.server.data_dir().join("filler");
                let file = File::create(&path).map_err(|source| Failure::File {
                    what: "create",
                    path: path.clone(),
                    source,
                })?;
                let mut struck = Struck::Filled { path, file };
                struck.hold()?;
                Ok(struck)
            }
            Self::DeadDatabase => {
                let database = scene.database();
                let mut files = vec![database.clone()];
                let log = PathBuf::from(format!("{}-wal", database.display()));
                files.extend(Some(log).filter(|log| log.exists()));
                let struck = Struck::Frozen { files };
                struck.freeze("+i")?;
                Ok(struck)
            }
            Self::ClockAhead => Struck::jump(scene, JUMP_MS),
            Self::ClockBehind => Struck::jump(scene, -JUMP_MS),
        }
    }
}

/// A fault in force. What it has done to files is undone when it goes.
#[derive(Debug)]
pub(super) enum Struck {
    /// A file takes all the room.
    Filled { path: PathBuf, file: File },
    /// Files that the system lets nobody change.
    Frozen { files: Vec<PathBuf> },
    /// The wall clock has jumped.
    Jumped,
}

impl Struck {
    fn jump(scene: &mut Scene, millis: i64) -> Result<Self, Failure> {
        scene.set_wall(millis)?;
        // The tokens of before may be of another time.
        scene.renew()?;
        Ok(Self::Jumped)
    }

    /// Takes the room that has become free.
    pub(super) fn hold(&mut self) -> Result<(), Failure> {
        let Self::Filled { path, file } = self else {
            return Ok(());
        };
        for size in [1024 * 1024, 4096, 64] {
            let zeros = vec![0; size];
            loop {
                match file.write(&zeros) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(source) => {
                        return Err(Failure::File {
                            what: "fill",
                            path: path.clone(),
                            source,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// It is over.
    pub(super) fn lift(self, scene: &mut Scene) -> Result<(), Failure> {
        match self {
            Self::Filled { .. } | Self::Frozen { .. } => {
                drop(self);
                Ok(())
            }
            Self::Jumped => {
                scene.set_wall(0)?;
                scene.renew()
            }
        }
    }

    fn freeze(&self, how: &str) -> Result<(), Failure> {
        let Self::Frozen { files } = self else {
            return Ok(());
        };
        let output = Command::new("chattr").arg(how).args(files).output();
        let output = output.map_err(|source| Failure::System {
            what: "run chattr",
            source,
        })?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        Err(Failure::Unexpected(format!("chattr {how}: {text}")))
    }
}

impl Drop for Struck {
    fn drop(&mut self) {
        match self {
            Self::Filled { path, .. } => {
                let _ = std::fs::remove_file(path);
            }
            Self::Frozen { .. } => {
                let _ = self.freeze("-i");
            }
            Self::Jumped => {}
        }
    }
}

impl Stage {
    /// A Windlass on which this fault can strike.
    pub(super) fn scene_for(&self, fault: Fault) -> Result<Scene, Failure> {
        match fault {
            Fault::FullDisk => self.scene_on_small_disk(),
            Fault::DeadDatabase | Fault::ClockAhead | Fault::ClockBehind => self.scene(),
        }
    }
}
