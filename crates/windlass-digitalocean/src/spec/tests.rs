//! A spec is read as a whole.

use serde_json::json;

use super::*;

/// The app of the platform's own reference page.
fn sample() -> Value {
    json!({
        "name": "sample-golang",
        "disable_edge_cache": true,
        "disable_email_obfuscation": false,
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
