//! What is behind a link: a text that ends, a text that goes on, or a WebSocket.
//!
//! A link whose time is over is not answered with an error: clients print whatever comes as lines
//! of the log. It is answered with nothing.

use std::pin::pin;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt, stream};
use serde_json::json;

use super::read::Reader;
use crate::query::Pairs;
use crate::server::DoState;

/// How often new lines are looked for: files tell nobody that they grow.
const LOOK_PERIOD: Duration = Duration::from_millis(200);
/// How often a connection that has nothing to say is kept from being cut.
const PING_PERIOD: Duration = Duration::from_secs(20);
/// How long one link may be followed.
const FOLLOW_LIMIT: Duration = Duration::from_hours(12);
/// How long the other side may take to say goodbye.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
/// Largest message that a reader of logs may send, bytes: they have nothing to say.
const MESSAGE_BYTES: usize = 4 * 1024;

pub(super) async fn historic(State(state): State<DoState>, query: Pairs) -> Response {
    let Some(mut reader) = reader(&state, &query) else {
        return text(Body::empty());
    };
    match reader.next().await {
        Ok(lines) => text(Body::from(lines)),
        Err(error) => error.into_response(),
    }
}

pub(super) async fn live(State(state): State<DoState>, query: Pairs, request: Request) -> Response {
    let reader = reader(&state, &query);
    let (mut parts, _) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut parts, &state).await {
        Ok(upgrade) => upgrade
            .max_message_size(MESSAGE_BYTES)
            .max_frame_size(MESSAGE_BYTES)
            .on_upgrade(move |socket| follow(socket, reader)),
        // A plain GET reads the same lines as a text that goes on.
        Err(_) => match reader {
            Some(reader) => text(Body::from_stream(lines(reader))),
            None => text(Body::empty()),
        },
    }
}

fn reader(state: &DoState, query: &Pairs) -> Option<Reader> {
    let link = state.log_tokens().read(query.first("token")?)?;
    Reader::open(state, link).ok()
}

fn text(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

/// Where a follower stands.
struct Follower {
    reader: Reader,
    begun: bool,
    over: bool,
}

impl Follower {
    fn new(reader: Reader) -> Self {
        Self {
            reader,
            begun: false,
            over: false,
        }
    }

    /// The next lines, perhaps none; `None` = that was all.
    async fn step(&mut self) -> Option<String> {
        if self.over {
            return None;
        }
        if self.begun {
            tokio::time::sleep(LOOK_PERIOD).await;
        }
        // Looked at first: what is written before the end is read after it.
        self.over = self.reader.is_over().await.unwrap_or(true);
        self.begun = true;
        self.reader.next().await.ok()
    }
}

/// The lines as parts of a body.
fn lines(reader: Reader) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    stream::unfold(Follower::new(reader), |mut follower| async move {
        loop {
            let lines = follower.step().await?;
            if !lines.is_empty() {
                return Some((Ok(Bytes::from(lines)), follower));
            }
        }
    })
}

async fn follow(socket: WebSocket, reader: Option<Reader>) {
    let (mut sender, mut receiver) = socket.split();
    let told = async {
        let Some(reader) = reader else { return };
        // A read that has begun is never given up on its way: its lines would be lost.
        let mut lines = pin!(lines(reader));
        let mut ping = tokio::time::interval(PING_PERIOD);
        ping.tick().await;
        loop {
            let message = tokio::select! {
                part = lines.next() => match part {
                    Some(Ok(part)) => {
                        let text = String::from_utf8_lossy(&part);
                        Message::text(json!({ "data": text }).to_string())
                    }
                    Some(Err(_)) | None => return,
                },
                _ = ping.tick() => Message::Ping(Bytes::new()),
                heard = receiver.next() => match heard {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => continue,
                },
            };
            if sender.send(message).await.is_err() {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(FOLLOW_LIMIT, told).await;
    let goodbye = CloseFrame {
        code: close_code::NORMAL,
        reason: "".into(),
    };
    let _ = sender.send(Message::Close(Some(goodbye))).await;
    // The client waits for our close and answers it; then the connection may go.
    let _ = tokio::time::timeout(CLOSE_LIMIT, async {
        while let Some(Ok(message)) = receiver.next().await {
            if matches!(message, Message::Close(_)) {
                return;
            }
        }
    })
    .await;
}
