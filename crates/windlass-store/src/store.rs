//! The handle on an open database.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};

use crate::backup;
use crate::error::{StoreError, WriteError};
use crate::hints::{Hint, Hints};
use crate::options::OpenOptions;
use crate::pool::Pool;
use crate::reader::Reader;
use crate::sqlite::{self, Access, migrate};
use crate::tx::Tx;
use crate::writer::{Job, Message, Verdict, Writer, guarded};

/// An open database. Clones share it; it closes with the last one, after all waiting changes.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    options: OpenOptions,
    pool: Pool,
    lists: Arc<Semaphore>,
    hints: broadcast::Sender<Hint>,
    queue: Option<mpsc::Sender<Message>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What a rehearsed migration found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rehearsal {
    /// Schema version of the database.
    pub from: u32,
    /// Schema version of this program.
    pub to: u32,
}

impl Store {
    /// Opens a database, creating it or bringing it to the newest schema first.
    ///
    /// # Errors
    /// [`StoreError::Newer`] and [`StoreError::Foreign`] are final: the file is left untouched.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        migrate::refuse_foreign(&path)?;
        let connection = sqlite::open(&path, Access::Write, options.busy_timeout_ms)?;
        let found = migrate::migrate(&connection, &path)?;
        if found != migrate::NEWEST {
            tracing::info!(
                from = found,
                to = migrate::NEWEST,
                "database schema migrated"
            );
        }
        let last_commit = Reader::new(&connection).last_commit()?;
        let (queue, waiting) = mpsc::channel(options.queue_limit.max(1));
        let (hints, _) = broadcast::channel(options.hint_limit.max(1));
        let writer = Writer::new(
            connection,
            waiting,
            hints.clone(),
            options.group_limit,
            last_commit,
        );
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|e| StoreError::file("start the writer of", &path, e))?;
        let pool = Pool::new(path.clone(), options.idle_readers, options.busy_timeout_ms);
        let inner = Inner {
            lists: Arc::new(Semaphore::new(options.list_limit.max(1))),
            path,
            options,
            pool,
            hints,
            queue: Some(queue),
            writer: Mutex::new(Some(thread)),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Runs a closure in the writer, as one change that is kept whole if it gives `Ok` and not at
    /// all if it gives `Err`. When this returns `Ok`, the change is durable. The closure runs even
    /// if the caller stops waiting. It must not block: everybody else's changes wait behind it.
    ///
    /// # Errors
    /// [`WriteError::Refused`] with the closure's own error; otherwise the store failed.
    pub async fn write<T, E, F>(&self, change: F) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job = job(change, move |result| {
            // The caller may have gone; the change stays.
            let _ = sender.send(result);
        });
        let queue = self.queue().map_err(WriteError::Store)?;
        let wait = Duration::from_millis(self.inner.options.queue_wait_ms);
        let place = match tokio::time::timeout(wait, queue.reserve()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(WriteError::Store(StoreError::Closed)),
            Err(_) => return Err(WriteError::Store(StoreError::Overloaded)),
        };
        place.send(Message::Job(job));
        receiver
            .await
            .unwrap_or(Err(WriteError::Store(StoreError::Closed)))
    }

    /// The same for a thread outside of any async runtime; it waits for its place in the queue.
    ///
    /// # Panics
    /// When called on a thread of an async runtime.
    pub fn write_blocking<T, E, F>(&self, change: F) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let (sender, receiver) = std_mpsc::sync_channel(1);
        let job = job(change, move |result| {
            let _ = sender.send(result);
        });
        let queue = self.queue().map_err(WriteError::Store)?;
        queue
            .blocking_send(Message::Job(job))
            .map_err(|_| WriteError::Store(StoreError::Closed))?;
        receiver
            .recv()
            .unwrap_or(Err(WriteError::Store(StoreError::Closed)))
    }

    /// Runs a closure on one snapshot, on the thread of the caller: for a few rows by key or
    /// index, which take microseconds.
    pub fn read<T, E: From<StoreError>>(
        &self,
        read: impl FnOnce(&Reader<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.inner.pool.read(read)
    }

    /// Runs a closure on one snapshot, on a thread for blocking work: for lists and scans. Only
    /// some run at a time.
    pub async fn read_list<T, E, F>(&self, read: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Reader<'_>) -> Result<T, E> + Send + 'static,
    {
        let turn = Arc::clone(&self.inner.lists).acquire_owned().await;
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let result = guarded(|| store.inner.pool.read(read));
            drop(turn);
            result
        });
        match done.await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(StoreError::Closed.into()),
        }
    }

    /// Listens to commits from now on.
    pub fn hints(&self) -> Hints {
        Hints {
            receiver: self.inner.hints.subscribe(),
        }
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Writes a consistent copy to a new file while work goes on. The file appears whole or not at
    /// all. Blocking.
    ///
    /// # Errors
    /// [`StoreError::File`] when the file exists already or can't be written.
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<(), StoreError> {
        backup::backup(
            &self.inner.path,
            to.as_ref(),
            self.inner.options.busy_timeout_ms,
        )
    }

    /// Puts a backup in the place of a database that nobody has open. The backup is checked
    /// first; the target changes whole or not at all. Blocking.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when the target is open; [`StoreError::Newer`],
    /// [`StoreError::Foreign`], [`StoreError::Corrupt`] when the backup is no good.
    pub fn restore(backup: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<(), StoreError> {
        backup::restore(backup.as_ref(), target.as_ref())
    }

    /// Removes what a restore from `backup`, a copy made for it, has left when it was interrupted.
    /// Blocking.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn forget_restore(
        backup: impl AsRef<Path>,
        target: impl AsRef<Path>,
    ) -> Result<(), StoreError> {
        backup::forget_restore(backup.as_ref(), target.as_ref())
    }

    /// Tries the migration of this program on a copy of a database, which may be in use by an
    /// older one. The copy lies in `scratch` while this runs. Blocking.
    pub fn rehearse(
        path: impl AsRef<Path>,
        scratch: impl AsRef<Path>,
    ) -> Result<Rehearsal, StoreError> {
        backup::rehearse(path.as_ref(), scratch.as_ref())
    }

    /// Schema version of a database, which may be in use. Blocking.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] and [`StoreError::Newer`].
    pub fn schema_version(path: impl AsRef<Path>) -> Result<u32, StoreError> {
        backup::schema_version(path.as_ref())
    }

    /// Reads the whole database and checks that its pages, indexes and references agree. Blocking.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when they don't.
    pub fn integrity_check(&self) -> Result<(), StoreError> {
        let options = &self.inner.options;
        let connection = sqlite::open(&self.inner.path, Access::Read, options.busy_timeout_ms)?;
        backup::check(&connection)
    }

    /// Refreshes the statistics of the indexes and writes the log back. For now and then.
    pub async fn optimize(&self) -> Result<(), StoreError> {
        let (sender, receiver) = oneshot::channel();
        let message = Message::Optimize(Box::new(move |result| {
            let _ = sender.send(result);
        }));
        self.queue()?
            .send(message)
            .await
            .map_err(|_| StoreError::Closed)?;
        receiver.await.unwrap_or(Err(StoreError::Closed))
    }

    fn queue(&self) -> Result<&mpsc::Sender<Message>, StoreError> {
        self.inner.queue.as_ref().ok_or(StoreError::Closed)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.queue.take());
        let thread = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // A closure may hold the last clone: then this is the writer, which can't wait for itself.
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the database panicked");
        }
    }
}

/// Makes a job of a closure and of the way to tell its result.
fn job<T, E, F>(change: F, tell: impl FnOnce(Result<T, WriteError<E>>) + Send + 'static) -> Job
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
{
    Box::new(move |tx| {
        let result = match tx {
            Ok(tx) => guarded(|| change(tx)),
            Err(error) => Err(error),
        };
        match result {
            Ok(Ok(value)) => Verdict::Keep(Box::new(move |committed| {
                tell(committed.map(|()| value).map_err(WriteError::Store));
            })),
            // A refusal may rest on what an earlier job of the group wrote: it counts only if the
            // group was committed.
            Ok(Err(error)) => Verdict::Undo(Box::new(move |committed| {
                tell(Err(match committed {
                    Ok(()) => WriteError::Refused(error),
                    Err(failure) => WriteError::Store(failure),
                }));
            })),
            Err(error) => Verdict::Undo(Box::new(move |_| tell(Err(WriteError::Store(error))))),
        }
    })
}
