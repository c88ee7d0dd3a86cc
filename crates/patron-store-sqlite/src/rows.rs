//! Rows and what they mean: each type of the core as columns, and back. Nothing is cut off or
//! guessed: what does not fit is `Corrupt`.

use std::fmt::Debug;

use patron::api_key::ApiKey;
use patron::blind_index::Indexes;
use patron::clock::Timestamp;
use patron::event::Event;
use patron::history::{EntryHeader, Happened, HistoryHead, SealedEntry};
use patron::ids::{ChangeId, CustomerNumber, KeyNumber, MerchantId, MerchantNumber};
use patron::installation::{Installation, Mode};
use patron::keys::{KeyOwner, KeyPurpose, WrappedCustomerKey, WrappedKey};
use patron::merchant::{Merchant, Settings, Standing, UnreadableSetting};
use patron::profile::Field;
use patron::seal::{SealedCustomer, Unwrapped};
use patron::store::{ListedKey, StoreError};
use rusqlite::Row;
use rusqlite::types::{FromSql, ToSqlOutput, ValueRef};

/// Reads the columns of a row from left to right, in the order in which the statement names them.
pub(crate) struct Columns<'r> {
    row: &'r Row<'r>,
    table: &'static str,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(crate) const fn of(row: &'r Row<'r>, table: &'static str) -> Self {
        Self { row, table, next: 0 }
    }

    /// The columns from here on belong to another table.
    const fn go_on_with(&mut self, table: &'static str) {
        self.table = table;
    }

    const fn corrupt(&self, column: &'static str) -> StoreError {
        StoreError::Corrupt { table: self.table, column }
    }

    /// The next column, as SQLite keeps it.
    pub(crate) fn take<T: FromSql>(&mut self, column: &'static str) -> Result<T, StoreError> {
        let value = self.row.get(self.next).map_err(|_| self.corrupt(column))?;
        self.next = self.next.saturating_add(1);
        Ok(value)
    }

    /// The next column, a whole number that must fit a narrower type.
    pub(crate) fn take_number<T: TryFrom<i64>>(
        &mut self,
        column: &'static str,
    ) -> Result<T, StoreError> {
        let number: i64 = self.take(column)?;
        T::try_from(number).map_err(|_| self.corrupt(column))
    }

    /// The next column, given a meaning by `parse`.
    pub(crate) fn take_parsed<T: FromSql, U>(
        &mut self,
        column: &'static str,
        parse: impl FnOnce(T) -> Option<U>,
    ) -> Result<U, StoreError> {
        let value = self.take(column)?;
        parse(value).ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn take_time(&mut self, column: &'static str) -> Result<Timestamp, StoreError> {
        Ok(Timestamp::from_ms(self.take(column)?))
    }

    pub(crate) fn take_optional_time(
        &mut self,
        column: &'static str,
    ) -> Result<Option<Timestamp>, StoreError> {
        let ms: Option<i64> = self.take(column)?;
        Ok(ms.map(Timestamp::from_ms))
    }

    pub(crate) fn take_merchant(
        &mut self,
        column: &'static str,
    ) -> Result<MerchantNumber, StoreError> {
        Ok(MerchantNumber::new(self.take_number(column)?))
    }

    pub(crate) fn take_customer(
        &mut self,
        column: &'static str,
    ) -> Result<CustomerNumber, StoreError> {
        self.take_parsed(column, CustomerNumber::new)
    }

    pub(crate) fn take_optional_customer(
        &mut self,
        column: &'static str,
    ) -> Result<Option<CustomerNumber>, StoreError> {
        self.take_parsed(column, |number: Option<i64>| match number {
            None => Some(None),
            Some(number) => CustomerNumber::new(number).map(Some),
        })
    }
}

/// A number of the core as SQLite's only whole number.
pub(crate) fn integer<T>(
    number: T,
    (table, column): (&'static str, &'static str),
) -> Result<i64, StoreError>
where
    i64: TryFrom<T>,
    T: Debug,
{
    i64::try_from(number).map_err(|_| StoreError::Corrupt { table, column })
}

const fn bound(number: i64) -> ToSqlOutput<'static> {
    ToSqlOutput::Borrowed(ValueRef::Integer(number))
}

const fn blob(bytes: &[u8]) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Blob(bytes))
}

fn optional_blob<const N: usize>(bytes: Option<&[u8; N]>) -> ToSqlOutput<'_> {
    bytes.map_or(ToSqlOutput::Borrowed(ValueRef::Null), |bytes| blob(bytes))
}

/// The columns of `customer`, in the order of [`customer_values`]; then those of `customer_key`.
macro_rules! select_customer {
    ($rest:literal) => {
        concat!(
            "SELECT c.merchant, c.number, c.version, c.created_ms, c.updated_ms, c.deleted_ms, \
             c.status, c.verification, c.index_generation, c.id_index, c.reference_index, \
             c.email_search, c.phone_search, c.reference_search, c.name_search, c.history_head, \
             c.schema, c.sealed, k.generation, k.wrap_generation, k.wrapped \
             FROM customer AS c LEFT JOIN customer_key AS k ON k.merchant = c.merchant \
             AND k.number = c.number AND k.generation = c.key_generation ",
            $rest
        )
    };
}
pub(crate) use select_customer;

/// A customer's row as values to bind, in the order of the table's columns. Its key has a table of
/// its own.
pub(crate) fn customer_values(
    customer: &SealedCustomer,
) -> Result<[ToSqlOutput<'_>; 19], StoreError> {
    let SealedCustomer {
        merchant,
        number,
        version,
        created,
        updated,
        deleted,
        status,
        verification,
        indexes,
        history_head: HistoryHead(history_head),
        schema,
        sealed,
        key: WrappedCustomerKey { generation: key_generation, wrap_generation: _, wrapped: _ },
        unwrapped: _,
    } = customer;
    let Indexes {
        generation,
        id,
        reference,
        email_search,
        phone_search,
        reference_search,
        name_search,
    } = indexes;
    Ok([
        bound(merchant.get().into()),
        bound(number.get()),
        bound(integer(*version, ("customer", "version"))?),
        bound(created.as_ms()),
        bound(updated.as_ms()),
        deleted.map_or(ToSqlOutput::Borrowed(ValueRef::Null), |at| bound(at.as_ms())),
        bound((*status).into()),
        bound((*verification).into()),
        bound((*generation).into()),
        blob(id),
        optional_blob(reference.as_ref()),
        optional_blob(email_search.as_ref()),
        optional_blob(phone_search.as_ref()),
        optional_blob(reference_search.as_ref()),
        optional_blob(name_search.as_ref()),
        blob(history_head),
        bound((*schema).into()),
        blob(sealed),
        bound((*key_generation).into()),
    ])
}

/// Reads what [`select_customer!`] selects.
pub(crate) fn read_customer(row: &Row<'_>) -> Result<SealedCustomer, StoreError> {
    let mut columns = Columns::of(row, "customer");
    Ok(SealedCustomer {
        merchant: columns.take_merchant("merchant")?,
        number: columns.take_customer("number")?,
        version: columns.take_number("version")?,
        created: columns.take_time("created_ms")?,
        updated: columns.take_time("updated_ms")?,
        deleted: columns.take_optional_time("deleted_ms")?,
        status: columns.take_number("status")?,
        verification: columns.take_number("verification")?,
        indexes: Indexes {
            generation: columns.take_number("index_generation")?,
            id: columns.take("id_index")?,
            reference: columns.take("reference_index")?,
            email_search: columns.take("email_search")?,
            phone_search: columns.take("phone_search")?,
            reference_search: columns.take("reference_search")?,
            name_search: columns.take("name_search")?,
        },
        history_head: HistoryHead(columns.take("history_head")?),
        schema: columns.take_number("schema")?,
        sealed: columns.take("sealed")?,
        key: {
            columns.go_on_with("customer_key");
            WrappedCustomerKey {
                generation: columns.take_number("generation")?,
                wrap_generation: columns.take_number("wrap_generation")?,
                wrapped: columns.take("wrapped")?,
            }
        },
        unwrapped: Unwrapped::default(),
    })
}

/// Reads merchant, number, version, happened, changed, at_ms, actor, sealed, digest, head, change_id,
/// schema, key_generation.
pub(crate) fn read_entry(row: &Row<'_>) -> Result<SealedEntry, StoreError> {
    let mut columns = Columns::of(row, "history");
    Ok(SealedEntry {
        header: EntryHeader {
            merchant: columns.take_merchant("merchant")?,
            number: columns.take_customer("number")?,
            version: columns.take_number("version")?,
            happened: columns.take_parsed("happened", |code: u8| Happened::from_code(code))?,
            changed: columns.take_parsed("changed", |codes: Vec<u8>| {
                codes.into_iter().map(Field::from_code).collect()
            })?,
            at: columns.take_time("at_ms")?,
            actor_code: columns.take_number("actor")?,
        },
        sealed: columns.take("sealed")?,
        digest: columns.take("digest")?,
        head: HistoryHead(columns.take("head")?),
        change: ChangeId::from_bytes(columns.take("change_id")?),
        schema: columns.take_number("schema")?,
        key_generation: columns.take_number("key_generation")?,
    })
}

/// Reads merchant, number, version, happened, at_ms.
pub(crate) fn read_event(row: &Row<'_>) -> Result<Event, StoreError> {
    let mut columns = Columns::of(row, "outbox");
    Ok(Event {
        merchant: columns.take_merchant("merchant")?,
        customer: columns.take_customer("number")?,
        version: columns.take_number("version")?,
        happened: columns.take_parsed("happened", |code: u8| Happened::from_code(code))?,
        at: columns.take_time("at_ms")?,
    })
}

/// Reads mode, created_ms.
pub(crate) fn read_installation(row: &Row<'_>) -> Result<Installation, StoreError> {
    let mut columns = Columns::of(row, "installation");
    Ok(Installation {
        mode: columns.take_parsed("mode", |name: String| Mode::from_name(&name))?,
        created: columns.take_time("created_ms")?,
    })
}

/// Reads owner, purpose, generation, root_generation, wrapped.
pub(crate) fn read_wrapped_key(row: &Row<'_>) -> Result<WrappedKey, StoreError> {
    let mut columns = Columns::of(row, "wrapped_key");
    Ok(WrappedKey {
        owner: KeyOwner::from_code(columns.take_number("owner")?),
        purpose: columns.take_parsed("purpose", |code: u8| KeyPurpose::from_code(code))?,
        generation: columns.take_number("generation")?,
        root_generation: columns.take_number("root_generation")?,
        wrapped: columns.take("wrapped")?,
    })
}

/// Reads number, id, name, standing, created_ms, revision. The settings are read by themselves.
pub(crate) fn read_merchant(row: &Row<'_>) -> Result<Merchant, StoreError> {
    let mut columns = Columns::of(row, "merchant");
    Ok(Merchant {
        number: columns.take_merchant("number")?,
        id: columns.take_parsed("id", |id: String| MerchantId::parse(&id))?,
        name: columns.take("name")?,
        standing: columns.take_parsed("standing", |code: u8| Standing::from_code(code))?,
        created: columns.take_time("created_ms")?,
        revision: columns.take_number("revision")?,
        settings: Settings::default(),
    })
}

/// Reads name, value, and puts the setting among the others.
pub(crate) fn read_setting(row: &Row<'_>, settings: &mut Settings) -> Result<(), StoreError> {
    let mut columns = Columns::of(row, "merchant_setting");
    let name = columns.take("name")?;
    let value = columns.take("value")?;
    settings.read_row(name, value).map_err(|UnreadableSetting| columns.corrupt("value"))
}

/// Reads number, merchant, label, scopes, hash, pepper_generation, created_ms, expires_ms,
/// grace_ends_ms, revoked_ms.
fn take_api_key(columns: &mut Columns<'_>) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        number: KeyNumber::new(columns.take("number")?),
        merchant: columns.take_merchant("merchant")?,
        label: columns.take("label")?,
        scopes: columns.take_parsed("scopes", |names: String| names.parse().ok())?,
        hash: columns.take("hash")?,
        pepper_generation: columns.take_number("pepper_generation")?,
        created: columns.take_time("created_ms")?,
        expires: columns.take_optional_time("expires_ms")?,
        grace_ends: columns.take_optional_time("grace_ends_ms")?,
        revoked: columns.take_optional_time("revoked_ms")?,
    })
}

/// Reads the columns of `api_key`.
pub(crate) fn read_api_key(row: &Row<'_>) -> Result<ApiKey, StoreError> {
    take_api_key(&mut Columns::of(row, "api_key"))
}

/// Reads the columns of `api_key`, then when it was last used.
pub(crate) fn read_listed_key(row: &Row<'_>) -> Result<ListedKey, StoreError> {
    let mut columns = Columns::of(row, "api_key");
    let key = take_api_key(&mut columns)?;
    columns.go_on_with("api_key_use");
    Ok(ListedKey { key, last_used: columns.take_optional_time("used_ms")? })
}
