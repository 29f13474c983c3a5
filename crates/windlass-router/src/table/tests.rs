use super::*;

fn upstream(id: &str) -> Upstream {
    Upstream {
        id: id.to_owned(),
        address: "127.0.0.1:9".parse().unwrap(),
        index: 0,
        public_id: format!("public-{id}"),
    }
}

fn group(plan_generation: u64, share: u16, upstreams: &[&str]) -> Group {
    Group {
        plan_generation,
        versions: vec![Version {
            id: "v1".to_owned(),
            share,
            target: TargetKind::Instances {
                upstreams: upstreams.iter().map(|id| upstream(id)).collect(),
            },
        }],
        ..Group::default()
    }
}

fn put(group: &str, value: Group) -> Change {
    Change::PutGroup {
        group: group.to_owned(),
        value,
    }
}

fn delta(epoch: u64, generation: u64, changes: Vec<Change>) -> Delta {
    Delta {
        epoch,
        boot_id: "boot".to_owned(),
        generation,
        changes,
    }
}

fn table(epoch: u64, generation: u64) -> Table {
    Table {
        epoch,
        generation,
        boot_id: "boot".to_owned(),
        ..Table::default()
    }
}

#[test]
fn the_next_generation_is_applied_and_an_old_one_ignored() {
    let mut at = table(1, 4);
    assert_eq!(
        at.apply(&delta(1, 5, vec![put("g", group(1, 10_000, &["a"]))])),
        Ok(true)
    );
    assert_eq!(
        at.position(),
        Position {
            epoch: 1,
            generation: 5
        }
    );
    let before = at.clone();
    assert_eq!(
        at.apply(&delta(1, 5, vec![put("g", group(1, 0, &[]))])),
        Ok(false)
    );
    assert_eq!(at, before);
}

#[test]
fn a_missing_generation_or_another_boot_is_a_gap() {
    let mut at = table(1, 4);
    let before = at.clone();
    assert!(at.apply(&delta(1, 6, vec![])).is_err());
    let mut other_boot = delta(1, 5, vec![]);
    other_boot.boot_id = "another".to_owned();
    assert!(at.apply(&other_boot).is_err());
    assert_eq!(at, before);
}

#[test]
fn a_higher_epoch_beats_any_generation_but_needs_a_snapshot() {
    let mut at = table(1, 4_000);
    assert!(
        at.apply(&delta(2, 1, vec![put("g", group(1, 1, &[]))]))
            .is_err()
    );
    let snapshot = Change::Snapshot {
        table: Box::new(table(2, 1)),
    };
    assert_eq!(at.apply(&delta(2, 1, vec![snapshot])), Ok(true));
    assert_eq!(
        at.position(),
        Position {
            epoch: 2,
            generation: 1
        }
    );
    assert_eq!(
        at.apply(&delta(1, 9_000, vec![])),
        Ok(false),
        "an older epoch never wins"
    );
}

#[test]
fn a_change_of_an_older_plan_is_stale() {
    let mut at = table(1, 0);
    at.apply(&delta(1, 1, vec![put("g", group(7, 10_000, &["a"]))]))
        .unwrap();
    assert!(at.is_stale(&put("g", group(6, 10_000, &["a"]))));
    assert!(!at.is_stale(&put("g", group(7, 10_000, &["a"]))));
    assert!(at.is_stale(&Change::RemoveGroup {
        group: "g".to_owned(),
        plan_generation: 6
    }));
}

#[test]
fn after_a_reboot_groups_wait_until_something_serves_or_nothing_is_wanted() {
    let mut at = table(1, 0);
    let changes = vec![
        put("serving", group(1, 10_000, &["a"])),
        put("stopping", group(1, 10_000, &["b"])),
        put("withdrawn", group(1, 0, &["c"])),
    ];
    at.apply(&delta(1, 1, changes)).unwrap();
    at.forget_upstreams("next");
    assert_eq!(at.boot_id, "next");
    assert!(at.pickable_upstreams().is_empty());
    assert_eq!(
        at.unconfirmed,
        BTreeSet::from(["serving".to_owned(), "stopping".to_owned()])
    );

    at.change(&put("serving", group(2, 10_000, &[])));
    assert!(
        at.unconfirmed.contains("serving"),
        "wanted, but nothing runs yet"
    );
    at.change(&put("serving", group(3, 10_000, &["d"])));
    at.change(&put("stopping", group(2, 0, &[])));
    assert!(at.unconfirmed.is_empty());
}

#[test]
fn a_confirmation_with_equal_content_is_not_taken_for_no_change() {
    let mut at = table(1, 0);
    at.apply(&delta(1, 1, vec![put("g", group(1, 10_000, &["a"]))]))
        .unwrap();
    at.unconfirmed.insert("g".to_owned());
    assert!(!at.is_unchanged_by(&put("g", group(1, 10_000, &["a"]))));
}

#[test]
fn all_target_kinds_keep_their_content_through_the_wire_form() {
    let targets = [
        TargetKind::Instances {
            upstreams: vec![upstream("a")],
        },
        TargetKind::OnDemand {
            upstreams: vec![],
            hold_ms: 30_000,
            hold_limit: 100,
        },
        TargetKind::Static {
            root: "/x".into(),
            index: "index.html".into(),
            fallback: None,
            not_found: None,
        },
        TargetKind::Redirect {
            location: "https://x".into(),
            status: 308,
            keep_path: true,
        },
    ];
    for target in targets {
        let text = serde_json::to_string(&target).unwrap();
        assert_eq!(serde_json::from_str::<TargetKind>(&text).unwrap(), target);
    }
}
