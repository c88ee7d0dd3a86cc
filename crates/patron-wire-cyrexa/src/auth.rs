//! Who asks: an API key, or a customer's own device with a client auth token.

use http::{HeaderMap, HeaderName};
use patron::Patron;
use patron::access::{Admitted, OwnCustomer};
use patron::merchant::Merchant;
use patron::token::ClientToken;
use patron_wire::Request;
use patron_wire::credentials::Credential;

use crate::errors::{Failure, Refusal};

/// The header that carries an API key.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Someone who may ask for one customer.
pub(crate) enum Caller<'a> {
    /// The merchant's server.
    Key(Admitted<'a>),
    /// A customer's device.
    Token(OwnCustomer<'a>),
}

/// Someone who asks, and whose customers are asked for.
pub(crate) struct Asking<'a> {
    pub(crate) caller: Caller<'a>,
    pub(crate) owner: Merchant,
}

/// What a request shows.
enum Shown<'a> {
    Key(&'a [u8]),
    Token(ClientToken),
}

/// When a key is sent, it counts, whatever else is sent.
fn shown(headers: &HeaderMap) -> Result<Shown<'_>, Refusal> {
    let mut keys = headers.get_all(X_API_KEY).iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) => return Ok(Shown::Key(key.as_bytes())),
        (Some(_), Some(_)) => return Err(Refusal::Unauthenticated),
        (None, _) => {}
    }
    match Credential::from_headers(headers) {
        Credential::Bearer(text) => {
            ClientToken::parse(&text).map(Shown::Token).ok_or(Refusal::Unauthenticated)
        }
        Credential::None | Credential::Basic { .. } | Credential::Malformed => {
            Err(Refusal::Unauthenticated)
        }
    }
}

/// Lets in an API key or a client auth token.
pub(crate) async fn asking<'a>(
    patron: &'a Patron,
    request: &Request,
) -> Result<Asking<'a>, Failure> {
    let context = &request.context;
    match shown(&request.headers)? {
        Shown::Key(key) => {
            let authenticated = patron.authenticate_key(key, context.received).await?;
            let owner = authenticated.merchant().clone();
            Ok(Asking { caller: Caller::Key(authenticated.admit(context.client)?), owner })
        }
        Shown::Token(token) => {
            let holder = patron.authenticate_token(&token, context.received).await?;
            let owner = holder.merchant().clone();
            let own = holder.own_customer(context.client, &context.request_id);
            Ok(Asking { caller: Caller::Token(own), owner })
        }
    }
}

/// Lets in the merchant's server, for what customers' devices may not do.
pub(crate) async fn key_holder<'a>(
    patron: &'a Patron,
    request: &Request,
) -> Result<(Admitted<'a>, Merchant), Failure> {
    let Asking { caller, owner } = asking(patron, request).await?;
    match caller {
        Caller::Key(admitted) => Ok((admitted, owner)),
        Caller::Token(_) => Err(Refusal::Forbidden.into()),
    }
}
