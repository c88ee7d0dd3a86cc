//! Making connections, and saying which are still good.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use patron::entropy::{Entropy, random_bytes};
use tokio::time::timeout;
use tokio_postgres::AsyncMessage;
use tokio_postgres::error::SqlState;

use super::{Connection, Role};
use crate::errors::{ConnectError, Reason, chain};
use crate::gate::Gate;
use crate::limits::Limits;
use crate::settings::Target;

/// Makes connections, and says which are still good.
pub(crate) struct Maker {
    pub(super) target: Target,
    pub(super) limits: Limits,
    pub(super) gate: Arc<Gate>,
    /// The place of the host that was good last: it is tried first.
    pub(super) good: AtomicUsize,
}

impl Manager for Maker {
    type Type = Arc<Connection>;
    type Error = Arc<ConnectError>;

    async fn create(&self) -> Result<Arc<Connection>, Arc<ConnectError>> {
        self.gate.pass()?;
        // In a box, since one within the other futures become too deep for the compiler.
        match Box::pin(self.connect()).await {
            Ok(connection) => {
                self.gate.open();
                Ok(Arc::new(connection))
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
        connection: &mut Arc<Connection>,
        _: &Metrics,
    ) -> RecycleResult<Arc<ConnectError>> {
        if connection.is_spoilt() {
            return Err(RecycleError::message("spoilt"));
        }
        if !connection.plans_are_due.load(Ordering::Relaxed) {
            return Ok(());
        }
        match timeout(self.limits.connect_time_max, connection.plan_afresh()).await {
            Ok(Ok(role)) if self.may_use(role) => Ok(()),
            Ok(Ok(_)) => Err(RecycleError::message("it has become a replica")),
            Ok(Err(_)) | Err(_) => Err(RecycleError::message("it does not answer")),
        }
    }
}

/// What is said of a server that is none to write to: one name may lead to several.
const DEMOTED: &str = "the server is a replica, which takes no writes";

impl Maker {
    /// Whether a server of this kind is one of those that are looked for: what is read for a change, or to let
    /// somebody in, must not be older than what was acknowledged.
    fn may_use(&self, role: Role) -> bool {
        match role {
            Role::Primary | Role::Unknown => true,
            Role::Replica => !self.target.takes_writes,
        }
    }

    /// Tries one host after the other, each for as long as an attempt may take: one that accepts and then
    /// says nothing must not keep us from the next.
    async fn connect(&self) -> Result<Connection, ConnectError> {
        let mut last = ConnectError::TimedOut;
        let good = self.good.load(Ordering::Relaxed);
        let hosts = self.target.hosts.iter().enumerate();
        for (place, host) in hosts.clone().skip(good).chain(hosts.take(good)) {
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
            self.good.store(place, Ordering::Relaxed);
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
            let connection = Connection {
                client,
                statements: Mutex::default(),
                warnings,
                is_spoilt: AtomicBool::new(false),
                plans_anew: AtomicBool::new(false),
                // Until it has planned for the first time.
                plans_are_due: Arc::default(),
                pooler: self.target.pooler,
                limits: self.limits,
                tls: self.target.tls.clone(),
                slot: slot(&*self.gate.entropy),
                driver,
            };
            match timeout(self.limits.connect_time_max, connection.plan_afresh()).await {
                Ok(Ok(role)) if self.may_use(role) => return Ok(connection),
                Ok(Ok(_)) => {
                    last = ConnectError::Refused(Reason { state: None, text: DEMOTED.to_owned() })
                }
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
