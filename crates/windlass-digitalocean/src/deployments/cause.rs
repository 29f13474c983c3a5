//! `cause` and `cause_details`: what a deployment came from, in words and in full.

use serde_json::{Value, json};

use crate::document::{By, Cause, Pushed};

/// Hex digits of a commit in words.
const SHORT_COMMIT: usize = 7;

/// The words.
pub(crate) fn text(cause: &Cause) -> String {
    match cause {
        Cause::Initial(_) => "initial deployment".to_owned(),
        Cause::Manual(_) => "manual".to_owned(),
        Cause::Spec(_) => "app spec updated".to_owned(),
        Cause::Restart(_) => "app restarted".to_owned(),
        Cause::Rollback(_) => "app rolled back".to_owned(),
        Cause::Revert(_) => "app rollback reverted".to_owned(),
        Cause::Push(pushed) => format!(
            "commit {} pushed to {}/{}",
            short(&pushed.commit),
            pushed.provider,
            pushed.repo
        ),
    }
}

/// The word by which lists are filtered.
pub(crate) fn kind(cause: &Cause) -> &'static str {
    match cause {
        Cause::Initial(_)
        | Cause::Manual(_)
        | Cause::Spec(_)
        | Cause::Restart(_)
        | Cause::Revert(_) => "MANUAL",
        Cause::Rollback(_) => "MANUAL_ROLLBACK",
        Cause::Push(_) => "DEPLOY_ON_PUSH",
    }
}

/// The whole.
pub(crate) fn details(cause: &Cause) -> Value {
    let by_user = |by: &By, name: &str| {
        json!({
            "digitalocean_user_action": {
                "user": {"uuid": by.id, "full_name": by.name},
                "name": name,
            },
            "type": kind(cause),
        })
    };
    match cause {
        Cause::Initial(by) | Cause::Manual(by) => by_user(by, "CREATE_DEPLOYMENT"),
        Cause::Spec(by) => by_user(by, "UPDATE_SPEC"),
        Cause::Restart(by) => by_user(by, "RESTART"),
        Cause::Rollback(by) => by_user(by, "ROLLBACK_APP"),
        Cause::Revert(by) => by_user(by, "REVERT_APP_ROLLBACK"),
        Cause::Push(pushed) => json!({ "git_push": push(pushed), "type": kind(cause) }),
    }
}

fn push(pushed: &Pushed) -> Value {
    let mut value = json!({
        pushed.provider.as_str(): {
            "repo": pushed.repo,
            "branch": pushed.branch,
            "deploy_on_push": true,
        },
        "commit_sha": pushed.commit,
    });
    if let Some(object) = value.as_object_mut() {
        for (name, text) in [
            ("commit_author", &pushed.author),
            ("commit_message", &pushed.message),
        ] {
            if !text.is_empty() {
                object.insert(name.to_owned(), json!(text));
            }
        }
    }
    value
}

fn short(commit: &str) -> &str {
    commit.get(..SHORT_COMMIT).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_told_as_the_reference_page_does() {
        let cause = Cause::Push(Pushed {
            provider: "github".to_owned(),
            repo: "digitalocean/sample-golang".to_owned(),
            branch: "main".to_owned(),
            commit: "9a4df0b8e161e323bc3cdf1dc71878080fe144fa".to_owned(),
            author: String::new(),
            message: "first".to_owned(),
        });
        assert_eq!(
            text(&cause),
            "commit 9a4df0b pushed to github/digitalocean/sample-golang"
        );
        assert_eq!(
            details(&cause),
            json!({
                "git_push": {
                    "github": {
                        "repo": "digitalocean/sample-golang",
                        "branch": "main",
                        "deploy_on_push": true,
                    },
                    "commit_sha": "9a4df0b8e161e323bc3cdf1dc71878080fe144fa",
                    "commit_message": "first",
                },
                "type": "DEPLOY_ON_PUSH",
            })
        );
    }

    #[test]
    fn users_are_named() {
        let by = By {
            id: "u".to_owned(),
            name: "anna".to_owned(),
        };
        assert_eq!(text(&Cause::Manual(by.clone())), "manual");
        assert_eq!(text(&Cause::Spec(by.clone())), "app spec updated");
        let shown = details(&Cause::Rollback(by));
        assert_eq!(shown["type"], "MANUAL_ROLLBACK");
        assert_eq!(shown["digitalocean_user_action"]["name"], "ROLLBACK_APP");
    }
}
