//! What is wrong with a history, for people.

use super::history::History;
use super::linearize::{Model, Refusal, check};

/// Nothing, when the model explains it and every request had an answer: where nobody dies, none
/// may be lost.
pub(super) fn judge<M: Model>(
    model: &M,
    start: &M::State,
    story: &History<M::Request, M::Reply>,
) -> Vec<String>
where
    M::Reply: PartialEq,
{
    let mut wrong = Vec::new();
    match check(model, start, story.operations()) {
        Ok(()) => {}
        Err(Refusal::Impossible { explained, stuck }) => wrong.push(format!(
            "no order explains this history; {explained} operations could be, then {}:\n{}",
            stuck.join(" or "),
            story.to_text()
        )),
        Err(Refusal::TooLong) => wrong.push(format!(
            "this history is too long to be judged:\n{}",
            story.to_text()
        )),
    }
    let all = story.operations().iter();
    for lost in all.filter(|operation| operation.reply.is_none()) {
        wrong.push(format!("{}: no answer to {:?}", lost.who, lost.request));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::races::model::task::{Reply, Request, Stage, Tasks};

    #[test]
    fn an_answer_that_is_lost_is_told() {
        let mut story = History::begin();
        story.note("runner", Request::Run, || Some(Reply::Is(Stage::Running)));
        assert!(judge(&Tasks, &None, &story).is_empty());
        story.note("cancel", Request::Cancel, || None);
        let lost = judge(&Tasks, &None, &story);
        assert_eq!(lost, ["cancel: no answer to Cancel"]);
        story.note("watcher", Request::Read, || Some(Reply::Is(Stage::Failed)));
        assert_eq!(judge(&Tasks, &None, &story).len(), 2);
    }
}
