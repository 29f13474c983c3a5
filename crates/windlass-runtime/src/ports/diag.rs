//! Listening sockets as the kernel tells them over netlink. Its text tables hold all connections of
//! the machine, and reading them takes milliseconds even when there are few; this walks the listening
//! sockets alone.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
    sockopt::ReceiveTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `NLMSG_DONE`.
const DONE: u16 = 3;
/// `1 << TCP_LISTEN`.
const LISTENING: u32 = 1 << 10;
/// Length of `struct nlmsghdr`.
const HEADER_BYTES: usize = 16;
/// Length of `struct inet_diag_req_v2`.
const REQUEST_BYTES: usize = 56;
/// Where the port of a socket stands behind the header of its message.
const PORT_AT: usize = 4;
/// Where its inode stands.
const INODE_AT: usize = 68;
/// Length of what is read at once; the kernel sends no longer parts.
const PART_BYTES: usize = 32 * 1024;
/// How long the kernel may take to answer, milliseconds: it answers at once or never.
const ANSWER_MS: i64 = 1_000;

/// Inodes of the sockets that listen on a port, on any address.
///
/// # Errors
/// When this kernel does not answer such questions.
pub(super) fn listening_inodes(port: u16) -> io::Result<BTreeSet<u64>> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )?;
    setsockopt(&socket, ReceiveTimeout, &TimeVal::milliseconds(ANSWER_MS))?;
    let mut inodes = BTreeSet::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        ask(
            &socket,
            u8::try_from(family).map_err(io::Error::other)?,
            port,
        )?;
        while !take_part(&socket, port, &mut inodes)? {}
    }
    Ok(inodes)
}

fn ask(socket: &OwnedFd, family: u8, port: u16) -> io::Result<()> {
    let length = HEADER_BYTES + REQUEST_BYTES;
    let mut request = Vec::with_capacity(length);
    request.extend(
        u32::try_from(length)
            .map_err(io::Error::other)?
            .to_ne_bytes(),
    );
    request.extend(BY_FAMILY.to_ne_bytes());
    request.extend(DUMP.to_ne_bytes());
    // Number and sender: there is one question at a time.
    request.extend([0; 8]);
    let protocol = u8::try_from(libc::IPPROTO_TCP).map_err(io::Error::other)?;
    request.extend([family, protocol, 0, 0]);
    request.extend(LISTENING.to_ne_bytes());
    request.extend(port.to_be_bytes());
    request.resize(length, 0);
    send(socket.as_raw_fd(), &request, MsgFlags::empty())?;
    Ok(())
}

/// Reads a part of the answer; true when it was the last one.
fn take_part(socket: &OwnedFd, port: u16, inodes: &mut BTreeSet<u64>) -> io::Result<bool> {
    let mut part = vec![0; PART_BYTES];
    let length = recv(socket.as_raw_fd(), &mut part, MsgFlags::empty())?;
    let mut rest = part.get(..length).unwrap_or_default();
    while let Some((kind, body, behind)) = next_message(rest) {
        match kind {
            DONE => return Ok(true),
            ERROR => return Err(io::Error::other("the kernel refuses to tell sockets")),
            // Who does not filter by port tells all of them.
            BY_FAMILY if port_of(body) == Some(port) => inodes.extend(inode_of(body)),
            _ => {}
        }
        rest = behind;
    }
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(false)
}

/// Kind and content of the first message, and what is behind it.
fn next_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let body = bytes.get(HEADER_BYTES..length)?;
    // The next one begins at a multiple of four bytes.
    let behind = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, body, behind))
}

fn port_of(socket: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(*socket.get(PORT_AT..)?.first_chunk()?))
}

fn inode_of(socket: &[u8]) -> Option<u64> {
    let inode = u32::from_ne_bytes(*socket.get(INODE_AT..)?.first_chunk()?);
    Some(u64::from(inode))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn broken_messages_end_the_walk() {
        assert!(next_message(&[]).is_none());
        assert!(next_message(&[1; 7]).is_none());
        // Shorter than its own header, and longer than what there is.
        let of_length = |length: u32| [length.to_ne_bytes(), [0; 4], [0; 4], [0; 4]].concat();
        assert!(next_message(&of_length(3)).is_none());
        assert!(next_message(&of_length(17)).is_none());
        let bare = of_length(16);
        let (kind, body, behind) = next_message(&bare).unwrap();
        assert_eq!((kind, body.len(), behind.len()), (0, 0, 0));
    }

    #[test]
    fn finds_a_listener_as_the_tables_of_the_kernel_do() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            let descriptor = format!("/proc/self/fd/{}", listener.as_raw_fd());
            let name = std::fs::read_link(descriptor).unwrap();
            let inode = name
                .to_str()
                .unwrap()
                .trim_matches(|c: char| !c.is_ascii_digit());
            let inode: u64 = inode.parse().unwrap();
            let Ok(told) = listening_inodes(port) else {
                // Not on this kernel: the tables are read then.
                return;
            };
            let tables = super::super::inodes_in_tables(port).unwrap();
            assert!(
                told.contains(&inode) && tables.contains(&inode),
                "{address}"
            );
            drop(listener);
            assert!(
                !listening_inodes(port).unwrap().contains(&inode),
                "{address}"
            );
        }
    }
}
