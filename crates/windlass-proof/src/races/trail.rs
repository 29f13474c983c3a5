//! What the record of a deployment says happened, in the order of its commits.

use serde_json::Value;

/// The kinds of its events, oldest first.
pub(super) fn kinds(record: &Value) -> Vec<&str> {
    let events = record["events"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut events: Vec<&Value> = events.iter().collect();
    events.sort_by_key(|event| event["commit"].as_u64());
    events
        .iter()
        .filter_map(|event| event["kind"].as_str())
        .collect()
}

/// Whether one kind of event came before another, or the other did not come.
pub(super) fn is_before(record: &Value, one: &str, other: &str) -> bool {
    let kinds = kinds(record);
    let place = |kind| kinds.iter().position(|found| *found == kind);
    match (place(one), place(other)) {
        (Some(one), Some(other)) => one < other,
        (one, _) => one.is_some(),
    }
}

/// What is wrong with a trail that ends with this outcome, in the words of the wire.
pub(super) fn problems(record: &Value, outcome: &str) -> Vec<String> {
    let kinds = kinds(record);
    let count = |wanted: &str| kinds.iter().filter(|kind| **kind == wanted).count();
    let mut wrong = Vec::new();
    for kind in ["deployed", "canceled", "superseded", "failed"] {
        let expected = usize::from(outcome.eq_ignore_ascii_case(kind));
        if count(kind) != expected {
            wrong.push(format!(
                "{outcome}, but its record has {} × {kind}",
                count(kind)
            ));
        }
    }
    let cancels = usize::from(outcome == "CANCELED");
    if count("canceling") != cancels {
        wrong.push(format!(
            "{outcome}, but its record has {} × canceling",
            count("canceling")
        ));
    }
    let over = kinds.iter().position(|kind| *kind == "canceling");
    let moves = |kind: &&&str| ["paused", "continued", "deployed", "superseded"].contains(*kind);
    if let Some(moved) = over.and_then(|at| kinds[at..].iter().find(moves)) {
        wrong.push(format!("{moved} after the cancel"));
    }
    if !wrong.is_empty() {
        wrong.push(format!("the trail: {}", kinds.join(", ")));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(kinds: &[&str]) -> Value {
        let events: Vec<Value> = (0..)
            .zip(kinds)
            .map(|(commit, kind)| json!({ "commit": commit, "kind": kind }))
            .collect();
        json!({ "events": events })
    }

    #[test]
    fn a_trail_has_one_outcome() {
        for (kinds, outcome) in [
            (vec!["created", "deployed"], "DEPLOYED"),
            (
                vec!["created", "paused", "continued", "deployed"],
                "DEPLOYED",
            ),
            (
                vec!["created", "paused", "canceling", "canceled"],
                "CANCELED",
            ),
            (vec!["created", "superseded"], "SUPERSEDED"),
        ] {
            let wrong = problems(&record(&kinds), outcome);
            assert!(wrong.is_empty(), "{kinds:?}: {wrong:?}");
        }
        for (kinds, outcome) in [
            (
                vec!["created", "deployed", "canceling", "canceled"],
                "CANCELED",
            ),
            (
                vec!["created", "canceling", "canceled", "canceled"],
                "CANCELED",
            ),
            (
                vec!["created", "canceling", "canceling", "canceled"],
                "CANCELED",
            ),
            (vec!["created", "canceled"], "CANCELED"),
            (vec!["created", "canceling", "deployed"], "DEPLOYED"),
            (
                vec!["created", "canceling", "paused", "canceled"],
                "CANCELED",
            ),
            (
                vec!["created", "canceling", "continued", "canceled"],
                "CANCELED",
            ),
            (vec!["created"], "DEPLOYED"),
        ] {
            assert!(!problems(&record(&kinds), outcome).is_empty(), "{kinds:?}");
        }
    }

    #[test]
    fn order_is_that_of_commits() {
        let mut found = record(&["created", "paused", "canceling"]);
        assert!(is_before(&found, "paused", "canceling"));
        assert!(!is_before(&found, "canceling", "paused"));
        assert!(!is_before(&found, "deployed", "paused"));
        assert!(is_before(&found, "paused", "deployed"));
        found["events"][1]["commit"] = json!(9);
        assert!(!is_before(&found, "paused", "canceling"));
    }
}
