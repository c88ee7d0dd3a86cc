//! Commands about operators.

use patron::clock::Timestamp;
use patron::error::{Error, Kind};
use patron::ids::OperatorNumber;
use patron::operator::{Operator, Role};
use patron::operators::{NewOperator, OperatorEdit};
use patron::password::{LENGTH_MAX, LENGTH_MIN, Password};
use patron::pii::Pii;
use serde::{Deserialize, Serialize};

use super::{Failure, Report, merchant_id, text};
use crate::config::Secret;
use crate::opening::Opened;

/// How often a change is tried that meets another one.
const TRIES: usize = 5;

/// What a new operator is to be.
pub(super) struct Wanted {
    pub(super) role: String,
    pub(super) email: Secret,
    pub(super) name: Secret,
    pub(super) password: Secret,
}

/// What changes about an operator; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OperatorChange {
    pub(crate) name: Option<Secret>,
    pub(crate) role: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) is_disabled: Option<bool>,
}

/// An operator as commands show it, to whoever runs the installation.
#[derive(Serialize, Deserialize)]
pub(crate) struct OperatorBody {
    pub(crate) number: i64,
    /// `None` for the deployment's.
    pub(crate) merchant: Option<String>,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) created: String,
    /// Since when it may not sign in.
    pub(crate) disabled: Option<String>,
}

pub(super) async fn create(
    opened: &Opened,
    merchant: Option<&str>,
    wanted: Wanted,
    now: Timestamp,
) -> Result<Report, Failure> {
    let Wanted { role, email, name, password } = wanted;
    let id = merchant.map(merchant_id).transpose()?;
    let new = NewOperator {
        email: Pii::new(email.expose().to_owned()),
        name: Pii::new(name.expose().to_owned()),
        role: role_named(&role)?,
        password: chosen(&password)?,
    };
    let made = opened.patron.console(now).create_operator(id.as_ref(), new).await;
    Ok(Report::Operator(body(merchant, made.map_err(failure)?)))
}

pub(super) async fn list(
    opened: &Opened,
    merchant: Option<&str>,
    now: Timestamp,
) -> Result<Report, Failure> {
    let id = merchant.map(merchant_id).transpose()?;
    let found = opened.patron.console(now).list_operators(id.as_ref()).await?;
    Ok(Report::Operators(found.into_iter().map(|one| body(merchant, one)).collect()))
}

/// Changes an operator. A change says what becomes of each thing, so it can be tried again on whatever someone
/// else has made of the operator meanwhile.
pub(super) async fn set(
    opened: &Opened,
    merchant: Option<&str>,
    (number, change): (i64, OperatorChange),
    now: Timestamp,
) -> Result<Report, Failure> {
    let OperatorChange { name, role, password, is_disabled } = change;
    let role = role.as_deref().map(role_named).transpose()?;
    let password = password.as_ref().map(chosen).transpose()?;
    let id = merchant.map(merchant_id).transpose()?;
    let console = opened.patron.console(now);
    let mut tries = 1..=TRIES;
    loop {
        let edit = OperatorEdit {
            name: name.as_ref().map(|name| Pii::new(name.expose().to_owned())),
            role,
            password: password.clone(),
            is_disabled,
        };
        tries.next();
        match console.set_operator(id.as_ref(), OperatorNumber::new(number), edit).await {
            Err(error) if *error.kind() == Kind::Stale && !tries.is_empty() => {}
            other => return Ok(Report::Operator(body(merchant, other.map_err(failure)?))),
        }
    }
}

fn role_named(name: &str) -> Result<Role, Failure> {
    Role::from_name(name).ok_or_else(|| Failure::invalid("a role is owner, operator or auditor"))
}

fn chosen(password: &Secret) -> Result<Password, Failure> {
    Password::chosen(password.expose()).ok_or_else(|| {
        Failure::invalid(format!("a password has {LENGTH_MIN} to {LENGTH_MAX} characters"))
    })
}

fn failure(error: Error) -> Failure {
    let message = match error.kind() {
        Kind::NotFound => {
            format!("{error}: `patron merchant list` and `patron operator list` show what there is")
        }
        Kind::AlreadyExists => format!("{error}: give another --email"),
        Kind::Invalid(_)
        | Kind::Unauthenticated
        | Kind::Expired
        | Kind::Denied
        | Kind::AddressRefused
        | Kind::Stale
        | Kind::RateLimited { .. }
        | Kind::Unavailable { .. }
        | Kind::Internal => return error.into(),
    };
    Failure { is_invalid: false, message }
}

fn body(merchant: Option<&str>, operator: Operator) -> OperatorBody {
    let Operator { number, merchant: _, role, created, disabled, revision: _, email, name } =
        operator;
    OperatorBody {
        number: number.get(),
        merchant: merchant.map(str::to_owned),
        email: email.into_revealed(),
        name: name.into_revealed(),
        role: role.name().to_owned(),
        created: text(created),
        disabled: disabled.map(text),
    }
}
