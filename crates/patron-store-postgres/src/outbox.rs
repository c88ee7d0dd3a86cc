//! The outbox: what is still to be told to those who listen.

use patron::event::Event;
use patron::store::StoreError;

use crate::rows::integer;
use crate::sql::{Kind, RowsStatement, Value};

/// Written in the transaction of the changes that the events tell of.
pub(crate) static PUT_EVENTS: RowsStatement = RowsStatement::new(
    "INSERT INTO outbox (merchant, number, version, happened, at_ms) VALUES ",
    &[Kind::Whole; 5],
    "",
);

pub(crate) fn event_values(event: &Event) -> Result<[Value<'static>; 5], StoreError> {
    let Event { merchant, customer, version, happened, at } = event;
    Ok([
        Value::Whole(merchant.get().into()),
        Value::Whole(customer.get()),
        Value::Whole(integer(*version, ("outbox", "version"))?),
        Value::Whole(happened.code().into()),
        Value::Whole(at.as_ms()),
    ])
}
