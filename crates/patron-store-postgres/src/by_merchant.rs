//! Rows to write, by merchant: each statement is one merchant's.

use std::collections::BTreeMap;

use patron::ids::MerchantNumber;

use crate::connections::Connection;
use crate::errors::Failed;
use crate::sql::{RowsStatement, Statement, Value};
use crate::transaction::{Step, in_order};

/// One merchant's rows, and the statement that writes them.
pub(crate) type Write<'a> = (MerchantNumber, &'static Statement, Vec<Value<'a>>);

/// Rows to write, by merchant.
#[derive(Default)]
pub(crate) struct Rows<'a>(BTreeMap<MerchantNumber, Vec<Value<'a>>>);

impl<'a> Rows<'a> {
    pub(crate) fn add(&mut self, merchant: MerchantNumber, values: &[Value<'a>]) {
        self.0.entry(merchant).or_default().extend_from_slice(values);
    }

    /// The rows cut into as few statements as there are, which are added to `statements`.
    pub(crate) fn chunks(
        self,
        of: &'static RowsStatement,
        statements: &mut Vec<&'static Statement>,
    ) -> Vec<Write<'a>> {
        let mut chunks = Vec::new();
        for (merchant, mut values) in self.0 {
            while let Some((statement, rows)) = of.for_up_to(values.len() / of.width().max(1)) {
                let rest = values.split_off(rows.saturating_mul(of.width()));
                statements.push(statement);
                chunks.push((merchant, statement, values));
                values = rest;
            }
        }
        chunks
    }

    /// Each row by itself.
    pub(crate) fn singly(
        self,
        statement: &'static Statement,
        statements: &mut Vec<&'static Statement>,
    ) -> Vec<Write<'a>> {
        let width = statement.kinds.len().max(1);
        let mut writes = Vec::new();
        for (merchant, values) in self.0 {
            for row in values.chunks(width) {
                writes.push((merchant, statement, row.to_vec()));
            }
        }
        if !writes.is_empty() {
            statements.push(statement);
        }
        writes
    }
}

/// Sends statements one behind the other; the first refusal among their answers.
pub(crate) async fn send(connection: &Connection, writes: Vec<Write<'_>>) -> Result<(), Failed> {
    let mut steps: Vec<Step<'_, u64>> = Vec::new();
    for (_, statement, values) in writes {
        steps.push(Box::pin(async move { connection.execute(statement, &values).await }));
    }
    in_order(steps).await.into_iter().collect::<Result<Vec<_>, _>>().map(drop)
}
