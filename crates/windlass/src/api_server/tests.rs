//! Over streams in memory, with a clock that stands still until everybody waits.

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::sleep;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: api\r\n\r\n";
/// More than an answer here.
const STREAM_BYTES: usize = 4_096;

/// A client of an API that answers `/` at once, `/slow` after an hour and `/echo` with what it is
/// sent.
fn client() -> DuplexStream {
    let slow = || async {
        sleep(Duration::from_hours(1)).await;
        "late"
    };
    let router = Router::new()
        .route("/", get(|| async { "here" }))
        .route("/slow", get(slow))
        .route("/echo", post(|body: String| async { body }));
    let (ours, theirs) = tokio::io::duplex(STREAM_BYTES);
    let never = std::future::pending::<()>();
    tokio::spawn(answer(http1(), theirs, Some(HEAD_LIMIT), router, never));
    ours
}

/// Reads up to the end of an answer, which ends so.
async fn read_answer(client: &mut DuplexStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut bytes = [0; STREAM_BYTES];
        let count = client.read(&mut bytes).await.unwrap();
        assert_ne!(count, 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    text
}

async fn is_answered(client: &mut DuplexStream) {
    client.write_all(ASK).await.unwrap();
    let answer = read_answer(client, "here").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// Waits until the server ends the connection; how long that took, and what it said before.
async fn closed(client: &mut DuplexStream) -> (Duration, String) {
    let begun = tokio::time::Instant::now();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    (begun.elapsed(), text)
}

fn just_under(limit: Duration) -> Duration {
    limit.saturating_sub(SECOND)
}

fn is_about(took: Duration, limit: Duration) -> bool {
    took >= limit && took <= limit + SECOND
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_outlives_the_pools_of_clients() {
    let mut client = client();
    for _ in 0..3 {
        is_answered(&mut client).await;
        sleep(just_under(QUIET_LIMIT)).await;
    }
    is_answered(&mut client).await;
    let (took, said) = closed(&mut client).await;
    assert!(is_about(took, QUIET_LIMIT) && said.is_empty(), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_closed() {
    let (took, said) = closed(&mut client()).await;
    assert!(is_about(took, QUIET_LIMIT) && said.is_empty(), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_slowly_is_dropped() {
    let mut client = client();
    is_answered(&mut client).await;
    sleep(just_under(QUIET_LIMIT)).await;
    let begun = tokio::time::Instant::now();
    // A byte each second never ends a head.
    while client.write_all(&ASK[..1]).await.is_ok() {
        assert!(begun.elapsed() < 2 * HEAD_LIMIT, "it is still read");
        sleep(SECOND).await;
    }
    let took = begun.elapsed();
    assert!(is_about(took, HEAD_LIMIT), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_time_for_a_head_begins_anew_with_each() {
    let mut client = client();
    let (first, rest) = ASK.split_at(10);
    for _ in 0..5 {
        client.write_all(first).await.unwrap();
        sleep(just_under(HEAD_LIMIT)).await;
        client.write_all(rest).await.unwrap();
        read_answer(&mut client, "here").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_and_an_answer_may_take_longer_than_a_head() {
    let mut client = client();
    let head = b"POST /echo HTTP/1.1\r\nhost: api\r\ncontent-length: 4\r\n\r\n";
    client.write_all(head).await.unwrap();
    for byte in b"slow" {
        sleep(QUIET_LIMIT).await;
        client.write_all(&[*byte]).await.unwrap();
    }
    read_answer(&mut client, "slow").await;
    let ask = b"GET /slow HTTP/1.1\r\nhost: api\r\n\r\n";
    client.write_all(ask).await.unwrap();
    read_answer(&mut client, "late").await;
}

#[tokio::test(start_paused = true)]
async fn a_quiet_http2_connection_is_closed() {
    let (ours, theirs) = tokio::io::duplex(STREAM_BYTES);
    let router = Router::new().route("/", get(|| async { "here" }));
    let never = std::future::pending::<()>();
    tokio::spawn(answer(http2(), theirs, None, router, never));
    let exec = TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(exec, TokioIo::new(ours))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    for _ in 0..3 {
        let request = hyper::Request::get("https://api/")
            .body(String::new())
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        drop(answer);
        sleep(just_under(QUIET_LIMIT)).await;
        assert!(!connection.is_finished());
    }
    let begun = tokio::time::Instant::now();
    connection.await.unwrap().unwrap();
    assert!(begun.elapsed() < 2 * SECOND);
}
