//! Confirming what was read: that its commits are where commits have to be before they are acknowledged.
//!
//! A commit that waits for a replica shows before the replica has it when its waiting is cut short, or its server
//! was restarted. Whoever finds it then, and has nothing to write, would acknowledge what may yet be lost. But a
//! replica takes the log in its order: once it has a commit that began after the finding, it has what was found.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use patron::clock::MonotonicClock;
use patron::store::StoreError;

use crate::epoch::Epochs;
use crate::errors::NotAnswering;
use crate::sql::Statement;
use crate::transaction::Database;

/// A lock that hinders nobody makes a commit of what would otherwise be a mere question.
static TOUCH: Statement =
    Statement::new("SELECT 1::bigint FROM management_epoch FOR KEY SHARE", &[]);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    vec![&TOUCH]
}

/// Confirms what was read. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Confirmations(Arc<Inner>);

struct Inner {
    database: Database,
    epochs: Epochs,
    clock: Arc<dyn MonotonicClock>,
    last: Mutex<Last>,
    confirming: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Last {
    /// When the last commit that succeeded was begun.
    began: Option<Duration>,
    /// When the last one that did not had ended, and why.
    failed: Option<(Duration, Arc<StoreError>)>,
}

impl Confirmations {
    pub(crate) fn new(database: Database, epochs: Epochs, clock: Arc<dyn MonotonicClock>) -> Self {
        let (last, confirming) = (Mutex::default(), tokio::sync::Mutex::default());
        Self(Arc::new(Inner { database, epochs, clock, last, confirming }))
    }

    /// Whether there is anything to wait for.
    pub(crate) fn is_due(&self) -> bool {
        self.0.epochs.has_followers()
    }

    /// Waits until what was read so far is confirmed. Those who wait at the same time share a commit.
    pub(crate) async fn confirm(&self) -> Result<(), StoreError> {
        let read = self.0.clock.elapsed();
        let _confirming = self.0.confirming.lock().await;
        {
            let last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.began.is_some_and(|began| began >= read) {
                return Ok(());
            }
            if let Some((ended, error)) = &last.failed
                && *ended >= read
            {
                return Err(NotAnswering::Shared(Arc::clone(error)).into());
            }
        }
        let began = self.0.clock.elapsed();
        let touched = self.0.database.write(|held| async move { held.query(&TOUCH, &[]).await });
        let touched = touched.await;
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        match touched {
            Ok(_) => {
                last.began = Some(began);
                Ok(())
            }
            Err(failed) => {
                let error = Arc::new(StoreError::from(failed));
                last.failed = Some((self.0.clock.elapsed(), Arc::clone(&error)));
                Err(NotAnswering::Shared(error).into())
            }
        }
    }
}
