//! Who asks: an operator in a session, or a merchant's server with an API key.

use http::{HeaderMap, HeaderName, Method};
use patron::Patron;
use patron::access::Admitted;
use patron::error::{Error, Kind};
use patron::principal::Principal;
use patron::session::{SessionPurpose, SessionText};
use patron::sign_in::SignedIn;
use patron_wire::Request;
use patron_wire::credentials::{Credential, is_from_another_site};

use crate::errors::{Failure, Refusal};

/// The header that carries an API key.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What every session's text begins with.
const SESSION: &str = "ses_";

/// Someone who may ask here.
pub(crate) enum Caller<'a> {
    /// A merchant's server.
    Key(Admitted<'a>),
    /// An operator.
    Operator(SignedIn<'a>),
}

/// What a request shows.
enum Shown {
    Key(Vec<u8>),
    Session(SessionText),
}

/// A request shows one credential: of two, nobody can tell for whom it is meant.
fn shown(method: &Method, headers: &HeaderMap) -> Result<Shown, Failure> {
    let mut keys = headers.get_all(X_API_KEY).iter();
    let shown = match (keys.next(), keys.next(), Credential::from_headers(headers)) {
        (Some(key), None, Credential::None) => Some(Shown::Key(key.as_bytes().to_vec())),
        (None, _, Credential::Bearer(text)) if text.starts_with(SESSION) => {
            SessionText::parse(&text).map(Shown::Session)
        }
        (None, _, Credential::Bearer(text)) => Some(Shown::Key(text.into_bytes())),
        // Not a 401: nobody is to sign in and try again.
        (None, _, Credential::Basic { .. }) if is_from_another_site(method, headers) => {
            let public = "a web page of another site may not use a key";
            return Err(Error::new(Kind::Denied, public).into());
        }
        // As curl and others send a key by its own: as the name of a user, with nothing behind it.
        (None, _, Credential::Basic { user, password }) => {
            password.is_none_or(|password| password.is_empty()).then_some(Shown::Key(user))
        }
        (Some(_), _, _) | (None, _, Credential::None | Credential::Malformed) => None,
    };
    shown.ok_or_else(|| Refusal::Unauthenticated.into())
}

/// Why a credential is no good is nobody's business: all of them are told the same.
fn refused(error: Error) -> Failure {
    if *error.kind() == Kind::Unauthenticated {
        let public = "there is no credential, or it is not in force";
        return Error::new(Kind::Unauthenticated, public).because(error).into();
    }
    error.into()
}

/// Lets in whoever has a session or a key in force. The allow-list binds keys.
pub(crate) async fn caller<'a>(
    patron: &'a Patron,
    request: &Request,
) -> Result<Caller<'a>, Failure> {
    let context = &request.context;
    let now = context.received;
    match shown(&request.method, &request.headers)? {
        Shown::Key(key) => {
            let authenticated = patron.authenticate_key(&key, now).await.map_err(refused)?;
            Ok(Caller::Key(authenticated.admit(context.client)?))
        }
        Shown::Session(text) => {
            let signed_in = patron.authenticate_session(&text, SessionPurpose::Admin, now).await;
            Ok(Caller::Operator(signed_in.map_err(refused)?))
        }
    }
}

/// The same, as a caller of the management interface.
pub(crate) async fn principal<'a>(
    patron: &'a Patron,
    request: &Request,
) -> Result<Principal<'a>, Failure> {
    Ok(match caller(patron, request).await? {
        Caller::Key(admitted) => admitted.principal(),
        Caller::Operator(signed_in) => signed_in.principal(request.context.client),
    })
}
