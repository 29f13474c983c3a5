//! Packages, uploads, builds, droplets over the wire.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::shop::{droplet_file, droplet_of};
use crate::world::World;

/// A file with these files.
pub(crate) fn zip_file(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default())
            .expect("a file");
        zip.write_all(content.as_bytes()).expect("writes");
    }
    zip.finish().expect("ends").into_inner()
}

/// A package that was uploaded.
pub(crate) async fn ready_package(world: &World, app: &str) -> String {
    let guid = package(world, app).await;
    let bits = zip_file(&[("Procfile", "web: ./run\n"), ("run", "#!/bin/sh\n")]);
    let parts = [("bits", Some("package.zip"), bits)];
    let path = format!("/v3/packages/{guid}/upload");
    let uploaded = world.upload("admin", &path, &parts).await;
    assert_eq!(uploaded.status, 200, "{:?}", uploaded.body);
    guid
}

async fn package(world: &World, app: &str) -> String {
    let body = json!({"type": "bits", "relationships": {"app": {"data": {"guid": app}}}});
    let made = world.post("admin", "/v3/packages", &body).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    assert_eq!(made.body["state"], "AWAITING_UPLOAD");
    made.guid()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_ready_in_the_answer_to_its_upload_and_is_staged() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let app = world.app("admin", &space, "shop").await;
    let guid = package(&world, &app).await;
    let path = format!("/v3/packages/{guid}");
    let build = json!({"package": {"guid": guid}});
    let early = world.post("admin", "/v3/builds", &build).await;
    assert_eq!(
        early.error(),
        (
            400,
            10004,
            "Bad request: Cannot stage package whose state is not ready."
        )
    );
    let bits = zip_file(&[("Procfile", "web: ./run\n"), ("run", "#!/bin/sh\n")]);
    let parts = [
        ("resources", None, b"[]".to_vec()),
        ("bits", Some("package.zip"), bits.clone()),
    ];
    let uploaded = world
        .upload("admin", &format!("{path}/upload"), &parts)
        .await;
    assert_eq!(uploaded.status, 200, "{:?}", uploaded.body);
    assert_eq!(uploaded.body["state"], "READY");
    assert_eq!(uploaded.body["data"]["checksum"]["type"], "sha256");
    let twice = world
        .upload("admin", &format!("{path}/upload"), &parts)
        .await;
    assert_eq!((twice.error().0, twice.error().1), (400, 150_004));
    let download = world.get("admin", &format!("{path}/download")).await;
    assert_eq!(download.status, 200);
    let made = world.post("admin", "/v3/builds", &build).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    assert_eq!(
        (&made.body["state"], &made.body["droplet"]),
        (&json!("STAGING"), &Value::Null)
    );
    let shown = format!("/v3/builds/{}", made.guid());
    assert_eq!(world.get("admin", &shown).await.guid(), made.guid());
    let ready = format!("/v3/packages?app_guids={app}&states=READY&order_by=-created_at");
    assert_eq!(
        world.get("admin", &ready).await.column("guid"),
        [guid.as_str()]
    );
    let staged = format!("{path}/droplets?states=STAGED&per_page=1&page=1");
    assert_eq!(
        world.get("admin", &staged).await.body["resources"],
        json!([])
    );
    let copy = json!({"relationships": {"app": {"data": {"guid": app}}}});
    let copied = world
        .post("admin", &format!("/v3/packages?source_guid={guid}"), &copy)
        .await;
    assert_eq!(
        (copied.status, &copied.body["state"]),
        (201, &json!("READY"))
    );
    let deleted = world
        .delete("admin", &format!("/v3/packages/{}", copied.guid()))
        .await;
    assert_eq!(deleted.status, 202);
    assert_eq!(
        world.get("admin", &deleted.job()).await.body["state"],
        "COMPLETE"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_uploads_are_refused_and_can_be_tried_again() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let app = world.app("admin", &space, "shop").await;
    let path = format!("/v3/packages/{}/upload", package(&world, &app).await);
    let missing = b"[{\"path\":\"a\",\"mode\":\"644\",\"size_in_bytes\":70000,\"checksum\":\
                    {\"value\":\"da39a3ee5e6b4b0d3255bfef95601890afd80709\"}}]";
    let escape = zip_file(&[("../../etc/passwd", "x")]);
    for parts in [
        vec![],
        vec![("bits", Some("x.zip"), b"no zip".to_vec())],
        vec![("bits", Some("x.zip"), escape)],
        vec![("bits", Some("x.zip"), Vec::new())],
        vec![("resources", None, b"{".to_vec())],
        vec![("resources", None, missing.to_vec())],
        vec![("other", None, b"x".to_vec())],
    ] {
        let refused = world.upload("admin", &path, &parts).await;
        assert_eq!(refused.status, 422, "{parts:?}: {:?}", refused.body);
    }
    let no_form = world.post("admin", &path, &json!({})).await;
    assert_eq!(
        no_form.error().2,
        "Upload must include either resources or bits"
    );
    let good = [("bits", Some("x.zip"), zip_file(&[("a", "b")]))];
    assert_eq!(world.upload("admin", &path, &good).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_known_need_not_be_sent_again() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let app = world.app("admin", &space, "shop").await;
    let unknown = json!({"resources": [{
        "path": "a", "mode": "644", "size_in_bytes": 70_000,
        "checksum": {"value": "da39a3ee5e6b4b0d3255bfef95601890afd80709"}
    }]});
    let matched = world.post("admin", "/v3/resource_matches", &unknown).await;
    assert_eq!(
        (matched.status, &matched.body),
        (201, &json!({"resources": []}))
    );
    assert_eq!(app.len(), 36);
}

#[tokio::test(flavor = "multi_thread")]
async fn droplets_are_uploaded_copied_and_kept_while_they_are_needed() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (app, droplet) = world.running_app("admin", &space, "shop", 1).await;
    let used = world
        .delete("admin", &format!("/v3/droplets/{droplet}"))
        .await;
    assert_eq!(used.status, 422, "{:?}", used.body);
    let other = world.app("admin", &space, "other").await;
    let copy = json!({"relationships": {"app": {"data": {"guid": other}}}});
    let copied = world
        .post(
            "admin",
            &format!("/v3/droplets?source_guid={droplet}"),
            &copy,
        )
        .await;
    assert_eq!(
        (copied.status, &copied.body["state"]),
        (201, &json!("STAGED"))
    );
    let own = format!("/v3/droplets/{}", copied.guid());
    assert_eq!(
        world.get("admin", &format!("{own}/download")).await.status,
        200
    );
    assert_eq!(world.delete("admin", &own).await.status, 202);
    let body = json!({"relationships": {"app": {"data": {"guid": app}}}});
    let fresh = world.post("admin", "/v3/droplets", &body).await.guid();
    let path = format!("/v3/droplets/{fresh}/upload");
    for bad in [b"no archive".to_vec(), {
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let tar = tar::Builder::new(gzip);
        tar.into_inner()
            .and_then(flate2::write::GzEncoder::finish)
            .expect("packs")
    }] {
        let refused = world
            .upload("admin", &path, &[("bits", Some("d.tgz"), bad)])
            .await;
        assert_eq!(refused.status, 422, "{:?}", refused.body);
    }
    let good = [("bits", Some("d.tgz"), droplet_file("v"))];
    assert_eq!(world.upload("admin", &path, &good).await.status, 202);
    let shown = world.get("admin", &format!("/v3/droplets/{fresh}")).await;
    assert_eq!(shown.body["process_types"], json!({"web": ""}));
    let twice = world.upload("admin", &path, &good).await;
    assert_eq!(
        twice.error().2,
        "Droplet may be uploaded only once. Create a new droplet to upload bits."
    );
}

/// As it is downloaded and uploaded again: what its staging found out lies in it.
#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_droplet_names_its_own_start_command() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let app = world.app("admin", &space, "shop").await;
    let body = json!({"relationships": {"app": {"data": {"guid": app}}}});
    let info = r#"{"detected_buildpack": "binary", "start_command": "./run me"}"#;
    let upload = async |body: &Value| {
        let droplet = world.post("admin", "/v3/droplets", body).await.guid();
        let file = droplet_of(&[("app/version", "v"), ("staging_info.yml", info)]);
        let path = format!("/v3/droplets/{droplet}/upload");
        let parts = [("bits", Some("d.tgz"), file)];
        world.upload("admin", &path, &parts).await.body["process_types"].clone()
    };
    assert_eq!(upload(&body).await, json!({"web": "./run me"}));
    let mut own = body;
    own["process_types"] = json!({"web": "./other", "worker": ""});
    assert_eq!(upload(&own).await, json!({"web": "./other", "worker": ""}));
}
