//! `load`: cycles of deploy, cancel, continue and rollback of an app that is being visited all the
//! while, by every kind of visitor. No request may fail, and by the access log none may be given to
//! a canceled version by the table that took its share away, or a later one.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use windlass::demo::{Failure, bits};

use crate::programs;
use crate::rig::Rig;
use access_log::{Log, Reader};
use connection::Visit;
use cycle::{Cycles, Done};
use tally::{Counts, Kind, Tally};
use visitors::Visitors;

mod access_log;
mod apps;
mod connection;
mod cycle;
mod socket;
mod table;
mod tally;
mod visitors;

/// Instances of the app.
const INSTANCES: u32 = 2;
/// How long an instance takes to end, milliseconds.
const LINGER_MS: u64 = 500;
/// Between two lines about how far it is.
const TELL_EVERY: Duration = Duration::from_secs(15);

/// Cycles of deploy, cancel, continue and rollback under load.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// At least so many cycles.
    #[arg(long, default_value_t = 100)]
    cycles: u64,
    /// At least so many requests.
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    /// Instead: so many apps, whose instances run in name only, are deployed at once, and most of
    /// these deployments are canceled, continued or superseded at once.
    #[arg(long, conflicts_with_all = ["cycles", "requests", "limit_minutes"],
          value_parser = clap::value_parser!(u32).range(20..=20_000))]
    apps: Option<u32>,
    /// Rounds with these apps; memory is compared between the middle one and the last.
    #[arg(long, default_value_t = 6, requires = "apps", value_parser = clap::value_parser!(u32).range(2..))]
    rounds: u32,
    /// What is asked of which app.
    #[arg(long, default_value_t = 1, requires = "apps")]
    seed: u64,
    /// Given up after so many minutes.
    #[arg(long, default_value_t = 60)]
    limit_minutes: u64,
    /// Prints one object.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// One object.
    Json,
}

/// Everything that was seen.
struct Seen {
    counts: Counts,
    failures: Vec<String>,
    done: Done,
    log: Log,
    left: Vec<String>,
    took: Duration,
}

/// Runs it; whether everything held.
///
/// # Errors
/// When Windlass or the example can't be had, or a deployment does not go as it should.
pub fn run(arguments: &Arguments) -> Result<bool, Failure> {
    if let Some(apps) = arguments.apps {
        let seen = apps::run(apps as usize, arguments.rounds, arguments.seed)?;
        if arguments.output == Output::Json {
            let _ = writeln!(std::io::stdout(), "{}", seen.to_json());
        }
        return Ok(seen.holds());
    }
    let (program, example) = (programs::windlass()?, programs::example()?);
    let mut rig = Rig::new(&program, &example, &[])?;
    let archive = |version: &str| {
        let settings = format!("VERSION={version}\nLINGER_MS={LINGER_MS}\n");
        bits::pack(&example, &[("hello.conf", &settings)])
    };
    let app = rig.platform.push("loaded", &archive("1")?, INSTANCES)?;
    let droplet = rig.platform.stage(&app, &archive("2")?)?;
    let log = rig.server.data_dir().join("router/access.log");
    let reader = Reader::start(log, app.host.clone())?;
    let tally = Arc::new(Tally::default());
    let visit = Visit {
        router: rig.router()?,
        host: app.host.clone(),
    };
    let visitors = Visitors::start(visit, Arc::clone(&tally))?;
    let mut cycles = Cycles::new(&rig, &app, Arc::clone(&tally), droplet);
    let started = Instant::now();
    let limit = Duration::from_secs(60 * arguments.limit_minutes);
    let mut told = started;
    loop {
        let (done, requests) = (cycles.done.cycles, tally.counts().total());
        if done >= arguments.cycles && requests >= arguments.requests {
            break;
        }
        if started.elapsed() > limit {
            let text = format!(
                "{done} cycles and {requests} requests in {} s",
                limit.as_secs()
            );
            return Err(Failure::Unexpected(text));
        }
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            let failed = tally.counts().failed;
            say(&format!(
                "  {done} cycles, {requests} requests, {failed} failed"
            ));
        }
        cycles.run()?;
    }
    let took = started.elapsed();
    let done = std::mem::take(&mut cycles.done);
    drop(cycles);
    if !visitors.finish() {
        tally.failed(Kind::Keeping, "the thread of the visitors broke");
    }
    // The router has written everything when it has ended.
    let left = rig.down()?;
    let log = reader.finish()?;
    let seen = Seen {
        counts: tally.counts(),
        failures: tally.failures(),
        done,
        log,
        left,
        took,
    };
    let wrong = seen.wrong();
    say(&seen.to_text());
    for line in &wrong {
        say(&format!("  {line}"));
    }
    say(if wrong.is_empty() {
        "all holds"
    } else {
        "NOT ALL HOLDS"
    });
    if arguments.output == Output::Json {
        let _ = writeln!(std::io::stdout(), "{}", seen.to_json(&wrong));
    }
    Ok(wrong.is_empty())
}

impl Seen {
    fn wrong(&self) -> Vec<String> {
        let mut wrong = self.left.clone();
        wrong.extend(self.failures.iter().map(|text| format!("failed: {text}")));
        if self.counts.failed > 0 {
            wrong.push(format!("{} failed", self.counts.failed));
        }
        for canceled in &self.done.canceled {
            let Some(picks) = self.log.versions.get(&canceled.version) else {
                continue;
            };
            let version = &canceled.version;
            if picks.newest >= canceled.zero.since {
                wrong.push(format!(
                    "canceled version {version} was picked by table {:?}, without a share since {:?}",
                    picks.newest, canceled.zero.since
                ));
            }
            if canceled
                .answered_us
                .is_some_and(|answered| picks.last_us > answered)
            {
                wrong.push(format!(
                    "canceled version {version} was picked after the answer"
                ));
            }
        }
        if self.log.strange > 0 {
            wrong.push(format!(
                "{} lines of the access log are none",
                self.log.strange
            ));
        }
        if self.log.total() < self.counts.total() {
            wrong.push(format!(
                "the access log has {} picks of {} requests",
                self.log.total(),
                self.counts.total()
            ));
        }
        wrong
    }

    fn to_text(&self) -> String {
        let (counts, done) = (&self.counts, &self.done);
        let kinds = Kind::ALL.map(|kind| format!("{} {}", kind.as_str(), counts.of(kind)));
        let exact = done
            .canceled
            .iter()
            .filter(|canceled| canceled.zero.is_exact)
            .count();
        let answered = done
            .canceled
            .iter()
            .filter(|canceled| canceled.answered_us.is_some());
        format!(
            "load: {} cycles: {} deployments, {} continues, {} cancels ({} too late), {} rollbacks\n\
             {} requests: {}\n\
             {} messages over websockets, {} websockets cut_by_drain, {} failed\n\
             {} picks checked against {} cancels ({exact} with their very table, {} in force with \
             their answer)\n\
             {} requests/s over {} s",
            done.cycles,
            done.deployments,
            done.continues,
            done.canceled.len(),
            done.too_late,
            done.rollbacks,
            counts.total(),
            kinds.join(", "),
            counts.messages,
            counts.cut_by_drain,
            counts.failed,
            self.log.total(),
            done.canceled.len(),
            answered.count(),
            self.rate(),
            self.took.as_secs(),
        )
    }

    fn rate(&self) -> u64 {
        self.counts.total() / self.took.as_secs().max(1)
    }

    fn to_json(&self, wrong: &[String]) -> Value {
        let (counts, done) = (&self.counts, &self.done);
        let kinds: serde_json::Map<String, Value> = Kind::ALL
            .iter()
            .map(|kind| (kind.as_str().to_owned(), json!(counts.of(*kind))))
            .collect();
        json!({
            "cycles": done.cycles,
            "deployments": done.deployments,
            "continues": done.continues,
            "cancels": done.canceled.len(),
            "cancels_too_late": done.too_late,
            "rollbacks": done.rollbacks,
            "requests": counts.total(),
            "by_kind": kinds,
            "messages": counts.messages,
            "cut_by_drain": counts.cut_by_drain,
            "failed": counts.failed,
            "picks_checked": self.log.total(),
            "requests_per_second": self.rate(),
            "seconds": self.took.as_secs_f64(),
            "wrong": wrong,
            "holds": wrong.is_empty(),
        })
    }
}

/// For people.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use windlass_router::Position;

    use super::access_log::Picks;
    use super::cycle::Canceled;
    use super::table::Zero;
    use super::*;

    fn at(generation: u64) -> Position {
        let epoch = 1;
        Position { epoch, generation }
    }

    /// One cancel by table 7 whose answer was there at 1,000 µs; the last pick of its version was
    /// by this table and at this time.
    fn seen(newest: u64, last_us: u64, requests: u64) -> Seen {
        let tally = Tally::default();
        for _ in 0..requests {
            tally.answered(Kind::Keeping, "1");
        }
        let mut log = Log::default();
        let newest = at(newest);
        let picks = |count| Picks {
            count,
            newest,
            last_us,
        };
        log.versions.insert("v2".to_owned(), picks(4));
        log.versions.insert("v1".to_owned(), picks(6));
        let zero = Zero {
            since: at(7),
            is_exact: true,
        };
        let version = "v2".to_owned();
        let answered_us = Some(1_000);
        Seen {
            counts: tally.counts(),
            failures: Vec::new(),
            done: Done {
                canceled: vec![Canceled {
                    version,
                    zero,
                    answered_us,
                }],
                ..Done::default()
            },
            log,
            left: Vec::new(),
            took: Duration::from_secs(1),
        }
    }

    #[test]
    fn what_holds_and_what_does_not() {
        assert_eq!(seen(6, 1_000, 10).wrong(), Vec::<String>::new());
        assert_eq!(
            seen(7, 1_000, 10).wrong().len(),
            1,
            "by the table that took it away"
        );
        assert_eq!(seen(6, 1_001, 10).wrong().len(), 1, "after the answer");
        assert_eq!(
            seen(6, 1_000, 11).wrong().len(),
            1,
            "a request that nobody picked"
        );
        let mut failed = seen(6, 1_000, 10);
        let tally = Tally::default();
        tally.failed(Kind::Upload, "no");
        failed.counts = tally.counts();
        assert_eq!(failed.wrong(), ["1 failed"]);
    }
}
