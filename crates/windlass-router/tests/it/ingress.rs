//! Rules of an app about its paths.

use std::fs;
use std::path::Path;

use windlass_router::{Change, Group, IngressAnswer, IngressRule, RouteRule, TargetKind, Version};

use crate::client::Client;
use crate::instance::Instance;
use crate::world::{GROUP, HOST, World, group, put_host, rule, version};

fn site(root: &Path) -> Change {
    let target = TargetKind::Static {
        root: root.to_path_buf(),
        index: "index.html".to_owned(),
        fallback: None,
        not_found: None,
    };
    Change::PutGroup {
        group: "site".to_owned(),
        value: group(
            1,
            vec![Version {
                id: "v".to_owned(),
                share: 10_000,
                target,
            }],
        ),
    }
}

fn ingress(path: &str, group: &str, replace: Option<&str>) -> IngressRule {
    IngressRule {
        host: None,
        path: path.to_owned(),
        exact: false,
        answer: IngressAnswer::Group {
            group: group.to_owned(),
            replace: replace.map(str::to_owned),
        },
    }
}

fn app(plan_generation: u64, ingress: Vec<IngressRule>) -> Change {
    Change::PutGroup {
        group: GROUP.to_owned(),
        value: Group {
            app_id: "app".to_owned(),
            plan_generation,
            is_whole_app: true,
            ingress,
            ..Group::default()
        },
    }
}

fn whole() -> Vec<RouteRule> {
    vec![rule("", GROUP)]
}

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn an_apps_rules_lead_by_path() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "index.html", "home");
    write(folder.path(), "docs/index.html", "docs");
    let echo = |id: &'static str| {
        Instance::start(id, move |asked| {
            let text = format!("{id} {}", asked.path());
            asked.body();
            asked.answer(&text);
            true
        })
    };
    let (api, web) = (echo("api"), echo("web"));
    let put = |id: &str, instance: &Instance| Change::PutGroup {
        group: id.to_owned(),
        value: group(1, vec![version("v", 10_000, &[instance])]),
    };
    let redirect = IngressRule {
        host: None,
        path: "/old".to_owned(),
        exact: false,
        answer: IngressAnswer::Redirect {
            uri: None,
            authority: Some("new.test".to_owned()),
            port: Some(8443),
            scheme: Some("https".to_owned()),
            status: 307,
        },
    };
    let mut world = World::start();
    world.publish(vec![
        put("api", &api),
        put("web", &web),
        site(folder.path()),
        app(
            1,
            vec![
                ingress("/api", "api", Some("/")),
                ingress("/v1", "api", Some("/v2")),
                ingress("/raw", "web", None),
                redirect,
                ingress("/pages", "site", Some("/")),
                ingress("/", "site", None),
            ],
        ),
        put_host(whole()),
    ]);
    let mut client = Client::connect(world.http);
    for (path, text) in [
        ("/api", "api /"),
        ("/api/users?x=1", "api /users?x=1"),
        ("/v1/a", "api /v2/a"),
        ("/raw/a", "web /raw/a"),
        ("/", "home"),
        ("/docs/", "docs"),
        ("/pages/docs/", "docs"),
    ] {
        assert_eq!(client.get(HOST, path).text(), text, "{path}");
    }
    let slash = client.get(HOST, "/pages/docs?x=1");
    assert_eq!(
        (slash.status, slash.header("location")),
        (308, Some("/pages/docs/?x=1"))
    );
    let moved = client.get(HOST, "/old/a?b");
    assert_eq!(
        (moved.status, moved.header("location")),
        (307, Some("https://new.test:8443/old/a?b"))
    );
    // Other rules are in force with the next table, at once and whole.
    world.publish(vec![app(2, vec![ingress("/api", "web", None)])]);
    assert_eq!(client.get(HOST, "/api/x").text(), "web /api/x");
    let gone = client.get(HOST, "/");
    assert_eq!((gone.status, gone.error()), (404, "unknown_route"));
}
