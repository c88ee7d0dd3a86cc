//! Commands about API keys.

use std::time::Duration;

use patron::api_key::{ApiKey, ApiKeyText, Scopes};
use patron::clock::Timestamp;
use patron::ids::KeyNumber;
use patron::management::NewKey;
use patron::merchant::Standing;
use patron::store::ListedKey;

use super::{Failure, Findings, KeyBody, NewKeyBody, Report, merchant_id, text};
use crate::config::Expiry;
use crate::opening::Opened;

/// How far ahead `doctor` looks for keys that expire.
const SOON: Duration = Duration::from_secs(30 * 86_400);

/// What a new key is to be.
pub(super) struct Wanted {
    pub(super) label: String,
    pub(super) scopes: Option<String>,
    pub(super) expires: Option<Expiry>,
}

pub(super) async fn create(
    opened: &Opened,
    merchant: &str,
    wanted: Wanted,
    now: Timestamp,
) -> Result<Report, Failure> {
    let Wanted { label, scopes, expires } = wanted;
    let scopes = scopes.map(|scopes| {
        scopes.parse::<Scopes>().map_err(|error| Failure::invalid(error.to_string()))
    });
    let expires = expires.map(|expiry| expiry.resolve(now));
    if expires.is_some_and(|expires| expires <= now) {
        return Err(Failure::invalid(
            "the key would have expired already: give a moment in the future",
        ));
    }
    let new = NewKey { label, scopes: scopes.transpose()?.unwrap_or_default(), expires };
    let id = merchant_id(merchant)?;
    let console = opened.patron.console(now);
    let (key, shown) = console.create_key(&id, new, None).await?;
    Ok(Report::NewKey(new_body(merchant, &key, &shown, None)))
}

pub(super) async fn list(
    opened: &Opened,
    merchant: &str,
    now: Timestamp,
) -> Result<Report, Failure> {
    // So that a key that was used a moment ago shows it.
    opened.patron.record_key_uses().await?;
    let id = merchant_id(merchant)?;
    let console = opened.patron.console(now);
    let standing = console.find_merchant(&id).await?.standing;
    let keys = console.list_keys(&id).await?;
    let bodies = keys.into_iter().map(|listed| body(listed, standing, now));
    Ok(Report::Keys(bodies.collect()))
}

pub(super) async fn revoke(
    opened: &Opened,
    merchant: &str,
    number: i64,
    now: Timestamp,
) -> Result<Report, Failure> {
    let console = opened.patron.console(now);
    console.revoke_key(&merchant_id(merchant)?, KeyNumber::new(number)).await?;
    Ok(Report::Revoked { number })
}

pub(super) async fn roll(
    opened: &Opened,
    merchant: &str,
    (number, grace_s): (i64, u64),
    now: Timestamp,
) -> Result<Report, Failure> {
    let id = merchant_id(merchant)?;
    let old = KeyNumber::new(number);
    let console = opened.patron.console(now);
    let (key, shown) = console.roll_key(&id, old, Duration::from_secs(grace_s)).await?;
    let keys = console.list_keys(&id).await?;
    let old = keys.into_iter().find(|listed| listed.key.number == old);
    let old_ends = old.and_then(|listed| listed.key.end());
    Ok(Report::NewKey(new_body(merchant, &key, &shown, old_ends)))
}

/// What `doctor` wants to know.
pub(super) async fn check(opened: &Opened, now: Timestamp) -> Result<Report, Failure> {
    let console = opened.patron.console(now);
    let mut findings = Findings::default();
    for merchant in console.list_merchants().await? {
        findings.merchants += 1;
        let id = merchant.id.as_str().to_owned();
        let keys = console.list_keys(&merchant.id).await?;
        let in_force = || keys.iter().filter(|listed| listed.key.is_in_force(now));
        if in_force().next().is_none() {
            findings.without_key.push(id.clone());
        }
        let soon = now.after(SOON);
        for ListedKey { key, .. } in in_force() {
            // A key in its grace has its successor already.
            let expires = key.expires.filter(|_| key.grace_ends.is_none());
            if let Some(expires) = expires.filter(|end| *end < soon) {
                let expires = text(expires);
                findings.expiring.push((id.clone(), key.number.get(), expires));
            }
        }
        if !merchant.settings.allow_list.is_empty() {
            findings.with_allow_list.push(id);
        }
    }
    Ok(Report::Findings(findings))
}

fn new_body(
    merchant: &str,
    key: &ApiKey,
    shown: &ApiKeyText,
    old_ends: Option<Timestamp>,
) -> NewKeyBody {
    NewKeyBody {
        merchant: merchant.to_owned(),
        number: key.number.get(),
        label: key.label.clone(),
        scopes: scope_names(&key.scopes),
        expires: key.expires.map(text),
        key: shown.expose().to_owned(),
        old_ends: old_ends.map(text),
    }
}

fn body(listed: ListedKey, standing: Standing, now: Timestamp) -> KeyBody {
    let ListedKey { key, last_used } = listed;
    let state = match (key.is_in_force(now), standing) {
        // A key whose grace is over has been replaced for good, as if by hand.
        (false, _) if key.revoked.is_some() || key.grace_ends.is_some() => "revoked",
        (false, _) => "expired",
        (true, Standing::Suspended) => "suspended",
        // It was rolled, and works until its grace ends.
        (true, Standing::Active) if key.grace_ends.is_some() => "in grace",
        (true, Standing::Active) => "in force",
    };
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
    KeyBody {
        number: number.get(),
        label,
        scopes: scope_names(&scopes),
        created: text(created),
        expires: expires.map(text),
        grace_ends: grace_ends.map(text),
        revoked: revoked.map(text),
        last_used: last_used.map(text),
        state: state.to_owned(),
    }
}

fn scope_names(scopes: &Scopes) -> Vec<String> {
    scopes.to_string().split(',').map(str::to_owned).collect()
}
