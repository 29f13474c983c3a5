//! Whatever is submitted: no panic, and either a refusal with a field or a spec that comes back.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use windlass_control::secrets::{KEY_BYTES, Secrets};
use windlass_engine::id::AppId;

use super::super::schema::{self, Field, Kind, Support};
use super::super::secret::{SealedSpec, Vault};
use super::super::translate::Surroundings;
use super::super::{Format, Spec};

/// Deepest value that is made up.
const DEPTH: u32 = 4;

/// Any JSON.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(DEPTH, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((any_text(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Texts that mean something somewhere, and any other.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(WORDS).prop_map(str::to_owned),
        "[a-z]{2,6}",
        any::<String>(),
    ]
}

const WORDS: &[&str] = &[
    "",
    "/",
    "/api",
    "web",
    "name",
    "services",
    "main",
    "acme/shop",
    "https://git.example.com/x.git",
    "shop.example.com",
    "EV[1:k1:AAAA]",
    "EV[1:",
    "${APP_URL}",
    "${_self.TOKEN}",
    "${web.PRIVATE_URL}",
    "${",
    "SECRET",
    "PRE_DEPLOY",
    "1.2",
    "windlass.canary=10,50",
    "windlass.",
    "DEPLOYMENT_FAILED",
    "CPU_UTILIZATION",
    "apps-s-1vcpu-1gb",
    "go",
];

/// A value along the tables: mostly right, so that the rules behind them are reached.
fn of_kind(kind: &'static Kind) -> BoxedStrategy<Value> {
    let right = match kind {
        Kind::Text(_, _) => any_text().prop_map(Value::from).boxed(),
        Kind::Word(words) => prop::sample::select(*words).prop_map(Value::from).boxed(),
        Kind::Flag => any::<bool>().prop_map(Value::from).boxed(),
        Kind::Whole(least, most) => {
            let most = (*most).min(70_000);
            (*least..=most).prop_map(Value::from).boxed()
        }
        Kind::Number => any::<i32>().prop_map(Value::from).boxed(),
        Kind::List(entry, _) => vec(of_kind(entry), 0..3).prop_map(Value::from).boxed(),
        Kind::Object(groups) => object(groups),
    };
    prop_oneof![40 => right, 1 => any_json()].boxed()
}

fn object(groups: &'static [&'static [Field]]) -> BoxedStrategy<Value> {
    let fields: Vec<&'static Field> = groups.iter().copied().flatten().collect();
    let members: Vec<BoxedStrategy<Option<(String, Value)>>> = fields
        .into_iter()
        .map(|field| {
            let weight = match field.support {
                Support::Refused(_) => 0.01,
                _ if field.required => 0.99,
                _ => 0.3,
            };
            let value = good_value(field).unwrap_or_else(|| of_kind(&field.kind));
            prop::option::weighted(
                weight,
                value.prop_map(|value| (field.name.to_owned(), value)),
            )
            .boxed()
        })
        .collect();
    members
        .prop_map(|members| Value::Object(members.into_iter().flatten().collect::<Map<_, _>>()))
        .boxed()
}

/// Values for fields that would almost never be right by chance.
fn good_value(field: &Field) -> Option<BoxedStrategy<Value>> {
    let words: &'static [&'static str] = match field.name {
        "name" => &["web", "api", "mail", "docs", "job"],
        "key" => &["TOKEN", "A", "B", "PORT"],
        "repo" => &["acme/shop", "a/b"],
        "branch" => &["main"],
        "repo_clone_url" => &["https://git.example.com/x.git"],
        "domain" => &["a.example.com", "b.example.com", "C.example.com."],
        "environment_slug" => &["go", "node-js", "html", ""],
        "instance_size_slug" => &["basic-xxs", "apps-s-1vcpu-1gb", ""],
        "path" if matches!(field.kind, Kind::Text(_, _)) => &["/", "/a", "/a/b"],
        "prefix" | "uri" | "rewrite" | "http_path" => &["/", "/a", "/a/b/"],
        _ => return None,
    };
    Some(prop::sample::select(words).prop_map(Value::from).boxed())
}

fn vault() -> Vault {
    let secrets = Secrets::new([("k1".to_owned(), [7; KEY_BYTES])]).unwrap();
    Vault::new(secrets, AppId::from("app-1"))
}

/// What must hold for any document. True = it was accepted.
fn holds(document: Value) -> Result<bool, TestCaseError> {
    let spec = match Spec::check(document.clone()) {
        Ok(spec) => spec,
        Err(error) => {
            let text = error.to_string();
            prop_assert!(text.starts_with("error validating app spec"), "{}", text);
            prop_assert!(!error.why.is_empty() && text.len() < 4_000, "{}", text);
            return Ok(false);
        }
    };
    let shown = spec.document().clone();
    let again = Spec::parse(shown.to_string().as_bytes(), Format::Json);
    let again = again.map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(again.document().to_string(), shown.to_string());
    let Ok(sealed) = spec.seal(&[], &vault()) else {
        return Ok(true);
    };
    round_trips(&sealed)?;
    Ok(true)
}

/// A sealed spec can be sent back, and sealing it again changes nothing.
fn round_trips(sealed: &SealedSpec) -> Result<(), TestCaseError> {
    let again = Spec::check(sealed.document().clone())
        .map_err(|error| TestCaseError::fail(error.to_string()))?
        .seal(&[], &vault())
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(again.document(), sealed.document());
    let none = BTreeMap::new();
    let surroundings = Surroundings {
        app_id: "id",
        default_host: "shop.test",
        scheme: "https",
        port: None,
        commits: &none,
        private: &BTreeMap::new(),
    };
    if let Ok(translation) = sealed.translate(&vault(), &surroundings) {
        prop_assert_eq!(
            translation.components.len(),
            sealed.app().components().count()
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_is_answered(document in any_json()) {
        holds(document)?;
    }

    #[test]
    fn anything_along_the_tables_is_answered(document in object(schema::APP)) {
        holds(document)?;
    }

    #[test]
    fn any_value_anywhere_in_a_good_spec_is_answered(value in any_json(), at in any::<prop::sample::Index>()) {
        let mut document = super::sample();
        document["services"][0]["envs"] = json!([{"key": "A", "value": "x", "type": "SECRET"}]);
        document["services"][0]["health_check"] = json!({"http_path": "/up"});
        let mut places = Vec::new();
        pointers(&document, String::new(), &mut places);
        let pointer = &places[at.index(places.len())];
        if let Some(place) = document.pointer_mut(pointer) {
            *place = value;
        }
        holds(document)?;
    }

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..200), text in any::<String>()) {
        for format in [Format::Json, Format::Yaml] {
            for input in [bytes.as_slice(), text.as_bytes()] {
                if let Err(error) = Spec::parse(input, format) {
                    prop_assert!(error.to_string().starts_with("error validating app spec"));
                }
            }
        }
    }
}

fn pointers(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                pointers(value, format!("{at}/{name}"), places);
            }
        }
        Value::Array(entries) => {
            for (index, value) in entries.iter().enumerate() {
                pointers(value, format!("{at}/{index}"), places);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    places.push(at);
}

/// The tables are reached: some of what is made up along them is accepted.
#[test]
fn some_are_accepted() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let accepted = (0..2_000)
        .filter(|_| {
            let tree = object(schema::APP).new_tree(&mut runner).unwrap();
            holds(tree.current()).unwrap()
        })
        .count();
    assert!(accepted >= 20, "{accepted}");
}
