//! One request on its way: to what its path names, and to what its caller may do there.

use std::pin::Pin;

use patron::Patron;
use patron::error::{Error, Kind};
use patron::ids::{CustomerNumber, KeyNumber, MerchantId, OperatorNumber};
use patron::locator::Locator;
use patron::principal::{Principal, Within};
use patron_wire::{Request, Setting};

use crate::answers::Reply;
use crate::auth;
use crate::errors::Failure;
use crate::route::{Endpoint, Route};
use crate::{
    access_log, allow_lists, customers, erasures, exports, history, keys, merchants, operators,
    sessions, tokens,
};

/// A request, and what it is answered from.
pub(crate) struct Call<'a> {
    pub(crate) patron: &'a Patron,
    /// What merchants can set, over all wires.
    pub(crate) settings: &'a [Setting],
    pub(crate) route: &'a Route,
    pub(crate) request: &'a mut Request,
}

/// What any endpoint answers.
pub(crate) type Outcome = Result<Reply, Failure>;

/// The same, when it is there.
type OutcomeFuture<'c> = Pin<Box<dyn Future<Output = Outcome> + Send + 'c>>;

impl<'a> Call<'a> {
    /// Whoever asks.
    pub(crate) async fn principal(&self) -> Result<Principal<'a>, Failure> {
        auth::principal(self.patron, self.request).await
    }

    /// Whoever asks, within the merchant that the path names.
    pub(crate) async fn within(&self) -> Result<Within<'a>, Failure> {
        let principal = self.principal().await?;
        self.within_of(&principal).await
    }

    /// The principal within the merchant that the path names. Another's looks like one that there is not.
    pub(crate) async fn within_of(&self, principal: &Principal<'a>) -> Result<Within<'a>, Failure> {
        let id = self.route.name("merchant").and_then(MerchantId::parse);
        let id = id.ok_or_else(|| not_found("there is no such merchant"))?;
        Ok(principal.within(&id, &self.request.context.loggable_id).await?)
    }

    /// The customer that the path names.
    pub(crate) fn customer(&self) -> Result<Locator<'a>, Failure> {
        let text = self.route.name("customer").ok_or_else(Error::customer_not_found)?;
        Ok(Locator::of_text(text))
    }

    /// The number in the path; `None` when what stands there is none.
    fn number(&self) -> Option<i64> {
        let text = self.route.name("number")?;
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if is_digits { text.parse().ok() } else { None }
    }

    /// The key that the path names. Numbers begin at 1, so that nobody has what is no number.
    pub(crate) fn key(&self) -> KeyNumber {
        KeyNumber::new(self.number().unwrap_or(0))
    }

    /// The operator that the path names; as [`Call::key`].
    pub(crate) fn operator(&self) -> OperatorNumber {
        OperatorNumber::new(self.number().unwrap_or(0))
    }

    /// The customer whose number the path has.
    pub(crate) fn customer_number(&self) -> Result<CustomerNumber, Failure> {
        let number = self.number().and_then(CustomerNumber::new);
        Ok(number.ok_or_else(Error::customer_not_found)?)
    }

    /// Does what the endpoint is for. Each checks in the same order: who asks, from where, the merchant, the
    /// right to it, what is said, and whether what it is about is there.
    pub(crate) fn answer(&mut self, endpoint: Endpoint) -> OutcomeFuture<'_> {
        match endpoint {
            Endpoint::LogIn => Box::pin(sessions::log_in(self)),
            Endpoint::LogOut => Box::pin(sessions::log_out(self)),
            Endpoint::FindCaller => Box::pin(sessions::find_caller(self)),
            Endpoint::ListMerchants => Box::pin(merchants::list(self)),
            Endpoint::CreateMerchant => Box::pin(merchants::create(self)),
            Endpoint::FindMerchant => Box::pin(merchants::find(self)),
            Endpoint::UpdateMerchant => Box::pin(merchants::update(self)),
            Endpoint::ListKeys => Box::pin(keys::list(self)),
            Endpoint::CreateKey => Box::pin(keys::create(self)),
            Endpoint::RevokeKey => Box::pin(keys::revoke(self)),
            Endpoint::RollKey => Box::pin(keys::roll(self)),
            Endpoint::FindAllowList => Box::pin(allow_lists::find(self)),
            Endpoint::ReplaceAllowList => Box::pin(allow_lists::replace(self)),
            Endpoint::TryAllowList => Box::pin(allow_lists::try_out(self)),
            Endpoint::ListOperators => Box::pin(operators::list(self)),
            Endpoint::CreateOperator => Box::pin(operators::create(self)),
            Endpoint::UpdateOperator => Box::pin(operators::update(self)),
            Endpoint::ListDeploymentOperators => Box::pin(operators::list_of_deployment(self)),
            Endpoint::CreateDeploymentOperator => Box::pin(operators::create_of_deployment(self)),
            Endpoint::UpdateDeploymentOperator => Box::pin(operators::update_of_deployment(self)),
            Endpoint::SearchCustomers => Box::pin(customers::search(self)),
            Endpoint::FindCustomer => Box::pin(customers::find(self)),
            Endpoint::DeleteCustomer => Box::pin(customers::delete(self)),
            Endpoint::EraseCustomer => Box::pin(erasures::erase(self)),
            Endpoint::FindErasure => Box::pin(erasures::find(self)),
            Endpoint::ReplaceMetadata => Box::pin(customers::replace_metadata(self)),
            Endpoint::ReplacePaymentFacts => Box::pin(customers::replace_payment_facts(self)),
            Endpoint::ListHistory => Box::pin(history::list(self)),
            Endpoint::ExportCustomer => Box::pin(exports::export(self)),
            Endpoint::ListAccesses => Box::pin(access_log::list(self)),
            Endpoint::IntrospectToken => Box::pin(tokens::introspect(self)),
        }
    }
}

fn not_found(public: &'static str) -> Error {
    Error::new(Kind::NotFound, public)
}
