//! Who purges: one process at a time, whatever time that takes.

use std::sync::Arc;
use std::time::Duration;

use patron::entropy::Entropy;
use patron::ids::ProcessId;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::errors::Failed;
use crate::jobs;
use crate::transaction::Database;

/// What it is called among the jobs.
const NAME: &str = "purge_tables";

/// When a process dies, another one may purge after so long; and how often one that lives says so.
const LASTS: Duration = Duration::from_secs(30);
const RENEW_AFTER: Duration = Duration::from_secs(10);

/// Takes leases for one process.
pub(crate) struct Leases {
    database: Database,
    holder: ProcessId,
}

/// Held while it is renewed. It is not given back when it is only dropped, but ends.
pub(super) struct Lease {
    database: Database,
    holder: ProcessId,
    renewing: JoinHandle<()>,
}

impl Leases {
    pub(crate) fn new(database: Database, entropy: &Arc<dyn Entropy>) -> Self {
        Self { database, holder: ProcessId::issue(&**entropy) }
    }

    /// `None` while another process has it.
    pub(super) async fn take(&self) -> Result<Option<Lease>, Failed> {
        if !claim(&self.database, self.holder, LASTS).await? {
            return Ok(None);
        }
        let (database, holder) = (self.database.clone(), self.holder);
        let renewing = tokio::spawn(async move {
            loop {
                sleep(RENEW_AFTER).await;
                // One that is not renewed ends. Whoever has it then, nobody's copy takes a table's place but its own.
                let _ = claim(&database, holder, LASTS).await;
            }
        });
        Ok(Some(Lease { database: self.database.clone(), holder: self.holder, renewing }))
    }
}

impl Lease {
    /// Others may have it after so long. This process may take it again before.
    pub(super) async fn give_back(self, after: Duration) {
        self.renewing.abort();
        // Else it ends by itself.
        let _ = claim(&self.database, self.holder, after).await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

async fn claim(database: &Database, holder: ProcessId, lasts: Duration) -> Result<bool, Failed> {
    database
        .write_again(|held| async move { jobs::claim_named(&held, NAME, holder, lasts).await })
        .await
}
