//! Rows and what they mean: each type of the core as columns, and back. Nothing is cut off or
//! guessed: what does not fit is `Corrupt`.

use patron::api_key::ApiKey;
use patron::blind_index::Indexes;
use patron::clock::Timestamp;
use patron::erasure::ErasedCustomer;
use patron::event::Event;
use patron::history::{EntryHeader, Happened, HistoryHead, SealedEntry};
use patron::ids::{ChangeId, CustomerNumber, KeyNumber, MerchantId, MerchantNumber};
use patron::installation::{Installation, Mode};
use patron::keys::{KeyOwner, KeyPurpose, WrappedCustomerKey, WrappedKey};
use patron::merchant::{Merchant, Settings, Standing, UnreadableSetting};
use patron::profile::Field;
use patron::seal::{SealedCustomer, Unwrapped};
use patron::store::{CustomerAge, ListedKey, StoreError};
use patron::token::TokenRecord;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::sql::{Value, Whole};

/// Reads the columns of a row from left to right, in the order in which the statement names them.
pub(crate) struct Columns<'r> {
    row: &'r Row,
    table: &'static str,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(crate) const fn of(row: &'r Row, table: &'static str) -> Self {
        Self { row, table, next: 0 }
    }

    /// Begins at a later column.
    pub(crate) const fn after(row: &'r Row, table: &'static str, skipped: usize) -> Self {
        Self { row, table, next: skipped }
    }

    /// The columns from here on belong to another table.
    const fn go_on_with(&mut self, table: &'static str) {
        self.table = table;
    }

    const fn corrupt(&self, column: &'static str) -> StoreError {
        StoreError::Corrupt { table: self.table, column }
    }

    /// The next column, as PostgreSQL keeps it.
    pub(crate) fn take<T: FromSql<'r>>(&mut self, column: &'static str) -> Result<T, StoreError> {
        let value = self.row.try_get(self.next).map_err(|_| self.corrupt(column))?;
        self.next = self.next.saturating_add(1);
        Ok(value)
    }

    /// The next column, a whole number that must fit `T`.
    pub(crate) fn take_number<T: TryFrom<i64>>(
        &mut self,
        column: &'static str,
    ) -> Result<T, StoreError> {
        let Whole(number) = self.take(column)?;
        T::try_from(number).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn take_optional_number(
        &mut self,
        column: &'static str,
    ) -> Result<Option<i64>, StoreError> {
        let number: Option<Whole> = self.take(column)?;
        Ok(number.map(|Whole(number)| number))
    }

    /// The next column, as many bytes as they must be.
    pub(crate) fn take_bytes<const N: usize>(
        &mut self,
        column: &'static str,
    ) -> Result<[u8; N], StoreError> {
        let bytes: &[u8] = self.take(column)?;
        bytes.try_into().map_err(|_| self.corrupt(column))
    }

    pub(crate) fn take_optional_bytes<const N: usize>(
        &mut self,
        column: &'static str,
    ) -> Result<Option<[u8; N]>, StoreError> {
        let bytes: Option<&[u8]> = self.take(column)?;
        bytes.map(TryInto::try_into).transpose().map_err(|_| self.corrupt(column))
    }

    /// The next column, given a meaning by `parse`.
    fn take_parsed<T: FromSql<'r>, U>(
        &mut self,
        column: &'static str,
        parse: impl FnOnce(T) -> Option<U>,
    ) -> Result<U, StoreError> {
        let value = self.take(column)?;
        parse(value).ok_or_else(|| self.corrupt(column))
    }

    /// The next column, a code that `parse` knows.
    pub(crate) fn take_code<U>(
        &mut self,
        column: &'static str,
        parse: impl FnOnce(u8) -> Option<U>,
    ) -> Result<U, StoreError> {
        let code = self.take_number(column)?;
        parse(code).ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn take_time(&mut self, column: &'static str) -> Result<Timestamp, StoreError> {
        Ok(Timestamp::from_ms(self.take_number(column)?))
    }

    pub(crate) fn take_optional_time(
        &mut self,
        column: &'static str,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.take_optional_number(column)?.map(Timestamp::from_ms))
    }

    pub(crate) fn take_merchant(
        &mut self,
        column: &'static str,
    ) -> Result<MerchantNumber, StoreError> {
        Ok(MerchantNumber::new(self.take_number(column)?))
    }

    pub(crate) fn take_optional_merchant(
        &mut self,
        column: &'static str,
    ) -> Result<Option<MerchantNumber>, StoreError> {
        let number = self.take_optional_number(column)?.map(TryInto::try_into).transpose();
        Ok(number.map_err(|_| self.corrupt(column))?.map(MerchantNumber::new))
    }

    pub(crate) fn take_optional_customer(
        &mut self,
        column: &'static str,
    ) -> Result<Option<CustomerNumber>, StoreError> {
        let number = self.take_optional_number(column)?;
        let parse = |number| CustomerNumber::new(number).ok_or_else(|| self.corrupt(column));
        number.map(parse).transpose()
    }

    pub(crate) fn take_customer(
        &mut self,
        column: &'static str,
    ) -> Result<CustomerNumber, StoreError> {
        let number = self.take_number(column)?;
        CustomerNumber::new(number).ok_or_else(|| self.corrupt(column))
    }
}

/// What a statement that counts answered, if it answered nothing.
pub(crate) const NO_COUNT: StoreError =
    StoreError::Corrupt { table: "customer_count", column: "live" };

/// A number of the core as PostgreSQL's widest whole number.
pub(crate) fn integer<T>(
    number: T,
    (table, column): (&'static str, &'static str),
) -> Result<i64, StoreError>
where
    i64: TryFrom<T>,
{
    i64::try_from(number).map_err(|_| StoreError::Corrupt { table, column })
}

fn optional_bytes<const N: usize>(bytes: Option<&[u8; N]>) -> Value<'_> {
    Value::OptionalBytes(bytes.map(<[u8; N]>::as_slice))
}

/// The columns of `customer`, in the order of [`customer_values`]; then those of `customer_key`.
macro_rules! customer_columns {
    () => {
        "c.merchant, c.number, c.version, c.created_ms, c.updated_ms, c.deleted_ms, \
         c.status, c.verification, c.index_generation, c.id_index, c.reference_index, \
         c.email_search, c.phone_search, c.reference_search, c.name_search, c.history_head, \
         c.schema, c.sealed, k.generation, k.wrap_generation, k.wrapped"
    };
}
pub(crate) use customer_columns;

/// Customers and their keys.
macro_rules! select_customer {
    ($($rest:expr),+ $(,)?) => {
        concat!(
            "SELECT ",
            crate::rows::customer_columns!(),
            " FROM customer AS c LEFT JOIN customer_key AS k ON k.merchant = c.merchant \
             AND k.number = c.number AND k.generation = c.key_generation ",
            $($rest),+
        )
    };
}
pub(crate) use select_customer;

/// Customers by something unique, and their keys. No statistics are kept of what identifies customers, so that the
/// planner has to be told that there are few: `$most` of them.
macro_rules! select_few_customers {
    ($condition:literal, $most:literal) => {
        concat!(
            "SELECT ",
            crate::rows::customer_columns!(),
            " FROM (SELECT * FROM customer WHERE merchant = $1 AND ",
            $condition,
            " LIMIT ",
            $most,
            ") AS c LEFT JOIN customer_key AS k ON k.merchant = $1 \
             AND k.number = c.number AND k.generation = c.key_generation"
        )
    };
}
pub(crate) use select_few_customers;

/// A customer's row as values to bind, in the order of the table's columns. Its key has a table of
/// its own.
pub(crate) fn customer_values(customer: &SealedCustomer) -> Result<[Value<'_>; 19], StoreError> {
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
        Value::Whole(merchant.get().into()),
        Value::Whole(number.get()),
        Value::Whole(integer(*version, ("customer", "version"))?),
        Value::Whole(created.as_ms()),
        Value::Whole(updated.as_ms()),
        Value::OptionalWhole(deleted.map(Timestamp::as_ms)),
        Value::Whole((*status).into()),
        Value::Whole((*verification).into()),
        Value::Whole((*generation).into()),
        Value::Bytes(id),
        optional_bytes(reference.as_ref()),
        optional_bytes(email_search.as_ref()),
        optional_bytes(phone_search.as_ref()),
        optional_bytes(reference_search.as_ref()),
        optional_bytes(name_search.as_ref()),
        Value::Bytes(history_head),
        Value::Whole((*schema).into()),
        Value::Bytes(sealed),
        Value::Whole((*key_generation).into()),
    ])
}

/// Reads [`customer_columns!`].
pub(crate) fn read_customer(row: &Row) -> Result<SealedCustomer, StoreError> {
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
            id: columns.take_bytes("id_index")?,
            reference: columns.take_optional_bytes("reference_index")?,
            email_search: columns.take_optional_bytes("email_search")?,
            phone_search: columns.take_optional_bytes("phone_search")?,
            reference_search: columns.take_optional_bytes("reference_search")?,
            name_search: columns.take_optional_bytes("name_search")?,
        },
        history_head: HistoryHead(columns.take_bytes("history_head")?),
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
pub(crate) fn read_entry(row: &Row) -> Result<SealedEntry, StoreError> {
    let mut columns = Columns::of(row, "history");
    Ok(SealedEntry {
        header: EntryHeader {
            merchant: columns.take_merchant("merchant")?,
            number: columns.take_customer("number")?,
            version: columns.take_number("version")?,
            happened: columns.take_code("happened", Happened::from_code)?,
            changed: columns.take_parsed("changed", |codes: &[u8]| {
                codes.iter().map(|code| Field::from_code(*code)).collect()
            })?,
            at: columns.take_time("at_ms")?,
            actor_code: columns.take_number("actor")?,
        },
        sealed: columns.take("sealed")?,
        digest: columns.take_bytes("digest")?,
        head: HistoryHead(columns.take_bytes("head")?),
        change: ChangeId::from_bytes(columns.take_bytes("change_id")?),
        schema: columns.take_number("schema")?,
        key_generation: columns.take_number("key_generation")?,
    })
}

/// Reads merchant, number, version, happened, at_ms.
pub(crate) fn read_event(row: &Row) -> Result<Event, StoreError> {
    let mut columns = Columns::of(row, "outbox");
    Ok(Event {
        merchant: columns.take_merchant("merchant")?,
        customer: columns.take_customer("number")?,
        version: columns.take_number("version")?,
        happened: columns.take_code("happened", Happened::from_code)?,
        at: columns.take_time("at_ms")?,
    })
}

/// Reads mode, created_ms.
pub(crate) fn read_installation(row: &Row) -> Result<Installation, StoreError> {
    let mut columns = Columns::of(row, "installation");
    Ok(Installation {
        mode: columns.take_parsed("mode", Mode::from_name)?,
        created: columns.take_time("created_ms")?,
    })
}

/// Reads owner, purpose, generation, root_generation, wrapped.
pub(crate) fn read_wrapped_key(row: &Row) -> Result<WrappedKey, StoreError> {
    let mut columns = Columns::of(row, "wrapped_key");
    Ok(WrappedKey {
        owner: KeyOwner::from_code(columns.take_number("owner")?),
        purpose: columns.take_code("purpose", KeyPurpose::from_code)?,
        generation: columns.take_number("generation")?,
        root_generation: columns.take_number("root_generation")?,
        wrapped: columns.take("wrapped")?,
    })
}

/// Reads number, id, name, standing, created_ms, revision. The settings are read by themselves.
pub(crate) fn read_merchant(row: &Row) -> Result<Merchant, StoreError> {
    let mut columns = Columns::of(row, "merchant");
    Ok(Merchant {
        number: columns.take_merchant("number")?,
        id: columns.take_parsed("id", MerchantId::parse)?,
        name: columns.take("name")?,
        standing: columns.take_code("standing", Standing::from_code)?,
        created: columns.take_time("created_ms")?,
        revision: columns.take_number("revision")?,
        settings: Settings::default(),
    })
}

/// Reads name, value, and puts the setting among the others.
pub(crate) fn read_setting(row: &Row, settings: &mut Settings) -> Result<(), StoreError> {
    let mut columns = Columns::of(row, "merchant_setting");
    let name = columns.take("name")?;
    let value = columns.take("value")?;
    settings.read_row(name, value).map_err(|UnreadableSetting| columns.corrupt("value"))
}

/// Reads number, merchant, label, scopes, hash, pepper_generation, created_ms, expires_ms,
/// grace_ends_ms, revoked_ms.
fn take_api_key(columns: &mut Columns<'_>) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        number: KeyNumber::new(columns.take_number("number")?),
        merchant: columns.take_merchant("merchant")?,
        label: columns.take("label")?,
        scopes: columns.take_parsed("scopes", |names: &str| names.parse().ok())?,
        hash: columns.take_bytes("hash")?,
        pepper_generation: columns.take_number("pepper_generation")?,
        created: columns.take_time("created_ms")?,
        expires: columns.take_optional_time("expires_ms")?,
        grace_ends: columns.take_optional_time("grace_ends_ms")?,
        revoked: columns.take_optional_time("revoked_ms")?,
    })
}

/// Reads the columns of `api_key`.
pub(crate) fn read_api_key(row: &Row) -> Result<ApiKey, StoreError> {
    take_api_key(&mut Columns::of(row, "api_key"))
}

/// Reads the columns of `api_key`, then when it was last used.
pub(crate) fn read_listed_key(row: &Row) -> Result<ListedKey, StoreError> {
    let mut columns = Columns::of(row, "api_key");
    let key = take_api_key(&mut columns)?;
    columns.go_on_with("api_key_use");
    Ok(ListedKey { key, last_used: columns.take_optional_time("used_ms")? })
}

/// Reads merchant, number, version, erased_ms, purged_ms, history_head, mac.
pub(crate) fn read_erased(row: &Row) -> Result<ErasedCustomer, StoreError> {
    let mut columns = Columns::of(row, "erased_customer");
    Ok(ErasedCustomer {
        merchant: columns.take_merchant("merchant")?,
        number: columns.take_customer("number")?,
        version: columns.take_number("version")?,
        erased: columns.take_time("erased_ms")?,
        purged: columns.take_optional_time("purged_ms")?,
        history_head: HistoryHead(columns.take_bytes("history_head")?),
        mac: columns.take_bytes("mac")?,
    })
}

/// Reads number, updated_ms, deleted_ms.
pub(crate) fn read_age(row: &Row) -> Result<CustomerAge, StoreError> {
    let mut columns = Columns::of(row, "customer");
    Ok(CustomerAge {
        number: columns.take_customer("number")?,
        updated: columns.take_time("updated_ms")?,
        deleted: columns.take_optional_time("deleted_ms")?,
    })
}

/// Reads merchant, hash, number, issued_ms, expires_ms, uses_left.
pub(crate) fn read_token(row: &Row) -> Result<TokenRecord, StoreError> {
    let mut columns = Columns::of(row, "client_token");
    Ok(TokenRecord {
        merchant: columns.take_merchant("merchant")?,
        hash: columns.take_bytes("hash")?,
        customer: columns.take_customer("number")?,
        issued: columns.take_time("issued_ms")?,
        expires: columns.take_time("expires_ms")?,
        uses_left: columns.take_number("uses_left")?,
    })
}
