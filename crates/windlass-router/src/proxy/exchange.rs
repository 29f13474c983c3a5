//! One request with its response: what it was, who answered, how it ended. Its
//! end, however it comes about, is counted and written to the access log.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, UNIX_EPOCH};

use http::{Method, StatusCode, Version};

use crate::access_log::Line;
use crate::counters::{Shard, VersionCounters};
use crate::guard::ClientConnection;
use crate::pick::Pick;
use crate::pool::UpstreamConnection;
use crate::table::Position;
use crate::worker::Worker;

/// A request from its arrival to its end.
#[derive(Debug)]
pub(crate) struct Exchange {
    worker: Rc<Worker>,
    connection: Arc<ClientConnection>,
    client: SocketAddr,
    protocol: &'static str,
    method: Method,
    host: String,
    path: String,
    request_id: String,
    began: Instant,
    picked_at_us: u64,
    /// Of the table that the last pick was made by.
    position: Position,
    route: Arc<str>,
    answered_by: Option<AnsweredBy>,
    pick: Option<Pick>,
    attempts: u32,
    status: u16,
    bytes: u64,
    error: &'static str,
    end: End,
}

/// The version that answers, for the counters.
#[derive(Debug)]
struct AnsweredBy {
    counters: Arc<VersionCounters>,
    group: Arc<str>,
    version: Arc<str>,
    is_upgraded: bool,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client left. Also the state of an exchange that has not ended yet.
    ClientGone,
    /// The response was passed on whole.
    Complete,
    /// The router answered itself.
    Answered,
    /// The instance broke off in the middle of its response.
    EndpointFailed,
    /// The instance stalled in the middle of its response.
    EndpointTimeout,
    /// An upgraded connection was closed.
    Closed,
    /// Cut because its instance ended while it drained.
    CutByDrain,
}

impl End {
    fn word(self) -> &'static str {
        match self {
            Self::ClientGone => "client_gone",
            Self::Complete => "complete",
            Self::Answered => "answered",
            Self::EndpointFailed => "endpoint_failed",
            Self::EndpointTimeout => "endpoint_timeout",
            Self::Closed => "closed",
            Self::CutByDrain => "cut_by_drain",
        }
    }
}

impl Exchange {
    /// Begins with the arrival of a request.
    pub(crate) fn begin(
        worker: &Rc<Worker>,
        connection: &Arc<ClientConnection>,
        client: SocketAddr,
        version: Version,
        method: &Method,
        request_id: String,
    ) -> Self {
        connection.begin();
        Self {
            worker: Rc::clone(worker),
            connection: Arc::clone(connection),
            client,
            protocol: protocol_word(version),
            method: method.clone(),
            host: String::new(),
            path: String::new(),
            request_id,
            began: Instant::now(),
            picked_at_us: 0,
            position: Position::default(),
            route: Arc::default(),
            answered_by: None,
            pick: None,
            attempts: 0,
            status: 0,
            bytes: 0,
            error: "",
            end: End::ClientGone,
        }
    }

    pub(crate) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Where the request goes, for the log.
    pub(crate) fn set_target(&mut self, host: &str, path: &str) {
        host.clone_into(&mut self.host);
        path.clone_into(&mut self.path);
    }

    pub(crate) fn set_route(&mut self, route: &Arc<str>) {
        self.route = Arc::clone(route);
    }

    /// An instance was picked for the next attempt.
    pub(crate) fn set_pick(&mut self, pick: Pick) {
        self.set_position(pick.position);
        let version = pick.version();
        self.set_version(&version.counters, &pick.group.id, &version.id);
        self.pick = Some(pick);
        self.attempts += 1;
    }

    /// A version was picked, by the table at this position.
    pub(crate) fn set_position(&mut self, position: Position) {
        self.picked_at_us = wall_us();
        self.position = position;
    }

    /// The version answers, with or without an instance.
    pub(crate) fn set_version(
        &mut self,
        counters: &Arc<VersionCounters>,
        group: &Arc<str>,
        version: &Arc<str>,
    ) {
        self.leave_version();
        counters
            .shard(self.worker.number)
            .in_flight
            .fetch_add(1, Ordering::Relaxed);
        self.answered_by = Some(AnsweredBy {
            counters: Arc::clone(counters),
            group: Arc::clone(group),
            version: Arc::clone(version),
            is_upgraded: false,
        });
    }

    pub(crate) fn pick(&self) -> Option<&Pick> {
        self.pick.as_ref()
    }

    /// One more attempt at the same instance.
    pub(crate) fn attempt_again(&mut self) {
        self.attempts += 1;
    }

    /// The attempt at the picked instance failed.
    pub(crate) fn attempt_failed(&self) {
        if let Some(shard) = self.shard() {
            shard.failed_attempts.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn set_status(&mut self, status: StatusCode) {
        self.status = status.as_u16();
    }

    pub(crate) fn add_bytes(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    pub(crate) fn end(&mut self, end: End) {
        self.end = end;
    }

    /// The router answers itself.
    pub(crate) fn answered(&mut self, status: StatusCode, code: &'static str) {
        self.set_status(status);
        self.error = code;
        self.end = End::Answered;
        if !code.is_empty() {
            self.worker.shared.registry.answered(code);
        }
    }

    /// The request has become an upgraded connection.
    pub(crate) fn upgrade(&mut self) {
        if let Some(pick) = &mut self.pick {
            pick.in_flight.upgrade();
        }
        if let Some(by) = &mut self.answered_by
            && !by.is_upgraded
        {
            by.is_upgraded = true;
            let shard = by.counters.shard(self.worker.number);
            shard.in_flight.fetch_sub(1, Ordering::Relaxed);
            shard.upgraded.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Gives the connection back for the next request.
    pub(crate) fn keep_connection(&self, connection: UpstreamConnection) {
        if let Some(pick) = &self.pick
            && !pick.upstream().is_withdrawn()
        {
            self.worker.pool.put(&pick.upstream().id, connection);
        }
    }

    fn shard(&self) -> Option<&Shard> {
        self.answered_by
            .as_ref()
            .map(|by| by.counters.shard(self.worker.number))
    }

    fn leave_version(&mut self) {
        let Some(by) = self.answered_by.take() else {
            return;
        };
        let shard = by.counters.shard(self.worker.number);
        let gauge = if by.is_upgraded {
            &shard.upgraded
        } else {
            &shard.in_flight
        };
        gauge.fetch_sub(1, Ordering::Relaxed);
    }

    /// What an instance cuts off after its withdrawal is no failure of it.
    fn settle_end(&mut self) {
        let is_withdrawn = self
            .pick
            .as_ref()
            .is_some_and(|pick| pick.upstream().is_withdrawn());
        match self.end {
            End::EndpointFailed | End::Closed if is_withdrawn => self.end = End::CutByDrain,
            End::ClientGone
            | End::Complete
            | End::Answered
            | End::EndpointFailed
            | End::EndpointTimeout
            | End::Closed
            | End::CutByDrain => {}
        }
    }

    fn write_line(&self) {
        let by = self.answered_by.as_ref();
        self.worker.log.write(&Line {
            at_us: wall_us(),
            picked_at_us: self.picked_at_us,
            duration_us: u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX),
            request_id: &self.request_id,
            client: &self.client.ip().to_string(),
            protocol: self.protocol,
            method: self.method.as_str(),
            host: &self.host,
            path: &self.path,
            status: self.status,
            bytes: self.bytes,
            end: self.end.word(),
            error: self.error,
            route: &self.route,
            group: by.map_or("", |by| &by.group),
            version: by.map_or("", |by| &by.version),
            upstream: self.pick.as_ref().map_or("", |pick| &pick.upstream().id),
            epoch: self.position.epoch,
            generation: self.position.generation,
            pinned: self.pick.as_ref().is_some_and(|pick| pick.is_pinned),
            attempts: self.attempts,
        });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.settle_end();
        if let Some(shard) = self.shard() {
            match self.end {
                End::ClientGone => {
                    shard.client_gone.fetch_add(1, Ordering::Relaxed);
                }
                End::CutByDrain => {
                    shard.cut_by_drain.fetch_add(1, Ordering::Relaxed);
                }
                End::EndpointFailed | End::EndpointTimeout => {
                    shard.failed_attempts.fetch_add(1, Ordering::Relaxed);
                }
                End::Complete | End::Answered | End::Closed => {}
            }
            if self.status > 0 {
                shard.responded(self.status, self.began.elapsed());
            }
        }
        self.write_line();
        self.leave_version();
        self.connection.end();
    }
}

fn protocol_word(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

/// Wall clock, microseconds since 1970.
fn wall_us() -> u64 {
    let since = windlass_clock::wall()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
