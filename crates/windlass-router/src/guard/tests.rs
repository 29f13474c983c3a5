use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::upstream::Uptime;

const LIMITS: GuardLimits = GuardLimits {
    head: HeadLimits {
        bytes: 500,
        headers: 10,
        uri_bytes: 100,
    },
    header_time: Duration::from_secs(5),
    idle_time: Duration::from_mins(1),
    stall_time: Duration::from_secs(30),
};

fn guarded() -> (DuplexStream, Guard<DuplexStream>, Arc<ClientConnection>) {
    let (client, server) = duplex(64 * 1024);
    let connection = Arc::new(ClientConnection::new(Uptime::begin()));
    let path = RefusalPath("/secret/".into());
    let guard = Guard::new(server, Arc::clone(&connection), LIMITS, path);
    (client, guard, connection)
}

/// Reads once, like a parser that looks after each piece.
async fn piece(guard: &mut Guard<DuplexStream>) -> String {
    let mut bytes = [0; 4096];
    let count = guard.read(&mut bytes).await.unwrap();
    String::from_utf8(bytes[..count].to_vec()).unwrap()
}

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn messages_are_delivered_one_by_one() {
    let (mut client, mut guard, _) = guarded();
    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
    client
        .write_all(format!("{GET}{post}abc{GET}").as_bytes())
        .await
        .unwrap();
    drop(client);
    assert_eq!(piece(&mut guard).await, GET);
    assert_eq!(piece(&mut guard).await, post);
    assert_eq!(piece(&mut guard).await, "abc");
    assert_eq!(piece(&mut guard).await, GET);
    assert_eq!(piece(&mut guard).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_head_is_held_back_until_it_is_whole() {
    let (mut client, mut guard, _) = guarded();
    for byte in GET.as_bytes() {
        client.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(piece(&mut guard).await, GET);
}

#[tokio::test(start_paused = true)]
async fn a_refused_head_is_replaced_and_nothing_after_it_is_delivered() {
    let (mut client, mut guard, _) = guarded();
    let bad =
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    client
        .write_all(format!("{GET}{bad}{GET}").as_bytes())
        .await
        .unwrap();
    assert_eq!(piece(&mut guard).await, GET);
    let told = piece(&mut guard).await;
    let path = told.split(' ').nth(1).unwrap();
    let refusal = RefusalPath("/secret/".into()).refusal(path);
    assert_eq!(refusal, Some(Refusal::Framing));
    let more = tokio::time::timeout(Duration::from_mins(10), piece(&mut guard)).await;
    assert!(more.is_err(), "nothing more is delivered");
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_refused_and_an_idle_connection_ends() {
    let (mut client, mut guard, _) = guarded();
    client.write_all(b"GET / HT").await.unwrap();
    let began = Instant::now();
    assert!(piece(&mut guard).await.starts_with("GET /secret/"));
    assert_eq!(began.elapsed().as_secs(), 5);

    let (_client, mut guard, _) = guarded();
    let began = Instant::now();
    assert_eq!(piece(&mut guard).await, "");
    assert!((59..=61).contains(&began.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_trickle_does_not_prolong_the_time_of_a_head() {
    let (mut client, mut guard, _) = guarded();
    let trickle = async {
        for byte in GET
            .as_bytes()
            .iter()
            .cycle()
            .filter(|byte| !b"\r\n".contains(byte))
        {
            tokio::time::sleep(Duration::from_millis(900)).await;
            if client.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = trickle => panic!("the trickle went on"),
        told = piece(&mut guard) => assert!(told.starts_with("GET /secret/")),
    }
}

#[tokio::test(start_paused = true)]
async fn oversized_heads_are_refused_without_their_end() {
    let (mut client, mut guard, _) = guarded();
    client
        .write_all(format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(600)).as_bytes())
        .await
        .unwrap();
    let told = piece(&mut guard).await;
    let refusal = RefusalPath("/secret/".into()).refusal(told.split(' ').nth(1).unwrap());
    assert_eq!(refusal, Some(Refusal::HeadersTooLarge));
}

#[tokio::test(start_paused = true)]
async fn bytes_after_an_upgrade_request_wait_for_the_decision() {
    let upgrade = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    for leaves_http in [true, false] {
        let (mut client, mut guard, connection) = guarded();
        client
            .write_all(format!("{upgrade}{GET}").as_bytes())
            .await
            .unwrap();
        assert_eq!(piece(&mut guard).await, upgrade);
        assert!(connection.take_undecided());
        assert!(!connection.take_undecided());
        let early = tokio::time::timeout(Duration::from_secs(1), piece(&mut guard)).await;
        assert!(early.is_err(), "nothing before the decision");
        connection.decide(leaves_http);
        assert_eq!(piece(&mut guard).await, GET);
        client.write_all(b"\x81\x00not http").await.unwrap();
        drop(client);
        if leaves_http {
            let mut bytes = [0; 100];
            let count = guard.read(&mut bytes).await.unwrap();
            assert_eq!(&bytes[..count], b"\x81\x00not http");
        } else {
            assert_eq!(piece(&mut guard).await, "", "no whole head");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ambiguous_chunks_end_the_connection_with_an_error() {
    let (mut client, mut guard, _) = guarded();
    let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    client
        .write_all(format!("{head}3\nabc\r\n").as_bytes())
        .await
        .unwrap();
    assert_eq!(piece(&mut guard).await, head);
    let error = guard.read(&mut [0; 100]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_cut() {
    let (_client, server) = duplex(16);
    let connection = Arc::new(ClientConnection::new(Uptime::begin()));
    let mut guard = Guard::new(server, connection, LIMITS, RefusalPath("/secret/".into()));
    let error = guard.write_all(&[0; 100]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}
