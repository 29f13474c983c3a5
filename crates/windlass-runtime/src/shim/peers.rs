//! The connections of control processes to the shim.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;

use crate::protocol::{FromShim, MAX_MESSAGE_BYTES, ToShim, to_line};
use crate::spec::is_understood;

/// Connections at a time. An old and a new control and somebody who looks are three.
const MAX_PEERS: usize = 8;
/// Bytes that wait for a peer that does not read; beyond it the peer is dropped.
const MAX_WAITING_BYTES: usize = 1024 * 1024;

/// All connections.
#[derive(Debug)]
pub(super) struct Peers {
    pub(super) listener: UnixListener,
    connected: Vec<Peer>,
    next_id: u64,
}

#[derive(Debug)]
struct Peer {
    id: u64,
    stream: UnixStream,
    has_greeted: bool,
    received: Vec<u8>,
    waiting: Vec<u8>,
    is_gone: bool,
}

/// One message and who sent it.
pub(super) type Message = (u64, ToShim);

impl Peers {
    pub(super) fn new(listener: UnixListener) -> Self {
        Self {
            listener,
            connected: Vec::new(),
            next_id: 0,
        }
    }

    /// What to poll, and whether for writing too.
    pub(super) fn fds(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        let peers = self
            .connected
            .iter()
            .map(|peer| (peer.stream.as_fd(), !peer.waiting.is_empty()));
        std::iter::once((self.listener.as_fd(), false)).chain(peers)
    }

    /// Takes new connections, greets them, and returns what peers have said.
    pub(super) fn turn(&mut self, hello: &impl Fn() -> FromShim) -> Vec<Message> {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.connected.len() < MAX_PEERS
                && is_allowed(&stream)
                && stream.set_nonblocking(true).is_ok()
            {
                let id = self.next_id;
                self.next_id += 1;
                let waiting = to_line(&hello());
                let received = Vec::new();
                self.connected.push(Peer {
                    id,
                    stream,
                    has_greeted: false,
                    received,
                    waiting,
                    is_gone: false,
                });
            }
        }
        let mut messages = Vec::new();
        for peer in &mut self.connected {
            peer.read(&mut messages);
            peer.flush();
        }
        self.connected.retain(|peer| !peer.is_gone);
        messages
    }

    /// Sends to everybody.
    pub(super) fn broadcast(&mut self, message: &FromShim) {
        let line = to_line(message);
        self.connected.iter_mut().for_each(|peer| peer.send(&line));
    }

    /// Sends to one peer, if it is still there.
    pub(super) fn send(&mut self, id: u64, message: &FromShim) {
        if let Some(peer) = self.connected.iter_mut().find(|peer| peer.id == id) {
            peer.send(&to_line(message));
        }
    }
}

impl Peer {
    fn read(&mut self, messages: &mut Vec<Message>) {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.is_gone = true,
                Ok(length) => {
                    self.received.extend_from_slice(&buffer[..length]);
                    self.is_gone |= self.received.len() > MAX_MESSAGE_BYTES;
                    self.take_lines(messages);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.is_gone = true,
            }
            if self.is_gone {
                return;
            }
        }
    }

    fn take_lines(&mut self, messages: &mut Vec<Message>) {
        while let Some(at) = self.received.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.received.drain(..=at).collect();
            match serde_json::from_slice(&line) {
                Ok(ToShim::Hello { protocol }) if is_understood(protocol) => {
                    self.has_greeted = true;
                }
                Ok(message) if self.has_greeted => messages.push((self.id, message)),
                // Somebody of another age, or no control at all.
                _ => {
                    self.is_gone = true;
                    return;
                }
            }
        }
    }

    fn send(&mut self, line: &[u8]) {
        self.waiting.extend_from_slice(line);
        self.is_gone |= self.waiting.len() > MAX_WAITING_BYTES;
        self.flush();
    }

    fn flush(&mut self) {
        while !self.waiting.is_empty() && !self.is_gone {
            match self.stream.write(&self.waiting) {
                Ok(length) => {
                    self.waiting.drain(..length);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.is_gone = true,
            }
        }
    }
}

/// Only root and the user of the shim itself may talk to it.
fn is_allowed(stream: &UnixStream) -> bool {
    getsockopt(stream, PeerCredentials)
        .is_ok_and(|peer| peer.uid() == 0 || peer.uid() == geteuid().as_raw())
}
