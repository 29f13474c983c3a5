//! Role × endpoint × own, foreign or unknown: who is answered what.
//!
//! The endpoints are the router's own. The lines of `authorisation/table.rs` and
//! `authorisation/apps.rs` say of each what it needs, `authorisation/roles.rs` what each role has;
//! everything else follows from the two:
//!
//! - without a good token 401 for everything, whatever is named;
//! - who does not see something is told what they would be told if there were none;
//! - who sees it and lacks the right is refused, with 403 but for the exceptions of the table;
//! - what another organization has is answered as what nobody has, to the letter, in every place
//!   of a request that can name something;
//! - what is refused changes nothing.

use std::collections::BTreeSet;

use serde_json::json;
use windlass_cf::server::endpoints;
use windlass_engine::records::AdminScope;

use crate::world::World;

mod apps;
mod ask;
mod line;
mod roles;
mod subjects;
mod table;

use ask::{Asker, Plain};
use line::{Line, Needs};
use roles::{ROLES, Role};
use subjects::{OF_APP, Subjects};

/// No guid at all.
const MALFORMED: &str = "no-such";

/// The whole table.
fn lines() -> impl Iterator<Item = &'static Line> {
    [
        table::PLATFORM,
        table::TENANTS,
        table::SHARES,
        apps::APPS,
        apps::DEPLOYMENTS,
        apps::SOURCE,
        apps::ROUTES,
    ]
    .into_iter()
    .flatten()
}

#[test]
fn every_endpoint_has_its_line() {
    let lines: BTreeSet<&str> = lines().map(|line| line.call).collect();
    let served: BTreeSet<String> = endpoints()
        .into_iter()
        .map(|endpoint| format!("{} {}", endpoint.method, endpoint.path))
        .collect();
    let served: BTreeSet<&str> = served.iter().map(String::as_str).collect();
    let missing: Vec<_> = served.difference(&lines).collect();
    let gone: Vec<_> = lines.difference(&served).collect();
    assert!(missing.is_empty(), "not in the table: {missing:#?}");
    assert!(gone.is_empty(), "in the table only: {gone:#?}");
}

/// A world with everybody, and what the two organizations and nobody have.
struct Tenants {
    asker: Asker,
    own: Subjects,
    foreign: Subjects,
    unknown: Subjects,
    /// What is not as it should be.
    wrong: Vec<String>,
}

impl Tenants {
    async fn start() -> Self {
        let mut world = World::start().await;
        let own = Subjects::make(&world, "one").await;
        let foreign = Subjects::make(&world, "two").await;
        for role in ROLES {
            let place = |of: &Subjects| (of.ids["org"].clone(), of.ids["space"].clone());
            match (role.name, role.admin) {
                ("admin", _) => {}
                ("stranger", _) => {
                    let (org, space) = place(&foreign);
                    world
                        .member("stranger", &org, &space, &["space_developer"])
                        .await;
                }
                ("none", _) => drop(world.user("none", AdminScope::None).await),
                (name, AdminScope::None) => {
                    let (org, space) = place(&own);
                    if name == "client" {
                        world.client(name).await;
                    } else {
                        world.user(name, AdminScope::None).await;
                    }
                    world.join(name, &org, &space, &[role.kind()]).await;
                }
                (name, admin) => drop(world.user(name, admin).await),
            }
        }
        Self {
            asker: Asker::new(world),
            unknown: Subjects::unknown(&own),
            own,
            foreign,
            wrong: Vec::new(),
        }
    }

    async fn refused(&mut self, role: &Role, line: &Line, ids: &Subjects) -> Plain {
        let token = self.asker.world.token(role.name).to_owned();
        self.asker.refused(line, Some(&token), ids).await
    }

    fn expect(&mut self, holds: bool, what: &str) {
        if !holds {
            self.wrong.push(what.to_owned());
        }
    }

    /// All that a line names exchanged for what another has.
    fn all_of(&self, line: &Line, other: &Subjects) -> Subjects {
        let mut ids = self.own.clone();
        for name in line.names() {
            ids = ids.with(name, &other.ids[name]);
        }
        ids
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_everything_is_the_same() {
    let mut tenants = Tenants::start().await;
    for line in lines() {
        for token in [None, Some("x.y.z"), Some("none")] {
            let mut told = BTreeSet::new();
            let all = [&tenants.own, &tenants.foreign, &tenants.unknown].map(Clone::clone);
            for ids in all {
                let answer = tenants.asker.refused(line, token, &ids).await;
                let status = match line.needs {
                    Needs::Nothing => line.good,
                    _ => 401,
                };
                tenants.expect(answer.status == status, &format!("{line:?}: {answer:?}"));
                told.insert(answer.text);
            }
            tenants.expect(told.len() == 1, &format!("{line:?}: {told:?}"));
        }
    }
    assert!(tenants.wrong.is_empty(), "{:#?}", tenants.wrong);
}

/// Who may not is refused as the role says; who does not even see learns nothing.
#[tokio::test(flavor = "multi_thread")]
async fn roles_without_the_right_are_refused() {
    let mut tenants = Tenants::start().await;
    for line in lines() {
        for role in ROLES {
            let Some(status) = role.refused(line) else {
                continue;
            };
            let own = tenants.own.clone();
            let answer = tenants.refused(role, line, &own).await;
            let at = format!("{}: {status} of {line:?}: {answer:?}", role.name);
            tenants.expect(answer.status == status, &at);
            if !role.sees(line.needs) {
                let ids = tenants.all_of(line, &tenants.unknown);
                let unknown = tenants.refused(role, line, &ids).await;
                tenants.expect(answer == unknown, &format!("{unknown:?} and {at}"));
            }
        }
    }
    assert!(tenants.wrong.is_empty(), "{:#?}", tenants.wrong);
}

/// What is foreign is as what is unknown, for every role, in every place.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_foreign_is_as_what_is_unknown() {
    let mut tenants = Tenants::start().await;
    let (own, foreign) = (tenants.own.clone(), tenants.foreign.clone());
    let unknown = tenants.unknown.clone();
    for line in lines() {
        for role in ROLES.iter().filter(|role| role.name != "stranger") {
            for name in line.names() {
                let nobodys = own.with(name, &unknown.ids[name]);
                let missing = tenants.refused(role, line, &nobodys).await;
                let at = format!("{}, {name} of {line:?}: {missing:?}", role.name);
                let without = line.status_without(name);
                let is_right = match role.refused(line) {
                    // Below what is refused the refusal may come first.
                    Some(status) => [without, status, line.unseen].contains(&missing.status),
                    None => missing.status == without,
                };
                tenants.expect(is_right, &at);
                if !role.sees_all() {
                    let theirs = own.with(name, &foreign.ids[name]);
                    let answer = tenants.refused(role, line, &theirs).await;
                    tenants.expect(answer == missing, &format!("{answer:?} for {at}"));
                }
                let other = own.with(name, MALFORMED);
                let answer = tenants.refused(role, line, &other).await;
                tenants.expect(
                    answer == missing,
                    &format!("malformed: {answer:?} for {at}"),
                );
            }
            if role.sees_all() || line.names().len() < 2 {
                continue;
            }
            let theirs = tenants.all_of(line, &foreign);
            let nobodys = tenants.all_of(line, &unknown);
            let answer = tenants.refused(role, line, &theirs).await;
            let missing = tenants.refused(role, line, &nobodys).await;
            let at = format!("{}: {answer:?}, {missing:?}, all of {line:?}", role.name);
            tenants.expect(answer == missing, &at);
        }
    }
    assert!(tenants.wrong.is_empty(), "{:#?}", tenants.wrong);
}

/// What belongs to another app of the same space is not this one's.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_a_neighbour_is_not_an_apps_own() {
    let mut tenants = Tenants::start().await;
    let own = tenants.own.clone();
    let world = &tenants.asker.world;
    let near = Subjects::of_app(world, &own.ids["space"], &own.ids["domain"], "near").await;
    let unknown = tenants.unknown.clone();
    for line in lines() {
        let names = line.names();
        if names
            .first()
            .is_none_or(|name| !["app", "route"].contains(name))
        {
            continue;
        }
        for below in names.into_iter().filter(|name| OF_APP.contains(name)) {
            for role in ROLES {
                let beside = own.with(below, &near[below]);
                let answer = tenants.refused(role, line, &beside).await;
                let nothing = own.with(below, &unknown.ids[below]);
                let missing = tenants.refused(role, line, &nothing).await;
                let at = format!("{}: {answer:?}, {missing:?} of {line:?}", role.name);
                tenants.expect(answer == missing, &at);
            }
        }
    }
    assert!(tenants.wrong.is_empty(), "{:#?}", tenants.wrong);
}

/// Who may is answered as the table says, and never told of what another organization has.
#[tokio::test(flavor = "multi_thread")]
async fn roles_with_the_right_are_answered() {
    let mut tenants = Tenants::start().await;
    let hidden: Vec<String> = tenants.foreign.ids.values().cloned().collect();
    let mut is_spent = false;
    for line in lines() {
        for role in ROLES {
            if role.refused(line).is_some() {
                continue;
            }
            if is_spent {
                let name = format!("one-{}", tenants.asker.number());
                tenants.own = tenants.again(&name).await;
            }
            let token = tenants.asker.world.token(role.name).to_owned();
            let own = tenants.own.clone();
            let answer = tenants.asker.send(line, Some(&token), &own).await;
            let at = format!("{}: {} of {line:?}: {answer:?}", role.name, line.good);
            tenants.expect(answer.status == line.good, &at);
            if !role.sees_all() && role.name != "stranger" {
                let text = answer.body.to_string();
                for id in &hidden {
                    tenants.expect(!text.contains(id.as_str()), &format!("{id} in {at}"));
                }
            }
            is_spent = line.spends;
        }
    }
    assert!(tenants.wrong.is_empty(), "{:#?}", tenants.wrong);
}

impl Tenants {
    /// One more organization with the same, where everybody has the same roles.
    async fn again(&self, name: &str) -> Subjects {
        let made = Subjects::make(&self.asker.world, name).await;
        for role in ROLES {
            if role.admin == AdminScope::None && !["none", "stranger"].contains(&role.name) {
                let (org, space) = (&made.ids["org"], &made.ids["space"]);
                self.asker
                    .world
                    .join(role.name, org, space, &[role.kind()])
                    .await;
            }
        }
        made
    }
}

/// With whom a domain is shared is shown as far as the organizations are seen.
#[tokio::test(flavor = "multi_thread")]
async fn organizations_that_share_a_domain_do_not_see_each_other() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    let (other, other_space) = world.tenant("two").await;
    world
        .member("owner", &org, &space, &["organization_manager"])
        .await;
    world
        .member("guest", &other, &other_space, &["organization_manager"])
        .await;
    let (third, _) = world.tenant("three").await;
    let body = json!({
        "name": "one.windlass.test",
        "relationships": {
            "organization": {"data": {"guid": org}},
            "shared_organizations": {"data": [{"guid": other}, {"guid": third}]},
        },
    });
    let domain = world.post("admin", "/v3/domains", &body).await.guid();
    let paths = [
        format!("/v3/domains/{domain}"),
        format!("/v3/domains/{domain}/relationships/shared_organizations"),
        "/v3/domains".to_owned(),
    ];
    for path in paths {
        for (user, seen) in [
            ("admin", [true, true]),
            ("owner", [false, false]),
            ("guest", [true, false]),
        ] {
            let text = world.get(user, &path).await.body.to_string();
            let found = [text.contains(&other), text.contains(&third)];
            assert_eq!(found, seen, "{user}: {path}: {text}");
        }
    }
}
