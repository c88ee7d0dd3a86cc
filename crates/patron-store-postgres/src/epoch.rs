//! What this process knows of the management epoch: asked for all the time, and trusted for a second.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use patron::clock::MonotonicClock;
use patron::store::StoreError;
use tokio::time::{sleep, timeout};

use crate::connections::Connection;
use crate::errors::{Failed, NotAnswering};
use crate::migrations::OWN_SCHEMA;
use crate::rows::Columns;
use crate::settings::Limits;
use crate::sql::Statement;
use crate::transaction::Database;

/// How often the database is asked.
const ASKED_EVERY: Duration = Duration::from_millis(300);

/// How long the database may take for an answer, which costs it next to nothing.
const ANSWER_TIME_MAX: Duration = Duration::from_millis(500);

/// For how long an answer is believed. It counts from before the question was sent.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

static ASK: Statement = Statement::new(
    "SELECT e.epoch, (SELECT coalesce(max(works_from), 0) FROM migration)::bigint, \
     pg_is_in_recovery()::int::bigint, \
     (current_setting('synchronous_standby_names') <> '')::int::bigint FROM management_epoch AS e",
    &[],
);

/// The statements of this file, for those who look at all of them.
#[cfg(test)]
pub(crate) fn statements() -> Vec<&'static Statement> {
    vec![&ASK]
}

/// What the database says of itself.
struct Said {
    epoch: i64,
    /// The oldest schema whose programs still work.
    works_from: i64,
    is_replica: bool,
    /// Whether commits wait for replicas.
    has_followers: bool,
}

/// The epoch as this process knows it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Epochs(Arc<Inner>);

struct Inner {
    clock: Arc<dyn MonotonicClock>,
    /// Connections for this alone, so that nobody waits for others to learn that a key is revoked.
    database: Database,
    /// Ours: it grows whenever the database's is another one than before.
    own: AtomicU64,
    /// Until when it is trusted, in milliseconds of the clock.
    trusted_until_ms: AtomicU64,
    has_followers: AtomicBool,
    last: Mutex<Last>,
    /// When the last question failed, and why.
    failed: Mutex<Option<(Duration, Arc<StoreError>)>>,
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Last {
    epoch: Option<i64>,
    asked: Duration,
}

impl Epochs {
    pub(crate) fn new(database: Database, clock: Arc<dyn MonotonicClock>) -> Self {
        // A connection that says nothing is given up before much time is lost.
        let statement_time_max = database.limits.statement_time_max.min(ANSWER_TIME_MAX);
        let limits = Limits { statement_time_max, ..database.limits };
        let database = Database { limits, ..database };
        Self(Arc::new(Inner {
            clock,
            database,
            own: AtomicU64::new(0),
            trusted_until_ms: AtomicU64::new(0),
            has_followers: AtomicBool::new(false),
            last: Mutex::default(),
            failed: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }))
    }

    /// The epoch, if it is known of the last second.
    pub(crate) fn current(&self) -> Result<u64, StoreError> {
        let until = self.0.trusted_until_ms.load(Ordering::Acquire);
        let own = self.0.own.load(Ordering::Acquire);
        // The clock last: a process that was stopped in between has lost its trust.
        if millis(self.0.clock.elapsed()) < until {
            Ok(own)
        } else {
            Err(NotAnswering::Stale.into())
        }
    }

    /// The epoch as the database knows it now. Those who ask at the same time share an answer, or that there is none.
    pub(crate) async fn ask(&self) -> Result<u64, StoreError> {
        let began = self.0.clock.elapsed();
        let _asking = self.0.asking.lock().await;
        let is_answered = {
            let last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.epoch.is_some() && last.asked >= began
        };
        if is_answered && let Ok(own) = self.current() {
            return Ok(own);
        }
        let failed = self.0.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, error)) = failed
            && at >= began
        {
            return Err(NotAnswering::Shared(error).into());
        }
        let asked = self.0.clock.elapsed();
        match self.ask_database(asked).await {
            Ok(()) => Ok(self.0.own.load(Ordering::Acquire)),
            Err(error) => {
                let (at, error) = (self.0.clock.elapsed(), Arc::new(error));
                let failed = Some((at, Arc::clone(&error)));
                *self.0.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
                Err(NotAnswering::Shared(error).into())
            }
        }
    }

    /// The same, for whoever waits no longer than an answer is believed. The question goes on.
    pub(crate) async fn ask_in_time(&self) -> Result<u64, StoreError> {
        let epochs = self.clone();
        let asking = tokio::spawn(async move { epochs.ask().await });
        match timeout(TRUSTED_FOR, asking).await {
            Ok(asked) => asked.unwrap_or_else(|_| Err(NotAnswering::Closed.into())),
            Err(_) => Err(NotAnswering::TimedOut.into()),
        }
    }

    async fn ask_database(&self, asked: Duration) -> Result<(), StoreError> {
        let said = self.0.database.ask(|held| async move { ask(&held).await }).await?;
        if said.works_from > OWN_SCHEMA {
            return Err(NotAnswering::SchemaTooNew.into());
        }
        self.0.has_followers.store(said.has_followers, Ordering::Release);
        self.note(said.epoch, asked);
        Ok(())
    }

    /// Whether commits wait for replicas, as far as is known.
    pub(crate) fn has_followers(&self) -> bool {
        self.0.has_followers.load(Ordering::Acquire)
    }

    /// Takes in what was learned by a question or a change that was sent at `asked`.
    pub(crate) fn note(&self, epoch: i64, asked: Duration) {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        // After a gap anything may have been: a database that was restored counts from somewhere else.
        let was_cut_off = asked.saturating_sub(last.asked) > TRUSTED_FOR;
        if last.epoch != Some(epoch) || was_cut_off {
            self.0.own.fetch_add(1, Ordering::AcqRel);
        }
        last.epoch = Some(epoch);
        last.asked = last.asked.max(asked);
        let until = millis(last.asked.saturating_add(TRUSTED_FOR));
        self.0.trusted_until_ms.store(until, Ordering::Release);
    }

    /// The time by which notes are taken.
    pub(crate) fn now(&self) -> Duration {
        self.0.clock.elapsed()
    }

    /// Asks for as long as it is polled.
    pub(crate) async fn keep_asking(self) {
        loop {
            // Whoever needs to know while the database is away asks himself, and hears why.
            let _ = self.ask().await;
            sleep(ASKED_EVERY).await;
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

async fn ask(connection: &Connection) -> Result<Said, Failed> {
    let rows = connection.query(&ASK, &[]).await?;
    let missing = StoreError::Corrupt { table: "management_epoch", column: "epoch" };
    let row = rows.first().ok_or(missing)?;
    let mut columns = Columns::of(row, "management_epoch");
    let said = Said {
        epoch: columns.take_number("epoch")?,
        works_from: columns.take_number("works_from")?,
        is_replica: columns.take_number::<i64>("is_in_recovery")? != 0,
        has_followers: columns.take_number::<i64>("synchronous_standby_names")? != 0,
    };
    if said.is_replica {
        // The server was demoted under our feet; the next connection looks for the one that takes writes.
        connection.spoil();
        return Err(Failed::Refused(NotAnswering::Demoted.into()));
    }
    Ok(said)
}
