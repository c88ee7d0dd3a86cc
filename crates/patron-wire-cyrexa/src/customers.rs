//! What the endpoints for customers do.

use patron::Patron;
use patron::commands::Written;
use patron::customer::Customer;
use patron::ids::CustomerNumber;
use patron::locator::Locator;
use patron::pii::Pii;
use patron::search::{PageFrom, SearchQuery};
use patron::token::TokenWish;
use patron_wire::Request;
use patron_wire::etag::if_match;

use crate::answers::Reply;
use crate::auth::{self, Caller};
use crate::bodies::{Presence, Said};
use crate::errors::{Failure, Refusal};
use crate::fields::FieldName;
use crate::login;
use crate::route::{Endpoint, Route};
use crate::rules::limits::{PAGE_NUMBER_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};
use crate::rules::{Rules, Speaker, Wanted, bounded, check_own_edit};

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
        Endpoint::ListCustomers => Box::pin(list_customers(patron, request)).await,
        Endpoint::FindCustomer => find_customer(patron, request, number).await,
        Endpoint::UpdateCustomer | Endpoint::UpdateBareCustomer => {
            Box::pin(update_customer(patron, request, number)).await
        }
        Endpoint::DeleteCustomer => Box::pin(delete_customer(patron, request, number)).await,
        Endpoint::IssueToken => Box::pin(issue_token(patron, request, number)).await,
        Endpoint::LogIn => Box::pin(login::log_in(patron, request)).await,
    }
}

/// The refusal of what is no endpoint.
const fn not_offered(route: &Route) -> Refusal {
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
    let admitted = auth::merchant(patron, request).await?;
    let writer = admitted.customer_writer(&request.context.loggable_id)?;
    let said = Said::from_body(request).await?;
    let rules = Rules::of(admitted.merchant(), Speaker::Merchant, request.context.received);
    let wanted = Wanted::of(&said, &rules);
    let missing = wanted.missing();
    if !missing.is_empty() {
        return Err(Refusal::Missing(missing).into());
    }
    let profile = wanted.new_profile()?;
    let Written { customer, token: _ } = writer.create(profile, TokenWish::NotWished).await?;
    Ok(Reply::created(&customer, admitted.merchant()))
}

/// `GET /ipg/2.0.0/customers?pageNumber=&pageSize=&email=&memberId=`
async fn list_customers(patron: &Patron, request: &Request) -> Result<Reply, Failure> {
    let admitted = auth::merchant(patron, request).await?;
    let reader = admitted.customer_reader(&request.context.loggable_id)?;
    let said = Said::from_query(request)?;
    let page = bounded(&said, FieldName::PageNumber, 1, 1..=PAGE_NUMBER_MAX);
    let size = bounded(&said, FieldName::PageSize, PAGE_SIZE_DEFAULT, 1..=PAGE_SIZE_MAX);
    let email = looked_for(&said, FieldName::Email);
    let reference = looked_for(&said, FieldName::MemberId);
    let (page, size, email, exact_reference) = match (page, size, email, reference) {
        (Ok(page), Ok(size), Ok(email), Ok(reference)) => (page, size, email, reference),
        (page, size, email, reference) => {
            let wrong = [email.err(), reference.err(), page.err(), size.err()];
            return Err(Refusal::Wrong(wrong.into_iter().flatten().collect()).into());
        }
    };
    let offset = page.saturating_sub(1).saturating_mul(size);
    let query = SearchQuery { email, exact_reference, ..SearchQuery::default() };
    let found = reader.search(&query, PageFrom::Offset(offset), size).await?;
    Ok(Reply::page(&found.customers, admitted.merchant(), [page, size], found.total.count))
}

/// What a query looks for in a field, exactly; nothing when it is not said.
fn looked_for(said: &Said, field: FieldName) -> Result<Option<Pii<String>>, FieldName> {
    match said.about(field) {
        Presence::Absent => Ok(None),
        presence @ (Presence::Null | Presence::Value(_) | Presence::Wrong) => {
            presence.text().map(Pii::from).map(Some).ok_or(field)
        }
    }
}

/// `GET /ipg/2.0.0/customers/{id}`
async fn find_customer(
    patron: &Patron,
    request: &Request,
    number: Option<CustomerNumber>,
) -> Result<Reply, Failure> {
    let caller = auth::caller(patron, request).await?;
    let customer = match &caller {
        Caller::Merchant(admitted) => {
            let reader = admitted.customer_reader(&request.context.loggable_id)?;
            reader.find(numbered(number)?, TokenWish::NotWished).await?.0
        }
        Caller::Device(own, _) => own.find(numbered(number)?).await?,
    };
    Ok(Reply::customer(&customer, caller.owner()))
}

/// `PUT /ipg/2.0.0/customers/{id}` and `PUT /customers/{id}`
async fn update_customer(
    patron: &Patron,
    request: &mut Request,
    number: Option<CustomerNumber>,
) -> Result<Reply, Failure> {
    let caller = auth::caller(patron, request).await?;
    let writer = match &caller {
        Caller::Merchant(admitted) => Ok(admitted.customer_writer(&request.context.loggable_id)?),
        Caller::Device(own, _) => Err(own),
    };
    let said = Said::from_body(request).await?;
    let rules = Rules::of(caller.owner(), caller.speaker(), request.context.received);
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
    Ok(Reply::customer(&customer, caller.owner()))
}

/// `DELETE /ipg/2.0.0/customers/{id}`
async fn delete_customer(
    patron: &Patron,
    request: &Request,
    number: Option<CustomerNumber>,
) -> Result<Reply, Failure> {
    let admitted = auth::merchant(patron, request).await?;
    let eraser = admitted.customer_eraser(&request.context.loggable_id)?;
    eraser.delete(numbered(number)?, &if_match(&request.headers)).await?;
    Ok(Reply::gone())
}

/// `POST /ipg/2.0.0/customers/{id}/token`
async fn issue_token(
    patron: &Patron,
    request: &Request,
    number: Option<CustomerNumber>,
) -> Result<Reply, Failure> {
    let admitted = auth::merchant(patron, request).await?;
    let writer = admitted.customer_writer(&request.context.loggable_id)?;
    let issued = writer.issue_token(numbered(number)?).await?;
    Ok(Reply::token(&issued.token.to_text(), issued.expires))
}
