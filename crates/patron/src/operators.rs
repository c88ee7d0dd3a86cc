//! Managing operators: what the console does about the people who look after customers.

use crate::blind_index::normalised;
use crate::error::{Error, Kind};
use crate::ids::{MerchantId, MerchantNumber, OperatorNumber};
use crate::management::{Console, LABEL_LENGTH_MAX};
use crate::operator::{Operator, Role, SealedOperator};
use crate::password::Password;
use crate::pii::Pii;
use crate::seal;
use crate::store::{Counter, ManagementChange, StoreError, Unique};

/// What a new operator is to be.
pub struct NewOperator {
    /// The email address by which it signs in.
    pub email: Pii<String>,
    /// Its name for people.
    pub name: Pii<String>,
    /// What it may do.
    pub role: Role,
    /// Its first password.
    pub password: Password,
}

/// What changes about an operator; `None` leaves a thing as it is. A new password, another role and being
/// disabled end all its sessions.
#[derive(Default)]
pub struct OperatorEdit {
    /// Its name for people.
    pub name: Option<Pii<String>>,
    /// What it may do.
    pub role: Option<Role>,
    /// Its password.
    pub password: Option<Password>,
    /// Whether it may not sign in.
    pub is_disabled: Option<bool>,
}

const TAKEN: Error = Error::new(Kind::AlreadyExists, "an operator with this address exists");
const NO_SUCH_OPERATOR: Error = Error::new(Kind::NotFound, "there is no such operator");

/// The most bytes of an email address (RFC 5321, 4.5.3.1.3: a path has 256, two of which are brackets).
pub const EMAIL_LENGTH_MAX: usize = 254;

/// Something, one `@`, something without white space: whether mail arrives there is found out by sending some.
fn checked_email(email: &Pii<String>) -> Result<(), Error> {
    let text = email.reveal();
    let is_one = text
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if is_one && is_plain && text.len() <= EMAIL_LENGTH_MAX {
        return Ok(());
    }
    Err(Error::new(Kind::Invalid(Vec::new()), "an email address has a name, an @ and a host"))
}

fn checked_name(name: &Pii<String>) -> Result<(), Error> {
    let text = name.reveal();
    let length = text.chars().count();
    if (1..=LABEL_LENGTH_MAX).contains(&length) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::new(Kind::Invalid(Vec::new()), "a name has 1 to 100 printable characters"))
}

impl Console<'_> {
    /// Creates an operator of a merchant, or of the deployment.
    ///
    /// # Errors
    /// `NotFound` when there is no such merchant, `AlreadyExists` when somebody has its address, `Invalid` when
    /// a value is not fit, `Unavailable` when too many passwords are hashed at once.
    pub async fn create_operator(
        &self,
        merchant: Option<&MerchantId>,
        new: NewOperator,
    ) -> Result<Operator, Error> {
        let merchant = self.number_of(merchant).await?;
        let NewOperator { email, name, role, password } = new;
        checked_email(&email)?;
        checked_name(&name)?;
        let patron = self.patron();
        let number = OperatorNumber::new(self.lease(Counter::Operator).await?);
        let open = Operator {
            number,
            merchant,
            role,
            created: self.now(),
            disabled: None,
            revision: 1,
            email,
            name,
        };
        let sealed = SealedOperator {
            number,
            merchant,
            role,
            created: open.created,
            disabled: None,
            revision: 1,
            credential: 1,
            email_index: patron.deployment.operator_email_index(&normalised(open.email.reveal())),
            sealed: seal::seal_operator(&patron.deployment, &*patron.entropy, &open)
                .map_err(Error::internal)?,
            password: self.hashed(password).await?,
        };
        match patron.store.manage(ManagementChange::CreateOperator(sealed)).await {
            Ok(()) => Ok(open),
            Err(StoreError::Duplicate(Unique::OperatorEmail)) => Err(TAKEN),
            Err(error) => Err(error.into()),
        }
    }

    /// The merchant's operators, or the deployment's, by number.
    ///
    /// # Errors
    /// `NotFound` when there is no such merchant.
    pub async fn list_operators(
        &self,
        merchant: Option<&MerchantId>,
    ) -> Result<Vec<Operator>, Error> {
        let merchant = self.number_of(merchant).await?;
        let found = self.patron().store.list_operators(merchant).await?;
        let opened = found.into_iter().map(|sealed| self.patron().open_operator(sealed));
        opened.collect::<Result<_, _>>().map_err(Error::internal)
    }

    /// Changes an operator of the merchant, or of the deployment.
    ///
    /// # Errors
    /// `NotFound` when there is no such merchant or operator, `Invalid` when a value is not fit, `Stale` when
    /// somebody else changed it at the same moment, `Unavailable` when too many passwords are hashed at once.
    pub async fn set_operator(
        &self,
        merchant: Option<&MerchantId>,
        number: OperatorNumber,
        edit: OperatorEdit,
    ) -> Result<Operator, Error> {
        self.set_operator_if(merchant, number, edit, |_, _| Ok(())).await
    }

    /// The same if `allows` says so of the roles before and after: asked of the very operator that is changed.
    pub(crate) async fn set_operator_if(
        &self,
        merchant: Option<&MerchantId>,
        number: OperatorNumber,
        edit: OperatorEdit,
        allows: impl Fn(Role, Role) -> Result<(), Error>,
    ) -> Result<Operator, Error> {
        let merchant = self.number_of(merchant).await?;
        let patron = self.patron();
        let found = patron.store.find_operator(number).await?;
        let sealed = found.filter(|one| one.merchant == merchant).ok_or(NO_SUCH_OPERATOR)?;
        let old = patron.open_operator(sealed.clone()).map_err(Error::internal)?;
        let OperatorEdit { name, role, password, is_disabled } = edit;
        name.as_ref().map_or(Ok(()), checked_name)?;
        let role = role.unwrap_or(sealed.role);
        allows(sealed.role, role)?;
        let disabled = match is_disabled {
            None => sealed.disabled,
            Some(true) => sealed.disabled.or(Some(self.now())),
            Some(false) => None,
        };
        let revision = sealed.revision.saturating_add(1);
        let ends_sessions =
            password.is_some() || role != sealed.role || disabled != sealed.disabled;
        let open = Operator { role, disabled, revision, name: name.unwrap_or(old.name), ..old };
        let password = match password {
            Some(password) => self.hashed(password).await?,
            None => sealed.password,
        };
        let after = SealedOperator {
            role,
            disabled,
            revision,
            credential: if ends_sessions { revision } else { sealed.credential },
            sealed: seal::seal_operator(&patron.deployment, &*patron.entropy, &open)
                .map_err(Error::internal)?,
            password,
            ..sealed
        };
        patron.store.manage(ManagementChange::UpdateOperator(after)).await?;
        Ok(open)
    }

    async fn hashed(&self, password: Password) -> Result<String, Error> {
        let patron = self.patron();
        patron.passwords.hash(password, patron.new_salt()).await.map_err(|_| {
            let kind = Kind::Unavailable { retry_after_s: 1 };
            Error::new(kind, "too many passwords are hashed at once")
        })
    }

    async fn number_of(
        &self,
        merchant: Option<&MerchantId>,
    ) -> Result<Option<MerchantNumber>, Error> {
        match merchant {
            Some(id) => Ok(Some(self.find_merchant(id).await?.number)),
            None => Ok(None),
        }
    }
}
