//! `windlass static-server`: serves the files of an application, inside its sandbox.
//!
//! The program of instances that were built with the buildpack `staticfile`.

mod staticfile;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use tower_http::services::{ServeDir, ServeFile};

use crate::output;
use staticfile::{Missing, Site};

/// Answer of the header for strict transport security.
const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Checks the Staticfile and, unless that was all, serves until SIGTERM.
pub fn run(app: &Path, check: bool) -> ExitCode {
    let ended = Site::read(app).and_then(|site| if check { Ok(()) } else { serve(site) });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            output::complain(&format!("staticfile: {problem}"));
            ExitCode::FAILURE
        }
    }
}

fn serve(site: Site) -> Result<(), String> {
    let address = address()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .map_err(|error| error.to_string())?;
        axum::serve(listener, router(site))
            .with_graceful_shutdown(async move {
                terminate.recv().await;
            })
            .await
            .map_err(|error| error.to_string())
    })
}

/// The port that the platform gives, at the address that it says the instance has.
fn address() -> Result<SocketAddr, String> {
    let port = std::env::var("PORT")
        .ok()
        .and_then(|text| text.parse().ok());
    let port: u16 = port.ok_or("PORT is not set to a port")?;
    let ip = std::env::var("CF_INSTANCE_INTERNAL_IP").ok();
    let ip = ip.and_then(|text| text.parse().ok());
    let ip = ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    Ok(SocketAddr::new(ip, port))
}

fn router(site: Site) -> Router {
    let files = ServeDir::new(&site.root);
    let router = match &site.missing {
        Missing::Application(page) => {
            Router::new().fallback_service(files.fallback(ServeFile::new(page)))
        }
        Missing::Page(page) => {
            Router::new().fallback_service(files.not_found_service(ServeFile::new(page)))
        }
        Missing::Nothing => Router::new().fallback_service(files),
    };
    router.layer(from_fn_with_state(std::sync::Arc::new(site), guard))
}

/// What concerns every request, before a file is looked for.
async fn guard(State(site): State<std::sync::Arc<Site>>, request: Request, next: Next) -> Response {
    let forwarded = request.headers().get("x-forwarded-proto");
    if site.force_https && forwarded.is_some_and(|proto| proto == "http") {
        return to_https(&request);
    }
    if site.is_hidden(request.uri().path()) {
        return (StatusCode::NOT_FOUND, "not found\n").into_response();
    }
    let mut response = next.run(request).await;
    if site.strict_transport {
        let headers = response.headers_mut();
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
    }
    response
}

fn to_https(request: &Request) -> Response {
    let host = request.headers().get(header::HOST);
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let target = host
        .and_then(|host| host.to_str().ok())
        .map(|host| format!("https://{}{path}", host.split(':').next().unwrap_or(host)));
    match target.filter(|target| target.parse::<Uri>().is_ok()) {
        Some(target) => Redirect::permanent(&target).into_response(),
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt;

    use super::*;

    fn app(files: &[(&str, &str)]) -> tempfile::TempDir {
        let app = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = app.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        app
    }

    async fn ask(
        app: &Path,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (u16, Response) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let router = router(Site::read(app).unwrap());
        let response = router
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        (response.status().as_u16(), response)
    }

    async fn text(response: Response) -> String {
        let body = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn files_with_types_index_ranges_and_head() {
        let app = app(&[
            ("Staticfile", ""),
            ("index.html", "<p>home"),
            ("docs/index.html", "<p>docs"),
            ("a b.css", "p{}"),
            ("data.json", "0123456789"),
        ]);
        let (status, response) = ask(app.path(), "GET", "/", &[]).await;
        assert_eq!((status, &*text(response).await), (200, "<p>home"));
        let (status, response) = ask(app.path(), "GET", "/docs/", &[]).await;
        assert_eq!(response.headers()["content-type"], "text/html");
        assert_eq!((status, &*text(response).await), (200, "<p>docs"));
        let (_, response) = ask(app.path(), "GET", "/a%20b.css", &[]).await;
        assert_eq!(response.headers()["content-type"], "text/css");
        let (status, response) = ask(app.path(), "HEAD", "/data.json", &[]).await;
        assert_eq!(response.headers()["content-length"], "10");
        assert_eq!((status, &*text(response).await), (200, ""));
        let range = [("range", "bytes=2-4")];
        let (status, response) = ask(app.path(), "GET", "/data.json", &range).await;
        assert_eq!(response.headers()["content-range"], "bytes 2-4/10");
        assert_eq!((status, &*text(response).await), (206, "234"));
        let range = [("range", "bytes=20-")];
        assert_eq!(ask(app.path(), "GET", "/data.json", &range).await.0, 416);
        assert_eq!(ask(app.path(), "POST", "/data.json", &[]).await.0, 405);
    }

    #[tokio::test]
    async fn nothing_but_the_site_is_served() {
        let app = app(&[
            ("Staticfile", "root: public\n"),
            ("secret", "x"),
            ("public/page", "page"),
            ("public/.env", "x"),
            ("public/.well-known/x", "known"),
        ]);
        assert_eq!(ask(app.path(), "GET", "/page", &[]).await.0, 200);
        assert_eq!(ask(app.path(), "GET", "/.well-known/x", &[]).await.0, 200);
        for path in [
            "/secret",
            "/../secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "/public/../secret",
            "//etc/passwd",
            "/.env",
            "/%2eenv",
            "/.well-known/../../secret",
            // No listing.
            "/",
            "/page%00",
        ] {
            let (status, _) = ask(app.path(), "GET", path, &[]).await;
            assert!([400, 404].contains(&status), "{path}: {status}");
        }
    }

    #[tokio::test]
    async fn the_files_of_the_platform_are_hidden() {
        let app = app(&[
            ("Staticfile", ""),
            ("Procfile", "x"),
            ("manifest.yml", "x"),
            ("a", ""),
        ]);
        assert_eq!(ask(app.path(), "GET", "/a", &[]).await.0, 200);
        for path in ["/Staticfile", "/Procfile", "/manifest.yml", "/%53taticfile"] {
            assert_eq!(ask(app.path(), "GET", path, &[]).await.0, 404, "{path}");
        }
    }

    #[tokio::test]
    async fn pages_for_what_is_missing() {
        let own = app(&[("Staticfile", ""), ("404.html", "nothing here")]);
        let (status, response) = ask(own.path(), "GET", "/none", &[]).await;
        assert_eq!((status, &*text(response).await), (404, "nothing here"));
        let named = app(&[
            ("Staticfile", "status_codes:\n  404: /lost.html\n"),
            ("lost.html", "lost"),
        ]);
        let (status, response) = ask(named.path(), "GET", "/none", &[]).await;
        assert_eq!((status, &*text(response).await), (404, "lost"));
        let application = app(&[
            ("Staticfile", "pushstate: enabled\n"),
            ("index.html", "app"),
        ]);
        let (status, response) = ask(application.path(), "GET", "/some/view", &[]).await;
        assert_eq!((status, &*text(response).await), (200, "app"));
    }

    #[tokio::test]
    async fn https_only() {
        let text = "force_https: true\nhttp_strict_transport_security: true\n";
        let app = app(&[("Staticfile", text), ("a", "")]);
        let plain = [("x-forwarded-proto", "http"), ("host", "shop.example:8080")];
        let (status, response) = ask(app.path(), "GET", "/a?x=1", &plain).await;
        assert_eq!(status, 308);
        assert_eq!(response.headers()["location"], "https://shop.example/a?x=1");
        let (_, response) = ask(app.path(), "GET", "/a", &[("x-forwarded-proto", "https")]).await;
        assert_eq!(
            response.headers()["strict-transport-security"],
            "max-age=31536000"
        );
    }
}
