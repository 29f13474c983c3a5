//! Framing beside nginx, of which the verdicts are recorded, and through a real router.

use std::collections::BTreeSet;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use windlass_hostile::corpus;
use windlass_hostile::framing::check;
use windlass_hostile::framing::grammar::connections;
use windlass_hostile::framing::message::Message;
use windlass_hostile::framing::router::Routed;
use windlass_hostile::framing::verdict::{TAKEN, forwarded, recorded};

/// Connections that are made up and sent through the router.
const ROUTED: usize = 200;
/// Connections that are made up and judged only.
const JUDGED: usize = 1_500;

fn runner() -> TestRunner {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[1; 32]);
    TestRunner::new_with_rng(Config::default(), rng)
}

#[test]
fn what_nginx_refuses_is_refused() {
    let verdicts = recorded();
    let kept = corpus::of("framing");
    let names: BTreeSet<&str> = kept.iter().map(|kept| kept.name.as_str()).collect();
    let judged: BTreeSet<&str> = verdicts.keys().map(String::as_str).collect();
    assert_eq!(
        names, judged,
        "record them: cargo run -p windlass-hostile -- nginx --record"
    );
    for kept in &kept {
        let statuses = &verdicts[&kept.name];
        let taken = statuses.iter().take_while(|status| **status == TAKEN);
        let (messages, _) = forwarded(&kept.bytes);
        assert!(
            messages.len() <= taken.count(),
            "{}: nginx says {statuses:?} to\n{}",
            kept.name,
            kept.bytes.escape_ascii()
        );
    }
}

#[test]
fn requests_of_right_and_wrong_parts_are_judged_the_same_by_all() {
    let mut runner = runner();
    let connections = connections();
    let mut passed = 0;
    for _ in 0..JUDGED {
        let input = connections.new_tree(&mut runner).unwrap().current();
        check(&input);
        passed += forwarded(&input).0.len();
    }
    assert!(passed > JUDGED / 10, "most are refused: {passed} passed");
}

/// Method and body of a request: what the router must not change.
fn essence(message: &Message) -> (String, Vec<u8>) {
    (message.method.clone(), message.body.clone())
}

#[test]
fn an_instance_gets_only_what_was_let_through() {
    let routed = Routed::start().unwrap();
    let kept = corpus::of("framing").into_iter().map(|kept| kept.bytes);
    let mut runner = runner();
    let made = connections();
    let made = (0..ROUTED).map(|_| made.new_tree(&mut runner).unwrap().current());
    let (mut let_through, mut got) = (Vec::new(), 0);
    for input in kept.chain(made) {
        let (messages, _) = forwarded(&input);
        let_through.extend(messages.iter().map(essence));
        routed.send(&input).unwrap();
        // What a client did not wait for may come later, but nothing comes that was not sent.
        for (bytes, message) in routed.take() {
            got += 1;
            assert!(
                let_through.contains(&essence(&message)),
                "{}\nmade the instance get\n{}",
                input.escape_ascii(),
                bytes.escape_ascii()
            );
            assert!(
                !message.target.contains("smuggled") || is_plain(&message),
                "{message:?}"
            );
        }
    }
    assert!(got <= let_through.len(), "{got} of {}", let_through.len());
    assert!(got > ROUTED / 4, "only {got} requests came through");
}

/// No sign of a length in two ways.
fn is_plain(message: &Message) -> bool {
    let has = |name: &str| message.headers.iter().any(|(found, _)| found == name);
    !(has("content-length") && has("transfer-encoding"))
}
