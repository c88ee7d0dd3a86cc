//! Writing what is not about customers: birth, merchants, API keys and leased numbers.

use patron::api_key::ApiKey;
use patron::clock::Timestamp;
use patron::ids::{KeyNumber, MerchantNumber};
use patron::installation::Installation;
use patron::keys::WrappedKey;
use patron::merchant::{Merchant, Settings};
use patron::store::{Counter, ManagementChange, StoreError, Unique};

use crate::connections::Connection;
use crate::errors::{Doubt, Failed, NotAnswering};
use crate::operators;
use crate::read::{find_api_key, find_merchant, find_merchant_by_id, one};
use crate::rows::{Columns, integer};
use crate::sql::{Kind, Statement, Value};
use crate::transaction::Database;

static FOUND: Statement = Statement::new(
    "INSERT INTO installation (only_one, mode, created_ms) VALUES (1, $1, $2) ON CONFLICT DO NOTHING",
    &[Kind::Text, Kind::Whole],
);

static PUT_WRAPPED_KEY: Statement = Statement::new(
    "INSERT INTO wrapped_key (owner, purpose, generation, root_generation, wrapped) \
     VALUES ($1, $2, $3, $4, $5)",
    &[Kind::Whole, Kind::Whole, Kind::Whole, Kind::Whole, Kind::Bytes],
);

static LEASE: Statement = Statement::new(
    "INSERT INTO counter AS c (name, next) VALUES ($1, 1 + $2) \
     ON CONFLICT (name) DO UPDATE SET next = c.next + $2 RETURNING next - $2",
    &[Kind::Text, Kind::Whole],
);

/// First in each management transaction: one at a time.
static MOVE_EPOCH: Statement =
    Statement::new("UPDATE management_epoch SET epoch = epoch + 1 RETURNING epoch", &[]);

static CREATE_MERCHANT: Statement = Statement::new(
    "INSERT INTO merchant (number, id, name, standing, created_ms, revision) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    &[Kind::Whole, Kind::Text, Kind::Text, Kind::Whole, Kind::Whole, Kind::Whole],
);

static PUT_SETTING: Statement = Statement::new(
    "INSERT INTO merchant_setting (merchant, name, value) VALUES ($1, $2, $3)",
    &[Kind::Whole, Kind::Text, Kind::Text],
);

static UPDATE_MERCHANT: Statement = Statement::new(
    "UPDATE merchant SET name = $2, standing = $3, revision = $4 \
     WHERE number = $1 AND revision = $4 - 1",
    &[Kind::Whole, Kind::Text, Kind::Whole, Kind::Whole],
);

static DROP_SETTINGS: Statement =
    Statement::new("DELETE FROM merchant_setting WHERE merchant = $1", &[Kind::Whole]);

static MERCHANT_EXISTS: Statement =
    Statement::new("SELECT 1::bigint FROM merchant WHERE number = $1", &[Kind::Whole]);

static CREATE_KEY: Statement = Statement::new(
    "INSERT INTO api_key (number, merchant, label, scopes, hash, pepper_generation, \
     created_ms, expires_ms, grace_ends_ms, revoked_ms) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
    &[
        Kind::Whole,
        Kind::Whole,
        Kind::Text,
        Kind::Text,
        Kind::Bytes,
        Kind::Whole,
        Kind::Whole,
        Kind::Whole,
        Kind::Whole,
        Kind::Whole,
    ],
);

static REVOKE_KEY: Statement = Statement::new(
    "UPDATE api_key SET revoked_ms = coalesce(revoked_ms, $3) WHERE merchant = $1 AND number = $2",
    &[Kind::Whole, Kind::Whole, Kind::Whole],
);

static KEY_IN_FORCE: Statement = Statement::new(
    "SELECT 1::bigint FROM api_key WHERE number = $1 AND merchant = $2 AND revoked_ms IS NULL \
     AND grace_ends_ms IS NULL AND (expires_ms IS NULL OR expires_ms > $3)",
    &[Kind::Whole, Kind::Whole, Kind::Whole],
);

static END_KEY: Statement = Statement::new(
    "UPDATE api_key SET grace_ends_ms = $2, revoked_ms = $3 WHERE number = $1",
    &[Kind::Whole, Kind::Whole, Kind::Whole],
);

/// A key that is not there any more is passed over.
static RECORD_USE: Statement = Statement::new(
    "INSERT INTO api_key_use AS u (number, used_ms) \
     SELECT k.number, $2 FROM api_key AS k WHERE k.number = $1 \
     ON CONFLICT (number) DO UPDATE SET used_ms = greatest(u.used_ms, excluded.used_ms)",
    &[Kind::Whole, Kind::Whole],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    vec![
        &FOUND,
        &PUT_WRAPPED_KEY,
        &LEASE,
        &MOVE_EPOCH,
        &CREATE_MERCHANT,
        &PUT_SETTING,
        &UPDATE_MERCHANT,
        &DROP_SETTINGS,
        &MERCHANT_EXISTS,
        &CREATE_KEY,
        &REVOKE_KEY,
        &KEY_IN_FORCE,
        &END_KEY,
        &RECORD_USE,
    ]
}

/// Writes the record of birth and the deployment's keys.
pub(crate) async fn found(
    connection: &Connection,
    installation: &Installation,
    keys: &[WrappedKey],
) -> Result<(), Failed> {
    let Installation { mode, created } = installation;
    let values = [Value::Text(mode.name()), Value::Whole(created.as_ms())];
    if connection.execute(&FOUND, &values).await? == 0 {
        return Err(StoreError::Duplicate(Unique::Installation).into());
    }
    put_wrapped_keys(connection, keys).await
}

async fn put_wrapped_keys(connection: &Connection, keys: &[WrappedKey]) -> Result<(), Failed> {
    for WrappedKey { owner, purpose, generation, root_generation, wrapped } in keys {
        let values = [
            Value::Whole(owner.code().into()),
            Value::Whole(purpose.code().into()),
            Value::Whole((*generation).into()),
            Value::Whole((*root_generation).into()),
            Value::Bytes(wrapped),
        ];
        connection.execute(&PUT_WRAPPED_KEY, &values).await?;
    }
    Ok(())
}

/// The first of `count` numbers that nobody else is ever given.
pub(crate) async fn lease(
    connection: &Connection,
    counter: Counter,
    count: u32,
) -> Result<i64, Failed> {
    let values = [Value::Text(counter.name()), Value::Whole(count.into())];
    let rows = connection.query(&LEASE, &values).await?;
    let first = one(&rows, |row| Columns::of(row, "counter").take_number("next"))?;
    first.ok_or_else(|| StoreError::Corrupt { table: "counter", column: "next" }.into())
}

/// Applies a change of merchants or keys, and answers the epoch that it begins. After a refusal nothing may be
/// kept of the transaction.
pub(crate) async fn manage(
    connection: &Connection,
    change: &ManagementChange,
) -> Result<i64, Failed> {
    let rows = connection.query(&MOVE_EPOCH, &[]).await?;
    let epoch = one(&rows, |row| Columns::of(row, "management_epoch").take_number("epoch"))?;
    match change {
        ManagementChange::CreateMerchant { merchant, keys } => {
            create_merchant(connection, merchant).await?;
            put_wrapped_keys(connection, keys).await?;
        }
        ManagementChange::UpdateMerchant(merchant) => update_merchant(connection, merchant).await?,
        ManagementChange::CreateKey(key) => create_key(connection, key).await?,
        ManagementChange::RevokeKey { merchant, key, at } => {
            revoke_key(connection, *merchant, *key, *at).await?;
        }
        ManagementChange::RollKey { old, old_ends, new } => {
            roll_key(connection, *old, *old_ends, new).await?;
        }
        ManagementChange::CreateOperator(operator) => {
            operators::create(connection, operator).await?;
        }
        ManagementChange::UpdateOperator(operator) => {
            operators::update(connection, operator).await?;
        }
    }
    epoch.ok_or_else(|| StoreError::Corrupt { table: "management_epoch", column: "epoch" }.into())
}

/// Whether a change is there already: it was sent before, and nobody heard of its commit. What it says of
/// itself (numbers, revisions, hashes) is its own alone.
pub(crate) async fn is_done(
    connection: &Connection,
    change: &ManagementChange,
) -> Result<bool, Failed> {
    Ok(match change {
        ManagementChange::CreateMerchant { merchant, keys: _ } => {
            let found = find_merchant_by_id(connection, &merchant.id).await?;
            found.is_some_and(|found| found.number == merchant.number)
        }
        ManagementChange::UpdateMerchant(merchant) => {
            let found = find_merchant(connection, merchant.number).await?;
            if found.as_ref().is_some_and(|found| found.revision > merchant.revision) {
                // Whether ours was among those that came before it nobody can say any more.
                return Err(StoreError::from(NotAnswering::Unknown(Doubt::Lost)).into());
            }
            found.as_ref() == Some(merchant)
        }
        ManagementChange::CreateKey(key) | ManagementChange::RollKey { new: key, .. } => {
            let found = find_api_key(connection, &key.hash).await?;
            found.is_some_and(|found| found.number == key.number)
        }
        // Done again, it changes nothing.
        ManagementChange::RevokeKey { .. } => false,
        ManagementChange::CreateOperator(operator) => {
            operators::find(connection, operator.number).await?.is_some()
        }
        ManagementChange::UpdateOperator(operator) => {
            let found = operators::find(connection, operator.number).await?;
            if found.as_ref().is_some_and(|found| found.revision > operator.revision) {
                // As for a merchant.
                return Err(StoreError::from(NotAnswering::Unknown(Doubt::Lost)).into());
            }
            // What is sealed is sealed anew each time.
            found.is_some_and(|found| {
                found.revision == operator.revision && found.sealed == operator.sealed
            })
        }
    })
}

async fn create_merchant(connection: &Connection, merchant: &Merchant) -> Result<(), Failed> {
    let Merchant { number, id, name, standing, created, revision, settings } = merchant;
    let values = [
        Value::Whole(number.get().into()),
        Value::Text(id.as_str()),
        Value::Text(name),
        Value::Whole(standing.code().into()),
        Value::Whole(created.as_ms()),
        Value::Whole(integer(*revision, ("merchant", "revision"))?),
    ];
    if connection.execute(&CREATE_MERCHANT, &values).await? == 0 {
        return Err(StoreError::Duplicate(Unique::MerchantId).into());
    }
    put_settings(connection, *number, settings).await
}

async fn put_settings(
    connection: &Connection,
    merchant: MerchantNumber,
    settings: &Settings,
) -> Result<(), Failed> {
    for (name, value) in settings.to_rows() {
        let values = [Value::Whole(merchant.get().into()), Value::Text(&name), Value::Text(&value)];
        connection.execute(&PUT_SETTING, &values).await?;
    }
    Ok(())
}

/// Everything about a merchant may change but its number, its id and its time of creation.
async fn update_merchant(connection: &Connection, merchant: &Merchant) -> Result<(), Failed> {
    let Merchant { number, id: _, name, standing, created: _, revision, settings } = merchant;
    let values = [
        Value::Whole(number.get().into()),
        Value::Text(name),
        Value::Whole(standing.code().into()),
        Value::Whole(integer(*revision, ("merchant", "revision"))?),
    ];
    if connection.execute(&UPDATE_MERCHANT, &values).await? == 0 {
        let is_there = merchant_exists(connection, *number).await?;
        return Err(if is_there { StoreError::Stale } else { StoreError::Missing }.into());
    }
    connection.execute(&DROP_SETTINGS, &[Value::Whole(number.get().into())]).await?;
    put_settings(connection, *number, settings).await
}

pub(crate) async fn merchant_exists(
    connection: &Connection,
    number: MerchantNumber,
) -> Result<bool, Failed> {
    let number = [Value::Whole(number.get().into())];
    Ok(!connection.query(&MERCHANT_EXISTS, &number).await?.is_empty())
}

async fn create_key(connection: &Connection, key: &ApiKey) -> Result<(), Failed> {
    if !merchant_exists(connection, key.merchant).await? {
        return Err(StoreError::Missing.into());
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
    let scopes = scopes.to_string();
    let values = [
        Value::Whole(number.get()),
        Value::Whole(merchant.get().into()),
        Value::Text(label),
        Value::Text(&scopes),
        Value::Bytes(hash),
        Value::Whole((*pepper_generation).into()),
        Value::Whole(created.as_ms()),
        Value::OptionalWhole(expires.map(Timestamp::as_ms)),
        Value::OptionalWhole(grace_ends.map(Timestamp::as_ms)),
        Value::OptionalWhole(revoked.map(Timestamp::as_ms)),
    ];
    match connection.execute(&CREATE_KEY, &values).await? {
        0 => Err(StoreError::Duplicate(Unique::ApiKey).into()),
        _ => Ok(()),
    }
}

/// A key that was revoked before stays revoked from then.
async fn revoke_key(
    connection: &Connection,
    merchant: MerchantNumber,
    key: KeyNumber,
    at: Timestamp,
) -> Result<(), Failed> {
    let values =
        [Value::Whole(merchant.get().into()), Value::Whole(key.get()), Value::Whole(at.as_ms())];
    match connection.execute(&REVOKE_KEY, &values).await? {
        0 => Err(StoreError::Missing.into()),
        _ => Ok(()),
    }
}

/// The old key must be in force when the new one is created. The new key goes in first, since it is
/// what can still be refused.
async fn roll_key(
    connection: &Connection,
    old: KeyNumber,
    old_ends: Timestamp,
    new: &ApiKey,
) -> Result<(), Failed> {
    let values = [
        Value::Whole(old.get()),
        Value::Whole(new.merchant.get().into()),
        Value::Whole(new.created.as_ms()),
    ];
    if connection.query(&KEY_IN_FORCE, &values).await?.is_empty() {
        return Err(StoreError::Missing.into());
    }
    create_key(connection, new).await?;
    let revoked = (old_ends <= new.created).then_some(new.created.as_ms());
    let values =
        [Value::Whole(old.get()), Value::Whole(old_ends.as_ms()), Value::OptionalWhole(revoked)];
    connection.execute(&END_KEY, &values).await?;
    Ok(())
}

/// Notes when keys were last used, in the order of their numbers, as every process does.
pub(crate) async fn record_key_uses(
    connection: &Connection,
    uses: &[(KeyNumber, Timestamp)],
) -> Result<(), Failed> {
    let mut uses = uses.to_vec();
    uses.sort_unstable_by_key(|(key, _)| key.get());
    for (key, used) in uses {
        let values = [Value::Whole(key.get()), Value::Whole(used.as_ms())];
        connection.execute(&RECORD_USE, &values).await?;
    }
    Ok(())
}

/// Applies a change; the epoch that it begins, or `None` when it turns out to have been applied before. A commit
/// whose outcome nobody saw is looked for until the time is up, and the change made again when it is not there.
pub(crate) async fn apply(
    database: &Database,
    change: &ManagementChange,
) -> Result<Option<i64>, Failed> {
    database.until_known(|doubt| apply_or_find(database, change, doubt)).await
}

async fn apply_or_find(
    database: &Database,
    change: &ManagementChange,
    doubt: Option<Doubt>,
) -> Result<Option<i64>, Failed> {
    if doubt.is_some() {
        // It waits for the epoch's row, which a transaction that still commits holds.
        let looked = database.write(|held| async move {
            held.query(&MOVE_EPOCH, &[]).await?;
            is_done(&held, change).await
        });
        if looked.await? {
            return Ok(None);
        }
    }
    database.write(|held| async move { manage(&held, change).await }).await.map(Some)
}
