//! The rules of the Build Output layout, case by case.

use serde_json::{Value, json};

use crate::site::{TestSite, check};

fn site(routes: Value) -> Value {
    json!({"version": 3, "routes": routes})
}

#[test]
fn without_routes_files_and_functions_are_found_by_their_paths() {
    check(
        &json!({"version": 3}),
        "index.html about.html docs/index.html a%20b/ä.txt x.js api.func api/users.func index.func blog/index.func",
        &[
            ("/", "200 file index.html"),
            ("/index.html", "200 file index.html"),
            ("/about.html", "200 file about.html"),
            ("/about", "404"),
            ("/about.html/", "404"),
            ("/docs", "200 file docs/index.html"),
            ("/docs/", "200 file docs/index.html"),
            ("/x.js?v=1", "200 file x.js"),
            ("/a%2520b/%C3%A4.txt", "200 file a%20b/ä.txt"),
            ("/api", "function api /api"),
            ("/api/?q=1", "function api /api/?q=1"),
            ("/api/users?a=1&b", "function api/users /api/users?a=1&b"),
            ("/blog", "function blog/index /blog"),
            ("/API", "404"),
            ("/../x.js", "404"),
            ("/%2e%2e/x.js", "404"),
            ("/docs//index.html", "404"),
            ("/x%00.js", "404"),
            ("/%ff", "404"),
            ("/docs%5cindex.html", "404"),
        ],
    );
}

#[test]
fn overrides_rename_files_and_give_them_types() {
    let config = json!({"version": 3, "overrides": {
        "blog.html": {"path": "blog"},
        "deep/index.html": {"path": "deep"},
        "feed": {"contentType": "application/rss+xml"},
        "home.html": {"path": "", "contentType": "text/html"},
    }});
    check(
        &config,
        "blog.html feed deep/index.html",
        &[
            ("/blog", "200 file blog.html"),
            ("/blog/", "200 file blog.html"),
            ("/blog.html", "404"),
            ("/feed", "200 file feed (application/rss+xml)"),
            ("/deep", "200 file deep/index.html"),
            ("/deep/index.html", "404"),
        ],
    );
}

#[test]
fn sources_are_whole_case_insensitive_patterns() {
    check(
        &site(json!([
            {"src": "/old", "dest": "/new.html"},
            {"src": "/Case", "dest": "/new.html", "caseSensitive": true},
            {"src": "^/a\\/b$", "dest": "/new.html"},
            {"src": "plain", "dest": "/new.html"},
        ])),
        "new.html",
        &[
            ("/old", "200 file new.html"),
            ("/OLD", "200 file new.html"),
            ("/older", "404"),
            ("/x/old", "404"),
            ("/Case", "200 file new.html"),
            ("/case", "404"),
            ("/a/b", "200 file new.html"),
            ("/plain", "200 file new.html"),
        ],
    );
}

#[test]
fn methods_narrow_a_route() {
    check(
        &site(json!([{"src": "/x", "methods": ["post", "PUT"], "status": 204}])),
        "x",
        &[
            ("POST /x", "204"),
            ("PUT /x", "204"),
            ("GET /x", "200 file x"),
        ],
    );
}

#[test]
fn groups_fill_destinations_and_headers() {
    check(
        &site(json!([
            {"src": "/u/(\\d+)/(?<tab>[a-z]*)", "dest": "/user?id=$1&tab=$tab&none=$7",
             "headers": {"X-Id": "$1", "x-tab": "-$tab-"}},
            {"src": "/r/(.*)", "status": 302, "headers": {"Location": "https://other.test/$1"}},
        ])),
        "user.func",
        &[
            (
                "/u/7/posts?id=9&q=1",
                "function user /u/7/posts?id=9&q=1&tab=posts&none= [x-id: 7] [x-tab: -posts-]",
            ),
            (
                "/u/7/",
                "function user /u/7/?id=7&tab=&none= [x-id: 7] [x-tab: --]",
            ),
            ("/r/a/b?x=1", "302 [location: https://other.test/a/b?x=1]"),
        ],
    );
}

#[test]
fn routes_go_on_with_continue_and_end_without_it() {
    check(
        &site(json!([
            {"src": "/(.*)", "headers": {"x-a": "1", "x-b": "1"}, "continue": true},
            {"src": "/a", "dest": "/b", "continue": true, "status": 203},
            {"src": "/b", "headers": {"X-B": "2"}},
            {"src": "/(.*)", "headers": {"x-never": "1"}, "continue": true},
        ])),
        "b c",
        &[
            ("/a", "203 file b [x-a: 1] [x-b: 2]"),
            ("/b", "200 file b [x-a: 1] [x-b: 2]"),
            ("/c", "200 file c [x-a: 1] [x-b: 1] [x-never: 1]"),
        ],
    );
}

#[test]
fn important_headers_survive_later_ones() {
    check(
        &site(json!([
            {"src": "/(.*)", "headers": {"cache-control": "first"}, "continue": true, "important": true},
            {"src": "/(.*)", "headers": {"cache-control": "second"}, "continue": true},
            {"src": "/top", "headers": {"cache-control": "third"}, "continue": true, "important": true},
        ])),
        "x top",
        &[
            ("/x", "200 file x [cache-control: first]"),
            ("/top", "200 file top [cache-control: third]"),
        ],
    );
}

#[test]
fn redirects_stay_on_the_site_and_keep_the_query() {
    check(
        &site(json!([
            {"src": "^/(.*)/$", "headers": {"Location": "/$1"}, "status": 308},
            {"src": "/q", "headers": {"Location": "/to?a=1#part"}, "status": 307},
            {"src": "/bare", "status": 307},
        ])),
        "",
        &[
            ("/a/b/", "308 [location: /a/b]"),
            ("/a/?x=1&y", "308 [location: /a?x=1&y]"),
            ("//evil.test/", "308 [location: /evil.test]"),
            ("/\\evil.test/", "308 [location: /evil.test]"),
            ("/q?a=2&b=3", "307 [location: /to?a=1&b=3#part]"),
            ("/bare", "307"),
        ],
    );
}

#[test]
fn conditions_look_at_host_headers_cookies_and_query() {
    let has = |condition: Value| site(json!([{"src": "/x", "has": [condition], "status": 204}]));
    for (condition, yes, no) in [
        (
            json!({"type": "host", "value": "h.b.test"}),
            "//h.b.test/x",
            "/x",
        ),
        (
            json!({"type": "host", "value": "h\\.(.*)"}),
            "//h.b.test/x",
            "/x",
        ),
        (
            json!({"type": "header", "key": "X-A"}),
            "/x x-a:1",
            "/x x-b:1",
        ),
        (
            json!({"type": "header", "key": "x-a", "value": "a.c"}),
            "/x x-a:abc",
            "/x x-a:abcd",
        ),
        (
            json!({"type": "header", "key": "x-a", "value": "b"}),
            "/x x-a:a x-a:b",
            "/x x-a:a",
        ),
        (
            json!({"type": "cookie", "key": "s"}),
            "/x cookie:a=1;_s=2",
            "/x cookie:as=1",
        ),
        (
            json!({"type": "cookie", "key": "s", "value": "2"}),
            "/x cookie:s=2",
            "/x cookie:s=1",
        ),
        (json!({"type": "query", "key": "q"}), "/x?q", "/x?p"),
        (
            json!({"type": "query", "key": "q", "value": "a b"}),
            "/x?q=a%20b",
            "/x?q=ab",
        ),
        (
            json!({"type": "query", "key": "q", "value": {"eq": 5}}),
            "/x?q=5",
            "/x?q=6",
        ),
        (
            json!({"type": "query", "key": "q", "value": {"neq": "5"}}),
            "/x?q=6",
            "/x?q=5",
        ),
        (
            json!({"type": "query", "key": "q", "value": {"inc": ["a", "b"]}}),
            "/x?q=b",
            "/x?q=c",
        ),
        (
            json!({"type": "query", "key": "q", "value": {"ninc": ["a", "b"]}}),
            "/x?q=c",
            "/x?q=b",
        ),
        (
            json!({"type": "query", "key": "q", "value": {"pre": "ab"}}),
            "/x?q=abc",
            "/x?q=xab",
        ),
        (
            json!({"type": "query", "key": "q", "value": {"suf": "bc"}}),
            "/x?q=abc",
            "/x?q=bcx",
        ),
        (
            json!({"type": "query", "key": "q", "value": {"re": "a+"}}),
            "/x?q=aa",
            "/x?q=ab",
        ),
        (
            json!({"type": "query", "key": "q", "value": {"gt": 5, "lte": 7}}),
            "/x?q=7",
            "/x?q=5",
        ),
        (
            json!({"type": "query", "key": "q", "value": {"gte": 5, "lt": 7}}),
            "/x?q=5",
            "/x?q=7",
        ),
        (
            json!({"type": "query", "key": "q", "value": {"gt": 5}}),
            "/x?q=6",
            "/x?q=many",
        ),
        (
            json!({"type": "query", "key": "q", "value": {"neq": "5"}}),
            "/x?q=6",
            "/x",
        ),
    ] {
        check(&has(condition.clone()), "", &[(yes, "204"), (no, "404")]);
        let missing = site(json!([{"src": "/x", "missing": [condition], "status": 204}]));
        check(&missing, "", &[(yes, "404"), (no, "204")]);
    }
}

#[test]
fn conditions_capture_for_destinations() {
    check(
        &site(json!([
            {"src": "/x", "has": [{"type": "query", "key": "team"},
                {"type": "host", "value": "(?<sub>.*)\\.test"}],
             "status": 307, "headers": {"Location": "/t/$team/$sub", "x-team": "$team"}},
        ])),
        "",
        &[
            (
                "/x?team=a%20b%2F%26",
                "307 [x-team: a b/&] [location: /t/a%20b/%26/app?team=a%20b%2F%26]",
            ),
            // What would end the header's line says nothing.
            (
                "/x?team=a%0d%0aset-cookie:x",
                "307 [location: /t/a%0D%0Aset-cookie%3Ax/app?team=a%0d%0aset-cookie:x]",
            ),
        ],
    );
}

#[test]
fn a_wildcard_is_a_value_by_host() {
    let config = json!({
        "version": 3,
        "wildcard": [{"domain": "h.de.test", "value": "de"}, {"domain": "app.test", "value": "en"}],
        "routes": [{"src": "/(.*)", "dest": "/$wildcard/$1"}],
    });
    check(
        &config,
        "de/a en/a",
        &[
            ("//h.de.test/a", "200 file de/a"),
            ("/a", "200 file en/a"),
            ("//h.x.test/a", "404"),
        ],
    );
}

#[test]
fn check_looks_for_files_and_goes_on_where_there_are_none() {
    check(
        &site(json!([
            {"src": "/a/(.*)", "dest": "/b/$1", "check": true},
            {"src": "/b/(.*)", "dest": "/c/$1", "check": true},
            {"handle": "miss"},
            {"src": "/c/lost", "dest": "/found", "check": true},
            {"handle": "rewrite"},
            {"src": "/c/(?<id>[^/]+)", "dest": "/page?id=$id", "check": true},
        ])),
        "b/1 c/2 found page.func",
        &[
            ("/a/1", "200 file b/1"),
            ("/a/2", "200 file c/2"),
            ("/a/lost", "200 file found"),
            ("/a/7", "function page /a/7?id=7"),
            ("/a/7/8", "404"),
        ],
    );
}

#[test]
fn phases_come_in_their_order() {
    check(
        &site(json!([
            {"src": "/first", "dest": "/static"},
            {"handle": "filesystem"},
            {"src": "/static", "status": 500},
            {"src": "/files/(.*)", "dest": "/stored/$1", "check": true},
            {"src": "/away", "headers": {"Location": "/there"}, "status": 307},
            {"handle": "resource"},
            {"src": "/all/(.*)", "dest": "/fallback"},
            {"src": "/.*", "status": 404},
            {"handle": "miss"},
            {"src": "/assets/(.*)", "status": 404, "headers": {"x-missed": "1"}},
            {"src": "/(.*)", "headers": {"x-seen": "1"}, "continue": true},
            {"handle": "rewrite"},
            {"src": "/all/(?<id>\\d+)", "dest": "/one?id=$id", "check": true},
            {"handle": "hit"},
            {"src": "/assets/(.*)", "headers": {"cache-control": "immutable"}, "continue": true},
            {"handle": "error"},
            {"status": 404, "src": "^(?!/api).*$", "dest": "/404.html"},
            {"status": 500, "dest": "/500.html"},
        ])),
        "static stored/a assets/x.js fallback one.func 404.html",
        &[
            ("/first", "200 file static"),
            ("/files/a", "200 file stored/a [x-seen: 1]"),
            ("/away", "307 [x-seen: 1] [location: /there]"),
            (
                "/assets/x.js",
                "200 file assets/x.js [cache-control: immutable]",
            ),
            ("/assets/y.js", "404 file 404.html [x-missed: 1]"),
            ("/all/7", "function one /all/7?id=7 [x-seen: 1]"),
            ("/all/x", "200 file fallback [x-seen: 1]"),
            ("/api/x", "404 [x-seen: 1]"),
            ("/else", "404 file 404.html [x-seen: 1]"),
        ],
    );
}

#[test]
fn hits_and_misses_keep_earlier_headers() {
    check(
        &site(json!([
            {"src": "/(.*)", "headers": {"x-a": "early"}, "continue": true},
            {"handle": "hit"},
            {"src": "/(.*)", "headers": {"x-a": "late", "x-path": "$1"}, "continue": true},
            {"src": "/index.html", "headers": {"x-a": "important"}, "continue": true, "important": true},
        ])),
        "x index.html",
        &[
            ("/x", "200 file x [x-a: early] [x-path: x]"),
            (
                "/",
                "200 file index.html [x-path: index.html] [x-a: important]",
            ),
        ],
    );
}

#[test]
fn a_status_alone_is_an_answer_and_an_error_has_its_document() {
    let config = site(json!([
        {"src": "/gone", "status": 410},
        {"src": "/secret", "status": 404},
        {"src": "/page", "dest": "/lost.html", "status": 404},
        {"src": "/none", "status": 204},
        {"handle": "error"},
        {"src": "/(.*)", "headers": {"x-error": "1"}, "continue": true},
        {"status": 404, "src": ".*", "dest": "/lost.html"},
        {"status": 500, "src": ".*", "dest": "/oops"},
        {"status": 502, "src": ".*", "dest": "/missing"},
    ]));
    check(
        &config,
        "lost.html oops.func",
        &[
            ("/gone", "410 [x-error: 1]"),
            ("/secret", "404 file lost.html [x-error: 1]"),
            ("/page", "404 file lost.html"),
            ("/none", "204"),
            ("/unknown", "404 file lost.html [x-error: 1]"),
        ],
    );
    let site = TestSite::new(&config, "lost.html oops.func");
    assert_eq!(
        site.fail(500, "/x?a=1"),
        "500 function oops /x?a=1 [x-error: 1]"
    );
    assert_eq!(site.fail(502, "/x"), "502 [x-error: 1]");
    assert_eq!(site.fail(504, "/x"), "504 [x-error: 1]");
}

#[test]
fn a_rewritten_path_never_names_another_host() {
    check(
        &site(json!([{"src": "/(.*)", "dest": "$1"}])),
        "a/b",
        &[("/a/b", "200 file a/b"), ("//a/b", "200 file a/b")],
    );
}
