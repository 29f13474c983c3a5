use std::collections::BTreeSet;
use std::os::unix::net::UnixListener as StdListener;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::*;
use crate::presence::Presence;
use crate::protocol::{self, LineReader, OLDEST_VERSION, ToControl, VERSION};
use crate::table::{Group, HostRoutes, TargetKind, Upstream, Version};
use crate::table_file::read_table;

const GENEROUS: Duration = Duration::from_secs(30);

struct World {
    folder: tempfile::TempDir,
    link: RouterLink,
    events: mpsc::Receiver<RouterEvent>,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let listener = StdListener::bind(folder.path().join("socket")).unwrap();
    let (link, events) =
        RouterLink::open(listener, &folder.path().join("table"), "boot", 0).unwrap();
    World {
        folder,
        link,
        events,
    }
}

/// A router that says only what the test tells it to say.
struct FakeRouter {
    presence: Presence,
    lines: LineReader<BufReader<OwnedReadHalf>>,
    to: OwnedWriteHalf,
}

impl World {
    fn table_path(&self) -> std::path::PathBuf {
        self.folder.path().join("table")
    }

    async fn connect(&self, position: Position) -> FakeRouter {
        let presence = Presence::announce(&self.table_path()).unwrap();
        let stream = UnixStream::connect(self.folder.path().join("socket"))
            .await
            .unwrap();
        let (from, mut to) = stream.into_split();
        let hello = ToControl::Hello {
            oldest_version: OLDEST_VERSION,
            version: VERSION,
            name: presence.name().to_owned(),
            pid: 1,
            position,
        };
        protocol::send(&mut to, &hello).await.unwrap();
        let mut lines = LineReader::new(BufReader::new(from));
        let welcome = lines.next::<ToRouter>().await.unwrap();
        assert_eq!(welcome, Some(ToRouter::Welcome { version: VERSION }));
        FakeRouter {
            presence,
            lines,
            to,
        }
    }
}

impl FakeRouter {
    async fn next(&mut self) -> ToRouter {
        tokio::time::timeout(GENEROUS, self.lines.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    }

    async fn say(&mut self, message: ToControl) {
        protocol::send(&mut self.to, &message).await.unwrap();
    }
}

fn put(group: &str, plan_generation: u64, share: u16, upstreams: &[&str]) -> Change {
    let upstreams = upstreams
        .iter()
        .map(|id| Upstream {
            id: (*id).to_owned(),
            address: "127.0.0.1:9".parse().unwrap(),
            index: 0,
            public_id: String::new(),
        })
        .collect();
    let version = Version {
        id: "v".to_owned(),
        share,
        target: TargetKind::Instances { upstreams },
    };
    Change::PutGroup {
        group: group.to_owned(),
        value: Group {
            plan_generation,
            versions: vec![version],
            ..Group::default()
        },
    }
}

fn is_acknowledged(answer: &Acknowledgement) -> bool {
    matches!(answer, Acknowledgement::Acknowledged { .. })
}

#[tokio::test]
async fn without_a_router_a_change_is_in_force_once_it_is_in_the_file() {
    let world = world();
    let position = world
        .link
        .publish(vec![put("g", 1, 10_000, &["a"])])
        .unwrap();
    let read = read_table(&world.table_path()).unwrap().table.unwrap();
    assert_eq!(read.position(), position);
    let answer = world.link.wait_acknowledged(position, Duration::ZERO).await;
    assert!(is_acknowledged(&answer));
}

#[tokio::test]
async fn every_living_router_must_acknowledge() {
    let world = world();
    let at = world.link.position();
    let mut first = world.connect(at).await;
    let mut second = world.connect(at).await;
    let position = world
        .link
        .publish(vec![put("g", 1, 10_000, &["a"])])
        .unwrap();
    for router in [&mut first, &mut second] {
        let ToRouter::Delta { delta } = router.next().await else {
            panic!("no delta")
        };
        assert_eq!(delta.position(), position);
    }
    first.say(ToControl::Ack { position }).await;
    let waiting = world
        .link
        .wait_acknowledged(position, Duration::from_millis(50))
        .await;
    let Acknowledgement::NotYet { missing } = waiting else {
        panic!("too early")
    };
    assert_eq!(missing.last().unwrap().name, second.presence.name());
    second.say(ToControl::Ack { position }).await;
    assert!(is_acknowledged(
        &world.link.wait_acknowledged(position, GENEROUS).await
    ));
}

#[tokio::test]
async fn a_router_that_lives_without_a_connection_is_waited_for() {
    let world = world();
    let presence = Presence::announce(&world.table_path()).unwrap();
    let position = world
        .link
        .publish(vec![put("g", 1, 10_000, &["a"])])
        .unwrap();
    let waiting = world
        .link
        .wait_acknowledged(position, Duration::from_millis(20))
        .await;
    let missing = vec![MissingRouter {
        name: presence.name().to_owned(),
        position: None,
    }];
    assert_eq!(waiting, Acknowledgement::NotYet { missing });
    drop(presence);
    assert!(is_acknowledged(
        &world.link.wait_acknowledged(position, GENEROUS).await
    ));
}

#[tokio::test]
async fn a_router_that_is_behind_is_told_to_read_the_file() {
    let world = world();
    let old = world.link.position();
    let position = world
        .link
        .publish(vec![put("g", 1, 10_000, &["a"])])
        .unwrap();
    let mut router = world.connect(old).await;
    assert_eq!(router.next().await, ToRouter::ReadFile { position });
}

#[tokio::test]
async fn a_router_that_knows_more_raises_the_epoch() {
    let world = world();
    let known = Position {
        epoch: 7,
        generation: 90,
    };
    let mut router = world.connect(known).await;
    let ToRouter::ReadFile { position } = router.next().await else {
        panic!("no order to read")
    };
    assert!(position > known);
    let read = read_table(&world.table_path()).unwrap().table.unwrap();
    assert_eq!(read.position(), position);
}

#[tokio::test]
async fn changes_of_older_plans_and_repeated_ones_write_nothing() {
    let world = world();
    let position = world
        .link
        .publish(vec![put("g", 5, 10_000, &["a"])])
        .unwrap();
    assert_eq!(
        world.link.publish(vec![put("g", 4, 0, &["a"])]).unwrap(),
        position
    );
    assert_eq!(
        world
            .link
            .publish(vec![put("g", 5, 10_000, &["a"])])
            .unwrap(),
        position
    );
    let remove = Change::RemoveGroup {
        group: "g".to_owned(),
        plan_generation: 6,
    };
    let removed = world.link.publish(vec![remove]).unwrap();
    assert!(removed > position);
    let late = world
        .link
        .publish(vec![put("g", 5, 10_000, &["a"])])
        .unwrap();
    assert_eq!(
        late, removed,
        "an older plan does not bring a removed group back"
    );
    let host = |commit| HostRoutes {
        commit,
        rules: vec![],
    };
    let put_host = |commit| Change::PutHost {
        host: "h".to_owned(),
        value: host(commit),
    };
    let newest = world.link.publish(vec![put_host(3)]).unwrap();
    assert_eq!(world.link.publish(vec![put_host(2)]).unwrap(), newest);
}

#[tokio::test]
async fn an_upstream_is_empty_when_all_routers_say_so() {
    let mut world = world();
    world
        .link
        .publish(vec![put("g", 1, 10_000, &["a"])])
        .unwrap();
    let at = world.link.position();
    let mut first = world.connect(at).await;
    let mut second = world.connect(at).await;
    let position = world.link.publish(vec![put("g", 2, 0, &["a"])]).unwrap();
    let upstreams = vec!["a".to_owned()];
    for router in [&mut first, &mut second] {
        assert!(matches!(router.next().await, ToRouter::Delta { .. }));
        assert_eq!(
            router.next().await,
            ToRouter::AskEmpty {
                upstreams: upstreams.clone()
            }
        );
    }
    let empty = |position, upgraded| ToControl::Empty {
        upstream: "a".to_owned(),
        position,
        upgraded,
    };
    // A report from before the withdrawal counts for nothing.
    first.say(empty(at, 0)).await;
    second.say(empty(position, 1)).await;
    second
        .say(ToControl::Unreachable {
            upstream: "b".to_owned(),
        })
        .await;
    let next = tokio::time::timeout(GENEROUS, world.events.recv())
        .await
        .unwrap();
    assert_eq!(
        next,
        Some(RouterEvent::Unreachable {
            upstream: "b".to_owned()
        })
    );
    first.say(empty(position, 2)).await;
    let next = tokio::time::timeout(GENEROUS, world.events.recv())
        .await
        .unwrap();
    assert_eq!(
        next,
        Some(RouterEvent::Empty {
            upstream: "a".to_owned(),
            upgraded: 3
        })
    );
    // A router that ends takes its connections with it.
    drop(first);
    second.say(empty(position, 0)).await;
    let next = tokio::time::timeout(GENEROUS, world.events.recv())
        .await
        .unwrap();
    assert_eq!(
        next,
        Some(RouterEvent::Empty {
            upstream: "a".to_owned(),
            upgraded: 0
        })
    );
}

#[tokio::test]
async fn an_upstream_that_no_table_has_named_is_empty_when_asked_for() {
    let mut world = world();
    // The table that would have named it comes too late.
    let position = world.link.publish(vec![put("g", 2, 0, &["a"])]).unwrap();
    let mut router = world.connect(position).await;
    let late = world.link.publish(vec![put("g", 1, 10_000, &["a"])]);
    assert_eq!(late.unwrap(), position);
    world.link.ask_empty("a");
    assert!(!world.link.is_known_empty("a"));
    // Asked about already.
    world.link.ask_empty("a");
    let upstream = "a".to_owned();
    let ask = ToRouter::AskEmpty {
        upstreams: vec![upstream.clone()],
    };
    assert_eq!(router.next().await, ask);
    router
        .say(ToControl::Empty {
            upstream: upstream.clone(),
            position,
            upgraded: 0,
        })
        .await;
    let next = tokio::time::timeout(GENEROUS, world.events.recv())
        .await
        .unwrap();
    let empty = RouterEvent::Empty {
        upstream,
        upgraded: 0,
    };
    assert_eq!(next, Some(empty));
    assert!(world.link.is_known_empty("a"));
    world
        .link
        .publish(vec![put("g", 3, 10_000, &["b"])])
        .unwrap();
    assert!(matches!(router.next().await, ToRouter::Delta { .. }));
}

#[tokio::test]
async fn an_upstream_may_be_asked_for_again_after_a_restart_of_control() {
    let mut world = world();
    let position = world
        .link
        .publish(vec![put("g", 1, 10_000, &["b"])])
        .unwrap();
    let mut router = world.connect(position).await;
    world.link.ask_empty("b");
    world.link.ask_empty("a");
    assert_eq!(
        router.next().await,
        ToRouter::AskEmpty {
            upstreams: vec!["a".to_owned()]
        }
    );
    let upstream = "a".to_owned();
    router
        .say(ToControl::Empty {
            upstream: upstream.clone(),
            position,
            upgraded: 0,
        })
        .await;
    let next = tokio::time::timeout(GENEROUS, world.events.recv())
        .await
        .unwrap();
    assert_eq!(
        next,
        Some(RouterEvent::Empty {
            upstream,
            upgraded: 0
        })
    );
}

#[tokio::test]
async fn without_a_router_a_withdrawn_upstream_is_empty_at_once() {
    let mut world = world();
    world
        .link
        .publish(vec![put("g", 1, 10_000, &["a"])])
        .unwrap();
    let remove = Change::RemoveGroup {
        group: "g".to_owned(),
        plan_generation: 2,
    };
    world.link.publish(vec![remove]).unwrap();
    let next = tokio::time::timeout(GENEROUS, world.events.recv())
        .await
        .unwrap();
    assert_eq!(
        next,
        Some(RouterEvent::Empty {
            upstream: "a".to_owned(),
            upgraded: 0
        })
    );
}

#[tokio::test]
async fn a_link_opened_again_goes_on_at_the_same_position() {
    let world = world();
    let position = world
        .link
        .publish(vec![put("g", 1, 10_000, &["a"])])
        .unwrap();
    let path = world.table_path();
    drop(world.link);
    let listener = StdListener::bind(world.folder.path().join("socket 2")).unwrap();
    let (link, _events) = RouterLink::open(listener, &path, "boot", 0).unwrap();
    assert_eq!(link.position(), position);
    assert_eq!(
        link.table().pickable_upstreams(),
        BTreeSet::from(["a".to_owned()])
    );
}

#[tokio::test]
async fn replacing_everything_keeps_unconfirmed_groups_waiting() {
    let world = world();
    world
        .link
        .publish(vec![
            put("g", 1, 10_000, &["a"]),
            put("h", 1, 10_000, &["b"]),
        ])
        .unwrap();
    let path = world.table_path();
    drop(world.link);
    let listener = StdListener::bind(world.folder.path().join("socket 2")).unwrap();
    let (link, _events) = RouterLink::open(listener, &path, "next boot", 0).unwrap();
    assert_eq!(link.table().unconfirmed.len(), 2);
    let mut table = Table::default();
    for change in [put("g", 2, 10_000, &[]), put("h", 2, 10_000, &["c"])] {
        let Change::PutGroup { group, value } = change else {
            unreachable!()
        };
        table.groups.insert(group, value);
    }
    link.replace(table).unwrap();
    assert_eq!(link.table().unconfirmed, BTreeSet::from(["g".to_owned()]));
}

#[tokio::test]
async fn a_router_of_another_version_is_refused() {
    let world = world();
    let stream = UnixStream::connect(world.folder.path().join("socket"))
        .await
        .unwrap();
    let (from, mut to) = stream.into_split();
    let hello = ToControl::Hello {
        oldest_version: VERSION + 1,
        version: VERSION + 2,
        name: "x".to_owned(),
        pid: 1,
        position: Position::default(),
    };
    protocol::send(&mut to, &hello).await.unwrap();
    let mut lines = LineReader::new(BufReader::new(from));
    let answer = lines.next::<ToRouter>().await.unwrap();
    let Some(ToRouter::Refused { reason }) = answer else {
        panic!("{answer:?}");
    };
    assert!(reason.contains("speaks versions"), "{reason}");
    assert_eq!(lines.next::<ToRouter>().await.unwrap(), None);
}

/// A router of the version before or after, by hand: its own words, and more than control knows.
#[tokio::test]
async fn a_router_of_a_neighbouring_version_follows_and_acknowledges() {
    use tokio::io::AsyncWriteExt;
    for newest in [VERSION, VERSION + 1] {
        let world = world();
        let presence = Presence::announce(&world.table_path()).unwrap();
        let stream = UnixStream::connect(world.folder.path().join("socket"))
            .await
            .unwrap();
        let (from, mut to) = stream.into_split();
        let hello = format!(
            "{{\"type\":\"hello\",\"oldest_version\":{VERSION},\"version\":{newest},\"name\":\"{}\",\
             \"pid\":1,\"position\":{{\"epoch\":0,\"generation\":0,\"new\":1}},\"new\":[]}}\n\
             {{\"type\":\"tomorrow\",\"of\":{{}}}}\n",
            presence.name()
        );
        to.write_all(hello.as_bytes()).await.unwrap();
        let mut lines = LineReader::new(BufReader::new(from));
        let welcome = lines.next::<ToRouter>().await.unwrap();
        assert_eq!(welcome, Some(ToRouter::Welcome { version: VERSION }));
        let position = world.link.position();
        let ack = format!(
            "{{\"type\":\"ack\",\"position\":{{\"epoch\":{},\"generation\":{}}},\"new\":0}}\n",
            position.epoch, position.generation
        );
        to.write_all(ack.as_bytes()).await.unwrap();
        let acknowledged = world.link.wait_acknowledged(position, GENEROUS).await;
        assert!(matches!(acknowledged, Acknowledgement::Acknowledged { .. }));
    }
}
