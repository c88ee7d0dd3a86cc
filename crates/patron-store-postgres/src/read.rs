//! Reading customers, history, merchants and keys.

use patron::api_key::ApiKey;
use patron::history::SealedEntry;
use patron::ids::{CustomerNumber, MerchantId, MerchantNumber};
use patron::installation::Installation;
use patron::keys::{KeyOwner, WrappedKey};
use patron::merchant::Merchant;
use patron::seal::SealedCustomer;
use patron::store::{CustomerAge, ListedKey, SealedList, StoreError, UniqueKey};
use tokio_postgres::Row;

use crate::connections::Connection;
use crate::errors::Failed;
use crate::rows::{
    Columns, NO_COUNT, read_age, read_api_key, read_customer, read_entry, read_installation,
    read_listed_key, read_merchant, read_setting, read_wrapped_key, select_customer,
    select_few_customers,
};
use crate::sql::{Kind, Statement, Value};
use crate::whole::FIND_WHOLE;

static FIND_INSTALLATION: Statement =
    Statement::new("SELECT mode, created_ms FROM installation", &[]);

static LIST_CUSTOMERS: Statement = Statement::new(
    select_customer!(
        "JOIN (SELECT number, created_ms FROM customer WHERE merchant = $1 AND deleted_ms IS NULL \
             ORDER BY created_ms DESC, number DESC LIMIT $2 OFFSET $3) AS page \
         ON c.number = page.number \
         WHERE c.merchant = $1 ORDER BY c.created_ms DESC, c.number DESC"
    ),
    &[Kind::Whole, Kind::Whole, Kind::Whole],
);

static COUNT_CUSTOMERS: Statement = Statement::new(
    "SELECT coalesce(sum(live), 0)::bigint FROM customer_count WHERE merchant = $1",
    &[Kind::Whole],
);

pub(crate) static LIST_HISTORY: Statement = Statement::new(
    "SELECT merchant, number, version, happened, changed, at_ms, actor, sealed, digest, head, \
     change_id, schema, key_generation FROM history WHERE merchant = $1 AND number = $2 \
     ORDER BY version",
    &[Kind::Whole, Kind::Whole],
);

static LIST_ENTRIES: Statement = Statement::new(
    "SELECT merchant, number, version, happened, changed, at_ms, actor, sealed, digest, head, \
     change_id, schema, key_generation FROM history \
     WHERE merchant = $1 AND number = $2 AND version < $3 ORDER BY version DESC LIMIT $4",
    &[Kind::Whole, Kind::Whole, Kind::Whole, Kind::Whole],
);

static FIND_KEPT_BY_ID: Statement =
    Statement::new(select_few_customers!("id_index = $2", 1), &[Kind::Whole, Kind::Bytes]);

static FIND_KEPT_BY_REFERENCE: Statement =
    Statement::new(select_few_customers!("reference_index = $2", 1), &[Kind::Whole, Kind::Bytes]);

static LIST_AGES: Statement = Statement::new(
    "SELECT number, updated_ms, deleted_ms FROM customer WHERE merchant = $1 AND number > $2 \
     ORDER BY number LIMIT $3",
    &[Kind::Whole, Kind::Whole, Kind::Whole],
);

static FIND_MERCHANT: Statement = Statement::new(
    "SELECT number, id, name, standing, created_ms, revision FROM merchant WHERE number = $1",
    &[Kind::Whole],
);

static FIND_MERCHANT_BY_ID: Statement = Statement::new(
    "SELECT number, id, name, standing, created_ms, revision FROM merchant WHERE id = $1",
    &[Kind::Text],
);

static LIST_MERCHANTS: Statement = Statement::new(
    "SELECT number, id, name, standing, created_ms, revision FROM merchant ORDER BY id",
    &[],
);

static LIST_SETTINGS: Statement =
    Statement::new("SELECT name, value FROM merchant_setting WHERE merchant = $1", &[Kind::Whole]);

static LIST_ALL_SETTINGS: Statement =
    Statement::new("SELECT name, value, merchant FROM merchant_setting", &[]);

static FIND_API_KEY: Statement = Statement::new(
    "SELECT number, merchant, label, scopes, hash, pepper_generation, created_ms, expires_ms, \
     grace_ends_ms, revoked_ms FROM api_key WHERE hash = $1",
    &[Kind::Bytes],
);

static LIST_API_KEYS: Statement = Statement::new(
    "SELECT k.number, k.merchant, k.label, k.scopes, k.hash, k.pepper_generation, k.created_ms, \
     k.expires_ms, k.grace_ends_ms, k.revoked_ms, u.used_ms \
     FROM api_key AS k LEFT JOIN api_key_use AS u ON u.number = k.number \
     WHERE k.merchant = $1 ORDER BY k.number",
    &[Kind::Whole],
);

static LIST_WRAPPED_KEYS: Statement = Statement::new(
    "SELECT owner, purpose, generation, root_generation, wrapped FROM wrapped_key WHERE owner = $1",
    &[Kind::Whole],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    vec![
        &FIND_INSTALLATION,
        &LIST_CUSTOMERS,
        &COUNT_CUSTOMERS,
        &LIST_HISTORY,
        &LIST_ENTRIES,
        &FIND_KEPT_BY_ID,
        &FIND_KEPT_BY_REFERENCE,
        &LIST_AGES,
        &FIND_MERCHANT,
        &FIND_MERCHANT_BY_ID,
        &LIST_MERCHANTS,
        &LIST_SETTINGS,
        &LIST_ALL_SETTINGS,
        &FIND_API_KEY,
        &LIST_API_KEYS,
        &LIST_WRAPPED_KEYS,
    ]
}

/// The only row of those that a statement answers, read by `read`.
pub(crate) fn one<T>(
    rows: &[Row],
    read: impl FnOnce(&Row) -> Result<T, StoreError>,
) -> Result<Option<T>, Failed> {
    Ok(rows.first().map(read).transpose()?)
}

/// All rows, each read by `read`.
pub(crate) fn all<T>(
    rows: &[Row],
    read: impl FnMut(&Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, Failed> {
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

pub(crate) async fn find_installation(
    connection: &Connection,
) -> Result<Option<Installation>, Failed> {
    one(&connection.query(&FIND_INSTALLATION, &[]).await?, read_installation)
}

/// A page, newest first, and how many there are. Both see one moment if the caller says so.
pub(crate) async fn list_customers(
    connection: &Connection,
    merchant: MerchantNumber,
    (offset, limit): (u32, u32),
) -> Result<SealedList, Failed> {
    let page = [
        Value::Whole(merchant.get().into()),
        Value::Whole(limit.into()),
        Value::Whole(offset.into()),
    ];
    let rows = connection.query(&LIST_CUSTOMERS, &page).await?;
    let customers = all(&rows, read_customer)?;
    let total = count_customers(connection, merchant).await?;
    Ok(SealedList { customers, total })
}

/// How many customers a merchant has, without deleted ones.
pub(crate) async fn count_customers(
    connection: &Connection,
    merchant: MerchantNumber,
) -> Result<u64, Failed> {
    let rows = connection.query(&COUNT_CUSTOMERS, &[Value::Whole(merchant.get().into())]).await?;
    let total = one(&rows, |row| Columns::of(row, "customer_count").take_number("live"))?;
    Ok(total.ok_or(NO_COUNT)?)
}

/// A customer by one of its names, be it deleted or not.
pub(crate) async fn find_kept_customer(
    connection: &Connection,
    merchant: MerchantNumber,
    key: UniqueKey,
) -> Result<Option<SealedCustomer>, Failed> {
    let merchant = Value::Whole(merchant.get().into());
    let rows = match &key {
        UniqueKey::Id(index) => {
            connection.query(&FIND_KEPT_BY_ID, &[merchant, Value::Bytes(index)]).await?
        }
        UniqueKey::Reference(index) => {
            connection.query(&FIND_KEPT_BY_REFERENCE, &[merchant, Value::Bytes(index)]).await?
        }
        UniqueKey::Number(number) => {
            connection.query(&FIND_WHOLE, &[merchant, Value::Whole(number.get())]).await?
        }
    };
    one(&rows, read_customer)
}

/// How old the merchant's customers are, by number.
pub(crate) async fn list_ages(
    connection: &Connection,
    merchant: MerchantNumber,
    after: i64,
    limit: u32,
) -> Result<Vec<CustomerAge>, Failed> {
    let page =
        [Value::Whole(merchant.get().into()), Value::Whole(after), Value::Whole(limit.into())];
    all(&connection.query(&LIST_AGES, &page).await?, read_age)
}

/// A page of a customer's history, newest first.
pub(crate) async fn list_entries(
    connection: &Connection,
    merchant: MerchantNumber,
    customer: CustomerNumber,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<SealedEntry>, Failed> {
    let before = before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
    let page = [
        Value::Whole(merchant.get().into()),
        Value::Whole(customer.get()),
        Value::Whole(before),
        Value::Whole(limit.into()),
    ];
    all(&connection.query(&LIST_ENTRIES, &page).await?, read_entry)
}

pub(crate) async fn list_history(
    connection: &Connection,
    merchant: MerchantNumber,
    customer: CustomerNumber,
) -> Result<Vec<SealedEntry>, Failed> {
    let place = [Value::Whole(merchant.get().into()), Value::Whole(customer.get())];
    all(&connection.query(&LIST_HISTORY, &place).await?, read_entry)
}

pub(crate) async fn find_merchant(
    connection: &Connection,
    number: MerchantNumber,
) -> Result<Option<Merchant>, Failed> {
    let number = [Value::Whole(number.get().into())];
    let found = one(&connection.query(&FIND_MERCHANT, &number).await?, read_merchant)?;
    with_settings(connection, found).await
}

pub(crate) async fn find_merchant_by_id(
    connection: &Connection,
    id: &MerchantId,
) -> Result<Option<Merchant>, Failed> {
    let id = [Value::Text(id.as_str())];
    let found = one(&connection.query(&FIND_MERCHANT_BY_ID, &id).await?, read_merchant)?;
    with_settings(connection, found).await
}

async fn with_settings(
    connection: &Connection,
    merchant: Option<Merchant>,
) -> Result<Option<Merchant>, Failed> {
    let Some(mut merchant) = merchant else {
        return Ok(None);
    };
    let number = [Value::Whole(merchant.number.get().into())];
    for row in connection.query(&LIST_SETTINGS, &number).await? {
        read_setting(&row, &mut merchant.settings)?;
    }
    Ok(Some(merchant))
}

pub(crate) async fn list_merchants(connection: &Connection) -> Result<Vec<Merchant>, Failed> {
    let mut merchants = all(&connection.query(&LIST_MERCHANTS, &[]).await?, read_merchant)?;
    let places: std::collections::HashMap<_, _> =
        merchants.iter().enumerate().map(|(place, merchant)| (merchant.number, place)).collect();
    for row in connection.query(&LIST_ALL_SETTINGS, &[]).await? {
        let owner = Columns::after(&row, "merchant_setting", 2).take_merchant("merchant")?;
        let place = places.get(&owner).and_then(|place| merchants.get_mut(*place));
        if let Some(merchant) = place {
            read_setting(&row, &mut merchant.settings)?;
        }
    }
    Ok(merchants)
}

pub(crate) async fn find_api_key(
    connection: &Connection,
    hash: &[u8; 32],
) -> Result<Option<ApiKey>, Failed> {
    one(&connection.query(&FIND_API_KEY, &[Value::Bytes(hash)]).await?, read_api_key)
}

pub(crate) async fn list_api_keys(
    connection: &Connection,
    merchant: MerchantNumber,
) -> Result<Vec<ListedKey>, Failed> {
    let merchant = [Value::Whole(merchant.get().into())];
    all(&connection.query(&LIST_API_KEYS, &merchant).await?, read_listed_key)
}

pub(crate) async fn list_wrapped_keys(
    connection: &Connection,
    owner: KeyOwner,
) -> Result<Vec<WrappedKey>, Failed> {
    let owner = [Value::Whole(owner.code().into())];
    all(&connection.query(&LIST_WRAPPED_KEYS, &owner).await?, read_wrapped_key)
}
