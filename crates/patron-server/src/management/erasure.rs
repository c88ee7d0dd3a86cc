//! Commands about erasing customers, and about the ledger in which that is written down.

use patron::clock::Timestamp;
use patron::erasure::Receipt;
use patron::error::{Error, Kind};
use patron::forgetting::Erased;
use patron::hex;
use patron::ids::CustomerNumber;
use serde::{Deserialize, Serialize};

use super::{Failure, Report, merchant_id, text, verification};
use crate::ledger::{self, Contents};
use crate::opening::{Opened, unusable_ledger};

/// What has become of a customer that was to be erased.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ErasureBody {
    pub(crate) merchant: String,
    pub(crate) customer: i64,
    pub(crate) erased: String,
    /// Once the bytes are gone from the live files.
    pub(crate) receipt: Option<ReceiptBody>,
}

/// A receipt as commands show it. Moments are in milliseconds, since its signature is over them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReceiptBody {
    pub(crate) version: u64,
    pub(crate) history_head: String,
    pub(crate) erased: String,
    pub(crate) purged: String,
    pub(crate) logs_expire: String,
    pub(crate) replicas_expire: String,
    pub(crate) backups_expire: String,
    pub(crate) signature: String,
}

/// What `doctor` wants to know of the ledger.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct LedgerBody {
    pub(crate) file: String,
    pub(crate) is_there: bool,
    /// Entries that are this installation's own.
    pub(crate) entries: u64,
    /// Entries of merchants that are not there.
    pub(crate) without_merchant: u64,
    /// Whether the last line is torn.
    pub(crate) is_torn: bool,
    /// Entries whose customers are there.
    pub(crate) due: usize,
    /// Why nobody can go by it.
    pub(crate) unusable: Option<String>,
}

pub(super) async fn erase(
    opened: &Opened,
    merchant: &str,
    customer: &str,
    now: Timestamp,
) -> Result<Report, Failure> {
    let id = merchant_id(merchant)?;
    let erased = opened.patron.console(now).erase_customer(&id, customer).await;
    Ok(Report::Erasure(body(merchant, erased.map_err(failure)?)))
}

pub(super) async fn find(
    opened: &Opened,
    merchant: &str,
    customer: i64,
    now: Timestamp,
) -> Result<Report, Failure> {
    let id = merchant_id(merchant)?;
    let number = CustomerNumber::new(customer);
    let number = number.ok_or_else(|| failure(Error::customer_not_found()))?;
    let erased = opened.patron.console(now).find_erasure(&id, number).await;
    Ok(Report::Erasure(body(merchant, erased.map_err(failure)?)))
}

fn failure(error: Error) -> Failure {
    match error.kind() {
        Kind::NotFound => Failure {
            is_invalid: false,
            message: format!(
                "{error}: give its number, its id or its reference, and the id of its merchant \
                 (`patron merchant list`); one that is erased has its number only"
            ),
        },
        Kind::Invalid(_)
        | Kind::Unauthenticated
        | Kind::Expired
        | Kind::Denied
        | Kind::AddressRefused
        | Kind::AlreadyExists
        | Kind::Stale
        | Kind::RateLimited { .. }
        | Kind::Unavailable { .. }
        | Kind::Internal => error.into(),
    }
}

fn body(merchant: &str, erased: Erased) -> ErasureBody {
    let Erased { customer, at, receipt } = erased;
    ErasureBody {
        merchant: merchant.to_owned(),
        customer: customer.get(),
        erased: text(at),
        receipt: receipt.map(receipt_body),
    }
}

fn receipt_body(receipt: Receipt) -> ReceiptBody {
    let Receipt {
        merchant: _,
        customer: _,
        version,
        history_head,
        erased,
        purged,
        logs_expire,
        replicas_expire,
        backups_expire,
        signature,
    } = receipt;
    ReceiptBody {
        version,
        history_head: hex::encode(&history_head.0).to_string(),
        erased: exactly(erased),
        purged: exactly(purged),
        logs_expire: exactly(logs_expire),
        replicas_expire: exactly(replicas_expire),
        backups_expire: exactly(backups_expire),
        signature: hex::encode(&signature).to_string(),
    }
}

/// A moment to the millisecond, RFC 3339. One beyond what a calendar holds is shown as its end.
fn exactly(moment: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(moment.as_ms()).unwrap_or(jiff::Timestamp::MAX);
    format!("{at:.3}")
}

pub(super) async fn check_ledger(opened: &Opened, now: Timestamp) -> Result<Report, Failure> {
    let file = opened.ledger.file().display().to_string();
    // It may be long, and whoever is served must not wait for that.
    let judged = verification::beside(opened, move |opened| async move {
        Ok(ledger::judge(&opened.patron, opened.ledger.file(), now).await)
    });
    let body = match judged.await? {
        Ok(None) => LedgerBody { file, ..LedgerBody::default() },
        Ok(Some(Contents { own, no_merchant, is_torn, due })) => LedgerBody {
            file,
            is_there: true,
            entries: own,
            without_merchant: no_merchant,
            is_torn,
            due: due.len(),
            unusable: None,
        },
        Err(unusable) => LedgerBody {
            file,
            is_there: true,
            unusable: Some(unusable_ledger(opened.ledger.file(), &unusable).sentence().to_owned()),
            ..LedgerBody::default()
        },
    };
    Ok(Report::Ledger(body))
}
