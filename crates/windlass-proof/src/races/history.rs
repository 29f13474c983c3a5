//! What was asked and answered, when: the history that is judged.

use std::fmt::Debug;
use std::time::Instant;

/// One request with what is known of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation<Q, R> {
    /// Who asked, for people.
    pub who: &'static str,
    /// What was asked.
    pub request: Q,
    /// What was answered; `None` when nobody knows whether it was carried out.
    pub reply: Option<R>,
    /// When it left, nanoseconds on the monotonic clock of this history.
    pub begin_ns: u64,
    /// When the answer was there, on the same clock.
    pub end_ns: u64,
}

impl<Q, R> Operation<Q, R> {
    /// Whether it was over before another one began. What was never answered may happen any time.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.reply.is_some() && self.end_ns < other.begin_ns
    }
}

/// All operations of one round.
#[derive(Debug, Clone)]
pub struct History<Q, R> {
    origin: Instant,
    operations: Vec<Operation<Q, R>>,
}

impl<Q: Debug, R: Debug + PartialEq> History<Q, R> {
    /// An empty one that begins now.
    pub fn begin() -> Self {
        Self {
            origin: Instant::now(),
            operations: Vec::new(),
        }
    }

    /// Adds an operation with its times.
    pub fn add(
        &mut self,
        who: &'static str,
        request: Q,
        reply: Option<R>,
        span: (Instant, Instant),
    ) {
        self.operations.push(Operation {
            who,
            request,
            reply,
            begin_ns: self.since(span.0),
            end_ns: self.since(span.1),
        });
    }

    /// Does something and notes it.
    pub fn note(&mut self, who: &'static str, request: Q, ask: impl FnOnce() -> Option<R>) {
        let begin = Instant::now();
        let reply = ask();
        self.add(who, request, reply, (begin, Instant::now()));
    }

    /// The operations as they were noted.
    pub fn operations(&self) -> &[Operation<Q, R>] {
        &self.operations
    }

    /// For people: one operation a line, by its begin.
    pub fn to_text(&self) -> String {
        let mut sorted: Vec<_> = self.operations.iter().collect();
        sorted.sort_by_key(|operation| operation.begin_ns);
        let line = |operation: &&Operation<Q, R>| {
            let answered = match &operation.reply {
                Some(reply) => format!("{reply:?}"),
                None => "no answer".to_owned(),
            };
            format!(
                "  {:>9} – {:>9} µs  {:<8} {:?} → {answered}\n",
                operation.begin_ns / 1000,
                operation.end_ns / 1000,
                operation.who,
                operation.request,
            )
        };
        sorted.iter().map(line).collect()
    }

    fn since(&self, at: Instant) -> u64 {
        let span = at.saturating_duration_since(self.origin);
        u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
    }
}
