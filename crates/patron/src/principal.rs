//! Principals: who calls the management interface, and what each may do within a merchant and beyond.

use std::net::IpAddr;
use std::sync::Arc;

use crate::access::{Admitted, CustomerEraser, CustomerWriter, Grants};
use crate::actor::{Actor, ActorKind};
use crate::api_key::Scope;
use crate::clerk::Clerk;
use crate::clock::Timestamp;
use crate::error::{Error, Kind};
use crate::ids::{MerchantId, MerchantNumber};
use crate::management::Console;
use crate::merchant::Merchant;
use crate::operator::{Role, SealedOperator, Sight};
use crate::patron::{MerchantContext, Patron};
use crate::steward::Steward;

/// Who calls the management interface: an API key, or an operator in a session.
pub struct Principal<'a> {
    patron: &'a Patron,
    /// `None` for the deployment's own operators, who reach every merchant.
    merchant: Option<MerchantNumber>,
    grants: Grants,
    kind: ActorKind,
    address: Option<IpAddr>,
    now: Timestamp,
}

impl<'a> Principal<'a> {
    pub(crate) const fn operator(
        patron: &'a Patron,
        operator: &SealedOperator,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Self {
        let grants = Grants::Role(operator.role);
        let kind = ActorKind::Operator(operator.number);
        Self { patron, merchant: operator.merchant, grants, kind, address, now }
    }

    /// Who it is.
    pub const fn kind(&self) -> ActorKind {
        self.kind
    }

    /// What it may do, by the names of scopes.
    pub fn scopes(&self) -> Vec<Scope> {
        Scope::ALL.into_iter().filter(|scope| self.grants.include(*scope)).collect()
    }

    /// How much it sees.
    pub const fn sight(&self) -> Sight {
        self.grants.sight()
    }

    /// The merchants that it reaches, by id.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot answer.
    pub async fn list_merchants(&self) -> Result<Vec<Merchant>, Error> {
        match self.merchant {
            Some(number) => {
                Ok(self.patron.store.find_merchant(number).await?.into_iter().collect())
            }
            None => Ok(self.patron.store.list_merchants().await?),
        }
    }

    /// The principal within a merchant.
    ///
    /// # Errors
    /// `NotFound` when there is no such merchant, or it is not the principal's, which nobody can tell apart.
    pub async fn within(
        &self,
        merchant: &MerchantId,
        request_id: &str,
    ) -> Result<Within<'a>, Error> {
        const NOT_FOUND: Error = Error::new(Kind::NotFound, "there is no such merchant");
        let patron = self.patron;
        // The caller's own is asked for by number, so that the time taken tells nothing about others.
        let number = match self.merchant {
            Some(number) => number,
            None => {
                let found = patron.store.find_merchant_by_id(merchant).await?;
                found.ok_or(NOT_FOUND)?.number
            }
        };
        let epoch = patron.management_epoch().await?;
        let context = patron.merchant_context(epoch, number).await?.ok_or(NOT_FOUND)?;
        if context.merchant.id != *merchant {
            return Err(NOT_FOUND);
        }
        let Self { patron: _, merchant: _, grants, kind, address, now } = self;
        let admitted = Admitted {
            patron,
            context,
            grants: *grants,
            kind: *kind,
            address: *address,
            now: *now,
        };
        Ok(Within { admitted, request_id: request_id.to_owned() })
    }

    /// The right to manage the deployment: its merchants, and its own operators.
    ///
    /// # Errors
    /// `Denied` for everybody but the deployment's owners.
    pub fn deployment(&self) -> Result<Console<'a>, Error> {
        let is_owner = matches!(self.grants, Grants::Role(Role::Owner));
        if self.merchant.is_none() && is_owner {
            return Ok(self.patron.console(self.now));
        }
        Err(Error::new(Kind::Denied, "only an owner of the deployment may do this"))
    }
}

impl<'a> Admitted<'a> {
    /// The key's holder as a caller of the management interface.
    pub fn principal(self) -> Principal<'a> {
        let Self { patron, context, grants, kind, address, now } = self;
        Principal { patron, merchant: Some(context.merchant.number), grants, kind, address, now }
    }
}

/// A principal within one merchant.
pub struct Within<'a> {
    admitted: Admitted<'a>,
    request_id: String,
}

impl<'a> Within<'a> {
    /// The merchant.
    pub fn merchant(&self) -> &Merchant {
        self.admitted.merchant()
    }

    /// How much is seen here.
    pub const fn sight(&self) -> Sight {
        self.admitted.grants.sight()
    }

    /// The right to look at customers, of which the access log tells.
    ///
    /// # Errors
    /// `Denied` without the scope `customers:read`.
    pub fn clerk(&self) -> Result<Clerk<'a>, Error> {
        let desk = self.admitted.desk(Scope::CustomersRead, &self.request_id)?;
        let may_read_log = self.admitted.grants.may_read_access_log();
        Ok(Clerk { desk, sight: self.sight(), may_read_log })
    }

    /// The right to update customers.
    ///
    /// # Errors
    /// `Denied` without the scope `customers:write`.
    pub fn writer(&self) -> Result<CustomerWriter<'a>, Error> {
        self.admitted.customer_writer(&self.request_id)
    }

    /// The right to delete and erase customers.
    ///
    /// # Errors
    /// `Denied` without the scope `customers:erase`.
    pub fn eraser(&self) -> Result<CustomerEraser<'a>, Error> {
        self.admitted.customer_eraser(&self.request_id)
    }

    /// The right to manage the merchant: its settings, keys, allow-list and operators.
    ///
    /// # Errors
    /// `Denied` without the scope `admin`.
    pub fn manager(&self) -> Result<Steward<'a>, Error> {
        self.admitted.check(Scope::Admin)?;
        let Admitted { patron, context, grants, kind: _, address: _, now } = &self.admitted;
        Ok(Steward::new(patron.console(*now), Arc::clone(context), *grants))
    }
}

impl Patron {
    /// The program itself at a merchant's customers: for what it does in the background. `None` when there is
    /// no such merchant.
    pub(crate) async fn own_desk(
        &self,
        merchant: MerchantNumber,
        now: Timestamp,
    ) -> Result<Option<crate::desk::Desk<'_>>, Error> {
        self.desk_of(ActorKind::System, merchant, now).await
    }

    /// A desk for whoever runs the program, or for the program itself.
    pub(crate) async fn desk_of(
        &self,
        kind: ActorKind,
        merchant: MerchantNumber,
        now: Timestamp,
    ) -> Result<Option<crate::desk::Desk<'_>>, Error> {
        let epoch = self.management_epoch().await?;
        let context: Option<Arc<MerchantContext>> = self.merchant_context(epoch, merchant).await?;
        let actor = Actor { kind, address: None, request_id: String::new() };
        Ok(context.map(|context| crate::desk::Desk {
            patron: self,
            context,
            actor,
            now,
            may_issue_tokens: false,
        }))
    }
}
