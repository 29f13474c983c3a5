//! How a role gets its listening sockets and settings from the supervisor, and a supervisor those
//! of the one before it.
//!
//! The child's standard input is one end of a socket pair. The supervisor sends one line of JSON
//! with all file descriptors attached (`SCM_RIGHTS`), and the pair stays open as the role's link.
//! No descriptor is inherited by number, so none leaks into other children, and the received ones
//! are closed on exec. The end of the link tells a role that its supervisor is gone.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// Most descriptors in one handover.
pub const DESCRIPTOR_LIMIT: usize = 64;
/// Longest handover line, bytes. Below the smallest default socket buffer.
const LINE_LIMIT_BYTES: usize = 64 * 1024;

/// What a role is told at its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// Settings in force.
    pub settings: Settings,
}

/// The line of a handover.
#[derive(Debug, Serialize, Deserialize)]
struct Line<T> {
    #[serde(flatten)]
    orders: T,
    /// Names of the attached descriptors, in their order.
    descriptors: Vec<String>,
}

/// Orders with their descriptors and the link to who gave them.
#[derive(Debug)]
pub struct Handover<T> {
    /// The orders.
    pub orders: T,
    /// Descriptors by name.
    pub descriptors: BTreeMap<String, OwnedFd>,
    /// The link; its end is the end of the supervisor.
    pub link: UnixStream,
}

/// Why there is no handover.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// Standard input is no link.
    #[error("this role is started by `windlass up`, not by hand")]
    NotALink,
    /// The link broke.
    #[error("failed to take over sockets from the supervisor: {0}")]
    Io(#[from] io::Error),
    /// The line is not understood.
    #[error("failed to read the supervisor's orders: {0}; do both run the same version?")]
    Orders(#[from] serde_json::Error),
    /// A descriptor is missing.
    #[error("the supervisor handed over no socket named `{0}`; do both run the same version?")]
    Missing(String),
}

/// Sends orders and descriptors. The receiver need not be there yet.
pub fn send<T: Serialize>(
    link: &UnixStream,
    orders: &T,
    descriptors: &[(&str, BorrowedFd<'_>)],
) -> io::Result<()> {
    if descriptors.len() > DESCRIPTOR_LIMIT {
        return Err(io::Error::other("too many descriptors for one handover"));
    }
    let line = Line {
        orders,
        descriptors: descriptors
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect(),
    };
    let mut line = serde_json::to_vec(&line)?;
    line.push(b'\n');
    if line.len() > LINE_LIMIT_BYTES {
        return Err(io::Error::other(
            "there is too much to say for one handover",
        ));
    }
    let fds: Vec<BorrowedFd<'_>> = descriptors.iter().map(|(_, fd)| *fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTOR_LIMIT))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::other("too many descriptors for one handover"));
    }
    let sent = sendmsg(
        link,
        &[IoSlice::new(&line)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    io::Write::write_all(&mut &*link, &line[sent..])
}

/// Takes the handover from standard input.
pub fn receive<T: DeserializeOwned>() -> Result<Handover<T>, HandoverError> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    let is_socket = rustix::net::sockopt::socket_type(&stdin).is_ok();
    if !is_socket {
        return Err(HandoverError::NotALink);
    }
    receive_from(UnixStream::from(stdin))
}

/// Takes the handover from a link.
pub fn receive_from<T: DeserializeOwned>(link: UnixStream) -> Result<Handover<T>, HandoverError> {
    let mut line = Vec::new();
    let mut fds = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut bytes = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTOR_LIMIT))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            &link,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
        .map_err(io::Error::from)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                fds.extend(received);
            }
        }
        if received.bytes == 0 || line.len() > LINE_LIMIT_BYTES {
            return Err(HandoverError::NotALink);
        }
        line.extend_from_slice(&bytes[..received.bytes]);
    }
    let line: Line<T> = serde_json::from_slice(&line)?;
    Ok(Handover {
        orders: line.orders,
        descriptors: line.descriptors.into_iter().zip(fds).collect(),
        link,
    })
}

impl<T> Handover<T> {
    /// Takes one descriptor as a socket of the wanted type.
    pub fn take<D: From<OwnedFd>>(&mut self, name: &str) -> Result<D, HandoverError> {
        let fd = self.descriptors.remove(name);
        fd.map(D::from)
            .ok_or_else(|| HandoverError::Missing(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::settings::sources::resolve;

    #[test]
    fn sockets_arrive_with_their_names_and_work() {
        let dir = tempfile::tempdir().expect("temp dir");
        let environment = [("HOME".to_owned(), "/h".to_owned())].into();
        let resolved = resolve(Some(dir.path()), &BTreeMap::new(), &environment).expect("resolves");
        let settings = Settings::check(&resolved).expect("settings");
        let one = TcpListener::bind("127.0.0.1:0").expect("binds");
        let two = TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = two.local_addr().expect("address");
        let (ours, theirs) = UnixStream::pair().expect("pair");
        let orders = Orders { settings };
        send(
            &ours,
            &orders,
            &[("one", one.as_fd()), ("two", two.as_fd())],
        )
        .expect("sends");
        drop((one, two));

        let mut handover = receive_from::<Orders>(theirs).expect("receives");
        assert_eq!(handover.orders, orders);
        let socket: TcpListener = handover.take("two").expect("is there");
        assert_eq!(socket.local_addr().expect("address"), address);
        TcpStream::connect(address).expect("connects");
        assert!(handover.take::<TcpListener>("two").is_err(), "taken once");
    }

    #[test]
    fn a_closed_link_is_no_handover() {
        let (ours, theirs) = UnixStream::pair().expect("pair");
        drop(ours);
        let received = receive_from::<Orders>(theirs);
        assert!(matches!(received, Err(HandoverError::NotALink)));
    }
}
