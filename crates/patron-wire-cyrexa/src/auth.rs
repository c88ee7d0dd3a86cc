//! Who asks: an API key, an operator with an access token, or a customer's own device with a client auth
//! token.

use http::{HeaderMap, HeaderName};
use patron::Patron;
use patron::access::{Admitted, OwnCustomer};
use patron::merchant::Merchant;
use patron::session::{SessionPurpose, SessionText};
use patron::token::ClientToken;
use patron_wire::Request;
use patron_wire::credentials::Credential;

use crate::errors::{Failure, Refusal};
use crate::rules::Speaker;

/// The header that carries an API key.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Someone who may ask for one customer.
pub(crate) enum Caller<'a> {
    /// The merchant's server, or somebody who looks after its customers.
    Merchant(Admitted<'a>),
    /// A customer's device, and whose customer it is.
    Device(OwnCustomer<'a>, Merchant),
}

impl Caller<'_> {
    /// Whose customers are asked for.
    pub(crate) fn owner(&self) -> &Merchant {
        match self {
            Self::Merchant(admitted) => admitted.merchant(),
            Self::Device(_, merchant) => merchant,
        }
    }

    /// Whose word it is.
    pub(crate) const fn speaker(&self) -> Speaker {
        match self {
            Self::Merchant(_) => Speaker::Merchant,
            Self::Device(..) => Speaker::Device,
        }
    }
}

/// What a request shows.
enum Shown<'a> {
    Key(&'a [u8]),
    AccessToken(SessionText),
    ClientToken(ClientToken),
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
            let access_token = SessionText::parse(&text).map(Shown::AccessToken);
            let any = access_token.or_else(|| ClientToken::parse(&text).map(Shown::ClientToken));
            any.ok_or(Refusal::Unauthenticated)
        }
        Credential::None | Credential::Basic { .. } | Credential::Malformed => {
            Err(Refusal::Unauthenticated)
        }
    }
}

/// Lets in whoever may ask for a customer.
pub(crate) async fn caller<'a>(
    patron: &'a Patron,
    request: &Request,
) -> Result<Caller<'a>, Failure> {
    let context = &request.context;
    match shown(&request.headers)? {
        Shown::Key(key) => {
            let authenticated = patron.authenticate_key(key, context.received).await?;
            Ok(Caller::Merchant(authenticated.admit(context.client)?))
        }
        Shown::AccessToken(text) => {
            let purpose = SessionPurpose::Wire;
            let signed_in = patron.authenticate_session(&text, purpose, context.received).await?;
            Ok(Caller::Merchant(signed_in.admit(context.client).await?))
        }
        Shown::ClientToken(token) => {
            let holder = patron.authenticate_token(&token, context.received).await?;
            let owner = holder.merchant().clone();
            let own = holder.own_customer(context.client, &context.loggable_id);
            Ok(Caller::Device(own, owner))
        }
    }
}

/// Lets in the merchant's side, for what customers' devices may not do.
pub(crate) async fn merchant<'a>(
    patron: &'a Patron,
    request: &Request,
) -> Result<Admitted<'a>, Failure> {
    match caller(patron, request).await? {
        Caller::Merchant(admitted) => Ok(admitted),
        Caller::Device(..) => Err(Refusal::Forbidden.into()),
    }
}
