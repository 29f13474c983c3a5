//! `DATABASE_URL`: the first bound service whose credentials name a database by `uri`.

use serde_json::Value;

/// Schemes of databases, and how frameworks expect them.
const SCHEMES: [(&str, &str); 4] = [
    ("mysql", "mysql2"),
    ("mysql2", "mysql2"),
    ("postgres", "postgres"),
    ("postgresql", "postgres"),
];

/// The address for an application with these `VCAP_SERVICES`.
pub(super) fn of(services: &Value) -> Option<String> {
    let lists = services.as_object()?.values();
    let bound = lists.filter_map(Value::as_array).flatten();
    bound
        .filter_map(|service| service["credentials"]["uri"].as_str())
        .find_map(address)
}

fn address(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let (_, expected) = SCHEMES.into_iter().find(|(known, _)| *known == scheme)?;
    Some(format!("{expected}://{rest}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_database_counts_in_the_scheme_that_frameworks_expect() {
        let uris = |uris: &[&str]| {
            let bound: Vec<Value> = uris
                .iter()
                .map(|uri| json!({"credentials": {"uri": uri}}))
                .collect();
            json!({ "user-provided": bound })
        };
        for (given, wanted) in [
            (vec!["mysql://u:p@h/db"], Some("mysql2://u:p@h/db")),
            (vec!["mysql2://h/db"], Some("mysql2://h/db")),
            (vec!["postgresql://h/db?x=1"], Some("postgres://h/db?x=1")),
            (
                vec!["redis://h", "postgres://h/db", "mysql://h"],
                Some("postgres://h/db"),
            ),
            (vec!["https://h"], None),
            (vec!["postgres"], None),
            (vec![], None),
        ] {
            assert_eq!(of(&uris(&given)).as_deref(), wanted, "{given:?}");
        }
        assert_eq!(of(&json!({})), None);
        let odd = json!({"user-provided": [{"credentials": {}}, {"credentials": {"uri": 7}}]});
        assert_eq!(of(&odd), None);
    }
}
