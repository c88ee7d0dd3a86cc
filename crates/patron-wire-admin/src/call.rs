//! One request on its way: to what its path names, and to what its caller may do there.

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
        Ok(principal.within(&id, &self.request.context.request_id).await?)
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
    pub(crate) async fn answer(&mut self, endpoint: Endpoint) -> Outcome {
        match endpoint {
            Endpoint::LogIn => sessions::log_in(self).await,
            Endpoint::LogOut => sessions::log_out(self).await,
            Endpoint::FindCaller => sessions::find_caller(self).await,
            Endpoint::ListMerchants => merchants::list(self).await,
            Endpoint::CreateMerchant => merchants::create(self).await,
            Endpoint::FindMerchant => merchants::find(self).await,
            Endpoint::UpdateMerchant => merchants::update(self).await,
            Endpoint::ListKeys => keys::list(self).await,
            Endpoint::CreateKey => keys::create(self).await,
            Endpoint::RevokeKey => keys::revoke(self).await,
            Endpoint::RollKey => keys::roll(self).await,
            Endpoint::FindAllowList => allow_lists::find(self).await,
            Endpoint::ReplaceAllowList => allow_lists::replace(self).await,
            Endpoint::TryAllowList => allow_lists::try_out(self).await,
            Endpoint::ListOperators => operators::list(self).await,
            Endpoint::CreateOperator => operators::create(self).await,
            Endpoint::UpdateOperator => operators::update(self).await,
            Endpoint::ListDeploymentOperators => operators::list_of_deployment(self).await,
            Endpoint::CreateDeploymentOperator => operators::create_of_deployment(self).await,
            Endpoint::UpdateDeploymentOperator => operators::update_of_deployment(self).await,
            Endpoint::SearchCustomers => customers::search(self).await,
            Endpoint::FindCustomer => customers::find(self).await,
            Endpoint::DeleteCustomer => customers::delete(self).await,
            Endpoint::EraseCustomer => erasures::erase(self).await,
            Endpoint::FindErasure => erasures::find(self).await,
            Endpoint::ReplaceMetadata => customers::replace_metadata(self).await,
            Endpoint::ReplacePaymentFacts => customers::replace_payment_facts(self).await,
            Endpoint::ListHistory => history::list(self).await,
            Endpoint::ExportCustomer => exports::export(self).await,
            Endpoint::ListAccesses => access_log::list(self).await,
            Endpoint::IntrospectToken => tokens::introspect(self).await,
        }
    }
}

fn not_found(public: &'static str) -> Error {
    Error::new(Kind::NotFound, public)
}
