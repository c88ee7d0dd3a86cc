//! Managing one merchant: its settings, API keys, allow-list and operators, and nobody else's.

use std::sync::Arc;
use std::time::Duration;

use crate::access::Grants;
use crate::api_key::{ApiKey, ApiKeyText, Scope};
use crate::edit::Edit;
use crate::error::{Error, Kind};
use crate::ids::{KeyNumber, OperatorNumber};
use crate::management::{Console, MerchantEdit, NewKey, RetentionEdit};
use crate::merchant::{AllowList, Merchant};
use crate::operator::{Operator, Role};
use crate::operators::{NewOperator, OperatorEdit};
use crate::patron::MerchantContext;
use crate::recent_addresses::DryRun;
use crate::store::ListedKey;

/// The right to manage one merchant.
pub struct Steward<'a> {
    console: Console<'a>,
    context: Arc<MerchantContext>,
    /// What the manager may do itself: it hands out nothing else.
    grants: Grants,
}

/// Nobody makes a key, or an operator, that may do more than whoever makes it.
const BEYOND: Error = Error::new(Kind::Denied, "this would give more than the caller has itself");

impl<'a> Steward<'a> {
    pub(crate) const fn new(
        console: Console<'a>,
        context: Arc<MerchantContext>,
        grants: Grants,
    ) -> Self {
        Self { console, context, grants }
    }

    fn check_beyond(&self, given: Grants) -> Result<(), Error> {
        if self.grants.cover(given) { Ok(()) } else { Err(BEYOND) }
    }

    fn merchant(&self) -> &Merchant {
        &self.context.merchant
    }

    /// Changes what the merchant has set. Whether its keys work is not its own affair.
    ///
    /// # Errors
    /// `Invalid` when the name is not fit, `Stale` when somebody else changed it at the same moment, `Denied`
    /// for a change of the standing, and for a retention by whoever may not erase customers.
    pub async fn set(&self, edit: MerchantEdit) -> Result<Merchant, Error> {
        if edit.standing.is_some() {
            let public = "only an owner of the deployment may suspend a merchant or resume it";
            return Err(Error::new(Kind::Denied, public));
        }
        let RetentionEdit { after_deletion, after_last_change } = &edit.retention;
        let erases =
            [after_deletion, after_last_change].into_iter().any(|one| matches!(one, Edit::Set(_)));
        if erases && !self.grants.include(Scope::CustomersErase) {
            return Err(BEYOND);
        }
        self.console.set_merchant(&self.merchant().id, edit).await
    }

    /// What an allow-list would have done about the last `requests_max` requests with the merchant's keys, as
    /// this process has seen them since it started.
    pub fn try_allow_list(&self, list: &AllowList, requests_max: u32) -> DryRun {
        self.context.addresses.try_list(list, requests_max)
    }

    /// Creates an API key.
    ///
    /// # Errors
    /// `Invalid` when the label is not fit; `Denied` for scopes that the caller does not have.
    pub async fn create_key(&self, new: NewKey) -> Result<(ApiKey, ApiKeyText), Error> {
        self.check_beyond(Grants::Scopes(new.scopes))?;
        self.console.create_key(&self.merchant().id, new, None).await
    }

    /// The merchant's API keys, by number.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot answer.
    pub async fn list_keys(&self) -> Result<Vec<ListedKey>, Error> {
        self.console.list_keys(&self.merchant().id).await
    }

    /// Revokes a key.
    ///
    /// # Errors
    /// `NotFound` when the merchant has no such key.
    pub async fn revoke_key(&self, key: KeyNumber) -> Result<(), Error> {
        self.console.revoke_key(&self.merchant().id, key).await
    }

    /// Puts a new key in the place of an old one; see [`Console::roll_key`].
    ///
    /// # Errors
    /// `NotFound` when the merchant has no such key in force, or it was rolled before; `Denied` when the key has
    /// scopes that the caller does not have.
    pub async fn roll_key(
        &self,
        old: KeyNumber,
        grace: Duration,
    ) -> Result<(ApiKey, ApiKeyText), Error> {
        let keys = self.list_keys().await?;
        if let Some(listed) = keys.iter().find(|listed| listed.key.number == old) {
            self.check_beyond(Grants::Scopes(listed.key.scopes))?;
        }
        self.console.roll_key(&self.merchant().id, old, grace).await
    }

    /// Creates an operator of the merchant.
    ///
    /// # Errors
    /// `AlreadyExists` when somebody has its address, `Invalid` when a value is not fit, `Denied` for a role that
    /// may do more than the caller.
    pub async fn create_operator(&self, new: NewOperator) -> Result<Operator, Error> {
        self.check_beyond(Grants::Role(new.role))?;
        self.console.create_operator(Some(&self.merchant().id), new).await
    }

    /// The merchant's operators, by number.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot answer.
    pub async fn list_operators(&self) -> Result<Vec<Operator>, Error> {
        self.console.list_operators(Some(&self.merchant().id)).await
    }

    /// Changes an operator of the merchant.
    ///
    /// # Errors
    /// `NotFound` when the merchant has no such operator; `Invalid` when a value is not fit; `Stale` when
    /// somebody else changed it at the same moment; `Denied` when it has, or would have, a role that may do more
    /// than the caller, since whoever sets a password can sign in with it.
    pub async fn set_operator(
        &self,
        operator: OperatorNumber,
        edit: OperatorEdit,
    ) -> Result<Operator, Error> {
        let allows = |before: Role, after: Role| {
            [before, after].into_iter().try_for_each(|role| self.check_beyond(Grants::Role(role)))
        };
        self.console.set_operator_if(Some(&self.merchant().id), operator, edit, allows).await
    }
}
