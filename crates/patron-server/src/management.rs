//! Managing an installation: commands and their reports, the same through a running server and without.

mod erasure;
mod keys;
mod merchants;
mod operators;
mod verification;

use std::collections::BTreeMap;

use patron::clock::{Clock, Timestamp};
use patron::error::{Error, Kind};
use patron::ids::MerchantId;
use serde::{Deserialize, Serialize};

use crate::config::{Expiry, Secret, Term};
use crate::opening::Opened;
use crate::refusal::{Refusal, chain};
use crate::system::SystemClock;

pub(crate) use erasure::{ErasureBody, LedgerBody, ReceiptBody};
pub(crate) use operators::{OperatorBody, OperatorChange};
pub(crate) use verification::{BrokenBody, PageBody};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    CreateMerchant {
        id: String,
        edit: EditBody,
    },
    ListMerchants,
    FindMerchant {
        id: String,
    },
    SetMerchant {
        id: String,
        edit: EditBody,
    },
    SuspendMerchant {
        id: String,
    },
    ResumeMerchant {
        id: String,
    },
    CreateKey {
        merchant: String,
        label: String,
        scopes: Option<String>,
        expires: Option<Expiry>,
    },
    ListKeys {
        merchant: String,
    },
    RevokeKey {
        merchant: String,
        number: i64,
    },
    RollKey {
        merchant: String,
        number: i64,
        grace_s: u64,
    },
    /// Creates an operator of a merchant, or of the deployment.
    CreateOperator {
        merchant: Option<String>,
        role: String,
        email: Secret,
        name: Secret,
        password: Secret,
    },
    ListOperators {
        merchant: Option<String>,
    },
    SetOperator {
        merchant: Option<String>,
        number: i64,
        change: OperatorChange,
    },
    /// Erases a customer, whom its number, its id or its reference names.
    EraseCustomer {
        merchant: String,
        customer: Secret,
    },
    /// What has become of the erasure of the customer with this number.
    FindErasure {
        merchant: String,
        customer: i64,
    },
    /// What `doctor` asks about the ledger of erasures.
    CheckLedger,
    /// Whether a server answers at all.
    Greet,
    /// What `doctor` asks about merchants and keys.
    CheckKeys,
    /// Reads the whole database.
    CheckIntegrity,
    /// Verifies a page of a merchant's customers, their histories and their events.
    VerifyCustomers {
        merchant: String,
        after: i64,
    },
}

/// What changes about a merchant; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EditBody {
    pub(crate) name: Option<String>,
    pub(crate) country_code: Option<String>,
    pub(crate) allow_list: Option<String>,
    /// How long after they were deleted customers are erased.
    pub(crate) erase_deleted_after_days: Option<Term>,
    /// How long after something last changed about them.
    pub(crate) erase_inactive_after_days: Option<Term>,
    /// Settings of wires; `None` unsets one.
    pub(crate) wires: BTreeMap<String, Option<String>>,
}

/// What was done.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    Merchant(MerchantBody),
    Merchants(Vec<MerchantBody>),
    NewKey(NewKeyBody),
    Keys(Vec<KeyBody>),
    Revoked { number: i64 },
    Operator(OperatorBody),
    Operators(Vec<OperatorBody>),
    Erasure(ErasureBody),
    Ledger(LedgerBody),
    Greeting { behind_proxy: bool },
    Findings(Findings),
    Broken(Vec<String>),
    Page(PageBody),
}

/// A merchant as commands show it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MerchantBody {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) standing: String,
    pub(crate) created: String,
    pub(crate) country_code: String,
    pub(crate) allow_list: Vec<String>,
    pub(crate) erase_deleted_after_days: Option<u16>,
    pub(crate) erase_inactive_after_days: Option<u16>,
    pub(crate) settings: Vec<SettingBody>,
}

/// A setting of a wire as commands show it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SettingBody {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Whether the merchant has set it; else the value is the one out of the box.
    pub(crate) is_set: bool,
    pub(crate) values: Vec<String>,
    pub(crate) about: String,
}

/// A key that was just created. Its text is shown this once.
#[derive(Serialize, Deserialize)]
pub(crate) struct NewKeyBody {
    pub(crate) merchant: String,
    pub(crate) number: i64,
    pub(crate) label: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires: Option<String>,
    pub(crate) key: String,
    /// The first moment at which the key in whose place it stands no longer works.
    pub(crate) old_ends: Option<String>,
}

/// A key as commands show it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeyBody {
    pub(crate) number: i64,
    pub(crate) label: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) created: String,
    pub(crate) expires: Option<String>,
    /// The end of its grace, when it was rolled.
    pub(crate) grace_ends: Option<String>,
    pub(crate) revoked: Option<String>,
    pub(crate) last_used: Option<String>,
    pub(crate) state: String,
}

/// What `doctor` wants to know of merchants and keys.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Findings {
    pub(crate) merchants: usize,
    /// Merchants that no key opens.
    pub(crate) without_key: Vec<String>,
    /// Keys that expire within 30 days: merchant, number, moment.
    pub(crate) expiring: Vec<(String, i64, String)>,
    /// Merchants with an allow-list.
    pub(crate) with_allow_list: Vec<String>,
}

/// Why it was not done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// Whether what was asked for makes no sense; else it is the moment that is wrong.
    pub(crate) is_invalid: bool,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { is_invalid: true, message: message.into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (is_invalid, message) = match error.kind() {
            Kind::Invalid(_) => (true, error.to_string()),
            Kind::Unauthenticated
            | Kind::Expired
            | Kind::Denied
            | Kind::AddressRefused
            | Kind::RateLimited { .. } => (false, error.to_string()),
            Kind::NotFound => (
                false,
                format!("{error}: `patron merchant list` and `patron key list` show what there is"),
            ),
            Kind::AlreadyExists => (
                false,
                format!(
                    "{error}: choose another id, or change that one with `patron merchant set`"
                ),
            ),
            Kind::Stale => {
                (false, "someone else changed it at the same moment: try again".to_owned())
            }
            // The operator is the one who can do something about these, and has to know why.
            Kind::Unavailable { .. } | Kind::Internal => {
                (false, format!("{}: run `patron doctor`", chain(&error)))
            }
        };
        Self { is_invalid, message }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        if failure.is_invalid {
            Self::configuration(failure.message)
        } else {
            Self::failure(failure.message)
        }
    }
}

/// Does what a command says.
pub(crate) async fn execute(opened: &Opened, command: Command) -> Result<Report, Failure> {
    let now = SystemClock.now();
    match command {
        Command::CreateMerchant { id, edit } => merchants::create(opened, &id, edit, now).await,
        Command::ListMerchants => merchants::list(opened, now).await,
        Command::FindMerchant { id } => merchants::find(opened, &id, now).await,
        Command::SetMerchant { id, edit } => merchants::set(opened, &id, edit, now).await,
        Command::SuspendMerchant { id } => merchants::suspend(opened, &id, now).await,
        Command::ResumeMerchant { id } => merchants::resume(opened, &id, now).await,
        Command::CreateKey { merchant, label, scopes, expires } => {
            let wanted = keys::Wanted { label, scopes, expires };
            keys::create(opened, &merchant, wanted, now).await
        }
        Command::ListKeys { merchant } => keys::list(opened, &merchant, now).await,
        Command::RevokeKey { merchant, number } => {
            keys::revoke(opened, &merchant, number, now).await
        }
        Command::RollKey { merchant, number, grace_s } => {
            keys::roll(opened, &merchant, (number, grace_s), now).await
        }
        Command::CreateOperator { merchant, role, email, name, password } => {
            let wanted = operators::Wanted { role, email, name, password };
            operators::create(opened, merchant.as_deref(), wanted, now).await
        }
        Command::ListOperators { merchant } => {
            operators::list(opened, merchant.as_deref(), now).await
        }
        Command::SetOperator { merchant, number, change } => {
            operators::set(opened, merchant.as_deref(), (number, change), now).await
        }
        Command::EraseCustomer { merchant, customer } => {
            erasure::erase(opened, &merchant, customer.expose(), now).await
        }
        Command::FindErasure { merchant, customer } => {
            erasure::find(opened, &merchant, customer, now).await
        }
        Command::CheckLedger => erasure::check_ledger(opened, now).await,
        Command::Greet => Ok(Report::Greeting { behind_proxy: opened.is_behind_proxy }),
        Command::CheckKeys => keys::check(opened, now).await,
        Command::CheckIntegrity => check_integrity(opened).await,
        Command::VerifyCustomers { merchant, after } => {
            verification::customers(opened, &merchant, after, now).await
        }
    }
}

async fn check_integrity(opened: &Opened) -> Result<Report, Failure> {
    // It may read a whole file, which must not hold up everybody else on this thread.
    let checked = verification::beside(opened, |opened| async move {
        opened.engine.check_integrity().await.map_err(Error::from)
    });
    Ok(Report::Broken(checked.await?))
}

fn merchant_id(text: &str) -> Result<MerchantId, Failure> {
    MerchantId::parse(text).ok_or_else(|| Failure::invalid(NOT_A_MERCHANT_ID))
}

/// What a merchant's id must be.
pub(crate) const NOT_A_MERCHANT_ID: &str =
    "a merchant's id is 1 to 64 of the characters A-Z a-z 0-9 _ . -";

fn text(moment: Timestamp) -> String {
    moment.to_rfc3339_seconds()
}
