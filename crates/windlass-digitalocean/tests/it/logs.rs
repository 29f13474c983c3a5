//! Links of logs, and what is behind them.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use windlass_engine::id::AppId;

use crate::world::{Answer, ORIGIN, World, spec};

/// Follows a link without any token but its own.
async fn follow(world: &World, url: &Value) -> Answer {
    let url = url.as_str().expect("a link");
    let path = url.strip_prefix(ORIGIN).expect("an absolute link");
    let request = Request::builder()
        .uri(path)
        .body(Body::empty())
        .expect("a request");
    world.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_live_while_something_may_come_and_historic_afterwards() {
    let world = World::start().await;
    let (app, deployment) = world.create(&spec("shop")).await;
    world.until_phase(&app, &deployment, "BUILDING").await;
    let base = format!("/v2/apps/{app}/deployments/{deployment}");
    let building = world
        .get(&format!("{base}/logs?type=BUILD&follow=true&tail_lines=-1"))
        .await
        .body;
    let live = building["live_url"].as_str().expect("a live link");
    assert!(live.starts_with("https://"), "{live}");
    assert_eq!(building.get("historic_urls"), None);
    let early = world.get(&format!("{base}/logs?type=RUN")).await;
    assert!(early.body["historic_urls"].is_array(), "{early:?}");
    let none = world.get(&format!("/v2/apps/{app}/logs?type=RUN")).await;
    assert_eq!(none.error().0, 400);
    world.build(&app).await;
    world.until_phase(&app, &deployment, "ACTIVE").await;
    let built = world
        .get(&format!(
            "{base}/components/web/logs?type=BUILD&follow=true"
        ))
        .await
        .body;
    assert_eq!(built.get("live_url"), None);
    let text = follow(&world, &built["historic_urls"][0]).await;
    assert_eq!(text.status, 200);
    for path in [
        format!("/v2/apps/{app}/logs?type=RUN&follow=true"),
        format!("/v2/apps/{app}/components/web/logs?follow=true&type=UNSPECIFIED"),
    ] {
        let running = world.get(&path).await.body;
        assert!(running["live_url"].is_string(), "{running}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_have_their_component_and_their_time() {
    let world = World::start().await;
    let (app, _) = world.active_app("shop").await;
    let run = world
        .driver
        .running()
        .into_iter()
        .find(|run| run.starts_with("i."))
        .expect("an instance");
    let dir = world
        .control
        .app_logs_dir(&AppId::from(app.as_str()))
        .join(run);
    let appender = windlass_runtime::LogAppender::open(
        dir,
        windlass_runtime::LogLimits {
            bytes_per_file: 1 << 20,
            files: 2,
        },
        1,
    )
    .expect("a log");
    for number in 0..3 {
        appender
            .line(
                windlass_runtime::LogStream::Out,
                "APP/PROC/WEB",
                0,
                &format!("line {number}"),
            )
            .expect("a line");
    }
    let links = world
        .get(&format!("/v2/apps/{app}/logs?type=RUN&tail_lines=2"))
        .await
        .body;
    let text = follow(&world, &links["historic_urls"][0]).await.body;
    let lines: Vec<&str> = text.as_str().expect("text").lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let words: Vec<&str> = lines[1].splitn(3, ' ').collect();
    assert_eq!((words[0], words[2]), ("web", "line 2"));
    assert!(words[1].ends_with('Z') && words[1].contains('T'));
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_questions_are_refused_and_ended_links_say_nothing() {
    let world = World::start().await;
    let (app, deployment) = world.create(&spec("shop")).await;
    let base = format!("/v2/apps/{app}/deployments/{deployment}");
    for (path, status) in [
        (format!("{base}/logs?type=ODD"), 400),
        (format!("{base}/logs?tail_lines=x"), 400),
        (format!("{base}/logs?follow=maybe"), 400),
        (format!("{base}/components/nobody/logs"), 404),
        (format!("{base}/logs?component_name=nobody"), 404),
        (format!("/v2/apps/{app}/deployments/{app}/logs"), 404),
    ] {
        assert_eq!(world.get(&path).await.status, status, "{path}");
    }
    let stranger = world
        .call(Method::GET, "bert", &format!("{base}/logs"), None)
        .await;
    assert_eq!(stranger.status, 404);
    for path in [
        "/v2/logs/historic?token=x",
        "/v2/logs/historic",
        "/v2/logs/live?token=x",
    ] {
        let request = Request::builder()
            .uri(path)
            .body(Body::empty())
            .expect("a request");
        let answer = world.send(request).await;
        assert_eq!((answer.status, answer.body), (200, json!("")), "{path}");
    }
    // A stage that is never reached any more.
    world.post(&format!("{base}/cancel"), &json!({})).await;
    let never = world.get(&format!("{base}/logs?type=RUN")).await;
    assert_eq!(never.error().0, 400);
}
