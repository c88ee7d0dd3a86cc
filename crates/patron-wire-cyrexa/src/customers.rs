//! What the endpoints do.

use patron::Patron;
use patron::commands::Written;
use patron::customer::Customer;
use patron::ids::CustomerNumber;
use patron::locator::Locator;
use patron::token::TokenWish;
use patron_wire::Request;
use patron_wire::etag::if_match;

use crate::answers::Reply;
use crate::auth::{self, Asking, Caller};
use crate::bodies::Said;
use crate::errors::{Failure, Refusal};
use crate::route::{Endpoint, Route};
use crate::rules::{Rules, Wanted, check_own_edit};

/// Answers a request. The order of checks is the contract's: route, method, authentication,
/// allow-list, body, existence, `If-Match`.
pub(crate) async fn answer(
    patron: &Patron,
    route: &Route,
    request: &mut Request,
) -> Result<Reply, Failure> {
    let Some(endpoint) = route.endpoint(&request.method) else {
        return Err(not_offered(route).into());
    };
    let number = route.number();
    // Reading one customer is by far the most frequent. The others are boxed, so that their many
    // variables do not make room in its future too.
    match endpoint {
        Endpoint::CreateCustomer => Box::pin(create_customer(patron, request)).await,
        Endpoint::FindCustomer => find_customer(patron, request, number).await,
        Endpoint::UpdateCustomer | Endpoint::UpdateBareCustomer => {
            Box::pin(update_customer(patron, request, number)).await
        }
        Endpoint::ListCustomers
        | Endpoint::DeleteCustomer
        | Endpoint::IssueToken
        | Endpoint::LogIn => Err(Refusal::Internal.into()),
    }
}

/// The refusal of what is no endpoint.
fn not_offered(route: &Route) -> Refusal {
    match route {
        Route::Unknown => Refusal::EndpointNotFound,
        Route::Customers
        | Route::Customer(_)
        | Route::BareCustomer(_)
        | Route::Token(_)
        | Route::Login => Refusal::MethodNotAllowed { allow: route.allow() },
    }
}

fn numbered(number: Option<CustomerNumber>) -> Result<Locator<'static>, Failure> {
    Ok(Locator::Number(number.ok_or(Refusal::CustomerNotFound)?))
}

/// `POST /ipg/2.0.0/customers`
async fn create_customer(patron: &Patron, request: &mut Request) -> Result<Reply, Failure> {
    let (admitted, owner) = auth::key_holder(patron, request).await?;
    let writer = admitted.customer_writer(&request.context.request_id)?;
    let said = Said::from_body(request).await?;
    let rules = Rules::of(&owner, request.context.received);
    let wanted = Wanted::of(&said, &rules);
    let missing = wanted.missing();
    if !missing.is_empty() {
        return Err(Refusal::Missing(missing).into());
    }
    let profile = wanted.new_profile()?;
    let Written { customer, token: _ } = writer.create(profile, TokenWish::NotWished).await?;
    Ok(Reply::created(&customer, &owner))
}

/// `GET /ipg/2.0.0/customers/{id}`
async fn find_customer(
    patron: &Patron,
    request: &Request,
    number: Option<CustomerNumber>,
) -> Result<Reply, Failure> {
    let Asking { caller, owner } = auth::asking(patron, request).await?;
    let customer = match caller {
        Caller::Key(admitted) => {
            let reader = admitted.customer_reader(&request.context.request_id)?;
            reader.find(numbered(number)?, TokenWish::NotWished).await?.0
        }
        Caller::Token(own) => own.find(numbered(number)?).await?,
    };
    Ok(Reply::customer(&customer, &owner))
}

/// `PUT /ipg/2.0.0/customers/{id}` and `PUT /customers/{id}`
async fn update_customer(
    patron: &Patron,
    request: &mut Request,
    number: Option<CustomerNumber>,
) -> Result<Reply, Failure> {
    let Asking { caller, owner } = auth::asking(patron, request).await?;
    let request_id = request.context.request_id.clone();
    let writer = match caller {
        Caller::Key(admitted) => Ok(admitted.customer_writer(&request_id)?),
        Caller::Token(own) => Err(own),
    };
    let said = Said::from_body(request).await?;
    let rules = Rules::of(&owner, request.context.received);
    let wanted = Wanted::of(&said, &rules);
    if wanted.is_about_another(number.map(CustomerNumber::get)) {
        return Err(Refusal::OtherId.into());
    }
    let precondition = if_match(&request.headers);
    let outcome = match (&writer, numbered(number)) {
        (_, Err(not_found)) => Err(not_found),
        (Ok(writer), Ok(locator)) => {
            let decide = |stored: &Customer| wanted.edit(Some(stored));
            writer.update(locator, &precondition, decide).await.map_err(Failure::from)
        }
        (Err(own), Ok(locator)) => {
            let decide = |stored: &Customer| {
                let edit = wanted.edit(Some(stored))?;
                check_own_edit(&edit)?;
                Ok(edit)
            };
            own.update(locator, &precondition, decide).await.map_err(Failure::from)
        }
    };
    let customer = outcome.map_err(|failure| {
        // The body is checked before the customer's existence; but only a customer that is there
        // can make a value right by having it already.
        if failure.refusal == Refusal::CustomerNotFound
            && let Err(wrong) = wanted.edit(None)
        {
            return wrong.into();
        }
        failure
    })?;
    Ok(Reply::customer(&customer, &owner))
}
