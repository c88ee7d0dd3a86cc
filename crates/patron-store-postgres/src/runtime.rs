//! The store's own thread: connections live on it, and what was begun there is finished there, whether whoever
//! asked still waits or not.

use std::future::Future;
use std::thread::{self, JoinHandle};

use patron::store::{StoreError, StoreFuture};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::errors::NotAnswering;

/// The thread. Dropped, it ends, and every connection with it.
pub(crate) struct Runtime {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Runtime {
    pub(crate) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread =
            thread::Builder::new().name("patron-postgres".to_owned()).spawn(move || {
                // An error says that whoever could stop it is gone, which is the same.
                let _ = runtime.block_on(stopped);
            })?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What comes of `work`, done on this thread to its end.
    pub(crate) fn run<'a, T, F>(&self, work: F) -> StoreFuture<'a, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let task = self.handle.spawn(work);
        Box::pin(async move { task.await.unwrap_or_else(|_| Err(NotAnswering::Closed.into())) })
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It returns an error only if it panicked.
            let _ = thread.join();
        }
    }
}
