//! A spec is read as a whole.

mod page;
mod properties;

use serde_json::json;

use super::*;

/// The app of the platform's own reference page.
fn sample() -> Value {
    json!({
        "name": "sample-golang",
        "disable_edge_cache": true,
        "disable_email_obfuscation": true,
        "enhanced_threat_control_enabled": true,
        "services": [{
            "name": "web",
            "github": {"repo": "digitalocean/sample-golang", "branch": "branch"},
            "run_command": "bin/sample-golang",
            "environment_slug": "go",
            "instance_size_slug": "apps-s-1vcpu-0.5gb",
            "instance_count": 2,
            "routes": [{"path": "/"}],
        }],
        "region": "ams",
    })
}

#[test]
fn the_sample_is_read_and_shown_as_submitted() {
    let text = sample().to_string();
    let spec = Spec::parse(text.as_bytes(), Format::Json).unwrap();
    assert_eq!(spec.document().to_string(), text);
    assert_eq!(spec.app().services[0].base.name, "web");
    assert_eq!(spec.app().services[0].instances.instance_count, 2);
    let github = spec.app().services[0].base.source.github.as_ref().unwrap();
    assert_eq!(github.repo, "digitalocean/sample-golang");
}

#[test]
fn yaml_reads_as_json_does() {
    let yaml = "name: sample\nservices:\n- name: web\n  git: {repo_clone_url: 'https://x.y/z', branch: main}\n  \
                http_port: 3000\n  envs:\n  - key: A\n    value: \"1\"\n";
    let spec = Spec::parse(yaml.as_bytes(), Format::Yaml).unwrap();
    assert_eq!(spec.app().services[0].http_port, 3000);
    assert_eq!(spec.app().services[0].base.envs[0].value, "1");
}

#[test]
fn unknown_members_are_named() {
    let mut document = sample();
    document["services"][0]["envs"] = json!([{"key": "A"}, {"key": "B", "vale": "x"}]);
    let error = Spec::check(document).err().unwrap();
    assert_eq!(
        error.to_string(),
        "error validating app spec field \"services.envs.vale\": unknown field: remove it or \
         correct its name (at services[0].envs[1].vale)"
    );
}

#[test]
fn what_is_too_large_or_no_object_is_refused() {
    let large = format!("{{\"name\": \"{}\"}}", "a".repeat(SPEC_BYTES_MAX));
    for (text, why) in [
        (large.as_str(), "larger than 1048576 bytes"),
        ("[]", "must be an object, not a list"),
        ("null", "must be an object, not null"),
        ("", "can't be read"),
        ("{\"name\": }", "can't be read"),
        ("{\"name\": \"a\"} x", "can't be read"),
    ] {
        let error = Spec::parse(text.as_bytes(), Format::Json).err().unwrap();
        assert!(error.why.starts_with(why), "{error}");
    }
    let deep = "[".repeat(100_000);
    for format in [Format::Json, Format::Yaml] {
        assert!(Spec::parse(deep.as_bytes(), format).is_err());
    }
}

#[test]
fn yaml_aliases_do_not_explode_and_values_keep_their_type() {
    let mut lines = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x]".to_owned()];
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        lines.push(format!(
            "a{level}: &a{level} [{}]",
            vec![before; 9].join(", ")
        ));
    }
    let bomb = lines.join("\n");
    let error = Spec::parse(bomb.as_bytes(), Format::Yaml).err().unwrap();
    assert!(error.why.starts_with("can't be read"), "{error}");

    let yaml = "name: sample\nservices:\n- name: web\n  git: {repo_clone_url: 'https://x.y/z', \
                branch: main}\n  envs:\n  - {key: A, value: 1}\n";
    let error = Spec::parse(yaml.as_bytes(), Format::Yaml).err().unwrap();
    assert_eq!(error.position, "services[0].envs[0].value");
    assert!(
        error
            .why
            .starts_with("must be a text (numbers and true/false need quotes)")
    );
}
