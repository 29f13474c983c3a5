//! Where everything lies inside the data directory.

use std::path::{Path, PathBuf};

/// Paths below one data directory. Nothing is created by asking for a path.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Paths below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The data directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Settings file.
    pub fn settings_file(&self) -> PathBuf {
        self.root.join("windlass.toml")
    }

    /// Lock of the running supervisor; its pid is inside.
    pub fn supervisor_lock(&self) -> PathBuf {
        self.root.join("supervisor.lock")
    }

    /// Lock of the running control.
    pub fn control_lock(&self) -> PathBuf {
        self.state_dir().join("control.lock")
    }

    /// Database and blobs of control.
    pub fn state_dir(&self) -> PathBuf {
        self.root.join("state")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.state_dir().join("windlass.db")
    }

    /// A copy of the database lies here while its migration is tried.
    pub fn rehearsal_dir(&self) -> PathBuf {
        self.state_dir().join("rehearsal")
    }

    /// Packages and droplets.
    pub fn blobs_dir(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// Directories of runs: instances, tasks, builds.
    pub fn runs_dir(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// The router's table file lies here.
    pub fn router_dir(&self) -> PathBuf {
        self.root.join("router")
    }

    /// The router's table file, written by control.
    pub fn route_table(&self) -> PathBuf {
        self.router_dir().join("table")
    }

    /// Keys and certificates of the local certificate authority (mode 0700).
    pub fn ca_dir(&self) -> PathBuf {
        self.root.join("ca")
    }

    /// Roots of the system and ours in one file, for clients.
    pub fn ca_bundle(&self) -> PathBuf {
        self.root.join("ca-bundle.pem")
    }

    /// Sockets of the running program (mode 0700).
    pub fn run_dir(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Why control does not run, while it does not: written by the supervisor.
    pub fn control_trouble(&self) -> PathBuf {
        self.run_dir().join("control.trouble")
    }

    /// Socket on which control answers the command line.
    pub fn admin_socket(&self) -> PathBuf {
        self.run_dir().join("admin.sock")
    }

    /// Socket on which the supervisor is asked to reload.
    pub fn supervisor_socket(&self) -> PathBuf {
        self.run_dir().join("supervisor.sock")
    }

    /// Socket on which the router takes tables from control.
    pub fn router_socket(&self) -> PathBuf {
        self.run_dir().join("router.sock")
    }

    /// Ports that `--ports auto` chose, so that the next start takes the same again.
    pub fn chosen_ports(&self) -> PathBuf {
        self.run_dir().join("ports.json")
    }
}
