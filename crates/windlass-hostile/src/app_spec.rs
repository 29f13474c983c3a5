//! App specs in both forms: what is accepted and shown again reads the same; no plain secret is in
//! what is stored.

use std::collections::BTreeMap;

use serde_json::Value;
use windlass_control::secrets::{KEY_BYTES, Secrets};
use windlass_digitalocean::spec::secret::{SealedSpec, Vault};
use windlass_digitalocean::spec::translate::Surroundings;
use windlass_digitalocean::spec::{Format, SPEC_BYTES_MAX, Spec};
use windlass_engine::id::AppId;

/// Longest text of a refusal, bytes.
const REFUSAL_BYTES: usize = 4_000;

/// Feeds one spec, as YAML and as JSON.
pub fn check(input: &[u8]) {
    for format in [Format::Yaml, Format::Json] {
        match Spec::parse(input, format) {
            Ok(spec) => accepted(input, &spec),
            Err(error) => {
                let text = error.to_string();
                assert!(text.starts_with("error validating app spec"), "{text}");
                assert!(
                    !error.why.is_empty() && text.len() < REFUSAL_BYTES,
                    "{text}"
                );
            }
        }
    }
}

fn accepted(input: &[u8], spec: &Spec) {
    assert!(input.len() <= SPEC_BYTES_MAX);
    let shown = spec.document().to_string();
    for format in [Format::Json, Format::Yaml] {
        // JSON is YAML, but for letters that YAML does not print.
        if format == Format::Yaml && !shown.chars().all(is_printed) {
            continue;
        }
        let again = Spec::parse(shown.as_bytes(), format);
        let again = again.unwrap_or_else(|error| panic!("{format:?}: {error}\n{shown}"));
        assert_eq!(again.document(), spec.document(), "{format:?}\n{shown}");
    }
    let Ok(sealed) = spec.clone().seal(&[], &vault()) else {
        return;
    };
    hides_secrets(spec.document(), sealed.document());
    let again = Spec::check(sealed.document().clone())
        .unwrap_or_else(|error| panic!("{error}\n{}", sealed.document()))
        .seal(&[], &vault())
        .unwrap_or_else(|error| panic!("{error}\n{}", sealed.document()));
    assert_eq!(again.document(), sealed.document());
    translates(&sealed);
}

/// Whether a letter may stand in YAML as it is.
fn is_printed(char: char) -> bool {
    !char.is_control()
        && !matches!(
            char,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// Values of secrets are sealed wherever they stand.
fn hides_secrets(shown: &Value, sealed: &Value) {
    match (shown, sealed) {
        (Value::Object(shown), Value::Object(sealed)) => {
            let is_secret = shown.get("type").and_then(Value::as_str) == Some("SECRET");
            let value = shown.get("value").and_then(Value::as_str);
            if let (true, Some(value)) = (is_secret && shown.contains_key("key"), value)
                && !value.is_empty()
                && !value.starts_with("EV[1:")
            {
                let kept = sealed.get("value").and_then(Value::as_str);
                assert!(
                    kept.is_some_and(|kept| kept.starts_with("EV[1:")),
                    "{sealed:?}"
                );
            }
            for (name, value) in shown {
                if let Some(sealed) = sealed.get(name) {
                    hides_secrets(value, sealed);
                }
            }
        }
        (Value::Array(shown), Value::Array(sealed)) => {
            for (shown, sealed) in shown.iter().zip(sealed) {
                hides_secrets(shown, sealed);
            }
        }
        _ => {}
    }
}

fn translates(sealed: &SealedSpec) {
    let surroundings = Surroundings {
        app_id: "id",
        default_host: "shop.test",
        scheme: "https",
        port: None,
        commits: &BTreeMap::new(),
        private: &BTreeMap::new(),
    };
    if let Ok(translation) = sealed.translate(&vault(), &surroundings) {
        assert_eq!(
            translation.components.len(),
            sealed.app().components().count()
        );
    }
}

fn vault() -> Vault {
    let secrets = Secrets::new([("k1".to_owned(), [7; KEY_BYTES])]).expect("a key");
    Vault::new(secrets, AppId::from("app-1"))
}
