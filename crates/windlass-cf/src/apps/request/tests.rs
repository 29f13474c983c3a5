use serde_json::json;

use super::*;

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => panic!("a body is an object"),
    }
}

fn detail<T: std::fmt::Debug>(answer: Result<T, ApiError>) -> String {
    answer.unwrap_err().detail().to_owned()
}

/// A body of `POST /v3/apps` with one more field.
fn app_with(key: &str, value: Value) -> Map<String, Value> {
    let mut body = object(json!({
        "name": "a", "relationships": {"space": {"data": {"guid": "s"}}}
    }));
    body.insert(key.to_owned(), value);
    body
}

#[test]
fn a_whole_app() {
    let body = object(json!({
        "name": " web app ",
        "relationships": {"space": {"data": {"guid": "s"}}},
        "environment_variables": {"A": "1", "B": ""},
        "lifecycle": {"type": "buildpack", "data": {"buildpacks": ["binary_buildpack"]}},
        "metadata": {"labels": {"x": "y"}}
    }));
    let app = create(&body).unwrap();
    assert_eq!(
        (app.name.as_str(), app.space_guid.as_str()),
        ("web app", "s")
    );
    assert_eq!(app.variables["A"], Some("1".to_owned()));
    assert_eq!(
        app.lifecycle.buildpacks,
        Some(vec!["binary_buildpack".to_owned()])
    );
    assert_eq!(app.metadata.labels["x"], Some("y".to_owned()));
}

#[test]
fn what_create_refuses_and_how() {
    let form = "must be structured like this: \"space: {\"data\": {\"guid\": \"valid-guid\"}}\"";
    for (body, wanted) in [
        (app_with("x", json!(1)), "Unknown field(s): 'x'".to_owned()),
        (
            app_with("name", Value::Null),
            "Name must be a string".to_owned(),
        ),
        (
            app_with("name", json!(1)),
            "Name must be a string".to_owned(),
        ),
        (
            app_with("name", json!(" ")),
            "name can't be blank".to_owned(),
        ),
        (
            app_with("name", json!("a\u{7}")),
            "Name must not contain control characters".to_owned(),
        ),
        (
            app_with("name", json!("x".repeat(256))),
            "Name is too long (maximum is 255 characters)".to_owned(),
        ),
        (
            app_with("relationships", json!("x")),
            "Relationships 'relationships' is not an object, Relationships Space can't be blank"
                .to_owned(),
        ),
        (
            app_with("relationships", json!({"space": "x"})),
            format!("Relationships Space {form}"),
        ),
        (
            app_with("environment_variables", json!([])),
            "Environment variables must be an object".to_owned(),
        ),
        (
            app_with("lifecycle", json!([])),
            "Lifecycle must be an object".to_owned(),
        ),
        (
            app_with("metadata", json!(1)),
            "Metadata must be an object".to_owned(),
        ),
    ] {
        assert_eq!(detail(create(&body)), wanted);
    }
    assert_eq!(
        detail(create(&Map::new())),
        "Relationships Space can't be blank, Name must be a string"
    );
}

#[test]
fn variables_and_what_is_refused_in_them() {
    let update = |value: Value| update_variables(&object(json!({"var": value})));
    let changed = update(json!({"A": "x", "B": null})).unwrap();
    assert_eq!(changed["A"], Some("x".to_owned()));
    assert_eq!(changed["B"], None);
    for (value, wanted) in [
        (json!(1), "Var must be an object"),
        (json!({"": "x"}), "Var key must be a minimum length of 1"),
        (json!({"vcap_x": "x"}), "Var cannot start with VCAP_"),
        (json!({"VMC_X": "x"}), "Var cannot start with VMC_"),
        (json!({"Port": "1"}), "Var cannot set PORT"),
        (
            json!({"a=b": "1"}),
            "Var key must not contain '=' or null bytes",
        ),
        (
            json!({"a": "\u{0}"}),
            "Var value of 'a' must not contain null bytes",
        ),
        (
            json!({"a": {"b": 1}}),
            "Non-string value in environment variable for key 'a', value '{\"b\":1}'",
        ),
        (
            json!({"a": 1}),
            "Non-string value in environment variable for key 'a', value '1'",
        ),
    ] {
        assert_eq!(detail(update(value.clone())), wanted, "{value}");
    }
    assert_eq!(
        detail(update_variables(&Map::new())),
        "Var must be an object"
    );
    let long = update(json!({"a": "x".repeat(130_000)}));
    assert!(detail(long).contains("must not be longer than 122880 bytes"));
}

#[test]
fn the_current_droplet_is_replaced_and_never_removed() {
    const REMOVED: &str = "Current droplet cannot be removed. Replace it with a preferred droplet.";
    assert_eq!(
        assign_droplet(&object(json!({"data": {"guid": "d"}}))),
        Ok("d".to_owned())
    );
    for (body, wanted) in [
        (json!({"data": null}), REMOVED),
        (json!({"data": {"guid": null}}), REMOVED),
        (json!({"data": {}}), REMOVED),
    ] {
        assert_eq!(detail(assign_droplet(&object(body))), wanted);
    }
    for body in [
        json!({}),
        json!({"data": "d"}),
        json!({"data": {"guid": 1}}),
        json!({"x": 1}),
    ] {
        assert_eq!(assign_droplet(&object(body)).unwrap_err().status, 422);
    }
}

#[test]
fn features_are_switched_by_a_boolean() {
    assert_eq!(
        update_feature(&object(json!({"enabled": false}))),
        Ok(false)
    );
    for body in [
        json!({}),
        json!({"enabled": "true"}),
        json!({"enabled": null}),
    ] {
        assert_eq!(
            detail(update_feature(&object(body))),
            "Enabled must be a boolean"
        );
    }
}

#[test]
fn update_names_only_what_changes() {
    assert_eq!(update(&Map::new()), Ok(UpdateApp::default()));
    let renamed = update(&object(json!({"name": "b"}))).unwrap();
    assert_eq!(renamed.name.as_deref(), Some("b"));
    let wrong = object(json!({"name": "", "state": "STARTED"}));
    assert_eq!(
        detail(update(&wrong)),
        "Unknown field(s): 'state', name can't be blank"
    );
    assert_eq!(
        detail(update_metadata(&wrong)),
        "Unknown field(s): 'name', 'state'"
    );
}
