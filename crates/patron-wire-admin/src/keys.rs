//! API keys: what a merchant's servers show to be let in.

use std::time::Duration;

use patron::api_key::{ApiKey, ApiKeyText, Scope, Scopes};
use patron::clock::Timestamp;
use patron::management::NewKey;
use patron::store::ListedKey;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::Reply;
use crate::bodies::{self, Fields, Said};
use crate::call::{Call, Outcome};
use crate::errors::{Refusal, WrongField};
use crate::pages::Page;
use crate::{times, values};

/// The longest grace of a key that is rolled: 30 days.
const GRACE_S_MAX: u32 = 2_592_000;

/// An API key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Key, rename_all = "camelCase")]
pub(crate) struct KeyBody<'a> {
    /// Its number.
    #[schema(minimum = 1)]
    number: i64,
    /// What its owner calls it.
    label: &'a str,
    /// What it may do.
    #[schema(value_type = Vec<crate::schemas::Scope>)]
    scopes: Vec<&'static str>,
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ends by itself.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When it ends because another one took its place.
    #[schema(format = DateTime)]
    grace_ends_at: Option<String>,
    /// When it was revoked.
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
    /// Whether it works now.
    is_in_force: bool,
    /// When it was last used, up to some seconds behind.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
}

/// An API key that was just made, with its text.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedKey)]
pub(crate) struct IssuedKeyBody<'a> {
    /// What is sent to be let in. It is shown this once.
    #[schema(pattern = "^[0-9A-F]{32}$")]
    text: &'a str,
    /// The key.
    key: KeyBody<'a>,
}

/// A page of API keys, by number.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyList<'a> {
    /// The keys.
    items: Vec<KeyBody<'a>>,
    /// The `cursor` of the next page; `null` at the end.
    next: Option<String>,
}

impl<'a> KeyBody<'a> {
    fn new(key: &'a ApiKey, last_used: Option<Timestamp>, now: Timestamp) -> Self {
        let ApiKey {
            number,
            merchant: _,
            label,
            scopes,
            hash: _,
            pepper_generation: _,
            created,
            expires,
            grace_ends,
            revoked,
        } = key;
        Self {
            number: number.get(),
            label,
            scopes: scopes.iter().map(Scope::name).collect(),
            created_at: times::text(*created),
            expires_at: expires.map(times::text),
            grace_ends_at: grace_ends.map(times::text),
            revoked_at: revoked.map(times::text),
            is_in_force: key.is_in_force(now),
            last_used_at: last_used.map(times::text),
        }
    }
}

/// A new API key.
#[derive(ToSchema)]
#[schema(as = NewKey, rename_all = "camelCase")]
pub(crate) struct NewKeyBody {
    /// What its owner calls it.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,100}$")]
    label: String,
    /// What it may do: no more than its maker.
    #[schema(value_type = Vec<crate::schemas::Scope>, min_items = 1, max_items = 4)]
    scopes: Scopes,
    /// When it ends by itself; never, where that is `null` or left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl Said for NewKeyBody {
    fn take(fields: &mut Fields) -> Option<Self> {
        let label = fields.required("label", values::label);
        let scopes = fields.list("scopes", Scope::ALL.len(), values::scope);
        let expires_at = fields.nullable("expiresAt", values::moment);
        let scopes = scopes.and_then(|scopes| {
            let some = Scopes::of(scopes);
            if some.is_none() {
                fields.refuse("scopes", "It has at least one scope.");
            }
            some
        });
        Some(Self { label: label?, scopes: scopes?, expires_at })
    }
}

/// For how long an old key works beside the new one.
#[derive(ToSchema)]
#[schema(as = Roll, rename_all = "camelCase")]
pub(crate) struct RollBody {
    /// Seconds: 0 ends the old key at once.
    #[schema(maximum = 2_592_000)]
    grace_seconds: u32,
}

impl Said for RollBody {
    fn take(fields: &mut Fields) -> Option<Self> {
        let grace = |value| values::integer(value, 0..=GRACE_S_MAX);
        Some(Self { grace_seconds: fields.required("graceSeconds", grace)? })
    }
}

fn issued((key, text): &(ApiKey, ApiKeyText), now: Timestamp) -> Reply {
    let key = KeyBody::new(key, None, now);
    Reply::created(&IssuedKeyBody { text: text.expose(), key })
}

/// `GET /admin/v1/merchants/{merchant}/keys`
pub(crate) async fn list(call: &mut Call<'_>) -> Outcome {
    let manager = call.within().await?.manager()?;
    let page: Page<i64> = bodies::from_query(call.request)?;
    let keys = manager.list_keys().await?;
    let (keys, next) = page.of(keys, |listed| listed.key.number.get());
    let now = call.request.context.received;
    let items = keys.iter().map(|ListedKey { key, last_used }| KeyBody::new(key, *last_used, now));
    Ok(Reply::ok(&KeyList { items: items.collect(), next }))
}

/// `POST /admin/v1/merchants/{merchant}/keys`
pub(crate) async fn create(call: &mut Call<'_>) -> Outcome {
    let manager = call.within().await?.manager()?;
    let NewKeyBody { label, scopes, expires_at } = bodies::from_json(call.request).await?;
    let now = call.request.context.received;
    if expires_at.is_some_and(|expires| expires <= now) {
        let wrong = WrongField { field: "expiresAt".to_owned(), detail: "It is past." };
        return Err(Refusal::Invalid(vec![wrong]).into());
    }
    let new = NewKey { label, scopes, expires: expires_at };
    Ok(issued(&manager.create_key(new).await?, now))
}

/// `POST /admin/v1/merchants/{merchant}/keys/{number}/revoke`
pub(crate) async fn revoke(call: &mut Call<'_>) -> Outcome {
    let manager = call.within().await?.manager()?;
    bodies::nothing(call.request).await?;
    manager.revoke_key(call.key()).await?;
    Ok(Reply::done())
}

/// `POST /admin/v1/merchants/{merchant}/keys/{number}/roll`
pub(crate) async fn roll(call: &mut Call<'_>) -> Outcome {
    let manager = call.within().await?.manager()?;
    let RollBody { grace_seconds } = bodies::from_json(call.request).await?;
    let grace = Duration::from_secs(grace_seconds.into());
    let rolled = manager.roll_key(call.key(), grace).await?;
    Ok(issued(&rolled, call.request.context.received))
}
