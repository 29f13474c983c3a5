//! Apps that run: droplets are uploaded, instances are healthy as the test says.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::world::{Answer, World};

/// Longest wait for a condition; far above what it takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Border of the parts of forms.
pub(crate) const BORDER: &str = "----windlass-test-border";

/// A part of a form: name, file name, content.
pub(crate) type Part<'a> = (&'a str, Option<&'a str>, Vec<u8>);

impl World {
    /// An app without droplet.
    pub(crate) async fn app(&self, user: &str, space: &str, name: &str) -> String {
        let body = json!({"name": name, "relationships": {"space": {"data": {"guid": space}}}});
        let made = self.post(user, "/v3/apps", &body).await;
        assert_eq!(made.status, 201, "{:?}", made.body);
        made.guid()
    }

    /// A staged droplet.
    pub(crate) async fn droplet(&self, user: &str, app: &str, types: &Value) -> String {
        let body = json!({
            "relationships": {"app": {"data": {"guid": app}}}, "process_types": types
        });
        let made = self.post(user, "/v3/droplets", &body).await;
        assert_eq!(made.status, 201, "{:?}", made.body);
        let guid = made.guid();
        let parts = [("bits", Some("droplet.tgz"), droplet_file(&guid))];
        let path = format!("/v3/droplets/{guid}/upload");
        let uploaded = self.upload(user, &path, &parts).await;
        assert_eq!(uploaded.status, 202, "{:?}", uploaded.body);
        assert_eq!(uploaded.body["state"], "STAGED");
        guid
    }

    /// Sends a form.
    pub(crate) async fn upload(&self, user: &str, path: &str, parts: &[Part<'_>]) -> Answer {
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("authorization", format!("bearer {}", self.token(user)))
            .header(
                "content-type",
                format!("multipart/form-data; boundary={BORDER}"),
            )
            .body(Body::from(form(parts)))
            .expect("a request");
        self.send(request).await
    }

    /// A started app with a number of healthy web instances: guids of app and droplet.
    pub(crate) async fn running_app(
        &self,
        user: &str,
        space: &str,
        name: &str,
        instances: u32,
    ) -> (String, String) {
        let app = self.app(user, space, name).await;
        let droplet = self.droplet(user, &app, &json!({"web": "./serve"})).await;
        self.assign(user, &app, &droplet).await;
        let scale = format!("/v3/apps/{app}/processes/web/actions/scale");
        let scaled = self
            .post(user, &scale, &json!({"instances": instances}))
            .await;
        assert_eq!(scaled.status, 202, "{:?}", scaled.body);
        let started = self
            .post(user, &format!("/v3/apps/{app}/actions/start"), &json!({}))
            .await;
        assert_eq!(started.body["state"], "STARTED", "{:?}", started.body);
        let stats = format!("/v3/apps/{app}/processes/web/stats");
        self.until(user, &stats, "all instances run", |stats| {
            let resources = stats["resources"].as_array();
            resources.is_some_and(|all| {
                all.len() == instances as usize && all.iter().all(|it| it["state"] == "RUNNING")
            })
        })
        .await;
        (app, droplet)
    }

    /// Makes a droplet the current one.
    pub(crate) async fn assign(&self, user: &str, app: &str, droplet: &str) {
        let path = format!("/v3/apps/{app}/relationships/current_droplet");
        let assigned = self
            .patch(user, &path, &json!({"data": {"guid": droplet}}))
            .await;
        assert_eq!(assigned.status, 200, "{:?}", assigned.body);
    }

    /// Creates a deployment with more fields than app and droplet.
    pub(crate) async fn deploy(&self, user: &str, app: &str, more: &Value) -> Answer {
        let mut body = json!({"relationships": {"app": {"data": {"guid": app}}}});
        for (key, value) in more.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        self.post(user, "/v3/deployments", &body).await
    }

    /// Asks again at each commit until the answer is as it should be.
    pub(crate) async fn until(
        &self,
        user: &str,
        path: &str,
        what: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut hints = self.control.store().hints();
        let asked = async {
            loop {
                let answer = self.get(user, path).await.body;
                if is(&answer) {
                    return answer;
                }
                hints.next().await;
            }
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(answer) => answer,
            Err(elapsed) => {
                let last = self.get(user, path).await.body;
                panic!("never: {what}; {elapsed}; {last:#}")
            }
        }
    }

    /// Waits for a status of a deployment, for example `FINALIZED/DEPLOYED`.
    pub(crate) async fn until_status(&self, user: &str, guid: &str, status: &str) -> Value {
        let path = format!("/v3/deployments/{guid}");
        self.until(user, &path, status, |deployment| {
            shown_status(deployment) == status
        })
        .await
    }
}

/// Value and reason of a deployment.
pub(crate) fn shown_status(deployment: &Value) -> String {
    let part = |name: &str| {
        deployment["status"][name]
            .as_str()
            .unwrap_or("?")
            .to_owned()
    };
    format!("{}/{}", part("value"), part("reason"))
}

/// A droplet that holds one file.
pub(crate) fn droplet_file(content: &str) -> Vec<u8> {
    droplet_of(&[("app/version", content)])
}

/// The same of these files.
pub(crate) fn droplet_of(files: &[(&str, &str)]) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, path, content.as_bytes())
            .expect("packs");
    }
    tar.into_inner()
        .and_then(flate2::write::GzEncoder::finish)
        .expect("packs")
}

/// A form with parts.
pub(crate) fn form(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, content) in parts {
        body.extend_from_slice(format!("--{BORDER}\r\n").as_bytes());
        let file = file
            .map(|file| format!("; filename=\"{file}\""))
            .unwrap_or_default();
        let head = format!("Content-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BORDER}--\r\n").as_bytes());
    body
}
