//! Role × endpoint × own, foreign or unknown: who is answered what.
//!
//! The endpoints are the router's own. `authorisation/table.rs` says of each what it needs,
//! `authorisation/roles.rs` what each role has; everything else follows from the two:
//!
//! - without a good token 401 for everything, whatever is named;
//! - who does not see an app is told what they would be told if there were none;
//! - who sees it and lacks the right is refused with 403;
//! - what another team has is answered as what nobody has, to the letter, in every place of a
//!   request that can name something;
//! - what is refused changes nothing.

use std::collections::BTreeSet;

use axum::http::Method;
use windlass_digitalocean::server::endpoints;

use crate::world::World;

mod ask;
mod roles;
mod subjects;
mod table;

use ask::{Asker, Plain};
use roles::{ROLES, Role};
use subjects::Subjects;
use table::{LINES, Line, Needs};

/// Forms that are none of any id.
const MALFORMED: [&str; 2] = ["no-such", "3F5B2F9F-B62F-497E-9980-1BDA11E879C3"];

#[test]
fn every_endpoint_has_its_line() {
    let lines: BTreeSet<&str> = LINES.iter().map(|line| line.call).collect();
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

/// A world with everybody, and what the two teams and nobody have.
struct Teams {
    asker: Asker,
    own: Subjects,
    /// Another app of the same project.
    near: Subjects,
    foreign: Subjects,
    unknown: Subjects,
}

impl Teams {
    async fn start() -> Self {
        let mut world = World::start().await;
        for role in ROLES {
            match (role.name, role.kind) {
                ("admin" | "anna" | "bert", _) => {}
                (name, Some(kind)) => world.member(name, kind).await,
                (name, None) => {
                    world.user(name, role.admin).await;
                }
            }
        }
        let own = Subjects::make(&mut world, "anna", "shop").await;
        let near = Subjects::make(&mut world, "anna", "near").await;
        let foreign = Subjects::make(&mut world, "bert", "concealed").await;
        Self {
            asker: Asker::new(world),
            own,
            near,
            foreign,
            unknown: Subjects::unknown(),
        }
    }

    async fn refused(&mut self, role: &Role, line: &Line, ids: &Subjects) -> Plain {
        let token = self.asker.world.token(role.name).to_owned();
        self.asker.refused(line, Some(&token), ids).await
    }

    /// Deletes all apps but the foreign one: their builds would take the place of others.
    async fn tidy(&self) {
        let world = &self.asker.world;
        let (get, delete) = (Method::GET, Method::DELETE);
        let listed = world
            .call(get, "admin", "/v2/apps?per_page=200", None)
            .await;
        let ids = listed.body["apps"].as_array().into_iter().flatten();
        let ids = ids.filter_map(|app| app["id"].as_str());
        for id in ids.filter(|id| *id != self.foreign.ids["app"]) {
            let path = format!("/v2/apps/{id}");
            let gone = world.call(delete.clone(), "admin", &path, None).await;
            assert_eq!(gone.status, 200, "{gone:?}");
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
    let mut teams = Teams::start().await;
    for line in LINES {
        for token in [None, Some("x.y.z"), Some("dop_v1_none")] {
            let mut told = BTreeSet::new();
            for ids in [&teams.own, &teams.foreign, &teams.unknown] {
                let answer = teams.asker.refused(line, token, ids).await;
                let status = if line.needs == Needs::Nothing {
                    line.good
                } else {
                    401
                };
                assert_eq!(answer.status, status, "{line:?}: {answer:?}");
                told.insert(answer.text);
            }
            assert_eq!(told.len(), 1, "{line:?}: {told:?}");
        }
    }
}

/// Who may not is refused as the role says; who does not even see learns nothing.
#[tokio::test(flavor = "multi_thread")]
async fn roles_without_the_right_are_refused() {
    let mut teams = Teams::start().await;
    for line in LINES {
        for role in ROLES {
            let Some(status) = role.refused(line.needs) else {
                continue;
            };
            let own = teams.own.clone();
            let answer = teams.refused(role, line, &own).await;
            let at = format!("{} of {line:?}: {answer:?}", role.name);
            assert_eq!(answer.status, status, "{at}");
            if !role.sees {
                let ids = teams.all_of(line, &teams.unknown);
                let unknown = teams.refused(role, line, &ids).await;
                assert_eq!(answer, unknown, "{at}");
            }
        }
    }
}

/// What is foreign is as what is unknown, for every role, in every place.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_foreign_is_as_what_is_unknown() {
    let mut teams = Teams::start().await;
    let (own, foreign) = (teams.own.clone(), teams.foreign.clone());
    let unknown = teams.unknown.clone();
    for line in LINES {
        for role in ROLES.iter().filter(|role| role.name != "bert") {
            for name in line.names() {
                let nobodys = own.with(name, &unknown.ids[name]);
                let missing = teams.refused(role, line, &nobodys).await;
                let at = format!("{}, {name} of {line:?}: {missing:?}", role.name);
                match role.refused(line.needs) {
                    // Below what is refused the refusal may come first.
                    Some(status) => assert!([404, status].contains(&missing.status), "{at}"),
                    None => assert_eq!(missing.status, 404, "{at}"),
                }
                if !role.sees_all() {
                    let theirs = own.with(name, &foreign.ids[name]);
                    let answer = teams.refused(role, line, &theirs).await;
                    assert_eq!(answer, missing, "{at}");
                }
                for form in MALFORMED {
                    let answer = teams.refused(role, line, &own.with(name, form)).await;
                    assert_eq!(answer, missing, "{form} for {at}");
                }
            }
            if role.sees_all() || line.names().len() < 2 {
                continue;
            }
            let theirs = teams.all_of(line, &foreign);
            let nobodys = teams.all_of(line, &unknown);
            let answer = teams.refused(role, line, &theirs).await;
            let missing = teams.refused(role, line, &nobodys).await;
            assert_eq!(answer, missing, "{}, all of {line:?}", role.name);
        }
    }
}

/// What belongs to another app of the same project is not below this one.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_a_neighbour_is_not_below_an_app() {
    let mut teams = Teams::start().await;
    let (own, near) = (teams.own.clone(), teams.near.clone());
    let unknown = teams.unknown.clone();
    for line in LINES {
        let names = line.names();
        let [_, below] = names.as_slice() else {
            continue;
        };
        for role in ROLES {
            let beside = own.with(below, &near.ids[below]);
            let answer = teams.refused(role, line, &beside).await;
            let nothing = own.with(below, &unknown.ids[below]);
            let missing = teams.refused(role, line, &nothing).await;
            assert_eq!(answer, missing, "{} of {line:?}", role.name);
        }
    }
}

/// Who may is answered as the table says, and never told of what another team has.
#[tokio::test(flavor = "multi_thread")]
async fn roles_with_the_right_are_answered() {
    let mut teams = Teams::start().await;
    let hidden: Vec<String> = teams.foreign.ids.values().cloned().collect();
    let mut is_spent = false;
    for line in LINES {
        for role in ROLES {
            if role.refused(line.needs).is_some() {
                continue;
            }
            if is_spent {
                teams.tidy().await;
                let name = format!("shop-{}", teams.asker.number());
                teams.own = Subjects::make(&mut teams.asker.world, "anna", &name).await;
            }
            let token = teams.asker.world.token(role.name).to_owned();
            let own = teams.own.clone();
            let answer = teams.asker.send(line, Some(&token), &own).await;
            let at = format!("{} of {line:?}: {answer:?}", role.name);
            assert_eq!(answer.status, line.good, "{at}");
            if !role.sees_all() && role.name != "bert" {
                let text = answer.body.to_string();
                for id in &hidden {
                    assert!(!text.contains(id.as_str()), "{id} in {at}");
                }
            }
            is_spent = line.spends;
        }
    }
}
