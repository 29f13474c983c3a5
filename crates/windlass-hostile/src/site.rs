//! Built sites: whatever `config.json` or the project file says, a request is answered with bounded
//! work, with files below `static/` only and headers that are headers.
//!
//! An input is a document, then lines: an address, a cookie, names of files.

use std::cell::Cell;

use serde_json::Value;
use windlass_build_output::{
    Decision, Files, Function, Site, SiteRequest, check_layout, config_of_project,
};

/// Looks for files of one request: the limit is 256 of each phase that looks.
const LOOKS: u32 = 4_096;
/// Between the document and the lines.
const BORDER: &str = "\n---\n";

/// What a site has, and how often that was asked.
struct Counted<'a> {
    names: &'a [&'a str],
    looks: Cell<u32>,
}

impl Counted<'_> {
    fn has(&self, name: &str) -> bool {
        self.looks.set(self.looks.get() + 1);
        assert!(
            !name.split('/').any(|part| part == ".." || part.is_empty()),
            "{name:?}"
        );
        assert!(!name.contains('\0'), "{name:?}");
        self.names.contains(&name)
    }
}

impl Files for Counted<'_> {
    fn has_file(&self, path: &str) -> bool {
        self.has(path)
    }

    fn has_function(&self, name: &str) -> bool {
        self.has(name)
    }
}

/// Feeds one site and one request.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (document, lines) = text.split_once(BORDER).unwrap_or((&text, ""));
    let mut lines = lines.lines();
    let address = lines.next().unwrap_or("/");
    let cookie = lines.next().unwrap_or_default();
    let names: Vec<&str> = lines.collect();
    if let Ok(site) = Site::parse(document.as_bytes()) {
        answers(&site, address, cookie, &names);
    }
    let _ = Function::parse("api/hello", document.as_bytes());
    let _ = check_layout(names.iter().copied());
    if let Ok(project) = serde_json::from_str::<Value>(document)
        && let Ok(config) = config_of_project(&project, &names)
    {
        let site = Site::parse(config.to_string().as_bytes());
        let site = site.unwrap_or_else(|error| panic!("{error}: {config}"));
        answers(&site, address, cookie, &names);
    }
}

fn answers(site: &Site, address: &str, cookie: &str, names: &[&str]) {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let path = format!("/{}", path.trim_start_matches('/'));
    let headers = [
        ("cookie".to_owned(), cookie.to_owned()),
        ("x-test".to_owned(), "1".to_owned()),
    ];
    let request = SiteRequest {
        method: "GET",
        host: "shop.test",
        path: &path,
        query,
        headers: &headers,
    };
    let files = Counted {
        names,
        looks: Cell::new(0),
    };
    sound(&site.evaluate(request, &files), names);
    for status in [404, 500] {
        sound(&site.evaluate_error(status, request, &files), names);
    }
    assert!(files.looks.get() <= LOOKS, "{} looks", files.looks.get());
}

fn sound(decision: &Decision, names: &[&str]) {
    let (headers, status) = match decision {
        Decision::File {
            file,
            headers,
            status,
            content_type,
        } => {
            assert!(names.contains(&file.as_str()), "{file:?}");
            let kind = content_type.as_deref().unwrap_or_default();
            assert!(!kind.contains(['\r', '\n', '\0']), "{kind:?}");
            (headers, Some(*status))
        }
        Decision::Function {
            name,
            target,
            status,
            headers,
        } => {
            assert!(names.contains(&name.as_str()), "{name:?}");
            assert!(target.starts_with('/'), "{target:?}");
            (headers, *status)
        }
        Decision::Answer { status, headers } => (headers, Some(*status)),
        Decision::TooMuchWork => return,
    };
    assert!(
        status.is_none_or(|status| (100..=599).contains(&status)),
        "{status:?}"
    );
    for (name, value) in headers {
        assert!(!name.contains(['\r', '\n', '\0', ':', ' ']), "{name:?}");
        assert!(!value.contains(['\r', '\n', '\0']), "{name}: {value:?}");
    }
}
