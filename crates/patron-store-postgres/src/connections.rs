//! Connections to the database: made, kept, counted, and given up when they are of no more use.

mod maker;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool::managed::{Object, Pool, PoolError, QueueMode};
use patron::entropy::Entropy;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

pub(crate) use self::maker::Maker;
use crate::errors::{ConnectError, Doubt, Failed, NotConnected, Reason};
use crate::gate::Gate;
use crate::limits::Limits;
use crate::settings::{OWN_SETTING, Pooler, Target};
use crate::sql::{Statement, Value};

/// For how long no more connections are asked for once the server has said that it has no more.
const CONTENT_FOR: Duration = Duration::from_secs(5);

/// For how long a connection keeps its plans: what was the best way into a small table is not the best into a
/// large one.
const PLANS_KEPT_FOR: Duration = Duration::from_secs(60);

/// For how long while the table of customers is young.
const YOUNG_PLANS_KEPT_FOR: Duration = Duration::from_secs(5);

/// Whether the table of customers is so small, or so new, that each way into it looks as good to the planner as
/// any other, though it may be large in a minute (on Citus the coordinator has none of it); and whether the server
/// is a replica.
const CONDITION: &str = "SELECT to_regclass('pg_dist_partition') IS NULL \
     AND coalesce(pg_relation_size(to_regclass('customer')), 0) < 1048576, pg_is_in_recovery()";

/// For how long no new connections are tried for writing once the server has said that it takes no writes.
const READ_ONLY_FOR: Duration = Duration::from_secs(1);

/// What a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Primary,
    Replica,
    /// A pooler may lead to any.
    Unknown,
}

/// One connection.
pub(crate) struct Connection {
    client: Client,
    statements: Mutex<HashMap<String, tokio_postgres::Statement>>,
    /// How many warnings the server has sent. See [`Connection::commit`].
    warnings: Arc<AtomicU64>,
    is_spoilt: AtomicBool,
    /// Whether each statement is planned anew each time it runs.
    plans_anew: AtomicBool,
    /// Set when the plans have been kept long enough.
    plans_are_due: Arc<AtomicBool>,
    pooler: Pooler,
    limits: Limits,
    tls: MakeRustlsConnect,
    /// Where it counts customers. See the table `customer_count`.
    slot: u8,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Where it counts customers.
    pub(crate) const fn slot(&self) -> u8 {
        self.slot
    }

    /// Must not be used again.
    pub(crate) fn spoil(&self) {
        self.is_spoilt.store(true, Ordering::Relaxed);
    }

    /// Forgets all plans, and has statements planned each time they run for as long as the table of customers
    /// is young: a plan that is made now would be kept when it has become large. What the server is, as it says.
    async fn plan_afresh(&self) -> Result<Role, tokio_postgres::Error> {
        match self.pooler {
            // There statements are planned each time they run, and the next one may run elsewhere.
            Pooler::Transaction => return Ok(Role::Unknown),
            Pooler::None => {}
        }
        let row = self.client.query_one(CONDITION, &[]).await?;
        let (is_young, is_replica): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
        if is_young != self.plans_anew.load(Ordering::Relaxed) {
            let mode = if is_young { "force_custom_plan" } else { "auto" };
            self.client.batch_execute(&format!("SET plan_cache_mode = {mode}")).await?;
            self.plans_anew.store(is_young, Ordering::Relaxed);
        }
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let is_due = Arc::clone(&self.plans_are_due);
        is_due.store(false, Ordering::Relaxed);
        let kept_for = if is_young { YOUNG_PLANS_KEPT_FOR } else { PLANS_KEPT_FOR };
        tokio::spawn(async move {
            sleep(kept_for).await;
            is_due.store(true, Ordering::Relaxed);
        });
        Ok(if is_replica { Role::Replica } else { Role::Primary })
    }

    fn is_spoilt(&self) -> bool {
        self.is_spoilt.load(Ordering::Relaxed) || self.client.is_closed()
    }

    /// Makes the statements ready, so that they can be sent one behind the other without waiting.
    pub(crate) async fn prepare(&self, statements: &[&Statement]) -> Result<(), Failed> {
        match self.pooler {
            // Behind a pooler the next transaction may find itself on a connection that knows of nothing.
            Pooler::Transaction => {}
            Pooler::None => {
                for statement in statements {
                    self.prepared(statement).await?;
                }
            }
        }
        Ok(())
    }

    async fn prepared(
        &self,
        statement: &Statement,
    ) -> Result<tokio_postgres::Statement, tokio_postgres::Error> {
        let known = {
            let statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
            statements.get(&*statement.sql).cloned()
        };
        if let Some(prepared) = known {
            return Ok(prepared);
        }
        let prepared = self.client.prepare_typed(&statement.sql, &statement.types()).await?;
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        statements.insert(statement.sql.clone().into_owned(), prepared.clone());
        Ok(prepared)
    }

    /// Runs a statement; all rows that it answers.
    pub(crate) async fn query(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, Failed> {
        let rows = match self.pooler {
            Pooler::None => {
                let prepared = self.prepared(statement).await?;
                let values: Vec<_> = values.iter().map(as_parameter).collect();
                self.client.query(&prepared, &values).await?
            }
            Pooler::Transaction => self.query_afresh(statement, values).await?,
        };
        Ok(rows)
    }

    /// Runs a statement that is planned for these very values, and forgotten.
    pub(crate) async fn query_afresh(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, Failed> {
        let values: Vec<_> = values.iter().map(as_parameter).zip(statement.types()).collect();
        Ok(self.client.query_typed(&statement.sql, &values).await?)
    }

    /// Runs a statement that answers no rows; how many rows it changed.
    pub(crate) async fn execute(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<u64, Failed> {
        let changed = match self.pooler {
            Pooler::None => {
                let prepared = self.prepared(statement).await?;
                let values: Vec<_> = values.iter().map(as_parameter).collect();
                self.client.execute(&prepared, &values).await?
            }
            Pooler::Transaction => {
                let values: Vec<_> =
                    values.iter().map(as_parameter).zip(statement.types()).collect();
                self.client.execute_typed(&statement.sql, &values).await?
            }
        };
        Ok(changed)
    }

    /// Runs plain SQL.
    pub(crate) async fn run(&self, sql: &str) -> Result<(), Failed> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// Runs plain SQL that takes as long as it takes; whether there was nothing to warn of. The session is of no use
    /// to anybody else afterwards.
    pub(crate) async fn run_for_long(&self, sql: &str) -> Result<bool, Failed> {
        match self.pooler {
            // As gently as the server does such things by itself.
            Pooler::None => {
                // It waits for a lock for longer than the server needs to end its own vacuuming. Not every version of
                // the server has a limit for transactions.
                let limits = "SET statement_timeout = 0; SET lock_timeout = '10s'; \
                              SET vacuum_cost_delay = '2ms'; SELECT set_config(name, '0', false) \
                              FROM pg_settings WHERE name = 'transaction_timeout'";
                self.run(limits).await?;
            }
            // Nobody asked for a limit there, outside of transactions.
            Pooler::Transaction => {}
        }
        let before = self.warnings.load(Ordering::Acquire);
        self.run(sql).await?;
        Ok(self.warnings.load(Ordering::Acquire) == before)
    }

    /// Whether the session is as it was asked to be. Where it is not, statements that were prepared on it may be
    /// another session's of the same name.
    pub(crate) async fn is_own(&self) -> Result<bool, Failed> {
        let (name, expected) = OWN_SETTING;
        let answered = self.client.simple_query(&format!("SHOW {name}")).await?;
        Ok(self.pooler == Pooler::Transaction
            || answered.iter().any(
                |one| matches!(one, SimpleQueryMessage::Row(row) if row.get(0) == Some(expected)),
            ))
    }

    /// Begins a transaction. Its limits are those of the session, or its own where a session is not ours.
    pub(crate) async fn begin(&self, isolation: Isolation) -> Result<(), Failed> {
        let begin = isolation.begin();
        match self.pooler {
            Pooler::None => self.run(begin).await,
            Pooler::Transaction => {
                let mut sql = begin.to_owned();
                for (name, value) in self.limits.session() {
                    sql.push_str(&format!("; SET LOCAL {name} = {value}"));
                }
                sql.push_str("; SET LOCAL client_min_messages = warning");
                self.run(&sql).await
            }
        }
    }

    /// Sends the commit. Whoever asks for something before must have seen it succeed, or look at it before
    /// he believes this answer: a transaction that failed answers its commit with a rollback.
    pub(crate) async fn commit(&self) -> Result<(), Failed> {
        // A commit that waits for a replica and is cancelled (by an operator, a timeout) is reported as a
        // success, with a warning that the replica may not have it. The warning comes before the answer.
        let before = self.warnings.load(Ordering::Acquire);
        match self.client.batch_execute("COMMIT").await {
            Ok(()) if self.warnings.load(Ordering::Acquire) == before => Ok(()),
            Ok(()) => Err(Failed::Unknown(Doubt::Warned)),
            // The server answers a commit with an error when it rolled back, unless its end came between.
            Err(error) => match error.code() {
                Some(code) if !code.code().starts_with("57P") && !code.code().starts_with("08") => {
                    Err(Failed::Database(error))
                }
                Some(_) | None => Err(Failed::Unknown(Doubt::Lost)),
            },
        }
    }

    /// Takes the transaction back. A connection that cannot is spoilt.
    pub(crate) async fn roll_back(&self) {
        let rolled_back = timeout(self.limits.statement_time_max, self.run("ROLLBACK")).await;
        if !matches!(rolled_back, Ok(Ok(()))) {
            self.spoil();
        }
    }
}

fn as_parameter<'a>(value: &'a Value<'a>) -> &'a (dyn tokio_postgres::types::ToSql + Sync) {
    value
}

/// How much a transaction sees of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Each statement sees what was committed before it began.
    Committed,
    /// All statements see one moment, and write nothing.
    Snapshot,
}

impl Isolation {
    pub(crate) const fn begin(self) -> &'static str {
        match self {
            // Whether it may write is for the server to say, whose operator may have taken that from it.
            Self::Committed => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Self::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

/// Where connections come from. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connections {
    pool: Pool<Maker>,
    /// As many as there may be connections, less those that the server does not have.
    permits: Arc<Semaphore>,
    wait_max: Duration,
    /// Whether the server has just said on a new connection that it takes no writes.
    is_read_only: Arc<AtomicBool>,
}

/// A connection out of those that are kept. Dropped, it goes back; but if whoever had it was not done with it,
/// nobody knows what still comes on it, and it is closed.
pub(crate) struct Lent {
    object: Option<Object<Maker>>,
    connection: Arc<Connection>,
    is_new: bool,
    is_done: AtomicBool,
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    fn of(object: Object<Maker>, permit: OwnedSemaphorePermit) -> Self {
        let is_new = Object::metrics(&object).recycle_count == 0;
        let connection = Arc::clone(&*object);
        let object = Some(object);
        Self { object, connection, is_new, is_done: AtomicBool::new(false), _permit: permit }
    }

    /// Whoever had it heard everything that there was to hear.
    pub(crate) fn done(&self) {
        self.is_done.store(true, Ordering::Relaxed);
    }

    /// Has the server end what it does here. A commit that waits for a replica would otherwise be there, and keep its
    /// locks, for as long as the replica is away, and ever more of them would use up the server's connections.
    pub(crate) fn cancel(&self) {
        let (token, tls) = (self.client.cancel_token(), self.tls.clone());
        let time_max = self.limits.connect_time_max;
        tokio::spawn(async move {
            // The way to the server may be gone: then it finds out by itself.
            let _ = timeout(time_max, token.cancel_query(tls)).await;
        });
    }

    /// Leaves the connection as the next one needs it: without a transaction, or spoilt.
    pub(crate) async fn settle<T>(&self, outcome: &Result<T, Failed>) {
        match outcome {
            Ok(_) => {}
            Err(failed) if failed.spoils_connection() => {
                if matches!(failed, Failed::Unknown(Doubt::TimedOut)) {
                    self.cancel();
                }
                self.spoil();
            }
            Err(_) => self.roll_back().await,
        }
        self.done();
    }
}

impl Deref for Lent {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let is_good = self.is_done.load(Ordering::Relaxed) && !self.is_spoilt();
        if let Some(object) = self.object.take()
            && !is_good
        {
            // At once: the server may hold locks for it.
            drop(Object::take(object));
        }
    }
}

impl Connections {
    /// None is made yet.
    pub(crate) fn new(
        target: Target,
        limits: Limits,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, NotConnected> {
        let connections_max = usize::try_from(limits.connections_max).unwrap_or(usize::MAX);
        let gate = Arc::new(Gate::new(entropy));
        let maker = Maker { target, limits, gate, good: AtomicUsize::new(0) };
        let pool = Pool::builder(maker)
            .max_size(connections_max)
            // What was used last is warm: its statements are prepared, and its server process is in the caches.
            .queue_mode(QueueMode::Lifo)
            .runtime(deadpool::Runtime::Tokio1)
            .build();
        let pool = pool.map_err(|_| NotConnected::Closed)?;
        let permits = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        Ok(Self { pool, permits, wait_max: limits.wait_max, is_read_only: Arc::default() })
    }

    /// A connection that is not spoilt as far as is known.
    pub(crate) async fn lend(&self) -> Result<Lent, Failed> {
        let lent = timeout(self.wait_max, self.lend_patiently()).await;
        lent.unwrap_or(Err(Failed::NoConnection(NotConnected::Exhausted)))
    }

    async fn lend_patiently(&self) -> Result<Lent, Failed> {
        loop {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                return Err(Failed::NoConnection(NotConnected::Closed));
            };
            let reason = match self.pool.get().await {
                Ok(object) => return Ok(Lent::of(object, permit)),
                Err(PoolError::Backend(reason)) => reason,
                Err(
                    PoolError::Timeout(_)
                    | PoolError::Closed
                    | PoolError::NoRuntimeSpecified
                    | PoolError::PostCreateHook(_),
                ) => return Err(Failed::NoConnection(NotConnected::Closed)),
            };
            if !self.can_make_do(&reason) {
                return Err(Failed::NoConnection(NotConnected::Away(reason)));
            }
            tokio::spawn(async move {
                sleep(CONTENT_FOR).await;
                drop(permit);
            });
        }
    }

    /// A connection has gone silent, though its server would have said something in time. The others that are kept
    /// may have, too, and each of them would cost a request its time.
    pub(crate) fn suspect(&self) {
        self.pool.retain(|_, _| false);
    }

    /// Whether the server has no more connections, but this process has some, and makes do with these for a
    /// while: one less is lent out, and whoever wants one waits until one comes back.
    fn can_make_do(&self, reason: &ConnectError) -> bool {
        let ConnectError::Refused(Reason { state: Some(state), .. }) = reason else {
            return false;
        };
        *state == SqlState::TOO_MANY_CONNECTIONS && self.pool.status().size > 0
    }

    /// What it means that a transaction failed on this connection. A session may think that it is to write
    /// nothing when its server takes writes again: then another one does it. If a new one says so too, the server
    /// means it, and is not asked by ever more of them.
    pub(crate) fn judge(&self, lent: &Lent, failed: Failed) -> Failed {
        if let Failed::TimedOut | Failed::Unknown(Doubt::TimedOut) = &failed {
            self.suspect();
        }
        if !failed.is_read_only() {
            return failed;
        }
        if lent.is_new && !self.is_read_only.swap(true, Ordering::Relaxed) {
            let is_read_only = Arc::clone(&self.is_read_only);
            tokio::spawn(async move {
                sleep(READ_ONLY_FOR).await;
                is_read_only.store(false, Ordering::Relaxed);
            });
        }
        if self.is_read_only.load(Ordering::Relaxed) {
            return Failed::NoConnection(NotConnected::ReadOnly);
        }
        failed
    }
}
