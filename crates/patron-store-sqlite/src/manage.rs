//! Writing what is not about customers: birth, merchants, API keys and leased numbers. Operators have a file of
//! their own.

use patron::api_key::ApiKey;
use patron::clock::Timestamp;
use patron::ids::{KeyNumber, MerchantNumber};
use patron::installation::Installation;
use patron::keys::WrappedKey;
use patron::merchant::{Merchant, Settings};
use patron::store::{Counter, ManagementChange, StoreError, Unique};
use rusqlite::Connection;

use crate::rows::integer;
use crate::{operators, sql};

/// Writes the record of birth and the deployment's keys.
pub(crate) fn found(
    connection: &Connection,
    installation: &Installation,
    keys: &[WrappedKey],
) -> Result<(), StoreError> {
    let Installation { mode, created } = installation;
    let inserted = sql::execute(
        connection,
        "INSERT INTO installation (only_one, mode, created_ms) VALUES (1, ?1, ?2) \
         ON CONFLICT DO NOTHING",
        (mode.name(), created.as_ms()),
    )?;
    if inserted == 0 {
        return Err(StoreError::Duplicate(Unique::Installation));
    }
    put_wrapped_keys(connection, keys)
}

fn put_wrapped_keys(connection: &Connection, keys: &[WrappedKey]) -> Result<(), StoreError> {
    for WrappedKey { owner, purpose, generation, root_generation, wrapped } in keys {
        sql::execute(
            connection,
            "INSERT INTO wrapped_key (owner, purpose, generation, root_generation, wrapped) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
            (owner.code(), purpose.code(), generation, root_generation, wrapped),
        )?;
    }
    Ok(())
}

/// The first of `count` numbers that nobody else is ever given.
pub(crate) fn lease(
    connection: &Connection,
    counter: Counter,
    count: u32,
) -> Result<i64, StoreError> {
    sql::number(
        connection,
        "INSERT INTO counter (name, next) VALUES (?1, 1 + ?2) \
         ON CONFLICT DO UPDATE SET next = next + ?2 RETURNING next - ?2",
        (counter.name(), count),
        ("counter", "next"),
    )
}

/// Applies a change of merchants or keys. A refusal has written nothing.
pub(crate) fn manage(connection: &Connection, change: &ManagementChange) -> Result<(), StoreError> {
    match change {
        ManagementChange::CreateMerchant { merchant, keys } => {
            create_merchant(connection, merchant)?;
            put_wrapped_keys(connection, keys)
        }
        ManagementChange::UpdateMerchant(merchant) => update_merchant(connection, merchant),
        ManagementChange::CreateKey(key) => create_key(connection, key),
        ManagementChange::RevokeKey { merchant, key, at } => {
            revoke_key(connection, *merchant, *key, *at)
        }
        ManagementChange::RollKey { old, old_ends, new } => {
            roll_key(connection, *old, *old_ends, new)
        }
        ManagementChange::CreateOperator(operator) => operators::create(connection, operator),
        ManagementChange::UpdateOperator(operator) => operators::update(connection, operator),
    }
}

fn create_merchant(connection: &Connection, merchant: &Merchant) -> Result<(), StoreError> {
    let Merchant { number, id, name, standing, created, revision, settings } = merchant;
    let revision = integer(*revision, ("merchant", "revision"))?;
    let inserted = sql::execute(
        connection,
        "INSERT INTO merchant (number, id, name, standing, created_ms, revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        (number.get(), id.as_str(), name, standing.code(), created.as_ms(), revision),
    )?;
    if inserted == 0 {
        return Err(StoreError::Duplicate(Unique::MerchantId));
    }
    put_settings(connection, *number, settings)
}

fn put_settings(
    connection: &Connection,
    merchant: MerchantNumber,
    settings: &Settings,
) -> Result<(), StoreError> {
    for (name, value) in settings.to_rows() {
        sql::execute(
            connection,
            "INSERT INTO merchant_setting (merchant, name, value) VALUES (?1, ?2, ?3)",
            (merchant.get(), name, value),
        )?;
    }
    Ok(())
}

/// Everything about a merchant may change but its number, its id and its time of creation.
fn update_merchant(connection: &Connection, merchant: &Merchant) -> Result<(), StoreError> {
    let Merchant { number, id: _, name, standing, created: _, revision, settings } = merchant;
    let revision = integer(*revision, ("merchant", "revision"))?;
    let updated = sql::execute(
        connection,
        "UPDATE merchant SET name = ?2, standing = ?3, revision = ?4 \
         WHERE number = ?1 AND revision = ?4 - 1",
        (number.get(), name, standing.code(), revision),
    )?;
    if updated == 0 {
        let is_there = merchant_exists(connection, *number)?;
        return Err(if is_there { StoreError::Stale } else { StoreError::Missing });
    }
    sql::execute(connection, "DELETE FROM merchant_setting WHERE merchant = ?1", [number.get()])?;
    put_settings(connection, *number, settings)
}

/// Whether there is a merchant with this number.
pub(crate) fn merchant_exists(
    connection: &Connection,
    number: MerchantNumber,
) -> Result<bool, StoreError> {
    sql::exists(connection, "SELECT 1 FROM merchant WHERE number = ?1", [number.get()])
}

fn create_key(connection: &Connection, key: &ApiKey) -> Result<(), StoreError> {
    if !merchant_exists(connection, key.merchant)? {
        return Err(StoreError::Missing);
    }
    let ApiKey {
        number,
        merchant,
        label,
        scopes,
        hash,
        pepper_generation,
        created,
        expires,
        grace_ends,
        revoked,
    } = key;
    let inserted = sql::execute(
        connection,
        "INSERT INTO api_key (number, merchant, label, scopes, hash, pepper_generation, \
         created_ms, expires_ms, grace_ends_ms, revoked_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
         ON CONFLICT DO NOTHING",
        (
            number.get(),
            merchant.get(),
            label,
            scopes.to_string(),
            hash,
            pepper_generation,
            created.as_ms(),
            expires.map(Timestamp::as_ms),
            grace_ends.map(Timestamp::as_ms),
            revoked.map(Timestamp::as_ms),
        ),
    )?;
    if inserted == 0 { Err(StoreError::Duplicate(Unique::ApiKey)) } else { Ok(()) }
}

/// A key that was revoked before stays revoked from then.
fn revoke_key(
    connection: &Connection,
    merchant: MerchantNumber,
    key: KeyNumber,
    at: Timestamp,
) -> Result<(), StoreError> {
    let updated = sql::execute(
        connection,
        "UPDATE api_key SET revoked_ms = coalesce(revoked_ms, ?3) \
         WHERE merchant = ?1 AND number = ?2",
        (merchant.get(), key.get(), at.as_ms()),
    )?;
    if updated == 0 { Err(StoreError::Missing) } else { Ok(()) }
}

/// The old key must be in force when the new one is created. The new key goes in first, since it is
/// what can still be refused.
fn roll_key(
    connection: &Connection,
    old: KeyNumber,
    old_ends: Timestamp,
    new: &ApiKey,
) -> Result<(), StoreError> {
    let (merchant, created_ms) = (new.merchant.get(), new.created.as_ms());
    let is_in_force = sql::exists(
        connection,
        "SELECT 1 FROM api_key WHERE number = ?1 AND merchant = ?2 AND revoked_ms IS NULL AND grace_ends_ms IS NULL \
         AND (expires_ms IS NULL OR expires_ms > ?3)",
        (old.get(), merchant, created_ms),
    )?;
    if !is_in_force {
        return Err(StoreError::Missing);
    }
    create_key(connection, new)?;
    sql::execute(
        connection,
        "UPDATE api_key SET grace_ends_ms = ?2, revoked_ms = iif(?2 <= ?3, ?3, NULL) WHERE number = ?1",
        (old.get(), old_ends.as_ms(), created_ms),
    )?;
    Ok(())
}

/// Notes when keys were last used. A key that is not there any more is passed over.
pub(crate) fn record_key_uses(
    connection: &Connection,
    uses: &[(KeyNumber, Timestamp)],
) -> Result<(), StoreError> {
    for (key, used) in uses {
        sql::execute(
            connection,
            "INSERT INTO api_key_use (number, used_ms) \
             SELECT number, ?2 FROM api_key WHERE number = ?1 \
             ON CONFLICT DO UPDATE SET used_ms = max(used_ms, excluded.used_ms)",
            (key.get(), used.as_ms()),
        )?;
    }
    Ok(())
}
