//! The command that walks over everything, a page at a time.

use patron::clock::Timestamp;
use patron::error::Error;
use patron::ids::CustomerNumber;
use patron::verification::{Broken, VerifiedCustomers};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::{Failure, Report, merchant_id};
use crate::opening::Opened;

/// How many customers are verified before it is the turn of others, and the caller hears of it.
const CUSTOMERS_MAX: u32 = 256;

/// What came of a page.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PageBody {
    pub(crate) customers: u64,
    pub(crate) erased: u64,
    pub(crate) entries: u64,
    pub(crate) events: u64,
    /// After which number to go on; `None` at the end.
    pub(crate) next: Option<i64>,
    pub(crate) broken: Option<BrokenBody>,
}

/// The first broken thing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BrokenBody {
    pub(crate) merchant: String,
    pub(crate) customer: i64,
    pub(crate) fault: String,
}

impl BrokenBody {
    fn of(broken: Broken) -> Self {
        let Broken { merchant, customer, fault } = broken;
        Self {
            merchant: merchant.as_str().to_owned(),
            customer: CustomerNumber::get(customer),
            fault: fault.to_string(),
        }
    }
}

pub(super) async fn customers(
    opened: &Opened,
    merchant: &str,
    after: i64,
    now: Timestamp,
) -> Result<Report, Failure> {
    let id = merchant_id(merchant)?;
    let page = beside(opened, move |opened| async move {
        opened.patron.console(now).verify_customers(&id, after, CUSTOMERS_MAX).await
    });
    let VerifiedCustomers { customers, erased, entries, events, next, broken } = page.await?;
    let broken = broken.map(BrokenBody::of);
    Ok(Report::Page(PageBody { customers, erased, entries, events, next, broken }))
}

/// Does `work` on a thread of its own, so that it does not hold up everybody else on this one.
pub(super) async fn beside<T, F>(
    opened: &Opened,
    work: impl FnOnce(Opened) -> F + Send + 'static,
) -> Result<T, Failure>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>>,
{
    let (opened, runtime) = (opened.clone(), Handle::current());
    match spawn_blocking(move || runtime.block_on(work(opened))).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Error::internal("the verification panicked").into()),
    }
}
