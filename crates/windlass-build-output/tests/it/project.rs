//! Project files and the sites that they make.

use serde_json::{Value, json};
use windlass_build_output::{Problem, config_of_project};

use crate::site::check;

fn project(project: Value, files: &str, cases: &[(&str, &str)]) {
    let listed: Vec<&str> = files.split_whitespace().collect();
    let config = config_of_project(&project, &listed).unwrap();
    check(&config, files, cases);
}

#[test]
fn an_empty_project_serves_its_files_and_error_document() {
    project(
        json!({}),
        "index.html a.html 404.html",
        &[
            ("/", "200 file index.html"),
            ("/a.html", "200 file a.html"),
            ("/a", "404 file 404.html"),
        ],
    );
}

#[test]
fn clean_urls_lead_to_the_path_without_its_end() {
    project(
        json!({"cleanUrls": true}),
        "index.html about.html docs/index.html 404.html",
        &[
            ("/", "200 file index.html"),
            ("/about", "200 file about.html"),
            ("/about.html?x=1", "308 [location: /about?x=1]"),
            ("/index.html", "308 [location: /]"),
            ("/index", "308 [location: /]"),
            ("/docs/index.html", "308 [location: /docs]"),
            ("/docs", "200 file docs/index.html"),
            ("/missing", "404 file 404.html"),
        ],
    );
    project(
        json!({"cleanUrls": true, "trailingSlash": true}),
        "about.html docs/index.html",
        &[
            ("/about", "308 [location: /about/]"),
            ("/about/", "200 file about.html"),
            ("/about.html", "308 [location: /about/]"),
            ("/docs/", "200 file docs/index.html"),
        ],
    );
}

#[test]
fn trailing_slashes_are_added_or_removed() {
    project(
        json!({"trailingSlash": true}),
        "docs/index.html a.txt .well-known/x",
        &[
            ("/docs", "308 [location: /docs/]"),
            ("/docs/", "200 file docs/index.html"),
            ("/a.txt", "200 file a.txt"),
            ("/a.txt/", "308 [location: /a.txt]"),
            ("/.well-known/x", "200 file .well-known/x"),
            ("/", "404"),
        ],
    );
    project(
        json!({"trailingSlash": false}),
        "docs/index.html index.html",
        &[
            ("/docs/?a", "308 [location: /docs?a]"),
            ("/docs", "200 file docs/index.html"),
            ("/", "200 file index.html"),
        ],
    );
}

#[test]
fn redirects_have_their_status_and_names() {
    project(
        json!({"redirects": [
            {"source": "/a", "destination": "/b"},
            {"source": "/p", "destination": "/b", "permanent": true},
            {"source": "/t", "destination": "/b", "permanent": false},
            {"source": "/s", "destination": "/b", "statusCode": 301},
            {"source": "/blog/:slug", "destination": "https://news.test/:slug?from=:slug"},
            {"source": "/docs/:path*", "destination": "/guide/:path*"},
            {"source": "/only", "destination": "/b",
             "has": [{"type": "header", "key": "X-Beta"}],
             "missing": [{"type": "cookie", "key": "no"}]},
            {"source": "/who", "destination": "/u/:user", "has": [{"type": "query", "key": "user"}]},
        ]}),
        "a",
        &[
            ("/a", "308 [location: /b]"),
            ("/A", "308 [location: /b]"),
            ("/p", "308 [location: /b]"),
            ("/t", "307 [location: /b]"),
            ("/s", "301 [location: /b]"),
            ("/blog/x", "308 [location: https://news.test/x?from=x]"),
            ("/docs/a/b", "308 [location: /guide/a/b]"),
            ("/docs", "308 [location: /guide/]"),
            ("/only", "404"),
            ("/only x-beta:1", "308 [location: /b]"),
            ("/only x-beta:1 cookie:no=1", "404"),
            ("/who?user=me", "308 [location: /u/me?user=me]"),
        ],
    );
}

#[test]
fn rewrites_come_after_files_and_pass_names_on() {
    project(
        json!({"rewrites": [
            {"source": "/u/:id", "destination": "/user"},
            {"source": "/v/:id/:tab", "destination": "/view/:id"},
            {"source": "/app/(.*)", "destination": "/index.html"},
            {"source": "/raw/(.*)", "destination": "/store/$1"},
            {"source": "/busy", "destination": "/index.html", "statusCode": 503},
        ]}),
        "index.html app/x store/a.txt user.func view/7.func",
        &[
            ("/u/7?q=1", "function user /u/7?q=1&id=7"),
            ("/v/7/x", "function view/7 /v/7/x"),
            ("/app/x", "200 file app/x"),
            ("/app/y", "200 file index.html"),
            ("/raw/a.txt", "200 file store/a.txt"),
            ("/busy", "503 file index.html"),
            ("/else", "404"),
        ],
    );
}

#[test]
fn headers_are_added_to_what_answers() {
    project(
        json!({"headers": [
            {"source": "/(.*)", "headers": [{"key": "X-All", "value": "1"}]},
            {"source": "/s/:name", "headers": [{"key": "x-name", "value": "n=:name"}]},
        ]}),
        "a s/b",
        &[
            ("/a", "200 file a [x-all: 1]"),
            ("/s/b", "200 file s/b [x-all: 1] [x-name: n=b]"),
        ],
    );
}

#[test]
fn plain_routes_are_taken_as_they_are() {
    project(
        json!({"routes": [{"src": "/x", "dest": "/a"}, {"handle": "filesystem"}, {"src": "/.*", "status": 418}]}),
        "a 404.html",
        &[("/x", "200 file a"), ("/a", "200 file a"), ("/y", "418")],
    );
}

#[test]
fn what_a_project_must_not_say_is_refused() {
    for (value, problem, says) in [
        (
            json!({"routes": [], "cleanUrls": true}),
            Problem::Route,
            "cleanUrls",
        ),
        (
            json!({"routes": [], "rewrites": [{"source": "/", "destination": "/a"}]}),
            Problem::Route,
            "rewrites",
        ),
        (
            json!({"redirects": [{"source": "/a*", "destination": "/"}]}),
            Problem::Route,
            "/a*",
        ),
        (
            json!({"redirects": [{"source": "/a", "destination": "/", "statusCode": 200}]}),
            Problem::Route,
            "200",
        ),
        (
            json!({"redirects": [{"source": "/a"}]}),
            Problem::Invalid,
            "destination",
        ),
        (
            json!({"rewrites": [{"source": "/a", "destination": "https://x.test/"}]}),
            Problem::NotSupported,
            "another host",
        ),
        (
            json!({"headers": [{"source": "/a", "headers": [{"key": "a b", "value": ""}]}]}),
            Problem::Route,
            "a b",
        ),
        (
            json!({"crons": [{"path": "/a", "schedule": "* * * * *"}]}),
            Problem::NotSupported,
            "crons",
        ),
        (
            json!({"images": {"sizes": [1]}}),
            Problem::NotSupported,
            "images",
        ),
        (json!([]), Problem::Invalid, "invalid"),
    ] {
        let error = config_of_project(&value, &[]).unwrap_err();
        assert_eq!(
            (error.problem, error.file.as_str()),
            (problem, "vercel.json"),
            "{value}"
        );
        assert!(error.message.contains(says), "{value}: {error}");
    }
}
