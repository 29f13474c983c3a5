//! The one writer: a thread that owns the write connection and commits in groups.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;
use tokio::sync::{broadcast, mpsc};
use windlass_engine::id::{AppId, CommitNumber};

use crate::crash_point::crash_point;
use crate::error::StoreError;
use crate::hints::Hint;
use crate::sqlite::database;
use crate::sqlite::failure::is_disk_failure;
use crate::tx::Tx;

/// Jobs after which the write-ahead log is written back into the database. Between two write-backs
/// the log grows by what these jobs changed, some MiB.
const CHECKPOINT_JOBS: usize = 512;

/// Rows of an index that its statistics are made from.
const ANALYSIS_ROWS: u32 = 1000;

/// Tells a caller how its job ended, once the fate of the group is known.
pub(crate) type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// What is to become of a job's changes.
pub(crate) enum Verdict {
    /// They are kept.
    Keep(Answer),
    /// They are undone, but not those of the other jobs in the group.
    Undo(Answer),
}

/// A job: gets the transaction, or the reason why there is none.
pub(crate) type Job = Box<dyn FnOnce(Result<&mut Tx<'_>, StoreError>) -> Verdict + Send>;

/// What the writer is asked for.
pub(crate) enum Message {
    /// A change.
    Job(Job),
    /// Tidying outside of any transaction.
    Optimize(Answer),
}

/// The writer's side of the queue.
pub(crate) struct Writer {
    connection: Connection,
    queue: mpsc::Receiver<Message>,
    hints: broadcast::Sender<Hint>,
    group_limit: usize,
    last_commit: CommitNumber,
    jobs_since_checkpoint: usize,
    /// Set when a commit failed in such a way that nobody knows what lies on the disk.
    disk_failed: bool,
}

impl Writer {
    /// A writer on a migrated connection.
    pub(crate) fn new(
        connection: Connection,
        queue: mpsc::Receiver<Message>,
        hints: broadcast::Sender<Hint>,
        group_limit: usize,
        last_commit: CommitNumber,
    ) -> Self {
        Self {
            connection,
            queue,
            hints,
            group_limit: group_limit.max(1),
            last_commit,
            jobs_since_checkpoint: 0,
            disk_failed: false,
        }
    }

    /// Works until nobody can send any more.
    pub(crate) fn run(mut self) {
        while let Some(message) = self.queue.blocking_recv() {
            let mut next = Some(message);
            while let Some(message) = next.take() {
                match message {
                    Message::Job(job) => next = self.group(job),
                    Message::Optimize(answer) => answer(self.optimize()),
                }
            }
        }
        // The last connection to close would do this as well, but without telling.
        if let Err(error) = self
            .connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        {
            tracing::warn!(%error, "the write-ahead log could not be written back at the end");
        }
    }

    /// Runs the first job and all that wait, commits once, then answers. Gives back a message that
    /// does not belong to the group.
    fn group(&mut self, first: Job) -> Option<Message> {
        let begun = if self.disk_failed {
            Err(StoreError::DiskFailed)
        } else {
            self.execute("BEGIN IMMEDIATE")
        };
        if let Err(error) = begun {
            answer_of(first(Err(error.clone())))(Err(error));
            return None;
        }
        crash_point!("store-group-begun");
        let mut group = Group {
            commit: self.last_commit,
            changed: false,
            touched: BTreeSet::new(),
            answers: Vec::new(),
        };
        let mut left = None;
        let mut next = Some(first);
        let mut broken = None;
        while let Some(job) = next.take() {
            if let Err(error) = self.job(job, &mut group) {
                broken = Some(error);
                break;
            }
            crash_point!("store-job-done");
            if group.answers.len() < self.group_limit {
                match self.queue.try_recv() {
                    Ok(Message::Job(job)) => next = Some(job),
                    Ok(other) => left = Some(other),
                    Err(_) => {}
                }
            }
        }
        let jobs = group.answers.len();
        let changed = group.changed;
        let committed = match broken {
            Some(error) => Err(error),
            // Nothing to make durable: no number is used up and no sync is paid for.
            None if !changed => self.execute("ROLLBACK"),
            None => self.commit(&group),
        };
        match &committed {
            Ok(()) if changed => self.announce(&mut group),
            Ok(()) => {}
            Err(error) => {
                tracing::error!(%error, "a commit failed");
                if !self.connection.is_autocommit() {
                    // The failure is told already; the transaction just has to be gone.
                    let _ = self.execute("ROLLBACK");
                }
            }
        }
        for answer in group.answers {
            answer(committed.clone());
        }
        crash_point!("store-answered");
        if changed {
            self.checkpoint(jobs);
        }
        left
    }

    /// Runs one job inside a savepoint of its own. An error concerns the whole group.
    fn job(&mut self, job: Job, group: &mut Group) -> Result<(), StoreError> {
        let commit = CommitNumber(group.commit.0 + 1);
        if let Err(error) = self.execute("SAVEPOINT job") {
            group.answers.push(answer_of(job(Err(error.clone()))));
            return Err(error);
        }
        let changes_before = self.connection.total_changes();
        let mut tx = Tx::new(&self.connection, commit);
        let verdict = job(Ok(&mut tx));
        let touched = tx.into_touched();
        match verdict {
            Verdict::Keep(answer) => {
                group.answers.push(answer);
                group.commit = commit;
                group.changed |= self.connection.total_changes() != changes_before;
                group.touched.extend(touched);
                self.execute("RELEASE job")
            }
            Verdict::Undo(answer) => {
                group.answers.push(answer);
                self.execute("ROLLBACK TO job")?;
                self.execute("RELEASE job")
            }
        }
    }

    fn commit(&mut self, group: &Group) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE commits SET last_commit = ? WHERE id = 1")
            .and_then(|mut statement| statement.execute([group.commit.0]))
            .map_err(database)?;
        crash_point!("store-commit-before");
        let committed = self
            .connection
            .prepare_cached("COMMIT")
            .and_then(|mut statement| statement.execute([]));
        crash_point!("store-commit-after");
        match committed {
            Ok(_) => Ok(()),
            // A sync that failed can't be tried again: the kernel may have dropped the pages and
            // would report success. Only a new start reads what is really there.
            Err(error) if is_disk_failure(&error) => {
                self.disk_failed = true;
                Err(StoreError::DiskFailed)
            }
            Err(error) => Err(database(error)),
        }
    }

    /// Wakes whoever listens. Before the answers: a hint that comes early does no harm.
    fn announce(&mut self, group: &mut Group) {
        self.last_commit = group.commit;
        let touched = std::mem::take(&mut group.touched);
        let hint = Hint::Touched {
            commit: group.commit,
            apps: touched.into_iter().collect(),
        };
        // Nobody listening is fine.
        let _ = self.hints.send(hint);
    }

    /// Writes the log back now and then, after the answers, so that no caller waits for it.
    fn checkpoint(&mut self, jobs: usize) {
        self.jobs_since_checkpoint += jobs;
        if self.jobs_since_checkpoint < CHECKPOINT_JOBS {
            return;
        }
        self.jobs_since_checkpoint = 0;
        // PASSIVE waits for no reader; what it can't write back stays in the log.
        if let Err(error) = self
            .connection
            .execute_batch("PRAGMA wal_checkpoint(PASSIVE)")
        {
            tracing::warn!(%error, "the write-ahead log could not be written back");
        }
        crash_point!("store-checkpointed");
    }

    /// Refreshes statistics from samples and writes the log back as far as no reader hinders it:
    /// whoever wants to cancel meanwhile must not wait for a long list to end.
    fn optimize(&mut self) -> Result<(), StoreError> {
        self.connection
            .execute_batch(&format!(
                "PRAGMA analysis_limit = {ANALYSIS_ROWS};
                 PRAGMA optimize;
                 PRAGMA wal_checkpoint(PASSIVE);"
            ))
            .map_err(database)
    }

    fn execute(&self, sql: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
            .map(drop)
            .map_err(database)
    }
}

/// The jobs of one commit.
struct Group {
    /// Number of the last job that is kept.
    commit: CommitNumber,
    /// Whether any kept job wrote something.
    changed: bool,
    touched: BTreeSet<AppId>,
    answers: Vec<Answer>,
}

fn answer_of(verdict: Verdict) -> Answer {
    match verdict {
        Verdict::Keep(answer) | Verdict::Undo(answer) => answer,
    }
}

/// Runs a caller's closure; a panic in it must not end the writer.
pub(crate) fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| StoreError::Panicked)
}
