//! Connections of the admin socket and who is at the other end.

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use nix::unistd::{Uid, User as UnixUser, geteuid};
use tokio::net::{UnixListener, UnixStream};
use windlass_control::principal::Principal;
use windlass_engine::id::UserId;
use windlass_engine::records::{AdminScope, Metadata, Stamps, User};

/// Pause after a failed accept (too many open files), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The user of this machine at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    uid: u32,
}

impl Peer {
    /// The caller as control knows callers: an administrator with the name of the machine's user.
    pub(super) fn principal(self) -> Principal {
        let name = UnixUser::from_uid(Uid::from_raw(self.uid))
            .ok()
            .flatten()
            .map_or_else(|| format!("uid {}", self.uid), |user| user.name);
        let user = User {
            id: UserId::new(format!("local:{}", self.uid)),
            name,
            origin: "local".to_owned(),
            password_hash: None,
            is_client: false,
            admin: AdminScope::Admin,
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        };
        Principal::local(user, concat!("windlass/", env!("CARGO_PKG_VERSION")))
    }
}

/// The admin socket; connections of other users are closed at once.
struct OwnListener {
    listener: UnixListener,
    own: u32,
}

impl Listener for OwnListener {
    type Io = UnixStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (UnixStream, Peer) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            match stream.peer_cred().map(|peer| peer.uid()) {
                Ok(uid) if uid == self.own || uid == 0 => return (stream, Peer { uid }),
                Ok(uid) => tracing::warn!(uid, "another user tried the admin socket"),
                Err(error) => tracing::warn!(%error, "a peer of the admin socket is unknown"),
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer { uid: self.own })
    }
}

impl Connected<IncomingStream<'_, OwnListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, OwnListener>) -> Self {
        *stream.remote_addr()
    }
}

/// Serves the admin socket until the process ends. Must be called within a runtime.
pub async fn serve(listener: StdListener, router: Router) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = OwnListener {
        listener: UnixListener::from_std(listener)?,
        own: geteuid().as_raw(),
    };
    axum::serve(
        listener,
        router.into_make_service_with_connect_info::<Peer>(),
    )
    .await
}
