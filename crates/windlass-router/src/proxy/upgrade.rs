//! Connections that leave HTTP: WebSockets and other upgrades.

use std::io;
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tracing::debug;

use super::exchange::{End, Exchange};
use crate::worker::Peer;

/// From the response that switches protocols until both sides are free.
const SWITCH_TIME: Duration = Duration::from_secs(30);

/// Copies both ways until both sides have ended. The connection lives as long
/// as its instance: nothing here limits its time.
pub(crate) async fn tunnel(
    client: OnUpgrade,
    instance: OnUpgrade,
    mut exchange: Exchange,
    peer: Peer,
) {
    exchange.upgrade();
    match tokio::time::timeout(SWITCH_TIME, both(client, instance)).await {
        Ok(Ok((client, instance))) => match copy(client, instance).await {
            Ok(bytes) => {
                exchange.add_bytes(bytes);
                exchange.end(End::Closed);
            }
            // A reset by either side: which one cannot be told.
            Err(error) => {
                debug!(%error, "an upgraded connection broke");
                exchange.end(End::Closed);
            }
        },
        Ok(Err(error)) => {
            debug!(%error, "an upgrade failed");
            exchange.end(End::EndpointFailed);
        }
        Err(_) => exchange.end(End::ClientGone),
    }
    drop(exchange);
    // The client's place is free only now.
    drop(peer);
}

async fn both(client: OnUpgrade, instance: OnUpgrade) -> hyper::Result<(Upgraded, Upgraded)> {
    Ok((client.await?, instance.await?))
}

async fn copy(client: Upgraded, instance: Upgraded) -> io::Result<u64> {
    let (mut client, mut instance) = (TokioIo::new(client), TokioIo::new(instance));
    let (up, down) = tokio::io::copy_bidirectional(&mut client, &mut instance).await?;
    Ok(up + down)
}
