//! Who asks: an API key, or a customer's own device with a client auth token.

use http::{HeaderMap, HeaderName};
use patron::Patron;
use patron::access::{Admitted, OwnCustomer};
use patron::merchant::Merchant;
use patron::token::ClientToken;
use patron_wire::Request;
use patron_wire::credentials::{Credential, is_from_another_site};

use crate::answers::Sender;
use crate::bodies::Said;
use crate::errors::{Failure, Refusal};
use crate::rules::Rules;

/// The header that names the merchant, and the names under which it is also seen.
pub(crate) const MERCHANT_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("x-merchantid"),
    HeaderName::from_static("x-merchant-id"),
    HeaderName::from_static("merchant-id"),
];

/// The header that asks for a version of the API.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("version");

/// Someone who may ask for one customer.
pub(crate) enum Caller<'a> {
    /// The merchant's server.
    Key(Admitted<'a>),
    /// A customer's device.
    Token(OwnCustomer<'a>),
}

/// Lets in an API key, for the routes that only keys may use.
pub(crate) async fn key_holder<'a>(
    patron: &'a Patron,
    request: &Request,
    sender: &mut Sender,
) -> Result<(Admitted<'a>, Rules), Failure> {
    match Credential::from_headers(&request.headers) {
        Credential::Basic { user, password } => {
            admit(patron, request, sender, &user, password.as_deref()).await
        }
        Credential::None | Credential::Bearer(_) | Credential::Malformed => {
            Err(Refusal::Unauthenticated.into())
        }
    }
}

/// Lets in an API key or a client auth token. When both are sent, the key counts.
pub(crate) async fn caller<'a>(
    patron: &'a Patron,
    request: &Request,
    sender: &mut Sender,
) -> Result<(Caller<'a>, Rules), Failure> {
    let text = match Credential::from_headers(&request.headers) {
        Credential::Basic { user, password } => {
            let (admitted, rules) =
                admit(patron, request, sender, &user, password.as_deref()).await?;
            return Ok((Caller::Key(admitted), rules));
        }
        Credential::Bearer(text) => text,
        Credential::None => token_in_query(request).ok_or(Refusal::Unauthenticated)?,
        Credential::Malformed => return Err(Refusal::Unauthenticated.into()),
    };
    let token = ClientToken::parse(&text).ok_or(Refusal::Unauthenticated)?;
    let context = &request.context;
    let holder = patron.authenticate_token(&token, context.received).await?;
    let rules = welcome(holder.merchant(), request, sender)?;
    Ok((Caller::Token(holder.own_customer(context.client, &context.loggable_id)), rules))
}

async fn admit<'a>(
    patron: &'a Patron,
    request: &Request,
    sender: &mut Sender,
    key: &[u8],
    password: Option<&[u8]>,
) -> Result<(Admitted<'a>, Rules), Failure> {
    // Not a 401: that would have the browser ask its user for a key, to try again with.
    if is_from_another_site(&request.method, &request.headers) {
        return Err(Refusal::FromAnotherSite.into());
    }
    // The documents say "Username: API key, Password: empty string"; two of them leave out the colon.
    if password.is_some_and(|password| !password.is_empty()) {
        return Err(Refusal::Unauthenticated.into());
    }
    let context = &request.context;
    let authenticated = patron.authenticate_key(key, context.received).await?;
    let rules = welcome(authenticated.merchant(), request, sender)?;
    Ok((authenticated.admit(context.client)?, rules))
}

/// Checks the merchant header, if there is one, and names the merchant in the answer.
fn welcome(merchant: &Merchant, request: &Request, sender: &mut Sender) -> Result<Rules, Failure> {
    if names_another_merchant(&request.headers, merchant) {
        return Err(Refusal::Unauthenticated.into());
    }
    sender.for_merchant(&merchant.id);
    let version = request.headers.get(VERSION).map(|version| version.as_bytes());
    Ok(Rules::of(merchant, version))
}

/// An empty header is what some libraries send when no merchant is configured: not sent.
fn names_another_merchant(headers: &HeaderMap, merchant: &Merchant) -> bool {
    MERCHANT_HEADERS
        .iter()
        .flat_map(|name| headers.get_all(name))
        .any(|value| !value.is_empty() && value.as_bytes() != merchant.id.as_str().as_bytes())
}

fn token_in_query(request: &Request) -> Option<String> {
    match Said::from_query(request).ok()?.about_key("client_auth_token") {
        crate::bodies::Presence::Text(text) => Some(text),
        crate::bodies::Presence::Absent | crate::bodies::Presence::Wrong => None,
    }
}
