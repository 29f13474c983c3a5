//! One connection of one router.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use super::{
    ConnectedRouter, Connection, OUTGOING_LIMIT, PENDING_LIMIT, RouterEvent, Shared, while_alive,
};
use crate::protocol::{self, LineReader, ProtocolError, ToControl, ToRouter};

/// Connections at once. Two routers are usual, for the time of a reload.
const CONNECTION_LIMIT: usize = 64;
/// A connection without a hello ends after this.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Rest after the socket refused to accept.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Accepts routers as long as the link lives.
pub(super) async fn accept(listener: UnixListener, shared: Arc<Shared>, life: watch::Receiver<()>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => begin(stream, &shared, life.clone()),
            Err(error) => {
                warn!(%error, "cannot accept a router");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

fn begin(stream: UnixStream, shared: &Arc<Shared>, life: watch::Receiver<()>) {
    let (outgoing, queue) = mpsc::channel(OUTGOING_LIMIT);
    let id = {
        let mut state = shared.lock();
        if state.connections.len() >= CONNECTION_LIMIT {
            warn!(
                limit = CONNECTION_LIMIT,
                "too many router connections: one is refused"
            );
            return;
        }
        let id = state.next_connection;
        state.next_connection += 1;
        state.connections.insert(
            id,
            Connection {
                outgoing,
                router: None,
            },
        );
        id
    };
    let shared = Arc::clone(shared);
    tokio::spawn(while_alive(life, async move {
        if let Err(error) = converse(stream, queue, id, &shared).await {
            debug!(connection = id, %error, "a router connection ended");
        }
        let ended = shared.lock().connections.remove(&id);
        if let Some(router) = ended.and_then(|connection| connection.router) {
            info!(router = router.name, "router disconnected");
        }
        shared.changed.notify_waiters();
    }));
}

async fn converse(
    stream: UnixStream,
    mut queue: mpsc::Receiver<ToRouter>,
    id: u64,
    shared: &Shared,
) -> Result<(), ProtocolError> {
    let (from, mut to) = stream.into_split();
    let mut lines = LineReader::new(BufReader::new(from));
    let hello = tokio::time::timeout(HELLO_TIMEOUT, lines.next::<ToControl>())
        .await
        .map_err(|_| ProtocolError::Unexpected("a hello within ten seconds"))??;
    let Some(hello) = hello else { return Ok(()) };
    if let Err(reason) = greet(hello, id, shared) {
        protocol::send(
            &mut to,
            &ToRouter::Refused {
                reason: reason.clone(),
            },
        )
        .await?;
        return Err(ProtocolError::Refused(reason));
    }
    let writing = async {
        while let Some(message) = queue.recv().await {
            protocol::send(&mut to, &message).await?;
        }
        Ok::<(), ProtocolError>(())
    };
    let reading = async {
        while let Some(message) = lines.next::<ToControl>().await? {
            take_in(message, id, shared);
        }
        Ok::<(), ProtocolError>(())
    };
    // Whichever side ends first ends the connection.
    tokio::select! {
        ended = writing => ended,
        ended = reading => ended,
    }
}

/// Takes the hello in and queues what the router must know. An error is the
/// reason of the refusal.
fn greet(hello: ToControl, id: u64, shared: &Shared) -> Result<(), String> {
    let ToControl::Hello {
        oldest_version,
        version,
        name,
        pid,
        position,
    } = hello
    else {
        return Err("the first message must be a hello".to_owned());
    };
    let Some(version) = protocol::common_version(oldest_version, version) else {
        return Err(format!(
            "router speaks versions {oldest_version} to {version}, control {} to {}",
            protocol::OLDEST_VERSION,
            protocol::VERSION
        ));
    };
    let mut state = shared.lock();
    if position > state.writer.table().position() {
        // The file was lost or restored: what the router holds must give way.
        let raised = state
            .writer
            .raise_epoch(position.epoch)
            .map_err(|error| error.to_string())?;
        warn!(
            router = name,
            ?position,
            ?raised,
            "a router knew a newer table: epoch raised"
        );
        state.send(&ToRouter::ReadFile { position: raised });
    }
    let newest = state.writer.table().position();
    let draining: Vec<String> = state.draining.keys().cloned().collect();
    // An older connection of the same router is a leftover of a broken socket.
    state.connections.retain(|_, other| {
        other
            .router
            .as_ref()
            .is_none_or(|router| router.name != name)
    });
    let Some(connection) = state.connections.get_mut(&id) else {
        return Err("the connection is gone".to_owned());
    };
    info!(router = name, pid, version, ?position, "router connected");
    connection.router = Some(ConnectedRouter {
        name,
        pid,
        position,
    });
    let mut messages = vec![ToRouter::Welcome { version }];
    if position < newest {
        messages.push(ToRouter::ReadFile { position: newest });
    }
    for upstreams in draining.chunks(protocol::ASK_LIMIT) {
        messages.push(ToRouter::AskEmpty {
            upstreams: upstreams.to_vec(),
        });
    }
    for message in messages {
        connection
            .outgoing
            .try_send(message)
            .map_err(|_| "too many upstreams are draining")?;
    }
    drop(state);
    shared.changed.notify_waiters();
    Ok(())
}

fn take_in(message: ToControl, id: u64, shared: &Shared) {
    let mut state = shared.lock();
    let Some(router) = state
        .connections
        .get_mut(&id)
        .and_then(|known| known.router.as_mut())
    else {
        return;
    };
    match message {
        ToControl::Ack { position } => router.position = router.position.max(position),
        ToControl::Empty {
            upstream,
            position,
            upgraded,
        } => {
            let name = router.name.clone();
            if let Some(draining) = state.draining.get_mut(&upstream) {
                draining.report(&name, position, upgraded);
            }
        }
        ToControl::Unreachable { upstream } => {
            state.hint(RouterEvent::Unreachable { upstream });
            shared.has_events.notify_one();
        }
        ToControl::Wanted { group, version } => {
            state.hint(RouterEvent::Wanted { group, version });
            shared.has_events.notify_one();
        }
        ToControl::Idle { upstream, idle_ms } => {
            state.hint(RouterEvent::Idle { upstream, idle_ms });
            shared.has_events.notify_one();
        }
        ToControl::Hello { .. } | ToControl::Unknown => {}
    }
    drop(state);
    shared.changed.notify_waiters();
}

impl super::State {
    /// Queues an event that may be lost without harm.
    fn hint(&mut self, event: RouterEvent) {
        if self.pending.len() < PENDING_LIMIT {
            self.pending.insert(event);
        }
    }
}
