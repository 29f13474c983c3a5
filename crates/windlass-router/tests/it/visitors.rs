//! Groups that divide visitors instead of requests.

use std::collections::BTreeSet;

use windlass_router::{Change, Group, Split, Version};

use crate::client::Client;
use crate::instance::Instance;
use crate::world::{GROUP, HOST, World, group, version};

/// The versions of a rollout with so many parts on the new one.
fn rollout(old: &Instance, new: &Instance, share: u16) -> Group {
    let versions: Vec<Version> = vec![
        version("old", 10_000 - share, &[old]),
        version("new", share, &[new]),
    ];
    Group {
        split: Split::Visitors {
            rollout: "r1".to_owned(),
            header: Some("x-version".to_owned()),
        },
        ..group(u64::from(share) + 2, versions)
    }
}

fn put(value: Group) -> Vec<Change> {
    let group = GROUP.to_owned();
    vec![Change::PutGroup { group, value }]
}

/// Visitors, told apart by their browsers, that the new version answers.
fn on_new(client: &mut Client, count: usize) -> BTreeSet<usize> {
    (0..count)
        .filter(|number| {
            let agent = format!("User-Agent: browser {number}\r\n");
            let answers: BTreeSet<String> = (0..2)
                .map(|_| client.get_with(HOST, "/", &agent).text().to_owned())
                .collect();
            assert_eq!(answers.len(), 1, "a visitor stays on its version");
            answers.contains("new")
        })
        .collect()
}

#[test]
fn visitors_only_move_from_old_to_new_as_the_share_grows() {
    const VISITORS: usize = 400;
    let (old, new) = (Instance::named("old"), Instance::named("new"));
    let mut world = World::start();
    world.route(vec![]);
    let mut client = Client::connect(world.http);
    let mut before = BTreeSet::new();
    for (share, expected) in [
        (0, 0..1),
        (1_000, 10..80),
        (5_000, 140..260),
        (10_000, 400..401),
    ] {
        world.publish(put(rollout(&old, &new, share)));
        let now = on_new(&mut client, VISITORS);
        assert!(now.is_superset(&before), "{share}");
        assert!(expected.contains(&now.len()), "{share}: {}", now.len());
        before = now;
    }
}

#[test]
fn a_browser_stays_the_same_visitor_wherever_it_is() {
    let (old, new) = (Instance::named("old"), Instance::named("new"));
    let mut world = World::start();
    world.route(vec![]);
    world.publish(put(rollout(&old, &new, 5_000)));
    let mut client = Client::connect(world.http);
    for number in 0..20 {
        let first = client.get_with(HOST, "/", &format!("User-Agent: {number}\r\n"));
        assert_eq!(first.header("x-version"), Some(first.text()));
        let cookie = first.header("set-cookie").unwrap().to_owned();
        assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
        let pair = cookie.split(';').next().unwrap();
        let later = client.get_with(
            HOST,
            "/",
            &format!("User-Agent: updated\r\nCookie: a=b; {pair}\r\n"),
        );
        assert_eq!(later.text(), first.text());
        assert_eq!(later.header("set-cookie"), None);
    }
    world.publish(put(rollout(&old, &new, 10_000)));
    let settled = client.get(HOST, "/");
    assert_eq!(
        (settled.header("set-cookie"), settled.header("x-version")),
        (None, None)
    );
}

#[test]
fn all_workers_agree_about_a_visitor() {
    let (old, new) = (Instance::named("old"), Instance::named("new"));
    let mut world = World::with(4, |_| {});
    world.route(vec![]);
    world.publish(put(rollout(&old, &new, 5_000)));
    for number in 0..10 {
        let agent = format!("User-Agent: {number}\r\n");
        let answers: BTreeSet<String> = (0..8)
            .map(|_| {
                let answer = Client::connect(world.http).get_with(HOST, "/", &agent);
                answer.text().to_owned()
            })
            .collect();
        assert_eq!(answers.len(), 1, "{number}");
    }
}
