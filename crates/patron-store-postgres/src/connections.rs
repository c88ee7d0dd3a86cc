//! Connections to the database: made, kept, counted, and given up when they are of no more use.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool::managed::{
    Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult,
};
use patron::entropy::{Entropy, random_bytes};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Row};

use crate::errors::{ConnectError, Doubt, Failed, NotConnected, Reason, chain};
use crate::settings::{Limits, Pooler, Target};
use crate::sql::{Statement, Value};

/// The wait before the second attempt to connect; it doubles with each that fails.
const BACKOFF_MIN: Duration = Duration::from_millis(25);

/// The longest wait between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// For how long no more connections are asked for once the server has said that it has no more.
const CONTENT_FOR: Duration = Duration::from_secs(5);

/// For how long a connection keeps its plans: what was the best way into a small table is not the best into a
/// large one.
const PLANS_KEPT_FOR: Duration = Duration::from_secs(60);

/// For how long while the table of customers is young.
const YOUNG_PLANS_KEPT_FOR: Duration = Duration::from_secs(5);

/// Whether the table of customers is so small, or so new, that each way into it looks as good to the planner as
/// any other, though it may be large in a minute. On Citus the coordinator has none of it.
const IS_YOUNG: &str = "SELECT to_regclass('pg_dist_partition') IS NULL \
     AND coalesce(pg_relation_size(to_regclass('customer')), 0) < 1048576";

/// One connection.
pub(crate) struct Connection {
    client: Client,
    statements: Mutex<HashMap<String, tokio_postgres::Statement>>,
    /// How many warnings the server has sent. See [`Connection::commit`].
    warnings: Arc<AtomicU64>,
    is_spoilt: AtomicBool,
    /// Whether each statement is planned anew each time it runs.
    plans_anew: bool,
    /// Set when the plans have been kept long enough.
    plans_are_due: Arc<AtomicBool>,
    pooler: Pooler,
    limits: Limits,
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
    /// is young: a plan that is made now would be kept when it has become large.
    async fn plan_afresh(&mut self) -> Result<(), tokio_postgres::Error> {
        match self.pooler {
            // There statements are planned each time they run.
            Pooler::Transaction => return Ok(()),
            Pooler::None => {}
        }
        let is_young: bool = self.client.query_one(IS_YOUNG, &[]).await?.try_get(0)?;
        if is_young != self.plans_anew {
            let mode = if is_young { "force_custom_plan" } else { "auto" };
            self.client.batch_execute(&format!("SET plan_cache_mode = {mode}")).await?;
            self.plans_anew = is_young;
        }
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let is_due = Arc::new(AtomicBool::new(false));
        self.plans_are_due = Arc::clone(&is_due);
        let kept_for = if is_young { YOUNG_PLANS_KEPT_FOR } else { PLANS_KEPT_FOR };
        tokio::spawn(async move {
            sleep(kept_for).await;
            is_due.store(true, Ordering::Relaxed);
        });
        Ok(())
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
            Pooler::Transaction => {
                let values: Vec<_> =
                    values.iter().map(as_parameter).zip(statement.types()).collect();
                self.client.query_typed(&statement.sql, &values).await?
            }
        };
        Ok(rows)
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

    /// Leaves the connection as the next one needs it: without a transaction, or spoilt.
    pub(crate) async fn settle<T>(&self, outcome: &Result<T, Failed>) {
        match outcome {
            Ok(_) => {}
            Err(failed) if failed.spoils_connection() => self.spoil(),
            Err(_) => self.roll_back().await,
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
            Self::Committed => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
            Self::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

/// Where connections come from. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connections {
    pool: Pool<Maker>,
    connections_max: usize,
}

/// A connection out of those that are kept. Dropped, it goes back.
pub(crate) type Lent = Object<Maker>;

impl Connections {
    /// None is made yet.
    pub(crate) fn new(
        target: Target,
        limits: Limits,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, NotConnected> {
        let connections_max = usize::try_from(limits.connections_max).unwrap_or(usize::MAX);
        let wait_max = limits.wait_max;
        let maker =
            Maker { target, limits, gate: Arc::new(Gate { entropy, shut: Mutex::default() }) };
        let pool = Pool::builder(maker)
            .max_size(connections_max)
            .wait_timeout(Some(wait_max))
            // What was used last is warm: its statements are prepared, and its server process is in the caches.
            .queue_mode(QueueMode::Lifo)
            .runtime(deadpool::Runtime::Tokio1)
            .build();
        let pool = pool.map_err(|_| NotConnected::Closed)?;
        Ok(Self { pool, connections_max })
    }

    /// A connection that is not spoilt as far as is known.
    pub(crate) async fn lend(&self) -> Result<Lent, Failed> {
        loop {
            let error = match self.pool.get().await {
                Ok(lent) => return Ok(lent),
                Err(error) => error,
            };
            let reason = match error {
                PoolError::Backend(error) => error,
                PoolError::Timeout(_) => return Err(Failed::NoConnection(NotConnected::Exhausted)),
                PoolError::Closed
                | PoolError::NoRuntimeSpecified
                | PoolError::PostCreateHook(_) => {
                    return Err(Failed::NoConnection(NotConnected::Closed));
                }
            };
            if !self.make_do(&reason) {
                return Err(Failed::NoConnection(NotConnected::Away(reason)));
            }
        }
    }

    /// When the server has no more connections and this process has some, it makes do with these for a
    /// while. Whether that helps.
    fn make_do(&self, reason: &ConnectError) -> bool {
        let ConnectError::Refused(Reason { state: Some(state), .. }) = reason else {
            return false;
        };
        let held = self.pool.status().size;
        if *state != SqlState::TOO_MANY_CONNECTIONS || held == 0 {
            return false;
        }
        self.pool.resize(held);
        let (pool, connections_max) = (self.pool.clone(), self.connections_max);
        tokio::spawn(async move {
            sleep(CONTENT_FOR).await;
            pool.resize(connections_max);
        });
        true
    }
}

/// Makes connections, and says which are still good.
pub(crate) struct Maker {
    target: Target,
    limits: Limits,
    gate: Arc<Gate>,
}

impl Manager for Maker {
    type Type = Connection;
    type Error = Arc<ConnectError>;

    async fn create(&self) -> Result<Connection, Arc<ConnectError>> {
        self.gate.pass()?;
        match self.connect().await {
            Ok(connection) => {
                self.gate.open();
                Ok(connection)
            }
            Err(error) => {
                let error = Arc::new(error);
                self.gate.shut(&error);
                Err(error)
            }
        }
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        _: &Metrics,
    ) -> RecycleResult<Arc<ConnectError>> {
        if connection.is_spoilt() {
            return Err(RecycleError::message("spoilt"));
        }
        if !connection.plans_are_due.load(Ordering::Relaxed) {
            return Ok(());
        }
        match timeout(self.limits.connect_time_max, connection.plan_afresh()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(RecycleError::message("it does not answer")),
        }
    }
}

impl Maker {
    /// Tries one host after the other, each for as long as an attempt may take: one that accepts and then
    /// says nothing must not keep us from the next.
    async fn connect(&self) -> Result<Connection, ConnectError> {
        let mut last = ConnectError::TimedOut;
        for host in &self.target.hosts {
            let connecting = host.connect(self.target.tls.clone());
            let (client, mut driven) = match timeout(self.limits.connect_time_max, connecting).await
            {
                Ok(Ok(made)) => made,
                Ok(Err(error)) => {
                    last = ConnectError::Refused(reason(&error));
                    continue;
                }
                Err(_) => {
                    last = ConnectError::TimedOut;
                    continue;
                }
            };
            let warnings = Arc::new(AtomicU64::new(0));
            let counted = Arc::clone(&warnings);
            let driver = tokio::spawn(async move {
                while let Some(Ok(message)) = poll_fn(|context| driven.poll_message(context)).await
                {
                    if let AsyncMessage::Notice(notice) = message
                        && notice.code() == &SqlState::WARNING
                    {
                        counted.fetch_add(1, Ordering::AcqRel);
                    }
                }
            });
            let mut connection = Connection {
                client,
                statements: Mutex::default(),
                warnings,
                is_spoilt: AtomicBool::new(false),
                plans_anew: false,
                // Until it has planned for the first time.
                plans_are_due: Arc::default(),
                pooler: self.target.pooler,
                limits: self.limits,
                slot: slot(&*self.gate.entropy),
                driver,
            };
            match timeout(self.limits.connect_time_max, connection.plan_afresh()).await {
                Ok(Ok(())) => return Ok(connection),
                Ok(Err(error)) => last = ConnectError::Refused(reason(&error)),
                Err(_) => last = ConnectError::TimedOut,
            }
        }
        Err(last)
    }
}

/// One of the 64 rows in which a merchant's customers are counted.
fn slot(entropy: &dyn Entropy) -> u8 {
    let [byte] = random_bytes::<1>(entropy);
    byte % 64
}

fn reason(error: &tokio_postgres::Error) -> Reason {
    match error.as_db_error() {
        Some(said) => Reason { state: Some(said.code().clone()), text: said.message().to_owned() },
        None => Reason { state: None, text: chain(error) },
    }
}

/// Lets attempts to connect pass, or keeps them away for a while after one has failed, so that a
/// database that comes back is not run over.
struct Gate {
    entropy: Arc<dyn Entropy>,
    shut: Mutex<Option<Shut>>,
}

struct Shut {
    why: Arc<ConnectError>,
    failures: u32,
    is_waiting: bool,
}

impl Gate {
    fn pass(&self) -> Result<(), Arc<ConnectError>> {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        match &*shut {
            Some(Shut { why, is_waiting: true, .. }) => Err(Arc::clone(why)),
            Some(Shut { is_waiting: false, .. }) | None => Ok(()),
        }
    }

    fn open(&self) {
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Nobody tries again before the wait is over.
    fn shut(self: &Arc<Self>, why: &Arc<ConnectError>) {
        let mut shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        if shut.as_ref().is_some_and(|shut| shut.is_waiting) {
            return;
        }
        let failures = shut.as_ref().map_or(0, |shut| shut.failures).saturating_add(1);
        *shut = Some(Shut { why: Arc::clone(why), failures, is_waiting: true });
        drop(shut);
        let doubled = BACKOFF_MIN.saturating_mul(1 << failures.min(10).saturating_sub(1));
        let wait = jittered(doubled.min(BACKOFF_MAX), &*self.entropy);
        let gate = Arc::clone(self);
        tokio::spawn(async move {
            sleep(wait).await;
            let mut shut = gate.shut.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(shut) = &mut *shut {
                shut.is_waiting = false;
            }
        });
    }
}

/// Between half of `wait` and all of it, so that many processes do not come at one moment.
pub(crate) fn jittered(wait: Duration, entropy: &dyn Entropy) -> Duration {
    let [byte] = random_bytes::<1>(entropy);
    let half = wait / 2;
    half.saturating_add(half.saturating_mul(byte.into()) / 255)
}
