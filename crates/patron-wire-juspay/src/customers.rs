//! What the six endpoints do.

use patron::Patron;
use patron::access::OwnCustomer;
use patron::commands::{Ensure, Written};
use patron::customer::Customer;
use patron::error::Error;
use patron::locator::Locator;
use patron::profile::Field;
use patron::token::TokenWish;
use patron_wire::Request;
use patron_wire::etag::if_match;

use crate::answers::{Reply, Sender};
use crate::auth::{self, Caller};
use crate::bodies::{Presence, Said};
use crate::errors::{Failure, Refusal};
use crate::fields::FieldName;
use crate::route::{Endpoint, Route};
use crate::rules::{COUNT, COUNT_DEFAULT, OFFSET, OFFSET_DEFAULT, Wanted, bounded};

/// Who holds the right to do what a route does.
enum Holder<'a, Capability> {
    /// The merchant's server, with this capability.
    Key(Capability),
    /// A customer's device.
    Token(OwnCustomer<'a>),
}

/// Where get-or-create finds the reference.
enum ReferenceIn<'a> {
    Body,
    Path(&'a Option<String>),
}

/// Answers a request. The order of checks is the contract's: route, method, authentication,
/// allow-list, body, existence, `If-Match`.
pub(crate) async fn answer(
    patron: &Patron,
    route: &Route,
    request: &mut Request,
    sender: &mut Sender,
) -> Result<Reply, Failure> {
    let Some(endpoint) = route.endpoint(&request.method) else {
        return Err(not_offered(route).into());
    };
    // Reading one customer is by far the most frequent. The others are boxed, so that their many
    // variables do not make room in its future too.
    match endpoint {
        Endpoint::CreateCustomer => Box::pin(create_customer(patron, request, sender)).await,
        Endpoint::ListCustomers => Box::pin(list_customers(patron, request, sender)).await,
        Endpoint::FindCustomer => find_customer(patron, request, sender, route.name()).await,
        Endpoint::UpdateCustomer => {
            Box::pin(update_customer(patron, request, sender, route.name())).await
        }
        Endpoint::EnsureCustomer => {
            Box::pin(ensure_customer(patron, request, sender, ReferenceIn::Body)).await
        }
        Endpoint::EnsureNamedCustomer => {
            let reference = ReferenceIn::Path(route.name());
            Box::pin(ensure_customer(patron, request, sender, reference)).await
        }
    }
}

/// The refusal of what is no endpoint.
fn not_offered(route: &Route) -> Refusal {
    match route {
        Route::Unknown => Refusal::EndpointNotFound,
        Route::Customers
        | Route::Customer(_)
        | Route::EnsureCustomers
        | Route::EnsureCustomer(_) => Refusal::MethodNotAllowed { allow: route.allow() },
    }
}

/// Whether a token is wished, in the body or the query.
fn token_wish(said: &Said) -> Result<TokenWish, FieldName> {
    let is_on = said.is_on(FieldName::GetClientAuthToken)?;
    Ok(if is_on { TokenWish::Wished } else { TokenWish::NotWished })
}

/// `POST /customers`
async fn create_customer(
    patron: &Patron,
    request: &mut Request,
    sender: &mut Sender,
) -> Result<Reply, Failure> {
    let (admitted, rules) = auth::key_holder(patron, request, sender).await?;
    let writer = admitted.customer_writer(&request.context.loggable_id)?;
    let said = Said::from_body(request).await?;
    let wanted = Wanted::of(&said);
    let reference = said.about(FieldName::ObjectReferenceId);
    let missing = wanted.missing(&rules, &reference);
    if !missing.is_empty() {
        return Err(Refusal::Missing(missing).into());
    }
    let wish = token_wish(&said);
    // An empty text stands for a reference that is no text: neither is allowed.
    let reference = text_of(reference).unwrap_or_default();
    let empty = wanted.empty(&rules);
    let (profile, wish) = match (wanted.new_profile(&rules, &reference), wish, empty) {
        (Ok(profile), Ok(wish), None) => (profile, wish),
        (profile, wish, empty) => {
            return Err(wrong_in_any(profile.err(), wish.err().into_iter().chain(empty)));
        }
    };
    let Written { customer, token } = writer.create(profile, wish).await?;
    Ok(Reply::customer(&customer, token.as_ref(), rules.version))
}

/// The refusal for wrong fields of the core's and wrong keys of the request's own, together.
fn wrong_in_any(fields: Option<Vec<Field>>, keys: impl IntoIterator<Item = FieldName>) -> Failure {
    let fields = fields.into_iter().flatten().filter_map(FieldName::of);
    Refusal::wrong(fields.chain(keys).collect()).into()
}

fn text_of(presence: Presence) -> Option<String> {
    match presence {
        Presence::Text(text) => Some(text),
        Presence::Absent | Presence::Wrong => None,
    }
}

/// `GET /customers/{id}`
async fn find_customer(
    patron: &Patron,
    request: &Request,
    sender: &mut Sender,
    id: &Option<String>,
) -> Result<Reply, Failure> {
    let (caller, rules) = auth::caller(patron, request, sender).await?;
    let request_id = &request.context.loggable_id;
    let caller = match caller {
        Caller::Key(admitted) => Holder::Key(admitted.customer_reader(request_id)?),
        Caller::Token(own) => Holder::Token(own),
    };
    let said = Said::from_query(request)?;
    let wish = token_wish(&said).map_err(|field| Refusal::Wrong(vec![field]))?;
    let (customer, token) = match caller {
        Holder::Key(reader) => reader.find(named(id)?, wish).await?,
        // A token does not beget tokens: its end would mean nothing.
        Holder::Token(own) => (own.find(named(id)?).await?, None),
    };
    Ok(Reply::customer(&customer, token.as_ref(), rules.version))
}

fn named(id: &Option<String>) -> Result<Locator<'_>, Failure> {
    let id = id.as_deref().ok_or(Refusal::CustomerNotFound)?;
    Ok(Locator::IdOrReference(id))
}

/// `POST /customers/{id}`
async fn update_customer(
    patron: &Patron,
    request: &mut Request,
    sender: &mut Sender,
    id: &Option<String>,
) -> Result<Reply, Failure> {
    let (caller, rules) = auth::caller(patron, request, sender).await?;
    let request_id = request.context.loggable_id.clone();
    let caller = match caller {
        Caller::Key(admitted) => Holder::Key(admitted.customer_writer(&request_id)?),
        Caller::Token(own) => Holder::Token(own),
    };
    let wanted = Wanted::of(&Said::from_body(request).await?);
    let precondition = if_match(&request.headers);
    let decide = |stored: &Customer| wanted.edit(&rules, Some(stored)).map_err(Error::invalid);
    let outcome = match (&caller, named(id)) {
        (_, Err(not_found)) => Err(not_found),
        (Holder::Key(writer), Ok(id)) => {
            writer.update(id, &precondition, decide).await.map_err(Failure::from)
        }
        (Holder::Token(own), Ok(id)) => {
            own.update(id, &precondition, decide).await.map_err(Failure::from)
        }
    };
    let customer = outcome.map_err(|failure| {
        // The body is checked before the customer's existence; but only a customer that is there
        // can make a value right by having it already.
        if failure.refusal == Refusal::CustomerNotFound
            && let Err(wrong) = wanted.edit(&rules, None)
        {
            return Refusal::wrong_in_core(&wrong).into();
        }
        failure
    })?;
    Ok(Reply::customer(&customer, None, rules.version))
}

/// `POST /v2/customers` and `POST /v2/customers/{object_reference_id}`: get-or-create.
async fn ensure_customer(
    patron: &Patron,
    request: &mut Request,
    sender: &mut Sender,
    reference: ReferenceIn<'_>,
) -> Result<Reply, Failure> {
    let (admitted, rules) = auth::key_holder(patron, request, sender).await?;
    let writer = admitted.customer_writer(&request.context.loggable_id)?;
    let said = Said::from_body(request).await?;
    let reference = match reference {
        // No customer can have a reference that is not UTF-8.
        ReferenceIn::Path(reference) => reference.clone().map_or(Presence::Wrong, Presence::Text),
        ReferenceIn::Body => said.about(FieldName::ObjectReferenceId),
    };
    if reference == Presence::Absent {
        return Err(Refusal::Missing(vec![FieldName::ObjectReferenceId]).into());
    }
    let reference = text_of(reference).unwrap_or_default();
    let wanted = Wanted::of(&said);
    let (wish, is_update) = (token_wish(&said), said.is_on(FieldName::Update));
    let precondition = if_match(&request.headers);
    let (wish, is_update) = match (wish, is_update) {
        (Ok(wish), Ok(is_update)) => (wish, is_update),
        (wish, is_update) => {
            let switches = wish.err().into_iter().chain(is_update.err());
            return Err(wrong_in_any(wanted.edit(&rules, None).err(), switches));
        }
    };
    let decide = |stored: Option<&Customer>| {
        let Some(stored) = stored else {
            let profile = wanted.new_profile(&rules, &reference).map_err(Error::invalid)?;
            if !precondition.is_met_by_absence() {
                return Err(patron::customer::stale());
            }
            return Ok(Ensure::Create(Box::new(profile)));
        };
        let edit = wanted.edit(&rules, Some(stored)).map_err(Error::invalid)?;
        Ok(if is_update {
            Ensure::Update(Box::new(edit), precondition.clone())
        } else {
            Ensure::Keep
        })
    };
    let Written { customer, token } = writer.ensure(&reference, wish, decide).await?;
    Ok(Reply::customer(&customer, token.as_ref(), rules.version))
}

/// `GET /customers?count=&offset=`
async fn list_customers(
    patron: &Patron,
    request: &Request,
    sender: &mut Sender,
) -> Result<Reply, Failure> {
    let (admitted, rules) = auth::key_holder(patron, request, sender).await?;
    let reader = admitted.customer_reader(&request.context.loggable_id)?;
    let said = Said::from_query(request)?;
    let count = bounded(&said, FieldName::Count, COUNT_DEFAULT, COUNT);
    let offset = bounded(&said, FieldName::Offset, OFFSET_DEFAULT, OFFSET);
    let (Ok(count), Ok(offset)) = (count, offset) else {
        let wrong = count.err().into_iter().chain(offset.err()).collect();
        return Err(Refusal::Wrong(wrong).into());
    };
    let list = reader.list(offset, count).await?;
    Ok(Reply::list(&list, count, offset, rules.version))
}
