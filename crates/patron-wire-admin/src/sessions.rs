//! Sessions: signing in and out, and who the caller is.

use patron::clock::Timestamp;
use patron::error::{Error, Kind};
use patron::ids::MerchantId;
use patron::operator::Sight;
use patron::password::Password;
use patron::principal::Principal;
use patron::session::{IssuedSession, SessionPurpose};
use patron::sign_in::SignIn;
use serde::Serialize;
use utoipa::ToSchema;

use crate::actors::ActorBody;
use crate::answers::Reply;
use crate::auth::{self, Caller};
use crate::bodies::{self, Fields, Said};
use crate::call::{Call, Outcome};
use crate::errors::Failure;
use crate::operators::OperatorBody;
use crate::{times, values};

/// An operator's address and password.
#[derive(ToSchema)]
#[schema(as = Login)]
pub(crate) struct LoginBody {
    /// The address by which it signs in. Case does not matter.
    email: String,
    /// Its password.
    #[schema(format = Password)]
    password: String,
}

impl Said for LoginBody {
    fn take(fields: &mut Fields) -> Option<Self> {
        let email = fields.required("email", values::text);
        let password = fields.required("password", values::text);
        Some(Self { email: email?, password: password? })
    }
}

/// A session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session, rename_all = "camelCase")]
pub(crate) struct SessionBody<'a> {
    /// What is sent as `Authorization: Bearer`. It is shown this once.
    #[schema(pattern = "^ses_[0-9a-f]{64}$")]
    token: &'a str,
    /// When it ends.
    #[schema(format = DateTime)]
    expires_at: String,
    /// Who has signed in.
    operator: OperatorBody<'a>,
    /// The merchant whose operator it is; `null` for one of the deployment.
    merchant: Option<&'a str>,
}

/// Who the caller is, and what it may do.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Caller, rename_all = "camelCase")]
pub(crate) struct CallerBody<'a> {
    /// An API key or an operator.
    caller: ActorBody,
    /// The merchant whose key or operator it is; `null` for an operator of the deployment, who reaches all.
    merchant: Option<&'a str>,
    /// What it may do.
    #[schema(value_type = Vec<crate::schemas::Scope>)]
    scopes: Vec<&'static str>,
    /// Whether it sees customers' values masked.
    masked: bool,
    /// Who it is, for an operator.
    operator: Option<OperatorBody<'a>>,
    /// When its session ends, for an operator.
    #[schema(format = DateTime)]
    session_expires_at: Option<String>,
}

/// The merchant of a principal that has one.
async fn own_merchant(
    principal: &Principal<'_>,
    has_one: bool,
) -> Result<Option<MerchantId>, Failure> {
    if !has_one {
        return Ok(None);
    }
    let merchants = principal.list_merchants().await?;
    Ok(merchants.into_iter().next().map(|merchant| merchant.id))
}

/// As the core says it of a password that is not right.
const fn wrong() -> Error {
    Error::new(Kind::Unauthenticated, "wrong address or password")
}

/// `POST /admin/v1/login`
pub(crate) async fn log_in(call: &mut Call<'_>) -> Outcome {
    let LoginBody { email, password } = bodies::from_json(call.request).await?;
    // Nobody's password is that long, so it is a wrong one.
    let password = Password::typed(&password).ok_or_else(wrong)?;
    let context = &call.request.context;
    let (client, now) = (context.client, context.received);
    let patron = call.patron;
    let purpose = SessionPurpose::Admin;
    let SignIn { operator, session } =
        patron.sign_in(&email, password, purpose, client, now).await?;
    let IssuedSession { text, expires } = session;
    let signed_in = patron.authenticate_session(&text, purpose, now).await?;
    let principal = signed_in.principal(client);
    let merchant = own_merchant(&principal, operator.merchant.is_some()).await?;
    Ok(Reply::ok(&SessionBody {
        token: &text.to_text(),
        expires_at: times::text(expires),
        operator: OperatorBody::new(&operator),
        merchant: merchant.as_ref().map(MerchantId::as_str),
    }))
}

/// `POST /admin/v1/logout`
pub(crate) async fn log_out(call: &mut Call<'_>) -> Outcome {
    match auth::caller(call.patron, call.request).await? {
        Caller::Operator(signed_in) => {
            bodies::nothing(call.request).await?;
            signed_in.sign_out().await?;
            Ok(Reply::done())
        }
        Caller::Key(_) => Err(Error::new(Kind::Denied, "an API key has no session to end").into()),
    }
}

/// `GET /admin/v1/me`
pub(crate) async fn find_caller(call: &mut Call<'_>) -> Outcome {
    let (principal, operator, expires) = match auth::caller(call.patron, call.request).await? {
        Caller::Key(admitted) => (admitted.principal(), None, None),
        Caller::Operator(signed_in) => {
            let (operator, expires) = (signed_in.operator()?, signed_in.expires());
            let principal = signed_in.principal(call.request.context.client);
            (principal, Some(operator), Some(expires))
        }
    };
    bodies::no_query(call.request)?;
    let has_one = operator.as_ref().is_none_or(|operator| operator.merchant.is_some());
    let merchant = own_merchant(&principal, has_one).await?;
    Ok(Reply::ok(&CallerBody {
        caller: ActorBody::of(principal.kind()),
        merchant: merchant.as_ref().map(MerchantId::as_str),
        scopes: principal.scopes().into_iter().map(|scope| scope.name()).collect(),
        masked: principal.sight() == Sight::Masked,
        operator: operator.as_ref().map(OperatorBody::new),
        session_expires_at: expires.map(|at: Timestamp| times::text(at)),
    }))
}
