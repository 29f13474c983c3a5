//! GitHub's report of a push.

use serde::Deserialize;

use super::Push;

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "ref")]
    reference: String,
    after: String,
    #[serde(default)]
    deleted: bool,
    repository: Repository,
    #[serde(default)]
    head_commit: Option<Commit>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize, Default)]
struct Commit {
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
    if body.deleted {
        return Ok(Vec::new());
    }
    let commit = body.head_commit.unwrap_or_default();
    Ok(vec![Push {
        repo: body.repository.full_name,
        branch: branch.to_owned(),
        commit: body.after,
        author: commit.author.name,
        message: commit.message,
    }])
}
