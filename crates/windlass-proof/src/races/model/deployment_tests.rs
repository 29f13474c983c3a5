//! Histories that can be, and histories that must be refused.

use super::Word::{Canceled, Canceling, Deployed, Deploying, Paused, Superseded};
use super::{Client, Deployments, Reply, Request, State, Which, Word};
use crate::races::history::Operation;
use crate::races::linearize::check;

type Asked = Operation<Request, Reply>;

/// One after the other.
fn in_turn(steps: &[(Request, Reply)]) -> Vec<Asked> {
    let at = |index: usize| index as u64 * 10;
    steps
        .iter()
        .enumerate()
        .map(|(index, (request, reply))| asked(*request, reply.clone(), at(index), at(index) + 5))
        .collect()
}

fn asked(request: Request, reply: Reply, begin_ns: u64, end_ns: u64) -> Asked {
    Operation {
        who: "x",
        request,
        reply: Some(reply),
        begin_ns,
        end_ns,
    }
}

fn can_be(pauses: u8, history: &[Asked]) -> bool {
    check(&Deployments { pauses }, &State::new(1), history).is_ok()
}

const CREATE: (Request, Reply) = (Request::Create(Which::First), Reply::Is(Deploying));
const READ: Request = Request::Read(Which::First);

fn cancel(by: u8) -> Request {
    let client = Client::CloudFoundry;
    Request::Cancel { by, client }
}

fn read(word: Word) -> (Request, Reply) {
    (READ, Reply::Is(word))
}

fn refused(request: Request, word: Word) -> (Request, Reply) {
    (request, Reply::Refused(Some(word)))
}

#[test]
fn what_may_be() {
    let accepted = (cancel(1), Reply::Is(Canceling));
    for (pauses, steps) in [
        (
            0,
            vec![
                CREATE,
                read(Deploying),
                read(Deployed),
                refused(cancel(1), Deployed),
            ],
        ),
        (
            0,
            vec![CREATE, accepted.clone(), read(Canceling), read(Canceled)],
        ),
        (
            0,
            vec![CREATE, accepted.clone(), refused(cancel(2), Canceled)],
        ),
        (
            0,
            vec![
                CREATE,
                accepted.clone(),
                (cancel(2), Reply::Is(Canceling)),
                read(Canceled),
            ],
        ),
        (
            1,
            vec![
                CREATE,
                read(Paused),
                accepted.clone(),
                refused(Request::Continue, Canceling),
            ],
        ),
        (
            1,
            vec![
                CREATE,
                (Request::Continue, Reply::Is(Deploying)),
                refused(Request::Continue, Deploying),
                read(Deployed),
            ],
        ),
        (
            2,
            vec![
                CREATE,
                (Request::Continue, Reply::Is(Deploying)),
                (Request::Continue, Reply::Is(Deployed)),
                read(Deployed),
            ],
        ),
        (
            1,
            vec![
                CREATE,
                (Request::Scale(3), Reply::Refused(None)),
                accepted.clone(),
                (Request::Scale(3), Reply::Done),
                (Request::ReadInstances, Reply::Instances(3)),
            ],
        ),
        (
            1,
            vec![
                CREATE,
                (Request::Stop, Reply::Done),
                (cancel(1), Reply::Is(Canceled)),
            ],
        ),
        (
            1,
            vec![
                CREATE,
                read(Paused),
                (Request::Create(Which::Second), Reply::Is(Deploying)),
                refused(cancel(1), Superseded),
            ],
        ),
        (
            1,
            vec![
                CREATE,
                accepted.clone(),
                (Request::Create(Which::Second), Reply::Is(Deploying)),
                read(Canceling),
                read(Canceled),
            ],
        ),
    ] {
        assert!(can_be(pauses, &in_turn(&steps)), "{steps:?}");
    }
}

#[test]
fn what_must_be_refused() {
    let accepted = (cancel(1), Reply::Is(Canceling));
    let superseded = (Request::Create(Which::Second), Reply::Is(Deploying));
    for (pauses, what, steps) in [
        (
            0,
            "an accepted cancel that was deployed",
            vec![CREATE, accepted.clone(), read(Deployed)],
        ),
        (
            0,
            "two outcomes",
            vec![CREATE, read(Deployed), read(Canceled)],
        ),
        (
            0,
            "a cancel that is accepted after the end",
            vec![CREATE, read(Deployed), (cancel(1), Reply::Is(Canceling))],
        ),
        (
            0,
            "a refusal that names another outcome",
            vec![CREATE, accepted.clone(), refused(cancel(2), Deployed)],
        ),
        (
            0,
            "canceled before anybody said so",
            vec![CREATE, read(Canceled)],
        ),
        (
            0,
            "canceling before anybody said so",
            vec![CREATE, read(Canceling)],
        ),
        (
            0,
            "a way back from an outcome",
            vec![CREATE, accepted.clone(), read(Canceled), read(Canceling)],
        ),
        (
            0,
            "a refusal before the end",
            vec![CREATE, refused(cancel(1), Deploying)],
        ),
        (
            0,
            "a refusal without its reason",
            vec![CREATE, read(Deployed), (cancel(1), Reply::Refused(None))],
        ),
        (
            0,
            "a pause that was not ordered",
            vec![CREATE, read(Paused)],
        ),
        (
            1,
            "an end behind a pause that nobody opened",
            vec![CREATE, read(Deployed)],
        ),
        (
            1,
            "two continues of one pause",
            vec![
                CREATE,
                (Request::Continue, Reply::Is(Deploying)),
                (Request::Continue, Reply::Is(Deploying)),
            ],
        ),
        (
            1,
            "a continue of what is canceled",
            vec![
                CREATE,
                accepted.clone(),
                (Request::Continue, Reply::Is(Deploying)),
            ],
        ),
        (
            1,
            "a pause after a cancel",
            vec![CREATE, accepted.clone(), read(Paused)],
        ),
        (
            1,
            "a cancel that a newer one undid",
            vec![
                CREATE,
                accepted.clone(),
                superseded.clone(),
                read(Superseded),
            ],
        ),
        (
            1,
            "a cancel of what a newer one took over",
            vec![
                CREATE,
                superseded.clone(),
                (cancel(1), Reply::Is(Canceling)),
            ],
        ),
        (
            1,
            "one that nobody took over",
            vec![CREATE, superseded.clone(), read(Paused)],
        ),
        (
            1,
            "the first cancel forgotten",
            vec![
                CREATE,
                accepted.clone(),
                (cancel(2), Reply::Is(Canceling)),
                (Request::ReadCanceler, Reply::Canceler(Some(2))),
            ],
        ),
        (
            1,
            "a scale while it moves",
            vec![CREATE, read(Paused), (Request::Scale(2), Reply::Done)],
        ),
        (
            1,
            "a scale that is refused without need",
            vec![
                CREATE,
                accepted.clone(),
                (Request::Scale(2), Reply::Refused(None)),
            ],
        ),
        (
            1,
            "a scale that is lost",
            vec![
                CREATE,
                accepted.clone(),
                (Request::Scale(2), Reply::Done),
                (Request::ReadInstances, Reply::Instances(1)),
            ],
        ),
        (
            1,
            "a move while the app is stopped",
            vec![
                CREATE,
                read(Deploying),
                (Request::Stop, Reply::Done),
                read(Deploying),
                read(Paused),
            ],
        ),
        (
            0,
            "an answer that says nothing known",
            vec![CREATE, (cancel(1), Reply::Strange("500".to_owned()))],
        ),
    ] {
        assert!(!can_be(pauses, &in_turn(&steps)), "{what}: {steps:?}");
    }
}

#[test]
fn what_overlaps_is_judged_by_what_was_answered() {
    let created = asked(CREATE.0, CREATE.1, 0, 1);
    let accepted = |by| asked(cancel(by), Reply::Is(Canceling), 10, 20);
    let first = |by| asked(Request::ReadCanceler, Reply::Canceler(Some(by)), 30, 31);
    for by in [1, 2] {
        assert!(can_be(
            1,
            &[created.clone(), accepted(1), accepted(2), first(by)]
        ));
    }
    assert!(!can_be(
        1,
        &[created.clone(), accepted(1), accepted(2), first(3)]
    ));
    // Both may win, but not both of them at once.
    let resumed = asked(Request::Continue, Reply::Is(Deploying), 10, 20);
    assert!(can_be(1, &[created.clone(), accepted(1), resumed.clone()]));
    let late = asked(READ, Reply::Is(Deployed), 21, 22);
    assert!(!can_be(
        1,
        &[created.clone(), accepted(1), resumed.clone(), late.clone()]
    ));
    // A read that began after the answer sees what was answered.
    let (during, after) = (
        asked(READ, Reply::Is(Paused), 15, 18),
        asked(READ, Reply::Is(Paused), 21, 22),
    );
    assert!(can_be(1, &[created.clone(), accepted(1), during]));
    assert!(!can_be(1, &[created.clone(), accepted(1), after]));
    // What changed nothing when it was sent may have changed something when it was carried out.
    let over = asked(READ, Reply::Is(Canceled), 30, 31);
    let scaled = |instances| asked(Request::Scale(instances), Reply::Done, 40, 50);
    let left = asked(Request::ReadInstances, Reply::Instances(1), 60, 61);
    let ended = [
        created.clone(),
        accepted(1),
        over,
        scaled(1),
        scaled(2),
        left,
    ];
    assert!(can_be(1, &ended));
    // Without an answer it may have been carried out or not, but not both.
    let lost = Operation {
        reply: None,
        ..accepted(1)
    };
    let over = |word| asked(READ, Reply::Is(word), 40, 41);
    assert!(can_be(0, &[created.clone(), lost.clone(), over(Deployed)]));
    assert!(can_be(0, &[created.clone(), lost.clone(), over(Canceled)]));
    assert!(!can_be(
        0,
        &[
            created,
            lost,
            over(Deployed),
            asked(READ, Reply::Is(Canceled), 50, 51)
        ]
    ));
}

#[test]
fn each_client_has_its_rules_for_what_is_over() {
    let with = |client| Request::Cancel { by: 2, client };
    let history = |request, reply| {
        let steps = [
            CREATE,
            (cancel(1), Reply::Is(Canceling)),
            read(Canceled),
            (request, reply),
        ];
        can_be(0, &in_turn(&steps))
    };
    assert!(history(with(Client::DigitalOcean), Reply::Done));
    for client in [Client::CloudFoundry, Client::Vercel, Client::CommandLine] {
        assert!(!history(with(client), Reply::Done), "{client:?}");
    }
    assert!(history(with(Client::Vercel), Reply::Refused(None)));
    assert!(history(with(Client::CommandLine), Reply::Refused(None)));
    assert!(!history(with(Client::CloudFoundry), Reply::Refused(None)));
    assert!(!history(with(Client::DigitalOcean), Reply::Refused(None)));
}
