//! Client auth tokens: what is known of one (RFC 7662).

use patron::api_key::Scope;
use patron::clock::Timestamp;
use patron::token::{ClientToken, TokenRecord};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::Reply;
use crate::bodies::{self, Fields, Said};
use crate::call::{Call, Outcome};
use crate::values;

/// A token that is asked about.
#[derive(ToSchema)]
#[schema(as = TokenQuestion)]
pub(crate) struct QuestionBody {
    /// The token.
    token: String,
    /// What the caller takes it for; it makes no difference.
    #[schema(required = false, value_type = String)]
    #[expect(dead_code, reason = "it is read to be known, and makes no difference")]
    token_type_hint: Option<String>,
}

impl Said for QuestionBody {
    fn take(fields: &mut Fields) -> Option<Self> {
        let token = fields.required("token", values::text);
        let token_type_hint = fields.optional("token_type_hint", values::text);
        Some(Self { token: token?, token_type_hint })
    }
}

/// What is known of a token. Of one that is not in force nothing is said but that.
#[derive(Serialize, ToSchema, Default)]
#[schema(as = TokenAnswer)]
pub(crate) struct AnswerBody<'a> {
    /// Whether it is in force.
    active: bool,
    /// What it may do, to its own customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scope: Option<String>,
    /// The merchant whose customer it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_id: Option<&'a str>,
    /// The customer's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sub: Option<String>,
    /// When it ends, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    exp: Option<i64>,
    /// When it was issued, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iat: Option<i64>,
    /// How it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_type: Option<&'static str>,
}

const fn seconds(at: Timestamp) -> i64 {
    at.as_ms().div_euclid(1_000)
}

impl<'a> AnswerBody<'a> {
    fn new(record: &TokenRecord, merchant: &'a str) -> Self {
        let TokenRecord { merchant: _, hash: _, customer, issued, expires, uses_left: _ } = record;
        let scopes = [Scope::CustomersRead, Scope::CustomersWrite].map(Scope::name);
        Self {
            active: true,
            scope: Some(scopes.join(" ")),
            client_id: Some(merchant),
            sub: Some(customer.get().to_string()),
            exp: Some(seconds(*expires)),
            iat: Some(seconds(*issued)),
            token_type: Some("Bearer"),
        }
    }
}

/// `POST /admin/v1/merchants/{merchant}/tokens/introspect`
pub(crate) async fn introspect(call: &mut Call<'_>) -> Outcome {
    let within = call.within().await?;
    let clerk = within.clerk()?;
    let QuestionBody { token, token_type_hint: _ } = bodies::from_form(call.request).await?;
    let record = match ClientToken::parse(&token) {
        Some(token) => clerk.introspect(&token).await?,
        None => None,
    };
    let merchant = within.merchant().id.as_str();
    let known = record.map(|record| AnswerBody::new(&record, merchant));
    Ok(Reply::ok(&known.unwrap_or_default()))
}
