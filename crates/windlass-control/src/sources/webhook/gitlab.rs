//! GitLab's report of a push.

use serde::Deserialize;

use super::Push;

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "ref")]
    reference: String,
    after: String,
    project: Project,
    #[serde(default)]
    commits: Vec<Commit>,
}

#[derive(Deserialize)]
struct Project {
    path_with_namespace: String,
}

#[derive(Deserialize, Default)]
struct Commit {
    id: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    author: Author,
}

#[derive(Deserialize, Default)]
struct Author {
    #[serde(default)]
    name: String,
}

pub(super) fn pushes(body: &[u8]) -> Result<Vec<Push>, serde_json::Error> {
    let body: Body = serde_json::from_slice(body)?;
    let Some(branch) = body.reference.strip_prefix("refs/heads/") else {
        return Ok(Vec::new());
    };
    // A branch that was removed.
    if body.after.bytes().all(|byte| byte == b'0') {
        return Ok(Vec::new());
    }
    let commit = body
        .commits
        .into_iter()
        .find(|commit| commit.id == body.after);
    let commit = commit.unwrap_or_default();
    Ok(vec![Push {
        repo: body.project.path_with_namespace,
        branch: branch.to_owned(),
        commit: body.after,
        author: commit.author.name,
        message: commit.message,
    }])
}
