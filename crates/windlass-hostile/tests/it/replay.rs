//! Each target with its corpus and with mutations of it.
//!
//! The mutations are the same in each run: `WINDLASS_HOSTILE_SEED` makes others,
//! `WINDLASS_HOSTILE_CASES` more of them. A failure tells the seed and the smallest input.

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use windlass_hostile::{TARGETS, corpus, mutation};

/// Steps to a smaller input.
const SHRINK_STEPS: u32 = 2_000;

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
        Err(_) => default,
    }
}

fn replay(name: &str, cases: u64) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let kept = corpus::of(name);
    for kept in &kept {
        let fed = std::panic::catch_unwind(|| (target.check)(&kept.bytes));
        assert!(fed.is_ok(), "the kept input {name}/{} fails", kept.name);
    }
    let seed = number("WINDLASS_HOSTILE_SEED", 1);
    let cases = number("WINDLASS_HOSTILE_CASES", cases);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: u32::try_from(cases).unwrap(),
        failure_persistence: None,
        max_shrink_iters: SHRINK_STEPS,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let inputs = mutation::inputs(
        kept.into_iter().map(|kept| kept.bytes).collect(),
        corpus::words(name),
    );
    let done = runner.run(&inputs, |input| {
        let fed = std::panic::catch_unwind(|| (target.check)(&input));
        fed.map_err(|_| TestCaseError::fail("a promise is broken, see above"))
    });
    match done {
        Ok(()) => println!("{name}: {cases} mutations with seed {seed}"),
        Err(TestError::Fail(reason, input)) => panic!(
            "{name} with WINDLASS_HOSTILE_SEED={seed}: {reason}\nsmallest input: b\"{}\"",
            input.escape_ascii()
        ),
        Err(TestError::Abort(reason)) => panic!("{name}: {reason}"),
    }
}

#[test]
fn app_spec() {
    replay("app_spec", 400);
}

#[test]
fn bodies_cf() {
    replay("bodies_cf", 150);
}

#[test]
fn bodies_digitalocean() {
    replay("bodies_digitalocean", 150);
}

#[test]
fn bodies_vercel() {
    replay("bodies_vercel", 150);
}

#[test]
fn framing() {
    replay("framing", 1_000);
}

#[test]
fn manifest() {
    replay("manifest", 150);
}

#[test]
fn multipart() {
    replay("multipart", 100);
}

#[test]
fn procfile() {
    replay("procfile", 2_000);
}

#[test]
fn route_table() {
    replay("route_table", 300);
}

#[test]
fn site() {
    replay("site", 600);
}

#[test]
fn token() {
    replay("token", 500);
}

#[test]
fn zip() {
    replay("zip", 500);
}
