//! Reports of pushes: who signed them, and what they say.
//!
//! GitHub and Bitbucket sign the body, GitLab sends the secret itself. Nothing of a body is read
//! before its signature is right.

mod bitbucket;
mod github;
mod gitlab;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Provider, check_branch, check_commit};

/// Bytes of the body of a report.
pub const WEBHOOK_BODY_BYTES: usize = 5 * 1024 * 1024;
/// Pushes of one report.
const PUSHES: usize = 100;
/// Characters of an author or message that are kept.
const TEXT_CHARS: usize = 1_000;

/// A branch has a new commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// `owner/name`.
    pub repo: String,
    /// Branch.
    pub branch: String,
    /// The commit that it points to now, 40 hex digits.
    pub commit: String,
    /// Who made the commit.
    pub author: String,
    /// First line of its message.
    pub message: String,
}

/// Why a report is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Nobody has set a secret.
    #[error("reports of pushes are not accepted: set webhook_secret")]
    NoSecret,
    /// The signature is missing or wrong.
    #[error("the signature of the report is missing or wrong")]
    Signature,
    /// The body is too large.
    #[error("the report is larger than {WEBHOOK_BODY_BYTES} bytes")]
    TooLarge,
    /// The body is not what the provider sends.
    #[error("the report can't be read: {0}")]
    Body(String),
}

pub(super) fn verify<'a>(
    provider: Provider,
    secret: &str,
    header: impl Fn(&str) -> Option<&'a str>,
    body: &[u8],
) -> Result<Vec<Push>, WebhookError> {
    if body.len() > WEBHOOK_BODY_BYTES {
        return Err(WebhookError::TooLarge);
    }
    if secret.is_empty() {
        return Err(WebhookError::NoSecret);
    }
    let (is_signed, event) = match provider {
        Provider::GitHub => (
            is_signature(secret, header("x-hub-signature-256"), body),
            header("x-github-event"),
        ),
        Provider::GitLab => (
            is_token(secret, header("x-gitlab-token")),
            header("x-gitlab-event"),
        ),
        Provider::Bitbucket => (
            is_signature(secret, header("x-hub-signature"), body),
            header("x-event-key"),
        ),
    };
    if !is_signed {
        return Err(WebhookError::Signature);
    }
    let event = event.unwrap_or_default();
    let unreadable = |error: serde_json::Error| WebhookError::Body(error.to_string());
    let pushes = match provider {
        Provider::GitHub if event == "push" => github::pushes(body).map_err(unreadable)?,
        Provider::GitLab if event == "Push Hook" => gitlab::pushes(body).map_err(unreadable)?,
        Provider::Bitbucket if event == "repo:push" => {
            bitbucket::pushes(body).map_err(unreadable)?
        }
        Provider::GitHub | Provider::GitLab | Provider::Bitbucket => Vec::new(),
    };
    pushes.into_iter().take(PUSHES).map(checked).collect()
}

fn checked(mut push: Push) -> Result<Push, WebhookError> {
    check_branch(&push.branch).map_err(|error| WebhookError::Body(error.to_string()))?;
    check_commit(&push.commit).map_err(|error| WebhookError::Body(error.to_string()))?;
    let first = |text: &str| {
        let line = text.lines().next().unwrap_or_default();
        line.chars().take(TEXT_CHARS).collect()
    };
    push.author = first(&push.author);
    push.message = first(&push.message);
    Ok(push)
}

fn mac(secret: &str, content: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(content);
    Some(mac)
}

/// `sha256=<hex>` of the body. Compared in constant time.
fn is_signature(secret: &str, header: Option<&str>, body: &[u8]) -> bool {
    let digest = header
        .and_then(|header| header.strip_prefix("sha256="))
        .and_then(|digits| hex::decode(digits).ok());
    match (digest, mac(secret, body)) {
        (Some(digest), Some(mac)) => mac.verify_slice(&digest).is_ok(),
        _ => false,
    }
}

/// The secret itself. Digests are compared, so that neither its length nor its beginning shows.
fn is_token(secret: &str, header: Option<&str>) -> bool {
    let given = header.and_then(|token| mac(secret, token.as_bytes()));
    match (given, mac(secret, secret.as_bytes())) {
        (Some(given), Some(expected)) => expected
            .verify_slice(&given.finalize().into_bytes())
            .is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn signed(secret: &str, body: &[u8]) -> String {
        let digest = mac(secret, body).unwrap().finalize().into_bytes();
        format!("sha256={}", hex::encode(digest))
    }

    fn call(
        provider: Provider,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Vec<Push>, WebhookError> {
        let find = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
        verify(provider, "secret", find, body)
    }

    fn push() -> Push {
        Push {
            repo: "owner/name".to_owned(),
            branch: "feature/x".to_owned(),
            commit: COMMIT.to_owned(),
            author: "Ada".to_owned(),
            message: "first line".to_owned(),
        }
    }

    #[test]
    fn github() {
        let body = json!({
            "ref": "refs/heads/feature/x", "after": COMMIT, "deleted": false,
            "repository": {"full_name": "owner/name"},
            "head_commit": {"id": COMMIT, "message": "first line\nmore", "author": {"name": "Ada"}},
        })
        .to_string();
        let signature = signed("secret", body.as_bytes());
        let headers = [
            ("x-github-event", "push"),
            ("x-hub-signature-256", &*signature),
        ];
        let found = call(Provider::GitHub, &headers, body.as_bytes());
        assert_eq!(found, Ok(vec![push()]));
        let headers = [
            ("x-github-event", "ping"),
            ("x-hub-signature-256", &*signature),
        ];
        assert_eq!(
            call(Provider::GitHub, &headers, body.as_bytes()),
            Ok(vec![])
        );
    }

    #[test]
    fn what_is_no_push_of_a_branch_is_none() {
        for body in [
            json!({"ref": "refs/tags/v1", "after": COMMIT, "repository": {"full_name": "o/n"}}),
            json!({"ref": "refs/heads/x", "after": "0".repeat(40), "deleted": true,
                   "repository": {"full_name": "o/n"}, "head_commit": null}),
        ] {
            let body = body.to_string();
            let signature = signed("secret", body.as_bytes());
            let headers = [
                ("x-github-event", "push"),
                ("x-hub-signature-256", &*signature),
            ];
            assert_eq!(
                call(Provider::GitHub, &headers, body.as_bytes()),
                Ok(vec![])
            );
        }
    }

    #[test]
    fn gitlab() {
        let body = json!({
            "object_kind": "push", "ref": "refs/heads/feature/x", "after": COMMIT,
            "checkout_sha": COMMIT, "project": {"path_with_namespace": "owner/name"},
            "commits": [
                {"id": "f".repeat(40), "message": "older", "author": {"name": "Eve"}},
                {"id": COMMIT, "message": "first line\n", "author": {"name": "Ada"}},
            ],
        })
        .to_string();
        let headers = [
            ("x-gitlab-event", "Push Hook"),
            ("x-gitlab-token", "secret"),
        ];
        let found = call(Provider::GitLab, &headers, body.as_bytes());
        assert_eq!(found, Ok(vec![push()]));
    }

    #[test]
    fn bitbucket() {
        let body = json!({
            "repository": {"full_name": "owner/name"},
            "push": {"changes": [
                {"new": {"type": "branch", "name": "feature/x", "target": {
                    "hash": COMMIT, "message": "first line\n",
                    "author": {"raw": "Ada <a@b.c>", "user": {"display_name": "Ada"}}}}},
                {"new": null},
                {"new": {"type": "tag", "name": "v1", "target": {"hash": COMMIT}}},
            ]},
        })
        .to_string();
        let signature = signed("secret", body.as_bytes());
        let headers = [
            ("x-event-key", "repo:push"),
            ("x-hub-signature", &*signature),
        ];
        let found = call(Provider::Bitbucket, &headers, body.as_bytes());
        assert_eq!(found, Ok(vec![push()]));
    }

    #[test]
    fn unsigned_and_wrongly_signed_reports_are_refused() {
        let other = signed("other", b"{}");
        let short = &signed("secret", b"{}")[..20];
        let cases: [(Provider, &str, &str); 7] = [
            (Provider::GitHub, "x-hub-signature-256", &other),
            (Provider::GitHub, "x-hub-signature-256", short),
            (Provider::GitHub, "x-hub-signature-256", ""),
            (
                Provider::GitHub,
                "x-hub-signature",
                &signed("secret", b"{}"),
            ),
            (Provider::GitLab, "x-gitlab-token", "secre"),
            (Provider::GitLab, "x-gitlab-token", "secret "),
            (Provider::Bitbucket, "x-hub-signature", &other),
        ];
        for (provider, name, value) in cases {
            let found = call(provider, &[(name, value)], b"{}");
            assert_eq!(found, Err(WebhookError::Signature), "{provider:?} {value}");
        }
        let none = verify(Provider::GitLab, "", |_| Some(""), b"{}");
        assert_eq!(none, Err(WebhookError::NoSecret));
    }

    #[test]
    fn bodies_that_lie_are_refused() {
        for body in [
            "[]".to_owned(),
            "{".to_owned(),
            json!({"ref": "refs/heads/-x", "after": COMMIT, "repository": {"full_name": "o/n"}})
                .to_string(),
            json!({"ref": "refs/heads/x", "after": "--help", "repository": {"full_name": "o/n"}})
                .to_string(),
        ] {
            let signature = signed("secret", body.as_bytes());
            let headers = [
                ("x-github-event", "push"),
                ("x-hub-signature-256", &*signature),
            ];
            let found = call(Provider::GitHub, &headers, body.as_bytes());
            assert!(matches!(found, Err(WebhookError::Body(_))), "{body}");
        }
    }
}
