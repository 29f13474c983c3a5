//! One supervisor becomes the next in the same process: what it leaves, and the exec.
//!
//! What it leaves is a [`Succession`] with all descriptors, in the socket that becomes the standard
//! input of the next program: sockets that listen, the lock, the links of the roles. So nothing is
//! open by a number that two programs would have to agree on, and whatever is not named is closed
//! by the exec. The pid stays, and with it the children.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::unistd::{dup2_stdin, execv};
use serde::{Deserialize, Serialize};

use super::role::RoleRecord;
use crate::handover::{self, Handover, HandoverError};

/// Version of what is left. Fields that a program does not know are passed over and new ones have
/// defaults, so only a changed meaning needs another one.
pub const VERSION: u32 = 1;
/// Oldest version that is still understood.
pub const OLDEST_VERSION: u32 = 1;

/// The flag of `up` that tells a program to take over.
const FLAG: &str = "--take-over";
/// Name of the lock of the data directory.
const LOCK: &str = "lock";
/// Name of the file of the program before.
const PROGRAM: &str = "program";
/// Name of the connection of who asked for the reload.
const CLIENT: &str = "client";
/// Name of the standard input that `up` was started with.
const STDIN: &str = "stdin";

/// What a supervisor leaves to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Succession {
    /// The newest version that both programs understand.
    pub(super) version: u32,
    /// Words of the command line behind the program, without ours.
    pub(super) arguments: Vec<OsString>,
    /// Roles that run.
    pub(super) roles: Vec<RoleRecord>,
    /// Where the reload stands.
    pub(super) reload: ReloadRecord,
}

/// Where a reload stands at the exec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReloadRecord {
    /// The new program.
    pub(super) program: PathBuf,
    /// Where the file of the one before is, or was.
    pub(super) program_before: PathBuf,
    /// Longest wait for each of the roles, seconds.
    pub(super) limit_s: u64,
    /// Schema version of the database before.
    pub(super) schema_before: u32,
    /// Set when the new program gives way: why. Then who reads this is the one before.
    #[serde(default)]
    pub(super) gave_way: Option<String>,
}

/// Descriptors beside those of sockets and roles.
#[derive(Debug)]
pub(super) struct Others<'a> {
    pub(super) lock: BorrowedFd<'a>,
    /// The file of the program before, or of the running one.
    pub(super) program: BorrowedFd<'a>,
    pub(super) client: Option<BorrowedFd<'a>>,
    pub(super) stdin: BorrowedFd<'a>,
}

impl<'a> Others<'a> {
    pub(super) fn named(self) -> impl Iterator<Item = (String, BorrowedFd<'a>)> {
        let client = self.client.map(|fd| (CLIENT.to_owned(), fd));
        [
            (LOCK.to_owned(), self.lock),
            (PROGRAM.to_owned(), self.program),
            (STDIN.to_owned(), self.stdin),
        ]
        .into_iter()
        .chain(client)
    }
}

/// What was left to this program.
#[derive(Debug)]
pub struct Inheritance(pub(super) Handover<Succession>);

impl Inheritance {
    /// Takes it from standard input, and puts the standard input of before back.
    ///
    /// # Errors
    /// When this program was not started by a supervisor.
    pub fn receive() -> Result<Self, HandoverError> {
        let mut received = handover::receive::<Succession>()?;
        let stdin: OwnedFd = received.take(STDIN)?;
        dup2_stdin(stdin).map_err(io::Error::from)?;
        Ok(Self(received))
    }

    /// Whether this program understands what was left.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), String> {
        let version = self.0.orders.version;
        if (OLDEST_VERSION..=VERSION).contains(&version) {
            return Ok(());
        }
        Err(format!(
            "what the program before leaves has version {version}, this one understands \
             {OLDEST_VERSION} to {VERSION}"
        ))
    }

    /// Becomes the program before again, which finds everything as it left it. Returns only when
    /// that fails, with the reason.
    pub fn give_back(mut self, reason: &str) -> io::Error {
        let mut succession = self.0.orders.clone();
        if succession.reload.gave_way.is_some() {
            return io::Error::other("the program before has failed too");
        }
        succession.reload.gave_way = Some(reason.to_owned());
        let program = match self.0.take::<File>(PROGRAM) {
            Ok(program) => program,
            Err(error) => return io::Error::other(error),
        };
        let stdin = io::stdin();
        let own = [
            (PROGRAM.to_owned(), program.as_fd()),
            (STDIN.to_owned(), stdin.as_fd()),
        ];
        let descriptors = self
            .0
            .descriptors
            .iter()
            .map(|(name, fd)| (name.clone(), fd.as_fd()))
            .chain(own)
            .collect::<Vec<_>>();
        become_next(&path_of(&program), &succession, &descriptors)
    }

    pub(super) fn lock<T: From<OwnedFd>>(&mut self) -> Result<T, HandoverError> {
        self.0.take(LOCK)
    }

    pub(super) fn program(&mut self) -> Result<File, HandoverError> {
        self.0.take(PROGRAM)
    }

    pub(super) fn client(&mut self) -> Option<OwnedFd> {
        self.0.take(CLIENT).ok()
    }

    pub(super) fn link(&mut self, pid: i32) -> Result<UnixStream, HandoverError> {
        self.0.take(&link_name(pid))
    }
}

/// Name of the link of a role.
pub(super) fn link_name(pid: i32) -> String {
    format!("link-{pid}")
}

/// Path of an open file, also when it has none any more.
pub(super) fn path_of(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Becomes another program. Returns only when that fails, with the reason; then all is as before.
pub(super) fn become_next(
    program: &Path,
    succession: &Succession,
    descriptors: &[(String, BorrowedFd<'_>)],
) -> io::Error {
    let tried = || -> io::Result<std::convert::Infallible> {
        let (ours, theirs) = UnixStream::pair()?;
        let named: Vec<(&str, BorrowedFd<'_>)> = descriptors
            .iter()
            .map(|(name, fd)| (name.as_str(), *fd))
            .collect();
        handover::send(&ours, succession, &named)?;
        let path = CString::new(program.as_os_str().as_bytes())?;
        let mut words = vec![CString::new("windlass")?];
        for word in &succession.arguments {
            words.push(CString::new(word.as_bytes())?);
        }
        words.push(CString::new(FLAG)?);
        let stdin = io::stdin().as_fd().try_clone_to_owned()?;
        dup2_stdin(&theirs)?;
        let failed = execv(&path, &words);
        dup2_stdin(&stdin)?;
        Ok(failed?)
    };
    match tried() {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::role::RoleKind;

    /// As a supervisor of version 1 leaves it. This text never changes.
    const VERSION_1: &str = r#"{"version":1,"arguments":[{"Unix":[117,112]}],"roles":[{"kind":"control","pid":7,"was_ready":true,"unread":"","is_leaving":false}],"reload":{"program":"/new","program_before":"/old","limit_s":30,"schema_before":2,"gave_way":null}}"#;

    fn first() -> Succession {
        Succession {
            version: 1,
            arguments: vec!["up".into()],
            roles: vec![RoleRecord {
                kind: RoleKind::Control,
                pid: 7,
                was_ready: true,
                unread: String::new(),
                is_leaving: false,
            }],
            reload: ReloadRecord {
                program: "/new".into(),
                program_before: "/old".into(),
                limit_s: 30,
                schema_before: 2,
                gave_way: None,
            },
        }
    }

    #[test]
    fn what_version_1_leaves_is_understood() {
        let left: Succession = serde_json::from_str(VERSION_1).expect("understood");
        assert_eq!(left, first());
        // A later release may leave more.
        let more = VERSION_1.replace(r#""limit_s":30"#, r#""limit_s":30,"more":{"a":[1]}"#);
        let left: Succession = serde_json::from_str(&more).expect("understood");
        assert_eq!(left, first());
    }

    #[test]
    fn version_1_understands_what_is_left_to_it() {
        let left = serde_json::to_value(first()).expect("JSON");
        let known: serde_json::Value = serde_json::from_str(VERSION_1).expect("JSON");
        assert_eq!(left, known);
    }
}
