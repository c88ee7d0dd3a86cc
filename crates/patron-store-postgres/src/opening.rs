//! The steps of opening a store.

use std::sync::Arc;

use patron::clock::Timestamp;
use patron::entropy::Entropy;

use crate::connections::Connections;
use crate::errors::NotAnswering;
use crate::limits::Limits;
use crate::open_error::OpenError;
use crate::runtime::Runtime;
use crate::settings::Target;
use crate::transaction::Database;
use crate::writer::Sharing;
use crate::{citus, integrity, migrations};

/// Work to be done on the store's thread. Boxed, so that whoever opens a store is not made of all that it takes.
pub(crate) type Work<T> = std::pin::Pin<Box<dyn Future<Output = Result<T, OpenError>> + Send>>;

/// What comes of `work`, done on the store's thread.
pub(crate) async fn on<T: Send + 'static>(
    runtime: &Runtime,
    work: Work<T>,
) -> Result<T, OpenError> {
    let done = runtime.handle().spawn(work).await;
    done.unwrap_or_else(|_| Err(OpenError::Away(NotAnswering::Closed.to_string())))
}

pub(crate) fn connect(
    target: Target,
    limits: Limits,
    entropy: &Arc<dyn Entropy>,
) -> Result<Database, OpenError> {
    let connections = Connections::new(target, limits, Arc::clone(entropy));
    let connections = connections.map_err(|reason| OpenError::Settings(reason.to_string()))?;
    Ok(Database { connections, limits })
}

/// Brings the schema up to date, and finds out what the database is.
pub(crate) async fn prepare(
    database: Database,
    now: Timestamp,
    has_replica: bool,
) -> Result<Sharing, OpenError> {
    if !database.ask_once(|held| async move { held.is_own().await }).await? {
        return Err(OpenError::Pooled);
    }
    migrations::migrate(&database, now).await?;
    if database.ask_once(|held| async move { integrity::loses_commits(&held).await }).await? {
        return Err(OpenError::Unsafe);
    }
    match database.ask_once(|held| async move { citus::is_cluster(&held).await }).await? {
        true if has_replica => Err(OpenError::ReplicaOfCitus),
        true => Ok(Sharing::WithinMerchant),
        false => Ok(Sharing::Everybody),
    }
}
