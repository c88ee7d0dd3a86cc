//! The store's own thread: connections live on it, and what was begun there is finished there, whether whoever
//! asked still waits or not.

use std::future::Future;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use patron::store::{StoreError, StoreFuture};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::errors::NotAnswering;

/// The thread. Dropped, it ends, and every connection with it.
pub(crate) struct Runtime {
    handle: Handle,
    /// How long whoever asks waits for what is done here.
    wait_max: Duration,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Runtime {
    pub(crate) fn start(wait_max: Duration) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread =
            thread::Builder::new().name("patron-postgres".to_owned()).spawn(move || {
                // An error says that whoever could stop it is gone, which is the same.
                let _ = runtime.block_on(stopped);
            })?;
        Ok(Self { handle, wait_max, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What comes of `work`, done on this thread to its end, if that comes in time.
    pub(crate) fn run<'a, T, F>(&self, work: F) -> StoreFuture<'a, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.run_or(work, NotAnswering::TimedOut)
    }

    /// The same, when it is something else that is to be said if it does not come in time.
    pub(crate) fn run_or<'a, T, F>(&self, work: F, late: NotAnswering) -> StoreFuture<'a, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let task = self.handle.spawn(work);
        let answer = async move { task.await.unwrap_or_else(|_| Err(NotAnswering::Closed.into())) };
        self.in_time(answer, late)
    }

    /// What comes of `work`, however long it takes.
    pub(crate) fn run_for_long<'a, T, F>(&self, work: F) -> StoreFuture<'a, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let task = self.handle.spawn(work);
        Box::pin(async move { task.await.unwrap_or_else(|_| Err(NotAnswering::Closed.into())) })
    }

    /// An answer that is worked on here, if it comes in time.
    pub(crate) fn in_time<'a, T: 'a>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>> + Send + 'a,
        late: NotAnswering,
    ) -> StoreFuture<'a, T> {
        // By the clock of this thread, since whoever waits may have none.
        let _entered = self.handle.enter();
        let waiting = timeout(self.wait_max, answer);
        Box::pin(async move { waiting.await.unwrap_or_else(|_| Err(late.into())) })
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
