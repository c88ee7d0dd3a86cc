//! What this process knows of the management epoch: asked for all the time, and trusted for a second.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use patron::clock::MonotonicClock;
use patron::store::StoreError;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::PostgresStore;
use crate::connections::Connection;
use crate::errors::{Failed, NotAnswering, chain};
use crate::migrations::OWN_SCHEMA;
use crate::open_error::OpenError;
use crate::rows::Columns;
use crate::sql::Statement;
use crate::transaction::{Database, Held};

/// How often the database is asked.
const ASKED_EVERY: Duration = Duration::from_millis(300);

/// For how long an answer is believed. It counts from before the question was sent.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// How long a host may take to let us in: the next one may be the one that answers.
pub(crate) const CONNECT_TIME_MAX: Duration = Duration::from_secs(1);

static ASK: Statement = Statement::new(
    "SELECT e.epoch, (SELECT coalesce(max(works_from), 0) FROM migration)::bigint, \
     pg_is_in_recovery()::int::bigint, \
     (current_setting('synchronous_standby_names') <> '')::int::bigint, \
     (CASE current_setting('synchronous_commit') WHEN 'off' THEN 1 WHEN 'local' \
      THEN (current_setting('synchronous_standby_names') <> '')::int ELSE 0 END)::bigint \
     FROM management_epoch AS e",
    &[],
);

/// The statements of this file, for those who look at all of them.
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
    /// Whether it confirms what it has not stored, here or where it has to be as well.
    is_unsafe: bool,
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
    /// How many questions were sent.
    sent: AtomicU64,
    /// Somebody waits for the next answer.
    wanted: Notify,
    heard: watch::Sender<Heard>,
}

/// What came of the last question.
#[derive(Clone, Default)]
struct Heard {
    /// The number of the question.
    number: u64,
    failure: Option<Arc<StoreError>>,
}

#[derive(Default)]
struct Last {
    epoch: Option<i64>,
    asked: Duration,
}

impl Epochs {
    pub(crate) fn new(database: Database, clock: Arc<dyn MonotonicClock>) -> Self {
        Self(Arc::new(Inner {
            clock,
            database,
            own: AtomicU64::new(0),
            trusted_until_ms: AtomicU64::new(0),
            has_followers: AtomicBool::new(false),
            last: Mutex::default(),
            sent: AtomicU64::new(0),
            wanted: Notify::new(),
            heard: watch::Sender::default(),
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

    /// The epoch as the database knows it now. Those who ask at the same time share an answer, and hear at the same
    /// time that there is none: nobody waits for longer than what he would hear is good for.
    pub(crate) async fn ask(&self) -> Result<u64, StoreError> {
        let mut heard = self.0.heard.subscribe();
        let sent_before = self.0.sent.load(Ordering::Acquire);
        self.0.wanted.notify_one();
        let answered = async {
            while heard.changed().await.is_ok() {
                let Heard { number, failure } = heard.borrow_and_update().clone();
                match failure {
                    // What could not be answered while we wait cannot be, whoever asked first.
                    Some(failure) => return Err(NotAnswering::Shared(failure).into()),
                    None if number > sent_before => return self.current(),
                    None => {}
                }
            }
            Err(NotAnswering::Closed.into())
        };
        timeout(TRUSTED_FOR, answered).await.unwrap_or_else(|_| Err(NotAnswering::TimedOut.into()))
    }

    /// The same, asked as often as it takes, which is not for ever.
    pub(crate) async fn ask_patiently(&self, tries_max: u32) -> Result<u64, OpenError> {
        let mut tries = 0_u32;
        loop {
            tries = tries.saturating_add(1);
            match self.ask().await {
                Ok(epoch) => return Ok(epoch),
                Err(error) if tries >= tries_max => return Err(OpenError::Away(chain(&error))),
                Err(_) => {}
            }
        }
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

    /// The database's own number of the last change that this process has learned of.
    fn learned(&self) -> Option<u64> {
        let last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.epoch.and_then(|epoch| u64::try_from(epoch).ok())
    }

    /// The time by which notes are taken.
    pub(crate) fn now(&self) -> Duration {
        self.0.clock.elapsed()
    }

    /// Asks for as long as it is polled: now and then, and at once when somebody waits.
    pub(crate) async fn keep_asking(self) {
        loop {
            let number = self.0.sent.fetch_add(1, Ordering::AcqRel).saturating_add(1);
            let failure = self.ask_database().await.err().map(Arc::new);
            self.0.heard.send_replace(Heard { number, failure });
            // That nobody waits is no reason not to ask.
            let _ = timeout(ASKED_EVERY, self.0.wanted.notified()).await;
        }
    }

    async fn ask_database(&self) -> Result<(), StoreError> {
        let asked = self.now();
        let question = |held: Held| async move { ask(&held).await };
        // A connection that says nothing is given up, so that the next question finds a way that works.
        let said = self.0.database.ask_within(TRUSTED_FOR, question).await?;
        if said.works_from > OWN_SCHEMA {
            return Err(NotAnswering::SchemaTooNew.into());
        }
        if said.is_unsafe {
            return Err(NotAnswering::Unsafe.into());
        }
        self.0.has_followers.store(said.has_followers, Ordering::Release);
        self.note(said.epoch, asked);
        Ok(())
    }
}

impl PostgresStore {
    /// How far this process has followed the changes of merchants and keys, in the database's own count, which
    /// is the same for all processes; however long ago it was learned. Nothing before the first answer.
    pub fn learned_management_epoch(&self) -> Option<u64> {
        self.epochs.learned()
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
        is_unsafe: columns.take_number::<i64>("synchronous_commit")? != 0,
    };
    if said.is_replica {
        // The server was demoted under our feet; the next connection looks for the one that takes writes.
        connection.spoil();
        return Err(Failed::Refused(NotAnswering::Demoted.into()));
    }
    Ok(said)
}
