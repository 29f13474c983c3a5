//! Sealed texts are stable, and belong to one app.

use serde_json::json;
use windlass_control::secrets::KEY_BYTES;

use super::*;

fn vault(app: &str) -> Vault {
    let secrets = Secrets::new([("k1".to_owned(), [7; KEY_BYTES])]).unwrap();
    Vault::new(secrets, AppId::from(app))
}

fn document(own: &str, of_web: &str) -> Value {
    let git = json!({"repo_clone_url": "https://git.example.com/x", "branch": "main"});
    json!({
        "name": "shop",
        "envs": [{"key": "PLAIN", "value": "1"}, {"key": "TOKEN", "value": own, "type": "SECRET"}],
        "services": [{"name": "web", "git": git,
            "envs": [{"key": "TOKEN", "value": of_web, "type": "SECRET"}]}],
    })
}

fn seal(document: Value, before: &[&SealedSpec]) -> Result<SealedSpec, SealError> {
    Spec::check(document).unwrap().seal(before, &vault("app-1"))
}

fn own(spec: &SealedSpec) -> &str {
    spec.document()["envs"][1]["value"].as_str().unwrap()
}

fn of_web(spec: &SealedSpec) -> &str {
    spec.document()["services"][0]["envs"][0]["value"]
        .as_str()
        .unwrap()
}

#[test]
fn plain_values_are_sealed_and_open_again() {
    let sealed = seal(document("s3cret", "other"), &[]).unwrap();
    for text in [own(&sealed), of_web(&sealed)] {
        assert!(
            text.starts_with("EV[1:k1:") && text.ends_with(']'),
            "{text}"
        );
    }
    assert!(!sealed.document().to_string().contains("s3cret"));
    assert_eq!(sealed.document()["envs"][0]["value"], "1");
    assert_eq!(vault("app-1").open(own(&sealed)).as_deref(), Some("s3cret"));
    assert_eq!(sealed.app().services[0].base.envs[0].value, of_web(&sealed));
}

#[test]
fn a_sealed_text_that_is_sent_back_stays() {
    let first = seal(document("s3cret", "other"), &[]).unwrap();
    let again = seal(first.document().clone(), &[]).unwrap();
    assert_eq!(again.document(), first.document());
}

#[test]
fn the_same_plain_value_keeps_its_text_and_another_gets_a_new_one() {
    let first = seal(document("s3cret", "other"), &[]).unwrap();
    let second = seal(document("s3cret", "new"), &[&first]).unwrap();
    assert_eq!(own(&second), own(&first));
    assert_ne!(of_web(&second), of_web(&first));
    let third = seal(document("s3cret", "other"), &[&second, &first]).unwrap();
    assert_eq!(third.document(), first.document());
}

#[test]
fn texts_of_one_value_do_not_tell_that_it_is_one() {
    let sealed = seal(document("same", "same"), &[]).unwrap();
    assert_ne!(own(&sealed), of_web(&sealed));
}

#[test]
fn foreign_and_broken_texts_are_refused() {
    let foreign = vault("app-2").seal("s3cret").unwrap();
    for text in [
        &foreign,
        "EV[1:]",
        "EV[1:k1:AAAA]",
        "EV[1:zz:AAAA]",
        "EV[1:k1",
    ] {
        let error = seal(document("x", text), &[]).err().unwrap();
        let SealError::Spec(error) = error else {
            panic!("{error}")
        };
        assert_eq!(error.position, "services[0].envs[0].value", "{text}");
        assert_eq!(error.why, NOT_OURS);
    }
}

#[test]
fn a_sealed_text_needs_the_type() {
    let text = vault("app-1").seal("s3cret").unwrap();
    let mut document = document("x", "y");
    document["envs"][0]["value"] = json!(text);
    let error = seal(document, &[]).err().unwrap();
    assert_eq!(
        error.to_string(),
        "error validating app spec field \"envs.value\": an encrypted value needs the type SECRET \
         (at envs[0].value)"
    );
}

#[test]
fn an_empty_secret_stays_empty() {
    let first = seal(document("s3cret", "x"), &[]).unwrap();
    let second = seal(document("", "x"), &[&first]).unwrap();
    assert_eq!(own(&second), "");
}

#[test]
fn a_newer_key_leaves_texts_as_they_are() {
    let first = seal(document("s3cret", "other"), &[]).unwrap();
    let keys = [("k2", 8), ("k1", 7)].map(|(id, byte)| (id.to_owned(), [byte; KEY_BYTES]));
    let rotated = Vault::new(Secrets::new(keys).unwrap(), AppId::from("app-1"));
    let again = Spec::check(document("s3cret", "new")).unwrap();
    let again = again.seal(&[&first], &rotated).unwrap();
    assert_eq!(own(&again), own(&first));
    assert!(of_web(&again).starts_with("EV[1:k2:"));
}
