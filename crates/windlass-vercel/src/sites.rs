//! How deployments meet their visitors: the names that clients and functions know.

use windlass_control::sites::{AnswerHeader, AnswerKind, Pins, RequestHeader, SiteManners};

use crate::server::{REGION, REQUEST_ID};

/// Header that says what went wrong.
const ERROR: &str = "x-vercel-error";

/// The manners of deployments.
pub fn manners() -> SiteManners {
    let id = format!("{REGION}::{{request_id}}");
    let answer = |name: &str, value: &str, on| AnswerHeader {
        name: name.to_owned(),
        value: value.to_owned(),
        on,
    };
    let request = |name: &str, value: &str| RequestHeader {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let common = [
        answer("server", "Vercel", AnswerKind::Any),
        answer(REQUEST_ID, &id, AnswerKind::Any),
    ];
    let mut answers = common.to_vec();
    answers.extend([
        answer("x-vercel-cache", "HIT", AnswerKind::File),
        answer("x-vercel-cache", "MISS", AnswerKind::Function),
        answer(ERROR, "NOT_FOUND", AnswerKind::NotFound),
        answer(
            ERROR,
            "FUNCTION_INVOCATION_FAILED",
            AnswerKind::FunctionFailed,
        ),
    ]);
    let mut absent = common.to_vec();
    absent.push(answer(ERROR, "DEPLOYMENT_NOT_FOUND", AnswerKind::NotFound));
    SiteManners {
        answers,
        requests: vec![
            request("x-real-ip", "{client}"),
            request("x-forwarded-for", "{client}"),
            request("x-vercel-forwarded-for", "{client}"),
            request(REQUEST_ID, &id),
        ],
        pins: Some(Pins {
            parameter: "dpl".to_owned(),
            header: "x-deployment-id".to_owned(),
            cookie: "__vdpl".to_owned(),
        }),
        absent,
    }
}
