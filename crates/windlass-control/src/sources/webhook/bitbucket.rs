//! Bitbucket's report of a push: several branches at once.

use serde::Deserialize;

use super::Push;

#[derive(Deserialize)]
struct Body {
    repository: Repository,
    push: Changes,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize)]
struct Changes {
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    /// Absent when the branch was removed.
    #[serde(default)]
    new: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    target: Target,
}

#[derive(Deserialize)]
struct Target {
    hash: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    author: Author,
}

#[derive(Deserialize, Default)]
struct Author {
    #[serde(default)]
    raw: String,
    #[serde(default)]
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    display_name: String,
}

pub(super) fn pushes(body: &[u8]) -> Result<Vec<Push>, serde_json::Error> {
    let body: Body = serde_json::from_slice(body)?;
    let branches = body
        .push
        .changes
        .into_iter()
        .filter_map(|change| change.new);
    let push = |new: Reference| Push {
        repo: body.repository.full_name.clone(),
        branch: new.name,
        commit: new.target.hash,
        author: match new.target.author.user {
            Some(user) => user.display_name,
            None => new.target.author.raw,
        },
        message: new.target.message,
    };
    Ok(branches
        .filter(|new| new.kind == "branch")
        .map(push)
        .collect())
}
