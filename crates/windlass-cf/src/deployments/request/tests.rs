use serde_json::{Value, json};

use super::*;

fn check(body: Value) -> Result<CreateDeployment, String> {
    let Value::Object(body) = body else {
        panic!("a body is an object");
    };
    create(&body).map_err(|error| error.detail().to_owned())
}

/// A body with the given options; strategy canary when they have a canary.
fn with_options(options: Value) -> Value {
    let strategy = if options.get("canary").is_some() {
        "canary"
    } else {
        "rolling"
    };
    json!({"strategy": strategy, "options": options})
}

fn with_steps(steps: Value) -> Value {
    with_options(json!({"canary": {"steps": steps}}))
}

#[test]
fn bodies_of_the_cf_client() {
    let plain = check(json!({
        "droplet": {"guid": "d"}, "strategy": "rolling",
        "relationships": {"app": {"data": {"guid": "a"}}}
    }));
    assert_eq!(
        plain,
        Ok(CreateDeployment {
            app_guid: Some("a".to_owned()),
            source: Source::Droplet("d".to_owned()),
            ..CreateDeployment::default()
        })
    );
    let canary = check(json!({
        "droplet": {"guid": "d"},
        "options": {
            "canary": {"steps": [{"instance_weight": 25}, {"instance_weight": 50}]},
            "web_instances": null, "memory_in_mb": null, "disk_in_mb": null,
            "log_rate_limit_in_bytes_per_second": null
        },
        "strategy": "canary",
        "relationships": {"app": {"data": {"guid": "a"}}}
    }));
    assert_eq!(
        canary,
        Ok(CreateDeployment {
            app_guid: Some("a".to_owned()),
            source: Source::Droplet("d".to_owned()),
            strategy: StrategyWord::Canary,
            options: Options {
                canary_weights: Some(vec![25, 50]),
                ..Options::default()
            },
            ..CreateDeployment::default()
        })
    );
    let sizes = check(with_options(json!({
        "max_in_flight": 2, "web_instances": 4, "memory_in_mb": 96, "disk_in_mb": 256,
        "log_rate_limit_in_bytes_per_second": 2048
    })));
    assert_eq!(
        sizes.map(|it| it.options),
        Ok(Options {
            max_in_flight: Some(2),
            web_instances: Some(4),
            memory_in_mb: Some(96),
            disk_in_mb: Some(256),
            log_rate_limit_in_bytes_per_second: Some(2048),
            canary_weights: None,
        })
    );
    let rollback = check(json!({
        "revision": {"guid": "r"}, "strategy": "rolling",
        "relationships": {"app": {"data": {"guid": "a"}}}
    }));
    assert_eq!(
        rollback.map(|it| it.source),
        Ok(Source::Revision("r".to_owned()))
    );
}

#[test]
fn what_is_accepted() {
    for body in [
        json!({}),
        json!({"strategy": null, "options": null, "droplet": null, "revision": null}),
        json!({"strategy": "recreate"}),
        json!({"droplet": {}, "revision": {}}),
        json!({"droplet": {"guid": null}}),
        json!({"droplet": {"guid": ""}}),
        json!({"relationships": {}}),
        json!({"relationships": {"app": null}}),
        json!({"relationships": {"app": {"data": null}}}),
        json!({"options": {}}),
        with_options(json!({"max_in_flight": null})),
        with_options(json!({"max_in_flight": u64::MAX})),
        with_options(json!({"web_instances": 0})),
        with_options(json!({"web_instances": 2_147_483_647})),
        with_options(json!({"log_rate_limit_in_bytes_per_second": -1})),
        with_options(json!({"log_rate_limit_in_bytes_per_second": i64::MAX})),
        with_options(json!({"canary": {}})),
        with_options(json!({"canary": null})),
        with_steps(Value::Null),
        with_steps(json!([])),
        with_steps(
            json!([{"instance_weight": 1}, {"instance_weight": 1}, {"instance_weight": 100}]),
        ),
    ] {
        assert_eq!(check(body.clone()).err(), None, "{body}");
    }
}

#[test]
fn no_steps_and_an_empty_list_of_steps_mean_one_step() {
    for steps in [Value::Null, json!([])] {
        let checked = check(with_steps(steps)).map(|it| it.options.canary_weights);
        assert_eq!(checked, Ok(None));
    }
}

#[test]
fn what_is_refused_and_how() {
    const MAX: &str = "must be less than or equal to 2147483647";
    let table = [
        (json!({"a": 1, "b": 2}), "Unknown field(s): 'a', 'b'".to_owned()),
        (json!({"strategy": "blue"}), "Strategy 'blue' is not a supported deployment strategy".to_owned()),
        (json!({"strategy": ""}), "Strategy '' is not a supported deployment strategy".to_owned()),
        (json!({"strategy": 1}), "Strategy '1' is not a supported deployment strategy".to_owned()),
        (
            json!({"droplet": {"guid": "d"}, "revision": {"guid": "r"}}),
            "Droplet Cannot set both fields 'droplet' and 'revision'".to_owned(),
        ),
        (json!({"droplet": "x"}), "Droplet must be an object".to_owned()),
        (json!({"droplet": ["x"]}), "Droplet must be an object".to_owned()),
        (json!({"droplet": {"guid": 1}}), "Droplet guid must be a string".to_owned()),
        (
            json!({"droplet": {"guid": "x".repeat(201)}}),
            "Droplet guid must be between 1 and 200 characters".to_owned(),
        ),
        (json!({"droplet": {"name": "x"}}), "Droplet has unsupported key(s): name".to_owned()),
        (json!({"revision": true}), "Revision must be an object".to_owned()),
        (json!({"relationships": "x"}), "Relationships must be an object".to_owned()),
        (json!({"relationships": {"app": "x"}}), "Relationships app must be an object".to_owned()),
        (
            json!({"relationships": {"app": {"data": "x"}}}),
            "Relationships app data must be an object".to_owned(),
        ),
        (
            json!({"relationships": {"app": {"data": {"guid": {}}}}}),
            "Relationships app guid must be a string".to_owned(),
        ),
        (
            json!({"relationships": {"space": {}}}),
            "Relationships Unknown field(s): 'space'".to_owned(),
        ),
        (json!({"options": "x"}), "Options must be an object".to_owned()),
        (json!({"options": [1]}), "Options must be an object".to_owned()),
        (
            json!({"options": {"foo": 1, "baz": 2}}),
            "Options has unsupported key(s): foo, baz".to_owned(),
        ),
        (with_options(json!({"max_in_flight": 0})), "Max in flight must be an integer greater than 0".to_owned()),
        (with_options(json!({"max_in_flight": -1})), "Max in flight must be an integer greater than 0".to_owned()),
        (with_options(json!({"max_in_flight": "2"})), "Max in flight must be an integer greater than 0".to_owned()),
        (with_options(json!({"max_in_flight": 1.5})), "Max in flight must be an integer greater than 0".to_owned()),
        (with_options(json!({"max_in_flight": false})), "Max in flight must be an integer greater than 0".to_owned()),
        (with_options(json!({"web_instances": "x"})), "Web instances is not a number".to_owned()),
        (with_options(json!({"web_instances": -1})), "Web instances must be greater than or equal to 0".to_owned()),
        (with_options(json!({"web_instances": 1.5})), "Web instances must be an integer".to_owned()),
        (with_options(json!({"web_instances": 2_147_483_648_u64})), format!("Web instances {MAX}")),
        (with_options(json!({"web_instances": u64::MAX})), format!("Web instances {MAX}")),
        (with_options(json!({"memory_in_mb": true})), "Memory in mb is not a number".to_owned()),
        (with_options(json!({"memory_in_mb": 0})), "Memory in mb must be greater than 0".to_owned()),
        (with_options(json!({"memory_in_mb": 2_147_483_648_u64})), format!("Memory in mb {MAX}")),
        (with_options(json!({"disk_in_mb": []})), "Disk in mb is not a number".to_owned()),
        (with_options(json!({"disk_in_mb": 0})), "Disk in mb must be greater than 0".to_owned()),
        (
            with_options(json!({"disk_in_mb": 4_096})),
            "disk_quota too much disk requested (requested 4096 MB - must be less than 2048 MB)".to_owned(),
        ),
        (
            with_options(json!({"log_rate_limit_in_bytes_per_second": -2})),
            "Log rate limit in bytes per second must be greater than or equal to -1".to_owned(),
        ),
        (
            with_options(json!({"log_rate_limit_in_bytes_per_second": u64::MAX})),
            "Log rate limit in bytes per second must be less than or equal to 9223372036854775807".to_owned(),
        ),
        (with_options(json!({"canary": "x"})), "Options canary must be an object".to_owned()),
        (
            json!({"strategy": "rolling", "options": {"canary": {}}}),
            "Options canary are only valid for Canary deployments".to_owned(),
        ),
        (
            json!({"options": {"canary": {"steps": "x"}}}),
            "Options canary are only valid for Canary deployments".to_owned(),
        ),
        (with_options(json!({"canary": {"stages": []}})), "Options canary has unsupported key(s): stages".to_owned()),
        (with_steps(json!("x")), "Options canary steps must be an array of objects".to_owned()),
        (with_steps(json!({"a": 1})), "Options canary steps must be an array of objects".to_owned()),
        (with_steps(json!([{"instance_weight": 1}, 2])), "Options canary steps must be an array of objects".to_owned()),
        (
            with_steps(json!([{"instance_weight": 1, "foo": 2}])),
            "Options canary steps has unsupported key(s): foo".to_owned(),
        ),
        (
            with_steps(json!([{}])),
            "Options canary steps missing key: \"instance_weight\", Options canary steps instance weight \
             must be an Integer between 1-100 (inclusive)".to_owned(),
        ),
        (with_steps(json!([{"instance_weight": 0}])), format!("{WEIGHT} {NOT_A_WEIGHT}")),
        (with_steps(json!([{"instance_weight": 101}])), format!("{WEIGHT} {NOT_A_WEIGHT}")),
        (with_steps(json!([{"instance_weight": u64::MAX}])), format!("{WEIGHT} {NOT_A_WEIGHT}")),
        (with_steps(json!([{"instance_weight": 1.0}])), format!("{WEIGHT} {NOT_A_WEIGHT}")),
        (with_steps(json!([{"instance_weight": "1"}])), format!("{WEIGHT} {NOT_A_WEIGHT}")),
        (
            with_steps(json!([{"instance_weight": 50}, {"instance_weight": 20}])),
            format!("{WEIGHT} must be sorted in ascending order"),
        ),
        (
            with_steps(json!([{"instance_weight": 50}, {"instance_weight": 0}])),
            format!("{WEIGHT} {NOT_A_WEIGHT}, {WEIGHT} must be sorted in ascending order"),
        ),
        (
            with_steps(json!(vec![json!({"instance_weight": 1}); 100])),
            "Options canary steps must not have more than 99 steps".to_owned(),
        ),
    ];
    for (body, detail) in table {
        assert_eq!(check(body.clone()), Err(detail), "{body}");
    }
}

#[test]
fn several_problems_come_in_one_text() {
    let body = json!({
        "x": 1, "strategy": "blue",
        "options": {"max_in_flight": 0, "web_instances": -1}
    });
    assert_eq!(
        check(body),
        Err(
            "Unknown field(s): 'x', Strategy 'blue' is not a supported deployment strategy, \
             Web instances must be greater than or equal to 0, \
             Max in flight must be an integer greater than 0"
                .to_owned()
        )
    );
}

#[test]
fn long_input_is_not_repeated_whole() {
    let detail = check(json!({"strategy": "s".repeat(100_000)})).err();
    assert!(detail.is_some_and(|text| text.len() < 300));
}
