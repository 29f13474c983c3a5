//! The backends that the suite runs against.

use std::path::PathBuf;

use tempfile::TempDir;
use windlass_store::{OpenOptions, Row, Store, StoreError, Tx};

/// A backend.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Backend {
    Sqlite,
}

/// A test for each backend.
macro_rules! for_each_backend {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                super::$name($crate::backend::Backend::Sqlite);
            })*
        }
    };
}
pub(crate) use for_each_backend;

/// An open store in a directory of its own.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) folder: TempDir,
}

impl Fixture {
    pub(crate) fn new(backend: Backend) -> Self {
        Self::with(backend, OpenOptions::default())
    }

    pub(crate) fn with(backend: Backend, options: OpenOptions) -> Self {
        match backend {
            Backend::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let store = Store::open(folder.path().join("windlass.db"), options).unwrap();
                Self { store, folder }
            }
        }
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopen(self) -> Self {
        let Self { store, folder } = self;
        let path = store.path().to_owned();
        drop(store);
        let store = Store::open(path, OpenOptions::default()).unwrap();
        Self { store, folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.store.path().to_owned()
    }

    /// Runs a change that must succeed.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.try_write(change).unwrap()
    }

    pub(crate) fn try_write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.store
            .write_blocking(change)
            .map_err(windlass_store::WriteError::flatten)
    }

    pub(crate) fn put<T: Row + Sync>(&self, row: T) {
        self.write(move |tx| tx.put(&row));
    }

    pub(crate) fn try_put<T: Row + Sync>(&self, row: T) -> Result<(), StoreError> {
        self.try_write(move |tx| tx.put(&row))
    }

    pub(crate) fn get<T: Row>(&self, key: &str) -> Option<T> {
        self.store.read(|r| r.get_by_key::<T>(key)).unwrap()
    }
}
