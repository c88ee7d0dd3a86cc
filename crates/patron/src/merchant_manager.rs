//! Managing one merchant: its settings, API keys, allow-list and operators, and nobody else's.

use std::sync::Arc;
use std::time::Duration;

use crate::access::Grants;
use crate::api_key::{ApiKey, ApiKeyText, Scope, Scopes};
use crate::error::{Error, Kind};
use crate::ids::{KeyNumber, OperatorNumber};
use crate::management::{Console, MerchantEdit, NewKey};
use crate::merchant::{AllowList, Merchant};
use crate::operator::{Operator, Role};
use crate::operators::{NewOperator, OperatorEdit};
use crate::patron::MerchantContext;
use crate::recent_addresses::DryRun;
use crate::store::ListedKey;

/// The right to manage one merchant.
///
/// Whoever has it hands out no right that it does not have itself, since it could take that for itself then:
/// neither by a key, nor by an operator, whose password it would know.
pub struct MerchantManager<'a> {
    console: Console<'a>,
    context: Arc<MerchantContext>,
    grants: Grants,
}

impl<'a> MerchantManager<'a> {
    pub(crate) const fn new(
        console: Console<'a>,
        context: Arc<MerchantContext>,
        grants: Grants,
    ) -> Self {
        Self { console, context, grants }
    }

    fn check_has(&self, is_given: impl Fn(Scope) -> bool) -> Result<(), Error> {
        let has = |scope| self.grants.include(scope);
        if Scope::ALL.into_iter().all(|scope| has(scope) || !is_given(scope)) {
            return Ok(());
        }
        Err(Error::new(Kind::Denied, "nobody may give away a right that it does not have"))
    }

    fn check_scopes(&self, scopes: &Scopes) -> Result<(), Error> {
        self.check_has(|scope| scopes.include(scope))
    }

    fn check_role(&self, role: Role) -> Result<(), Error> {
        self.check_has(|scope| role.includes(scope))
    }

    fn merchant(&self) -> &Merchant {
        &self.context.merchant
    }

    /// Changes what the merchant has set. Whether its keys work is not its own affair.
    ///
    /// # Errors
    /// `Invalid` when the name is not fit, `Stale` when somebody else changed it at the same moment, `Denied`
    /// for a change of the standing.
    pub async fn set(&self, edit: MerchantEdit) -> Result<Merchant, Error> {
        if edit.standing.is_some() {
            let public = "only an owner of the deployment may suspend a merchant or resume it";
            return Err(Error::new(Kind::Denied, public));
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
    /// `Invalid` when the label is not fit; `Denied` for a scope that the caller does not have.
    pub async fn create_key(&self, new: NewKey) -> Result<(ApiKey, ApiKeyText), Error> {
        self.check_scopes(&new.scopes)?;
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
    /// a scope that the caller does not have.
    pub async fn roll_key(
        &self,
        old: KeyNumber,
        grace: Duration,
    ) -> Result<(ApiKey, ApiKeyText), Error> {
        let keys = self.list_keys().await?;
        if let Some(listed) = keys.iter().find(|listed| listed.key.number == old) {
            self.check_scopes(&listed.key.scopes)?;
        }
        self.console.roll_key(&self.merchant().id, old, grace).await
    }

    /// Creates an operator of the merchant.
    ///
    /// # Errors
    /// `AlreadyExists` when somebody has its address, `Invalid` when a value is not fit, `Denied` for a role that
    /// may do more than the caller.
    pub async fn create_operator(&self, new: NewOperator) -> Result<Operator, Error> {
        self.check_role(new.role)?;
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
    /// somebody else changed it at the same moment; `Denied` when it may do more than the caller, or is to.
    pub async fn set_operator(
        &self,
        operator: OperatorNumber,
        edit: OperatorEdit,
    ) -> Result<Operator, Error> {
        let may_change = |role: Role| self.check_role(role);
        self.console.set_operator_if(Some(&self.merchant().id), operator, edit, may_change).await
    }
}
