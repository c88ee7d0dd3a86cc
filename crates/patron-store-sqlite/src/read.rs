//! Reading customers, history, merchants and keys, on the caller's own thread. Each of these runs
//! inside a read transaction, so that its statements tell of one moment.

use patron::api_key::ApiKey;
use patron::history::SealedEntry;
use patron::ids::{CustomerNumber, MerchantId, MerchantNumber};
use patron::installation::Installation;
use patron::keys::{KeyOwner, WrappedKey};
use patron::merchant::Merchant;
use patron::seal::SealedCustomer;
use patron::store::{CustomerAge, ListedKey, SealedList, StoreError, UniqueKey};
use rusqlite::Connection;

use crate::errors::from_sqlite;
use crate::rows::{
    Columns, read_api_key, read_customer, read_entry, read_installation, read_listed_key,
    read_merchant, read_setting, read_wrapped_key, select_customer,
};
use crate::{second_look, sql};

pub(crate) fn find_installation(
    connection: &Connection,
) -> Result<Option<Installation>, StoreError> {
    sql::find(connection, "SELECT mode, created_ms FROM installation", [], read_installation)
}

/// The customer with this name. Customers that are deleted have none.
pub(crate) fn find_customer(
    connection: &Connection,
    merchant: MerchantNumber,
    key: &UniqueKey,
) -> Result<Option<SealedCustomer>, StoreError> {
    let found = find_customer_by(connection, merchant, key)?;
    if found.is_none() {
        second_look::confirm_absence(connection, merchant, key)?;
    }
    Ok(found)
}

fn find_customer_by(
    connection: &Connection,
    merchant: MerchantNumber,
    key: &UniqueKey,
) -> Result<Option<SealedCustomer>, StoreError> {
    let merchant = merchant.get();
    match key {
        UniqueKey::Id(index) => sql::find(
            connection,
            select_customer!("WHERE c.merchant = ?1 AND c.id_index = ?2 AND c.deleted_ms IS NULL"),
            (merchant, index),
            read_customer,
        ),
        UniqueKey::Reference(index) => sql::find(
            connection,
            select_customer!(
                "WHERE c.merchant = ?1 AND c.reference_index = ?2 AND c.deleted_ms IS NULL"
            ),
            (merchant, index),
            read_customer,
        ),
        UniqueKey::Number(number) => sql::find(
            connection,
            select_customer!("WHERE c.merchant = ?1 AND c.number = ?2 AND c.deleted_ms IS NULL"),
            (merchant, number.get()),
            read_customer,
        ),
    }
}

/// The customer with this name, be it deleted or not.
pub(crate) fn find_kept_customer(
    connection: &Connection,
    merchant: MerchantNumber,
    key: &UniqueKey,
) -> Result<Option<SealedCustomer>, StoreError> {
    let found = match key {
        UniqueKey::Id(index) => sql::find(
            connection,
            select_customer!("WHERE c.merchant = ?1 AND c.id_index = ?2"),
            (merchant.get(), index),
            read_customer,
        ),
        UniqueKey::Reference(index) => sql::find(
            connection,
            select_customer!("WHERE c.merchant = ?1 AND c.reference_index = ?2"),
            (merchant.get(), index),
            read_customer,
        ),
        UniqueKey::Number(number) => find_by_number(connection, merchant, *number),
    }?;
    if found.is_none() {
        second_look::confirm_absence(connection, merchant, key)?;
    }
    Ok(found)
}

/// The customer with this number, be it deleted or not. Its absence is not confirmed.
pub(crate) fn find_by_number(
    connection: &Connection,
    merchant: MerchantNumber,
    number: CustomerNumber,
) -> Result<Option<SealedCustomer>, StoreError> {
    sql::find(
        connection,
        select_customer!("WHERE c.merchant = ?1 AND c.number = ?2"),
        (merchant.get(), number.get()),
        read_customer,
    )
}

/// A page, newest first. The inner query walks the list's index alone, so that skipping `offset`
/// customers does not read their rows.
pub(crate) fn list_customers(
    connection: &Connection,
    merchant: MerchantNumber,
    offset: u32,
    limit: u32,
) -> Result<SealedList, StoreError> {
    let customers = sql::list(
        connection,
        select_customer!(
            "WHERE c.merchant = ?1 AND c.number IN (\
                 SELECT number FROM customer WHERE merchant = ?1 AND deleted_ms IS NULL \
                 ORDER BY created_ms DESC, number DESC LIMIT ?2 OFFSET ?3) \
             ORDER BY c.created_ms DESC, c.number DESC"
        ),
        (merchant.get(), limit, offset),
        read_customer,
    )?;
    let total = total(connection, merchant)?;
    second_look::confirm_length(connection, merchant, customers.len(), (total, offset, limit))?;
    Ok(SealedList { customers, total })
}

/// How many customers the merchant has, by the counters that are kept with the changes.
pub(crate) fn total(connection: &Connection, merchant: MerchantNumber) -> Result<u64, StoreError> {
    let total = sql::number(
        connection,
        "SELECT coalesce(sum(live), 0) FROM customer_count WHERE merchant = ?1",
        [merchant.get()],
        ("customer_count", "live"),
    )?;
    let corrupt = StoreError::Corrupt { table: "customer_count", column: "live" };
    u64::try_from(total).map_err(|_| corrupt)
}

/// How old the next customers are, deleted ones among them.
pub(crate) fn list_ages(
    connection: &Connection,
    merchant: MerchantNumber,
    after: i64,
    limit: u32,
) -> Result<Vec<CustomerAge>, StoreError> {
    sql::list(
        connection,
        "SELECT number, updated_ms, deleted_ms FROM customer \
         WHERE merchant = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
        (merchant.get(), after, limit),
        |row| {
            let mut columns = Columns::of(row, "customer");
            Ok(CustomerAge {
                number: columns.take_customer("number")?,
                updated: columns.take_time("updated_ms")?,
                deleted: columns.take_optional_time("deleted_ms")?,
            })
        },
    )
}

macro_rules! select_entry {
    ($rest:literal) => {
        concat!(
            "SELECT merchant, number, version, happened, changed, at_ms, actor, sealed, digest, \
             head, change_id, schema, key_generation FROM history \
             WHERE merchant = ?1 AND number = ?2 ",
            $rest
        )
    };
}

pub(crate) fn list_history(
    connection: &Connection,
    merchant: MerchantNumber,
    customer: CustomerNumber,
) -> Result<Vec<SealedEntry>, StoreError> {
    let sql = select_entry!("ORDER BY version");
    sql::list(connection, sql, (merchant.get(), customer.get()), read_entry)
}

/// A page of a history, newest first: what came before this version.
pub(crate) fn list_entries(
    connection: &Connection,
    merchant: MerchantNumber,
    customer: CustomerNumber,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<SealedEntry>, StoreError> {
    // No version is as large as the largest number.
    let before = before.and_then(|version| i64::try_from(version).ok()).unwrap_or(i64::MAX);
    sql::list(
        connection,
        select_entry!("AND version < ?3 ORDER BY version DESC LIMIT ?4"),
        (merchant.get(), customer.get(), before, limit),
        read_entry,
    )
}

macro_rules! select_merchant {
    ($rest:literal) => {
        concat!("SELECT number, id, name, standing, created_ms, revision FROM merchant ", $rest)
    };
}

pub(crate) fn find_merchant(
    connection: &Connection,
    number: MerchantNumber,
) -> Result<Option<Merchant>, StoreError> {
    let sql = select_merchant!("WHERE number = ?1");
    let merchant = sql::find(connection, sql, [number.get()], read_merchant)?;
    merchant.map(|merchant| with_settings(connection, merchant)).transpose()
}

pub(crate) fn find_merchant_by_id(
    connection: &Connection,
    id: &MerchantId,
) -> Result<Option<Merchant>, StoreError> {
    let sql = select_merchant!("WHERE id = ?1");
    let merchant = sql::find(connection, sql, [id.as_str()], read_merchant)?;
    merchant.map(|merchant| with_settings(connection, merchant)).transpose()
}

pub(crate) fn list_merchants(connection: &Connection) -> Result<Vec<Merchant>, StoreError> {
    sql::list(connection, select_merchant!("ORDER BY id"), [], read_merchant)?
        .into_iter()
        .map(|merchant| with_settings(connection, merchant))
        .collect()
}

fn with_settings(connection: &Connection, mut merchant: Merchant) -> Result<Merchant, StoreError> {
    sql::list(
        connection,
        "SELECT name, value FROM merchant_setting WHERE merchant = ?1",
        [merchant.number.get()],
        |row| read_setting(row, &mut merchant.settings),
    )?;
    Ok(merchant)
}

pub(crate) fn find_api_key(
    connection: &Connection,
    hash: &[u8; 32],
) -> Result<Option<ApiKey>, StoreError> {
    sql::find(
        connection,
        "SELECT number, merchant, label, scopes, hash, pepper_generation, created_ms, expires_ms, \
         grace_ends_ms, revoked_ms FROM api_key WHERE hash = ?1",
        [hash],
        read_api_key,
    )
}

pub(crate) fn list_api_keys(
    connection: &Connection,
    merchant: MerchantNumber,
) -> Result<Vec<ListedKey>, StoreError> {
    sql::list(
        connection,
        "SELECT k.number, k.merchant, k.label, k.scopes, k.hash, k.pepper_generation, \
         k.created_ms, k.expires_ms, k.grace_ends_ms, k.revoked_ms, u.used_ms \
         FROM api_key AS k LEFT JOIN api_key_use AS u USING (number) \
         WHERE k.merchant = ?1 ORDER BY k.number",
        [merchant.get()],
        read_listed_key,
    )
}

pub(crate) fn list_wrapped_keys(
    connection: &Connection,
    owner: KeyOwner,
) -> Result<Vec<WrappedKey>, StoreError> {
    sql::list(
        connection,
        "SELECT owner, purpose, generation, root_generation, wrapped FROM wrapped_key \
         WHERE owner = ?1 ORDER BY purpose, generation",
        [owner.code()],
        read_wrapped_key,
    )
}

/// The cheapest question that only a store that answers can answer.
pub(crate) fn check(connection: &Connection) -> Result<(), StoreError> {
    find_installation(connection).map(|_| ())
}

/// What SQLite finds wrong with its file; nothing when all is well.
pub(crate) fn integrity(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut lines = sql::list(connection, "PRAGMA integrity_check", [], |row| {
        row.get::<_, String>(0).map_err(from_sqlite)
    })?;
    lines.retain(|line| line != "ok");
    // The counters are no index, so that SQLite does not know what they count.
    let miscounted = sql::list(
        connection,
        "SELECT coalesce(c.merchant, l.merchant) FROM \
         (SELECT merchant, sum(live) AS live FROM customer_count GROUP BY merchant) AS c \
         FULL JOIN (SELECT merchant, count(*) AS live FROM customer WHERE deleted_ms IS NULL \
         GROUP BY merchant) AS l ON l.merchant = c.merchant \
         WHERE coalesce(c.live, 0) <> coalesce(l.live, 0)",
        [],
        |row| row.get::<_, i64>(0).map_err(from_sqlite),
    )?;
    let counters = |merchant| format!("the customers of merchant number {merchant} are miscounted");
    lines.extend(miscounted.into_iter().map(counters));
    Ok(lines)
}
