//! `windlass-hostile`: framing beside a nginx that runs.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use windlass_hostile::framing::grammar::connections;
use windlass_hostile::framing::nginx::{Nginx, version};
use windlass_hostile::framing::router::Routed;
use windlass_hostile::framing::verdict::{TAKEN, Verdicts, forwarded, record};
use windlass_hostile::{corpus, mutation};

/// Every so many connections one is sent through the router too.
const ROUTED_EVERY: u64 = 20;
/// Differences that are shown.
const SHOWN: usize = 20;

/// Shows what strangers can do.
#[derive(Debug, Parser)]
#[command(name = "windlass-hostile", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Debug, Subcommand)]
enum Tool {
    /// What is let through, nginx must take; and what the router sends, it must take as it is.
    Nginx {
        /// Connections that are made up.
        #[arg(long, default_value_t = 20_000)]
        cases: u64,
        /// Where the making begins.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Records the verdicts on the kept inputs, for the tests, and does nothing else.
        #[arg(long)]
        record: bool,
    },
}

fn main() -> ExitCode {
    let Tool::Nginx {
        cases,
        seed,
        record,
    } = Arguments::parse().tool;
    let done = if record { keep() } else { differ(cases, seed) };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("windlass-hostile: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn keep() -> std::io::Result<bool> {
    let (nginx, version) = (Nginx::start()?, version()?);
    let mut verdicts = Verdicts::new();
    for kept in corpus::of("framing") {
        let answers = nginx.ask(&kept.bytes)?;
        verdicts.insert(kept.name, answers.statuses);
    }
    record(&version, &verdicts)?;
    say(&format!("{} verdicts of {version}", verdicts.len()));
    Ok(true)
}

fn differ(cases: u64, seed: u64) -> std::io::Result<bool> {
    let (nginx, routed) = (Nginx::start()?, Routed::start()?);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let kept = corpus::of("framing").into_iter().map(|kept| kept.bytes);
    let mutated = mutation::inputs(kept.collect(), corpus::words("framing"));
    let made = proptest::prop_oneof![connections(), mutated];
    let mut found = Vec::new();
    let (mut passed, mut sent) = (0_usize, 0_usize);
    for number in 0..cases {
        let tree = made.new_tree(&mut runner);
        let input = tree.map_err(|reason| std::io::Error::other(reason.to_string()))?;
        let input = input.current();
        let (messages, bytes) = forwarded(&input);
        passed += messages.len();
        if let Some(last) = messages.last() {
            // Behind a request that ends the connection nobody reads.
            let wanted = messages.len() + usize::from(!last.ends_connection());
            let answers = nginx.ask_with_next(&input[..bytes])?;
            if answers.statuses != vec![TAKEN; wanted] {
                found.push((input[..bytes].to_vec(), answers.statuses, "let through"));
            }
        }
        if number % ROUTED_EVERY == 0 {
            routed.send(&input)?;
            for (bytes, _) in routed.take() {
                sent += 1;
                let answers = nginx.ask_with_next(&bytes)?;
                if answers.statuses != [TAKEN, TAKEN] {
                    found.push((bytes, answers.statuses, "sent by the router"));
                }
            }
        }
    }
    for (bytes, statuses, what) in found.iter().take(SHOWN) {
        say(&format!(
            "{what}, nginx {statuses:?}: {}",
            bytes.escape_ascii()
        ));
    }
    say(&format!(
        "{cases} connections with seed {seed}: {passed} requests let through, {sent} sent by the \
         router, {} taken otherwise by {}",
        found.len(),
        version()?
    ));
    Ok(found.is_empty())
}
