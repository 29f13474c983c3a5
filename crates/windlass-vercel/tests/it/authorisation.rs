//! Role × endpoint × own, foreign or unknown: who is answered what.
//!
//! The endpoints are the router's own. `authorisation/table.rs` says of each what it needs,
//! `authorisation/roles.rs` what each role has; everything else follows from the two:
//!
//! - without a good token 403 for everything, whatever is named;
//! - who does not see a project is told what they would be told if there were none;
//! - who sees it and lacks the right is refused with 403;
//! - what another team has is answered as what nobody has, to the letter, in every place of a
//!   request that can name something, in every form in which it can be named;
//! - what is refused changes nothing.

use std::collections::BTreeSet;

use windlass_engine::records::RoleKind;
use windlass_vercel::server::endpoints;

use crate::world::World;

mod ask;
mod roles;
mod subjects;
mod table;

use ask::{Asker, Plain};
use roles::{ROLES, Role};
use subjects::Subjects;
use table::{LINES, Line, Needs};

/// Forms that are none of any id, and safe to name anything by.
const MALFORMED: [&str; 2] = ["no-such", "0"];

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
    /// Another project of the same team.
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
        let mut own = Subjects::make(&mut world, "anna", "shop").await;
        let near = Subjects::make(&mut world, "anna", "near").await;
        let mut foreign = Subjects::make(&mut world, "bert", "hidden").await;
        // Tokens are their user's alone: nobody has that of the stranger but they.
        own.ids.insert("token", world.spare_token("anna").await);
        foreign.ids.insert("token", world.spare_token("bert").await);
        Self {
            asker: Asker::new(world),
            own,
            near,
            foreign,
            unknown: Subjects::unknown(),
        }
    }

    fn token(&self, role: &Role) -> String {
        self.asker.world.token(role.name).to_owned()
    }

    async fn refused(&mut self, role: &Role, line: &Line, ids: &Subjects) -> Plain {
        let token = self.token(role);
        self.asker.refused(line, Some(&token), ids).await
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

/// Whether somebody may name something new in this place, so that an unknown name is no error.
fn may_be_new(line: &Line, form: &str) -> bool {
    line.call == "POST /deployments" && !form.starts_with("prj_") && !form.starts_with("dpl_")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_everything_is_the_same() {
    let mut teams = Teams::start().await;
    for line in LINES {
        for (token, word) in [(None, "missingToken"), (Some("x.y.z"), "invalidToken")] {
            let mut told = BTreeSet::new();
            for ids in [&teams.own, &teams.foreign, &teams.unknown] {
                let answer = teams.asker.refused(line, token, ids).await;
                assert_eq!(answer.status, 403, "{line:?}: {answer:?}");
                assert!(answer.text.contains(word), "{line:?}: {answer:?}");
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
            let sees = match line.needs {
                Needs::Team | Needs::TeamShown | Needs::TeamWrite => role.member,
                _ => role.sees,
            };
            if !sees {
                let ids = teams.all_of(line, &teams.unknown.clone());
                let unknown = teams.refused(role, line, &ids).await;
                assert_eq!(answer, unknown, "{at}");
            }
        }
    }
}

/// What is foreign is as what is unknown, for every role, in every place, in every form.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_foreign_is_as_what_is_unknown() {
    let mut teams = Teams::start().await;
    let (own, foreign) = (teams.own.clone(), teams.foreign.clone());
    let unknown = teams.unknown.clone();
    for line in LINES {
        for role in ROLES.iter().filter(|role| role.name != "bert") {
            for name in line.names() {
                let forms = foreign.forms(name);
                let pairs = forms.into_iter().zip(unknown.forms(name));
                for (theirs, nobodys) in pairs.filter(|(form, _)| !may_be_new(line, form)) {
                    let missing = teams.refused(role, line, &own.with(name, nobodys)).await;
                    let at = format!("{}, {name} of {line:?}: {missing:?}", role.name);
                    let status = role.refused(line.needs);
                    if let Some(status) = status.filter(|_| name != "team") {
                        // In a body, or below what is refused: the refusal comes first.
                        assert!([404, status].contains(&missing.status), "{at}");
                    } else {
                        assert_eq!(missing.status, line.status_without(name), "{at}");
                    }
                    if role.sees_all() {
                        continue;
                    }
                    let answer = teams.refused(role, line, &own.with(name, theirs)).await;
                    assert_eq!(answer, missing, "{theirs} for {at}");
                }
                for malformed in MALFORMED.iter().filter(|form| !may_be_new(line, form)) {
                    let answer = teams.refused(role, line, &own.with(name, malformed)).await;
                    let at = format!("{malformed} as {name} of {line:?}: {answer:?}");
                    assert!(
                        answer.status < 500 && !answer.text.contains(&foreign.ids["project"]),
                        "{at}"
                    );
                    let found = answer.status < 300 && line.status_without(name) >= 300;
                    assert!(!found, "{at}");
                }
            }
            if role.sees_all() || line.names().len() < 2 {
                continue;
            }
            // All of it foreign, and one of its own beside what is foreign.
            let theirs = teams.all_of(line, &foreign);
            let nobodys = teams.all_of(line, &unknown);
            let answer = teams.refused(role, line, &theirs).await;
            let missing = teams.refused(role, line, &nobodys).await;
            assert_eq!(answer, missing, "{}, all of {line:?}", role.name);
        }
    }
}

/// What belongs to another project of the same team is not below this one.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_a_neighbour_is_not_below_a_project() {
    let mut teams = Teams::start().await;
    let (own, near, unknown) = (teams.own.clone(), teams.near.clone(), teams.unknown.clone());
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

/// A team that is named narrows what is found: to nothing, if it is another.
#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_is_named_narrows_what_is_found() {
    let mut teams = Teams::start().await;
    let world = &mut teams.asker.world;
    // Also in the other team, and with every right there.
    world
        .join("bert", "manager", RoleKind::SpaceDeveloper)
        .await;
    let both = ROLES.iter().find(|role| role.name == "manager").copied();
    let anna = ROLES.iter().find(|role| role.name == "anna").copied();
    let (both, anna) = (both.expect("a role"), anna.expect("a role"));
    let (own, foreign) = (teams.own.clone(), teams.foreign.clone());
    let unknown = teams.unknown.clone();
    for line in LINES {
        if !line.scoped || line.names().contains(&"team") {
            continue;
        }
        let join = if line.at.contains('?') { '&' } else { '?' };
        let at = format!("{}{join}teamId=<team>", line.at);
        let narrowed = Line {
            at: at.leak(),
            ..*line
        };
        for form in 0..2 {
            let theirs = own.with("team", foreign.forms("team")[form]);
            let nobodys = own.with("team", unknown.forms("team")[form]);
            let answer = teams.refused(&anna, &narrowed, &theirs).await;
            assert_eq!(answer.status, 403, "{line:?}: {answer:?}");
            assert!(answer.text.contains("team_unauthorized"), "{answer:?}");
            let missing = teams.refused(&anna, &narrowed, &nobodys).await;
            assert_eq!(answer, missing, "{line:?}");
            let elsewhere = teams.refused(&both, &narrowed, &theirs).await;
            let named = line.names();
            let Some(first) = named.first() else { continue };
            let missing = theirs.with(first, &unknown.ids[first]);
            let missing = teams.refused(&both, &narrowed, &missing).await;
            assert_eq!(elsewhere, missing, "{line:?}");
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
                // Its builds would take the place of others.
                let path = format!("/v9/projects/{}", teams.own.ids["project"]);
                let gone = teams.asker.world.delete(&path).await;
                assert!([204, 404].contains(&gone.status), "{gone:?}");
                let name = format!("shop-{}", teams.asker.number());
                teams.own = Subjects::make(&mut teams.asker.world, "anna", &name).await;
            }
            let own = teams.own.clone();
            let spare = teams.asker.world.spare_token(role.name).await;
            let own = own.with("token", &spare);
            let token = teams.token(role);
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
