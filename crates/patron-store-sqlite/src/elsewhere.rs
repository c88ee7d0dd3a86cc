//! Reads that may take long: on a thread of their own, so that whoever shares the caller's thread does not wait.

use std::sync::Arc;
use std::thread;

use patron::store::StoreError;
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use crate::errors::NotAnswering;
use crate::views::Views;

/// How many run at once: they use processors that others need as well.
const AT_ONCE: usize = 2;

/// Whose turn it is.
pub(crate) struct Elsewhere(Arc<Semaphore>);

impl Elsewhere {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }

    /// Reads in one moment, on another thread. What nobody waits for any more is read to its end all the same, and has
    /// its turn for so long.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        views: &Arc<Views>,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = Arc::clone(&self.0).acquire_owned().await;
        let turn = turn.map_err(|_| NotAnswering::ReaderEnded)?;
        let (reply, answer) = oneshot::channel();
        let views = Arc::clone(views);
        let work = move || {
            // Whoever does not wait any more is not told.
            let _ = reply.send(views.read(read));
            drop(turn);
        };
        let thread = thread::Builder::new().name("patron-reader".to_owned());
        thread.spawn(work).map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        answer.await.unwrap_or_else(|_| Err(NotAnswering::ReaderEnded.into()))
    }
}
