//! A site for tests, and requests in a line of text.

use std::collections::BTreeSet;

use serde_json::Value;
use windlass_build_output::{Decision, Files, Site, SiteRequest};

/// A site with its files.
pub(crate) struct TestSite {
    pub(crate) site: Site,
    files: BTreeSet<String>,
}

impl Files for TestSite {
    fn has_file(&self, path: &str) -> bool {
        self.files.contains(&format!("static/{path}"))
    }

    fn has_function(&self, name: &str) -> bool {
        self.files.contains(&format!("functions/{name}.func"))
    }
}

impl TestSite {
    /// `files`: paths apart by spaces, those of functions end with `.func`.
    pub(crate) fn new(config: &Value, files: &str) -> Self {
        let files = files
            .split_whitespace()
            .map(|file| {
                let is_function = file.strip_suffix(".func").is_some();
                let folder = if is_function { "functions" } else { "static" };
                format!("{folder}/{file}")
            })
            .collect();
        let site = Site::parse(config.to_string().as_bytes()).unwrap_or_else(|error| {
            panic!("{error}: {config}");
        });
        Self { site, files }
    }

    /// What `[METHOD] [//HOST]PATH[?QUERY] [NAME:VALUE]…` leads to, as a line:
    /// `STATUS file NAME`, `function NAME TARGET` or `STATUS`, with the headers.
    pub(crate) fn ask(&self, line: &str) -> String {
        with_request(line, |request| told(self.site.evaluate(request, self)))
    }

    /// The same for an error.
    pub(crate) fn fail(&self, status: u16, line: &str) -> String {
        with_request(line, |request| {
            told(self.site.evaluate_error(status, request, self))
        })
    }
}

fn with_request<R>(line: &str, then: impl FnOnce(SiteRequest<'_>) -> R) -> R {
    let mut words = line.split(' ');
    let mut first = words.next().unwrap();
    let mut method = "GET";
    if !first.starts_with('/') {
        method = first;
        first = words.next().unwrap();
    }
    let headers: Vec<(String, String)> = words
        .filter_map(|word| word.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.replace('_', " ")))
        .collect();
    let (host, target) = match first.strip_prefix("//h.") {
        Some(rest) => {
            let (host, path) = rest.split_once('/').unwrap();
            (format!("h.{host}"), format!("/{path}"))
        }
        None => ("app.test".to_owned(), first.to_owned()),
    };
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    then(SiteRequest {
        method,
        host: &host,
        path,
        query,
        headers: &headers,
    })
}

fn told(decision: Decision) -> String {
    let with = |head: String, headers: Vec<(String, String)>| {
        let headers = headers.iter();
        headers.fold(head, |text, (name, value)| {
            format!("{text} [{name}: {value}]")
        })
    };
    match decision {
        Decision::File {
            file,
            content_type,
            status,
            headers,
        } => {
            let content_type = content_type.map(|content_type| format!(" ({content_type})"));
            let content_type = content_type.unwrap_or_default();
            with(format!("{status} file {file}{content_type}"), headers)
        }
        Decision::Function {
            name,
            target,
            status,
            headers,
        } => {
            let status = status
                .map(|status| format!("{status} "))
                .unwrap_or_default();
            with(format!("{status}function {name} {target}"), headers)
        }
        Decision::Answer { status, headers } => with(status.to_string(), headers),
        Decision::TooMuchWork => "too much work".to_owned(),
    }
}

/// One site with what requests to it lead to.
pub(crate) fn check(config: &Value, files: &str, cases: &[(&str, &str)]) {
    let site = TestSite::new(config, files);
    for (line, wanted) in cases {
        assert_eq!(site.ask(line), *wanted, "{line} of {config}");
    }
}
