use axum::body::Body;
use serde_json::json;

use super::*;

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn problems(check: impl FnOnce(&mut Validator)) -> String {
    let mut validator = Validator::new();
    check(&mut validator);
    validator
        .finish()
        .map_or_else(|error| error.detail().to_owned(), |()| String::new())
}

#[test]
fn only_objects_within_limits_are_read() {
    assert!(parse_object(b" \n").unwrap().is_empty());
    assert_eq!(parse_object(br#"{"a":1}"#).unwrap().len(), 1);
    let deep = format!("{}{}", "{\"a\":".repeat(4000), "1");
    for bad in [
        &b"[]"[..],
        b"5",
        b"{",
        b"{\"a\":\"\xff\"}",
        b"nul",
        deep.as_bytes(),
    ] {
        assert_eq!(parse_object(bad).unwrap_err(), ApiError::parse_error());
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413() {
    let request = Request::new(Body::from(vec![b' '; MAX_BODY_BYTES + 1]));
    let error = JsonObject::from_request(request, &()).await.unwrap_err();
    assert_eq!(error.status.as_u16(), 413);
}

#[test]
fn strings() {
    let body = object(json!({"n": 5, "e": "", "l": "xxxx", "z": "a\u{0}b", "nul": null}));
    let text = problems(|v| {
        v.known_fields(&body, "", &["n", "e", "l"]);
        v.required_string(&body, "n", 1, 3);
        v.required_string(&body, "e", 1, 3);
        v.required_string(&body, "l", 1, 3);
        v.required_string(&body, "z", 1, 9);
        v.required_string(&body, "nul", 1, 3);
        v.optional_string(&body, "nul", 1, 3);
    });
    assert_eq!(
        text,
        "Unknown field(s): 'z', 'nul', N must be a string, E is too short (minimum is 1 \
         character), L is too long (maximum is 3 characters), Z must not contain null bytes, \
         Nul can't be blank"
    );
}

#[test]
fn numbers() {
    let cases = [
        (json!("1"), "Memory in mb is not a number"),
        (json!(1.5), "Memory in mb must be an integer"),
        (json!(0), "Memory in mb must be greater than 0"),
        (
            json!(2_147_483_648_u64),
            "Memory in mb must be less than or equal to 2147483647",
        ),
        (
            json!(u64::MAX),
            "Memory in mb must be less than or equal to 2147483647",
        ),
        (json!(null), ""),
        (json!(1), ""),
    ];
    for (value, text) in cases {
        let body = object(json!({"memory_in_mb": value}));
        assert_eq!(
            problems(|v| {
                v.optional_integer(&body, "memory_in_mb", IntegerRange::POSITIVE);
            }),
            text
        );
    }
    let body = object(json!({"log_rate": -2}));
    assert_eq!(
        problems(|v| {
            v.optional_integer(&body, "log_rate", IntegerRange::OR_UNLIMITED);
        }),
        "Log rate must be greater than or equal to -1"
    );
}

#[test]
fn relationships() {
    let form = "Relationships App must be structured like this: \"app: {\"data\": \
                {\"guid\": \"valid-guid\"}}\"";
    let cases = [
        (json!({}), "Relationships App can't be blank"),
        (
            json!({"relationships": "x"}),
            "Relationships 'relationships' is not an object, Relationships App can't be blank",
        ),
        (json!({"relationships": {"app": "x"}}), form),
        (json!({"relationships": {"app": {"data": "x"}}}), form),
        (json!({"relationships": {"app": {"data": {}}}}), form),
        (
            json!({"relationships": {"app": {"data": {"guid": 5}}}}),
            "Relationships App Guid must be a string, Relationships App Guid must be between 1 \
          and 200 characters",
        ),
        (
            json!({"relationships": {"app": {"data": {"guid": ""}}}}),
            "Relationships App Guid must be between 1 and 200 characters",
        ),
        (
            json!({"relationships": {"app": {"data": null}}}),
            "Relationships App can't be blank",
        ),
        (
            json!({"relationships": {"app": {"data": {"guid": "g"}}, "b": 1}}),
            "Relationships Unknown field(s): 'b'",
        ),
    ];
    for (body, text) in cases {
        let body = object(body);
        let found = problems(|v| {
            let relationships = v.relationships(&body, &["app"]);
            v.required_to_one(relationships, "app");
        });
        assert_eq!(found, text);
    }
}

#[test]
fn to_many() {
    let body = object(json!({"data": [{"guid": "a"}, {"guid": "b"}]}));
    let mut validator = Validator::new();
    assert_eq!(validator.to_many_body(&body), ["a", "b"]);
    for bad in [
        json!({}),
        json!({"data": {}}),
        json!({"data": ["x"]}),
        json!({"data": [{"guid": 1}]}),
    ] {
        assert!(
            !problems(|v| {
                v.to_many_body(&object(bad));
            })
            .is_empty()
        );
    }
}
