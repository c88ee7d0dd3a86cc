//! Statements, what is bound to them, and what they answer.

use std::error::Error as StdError;
use std::fmt;
use std::sync::OnceLock;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `bigint`, whatever whole number the column is: PostgreSQL converts it, and refuses what does not fit.
    Whole,
    /// `bigint[]`.
    Wholes,
    /// `bytea`.
    Bytes,
    /// `bytea[]`.
    BytesList,
    /// `text`.
    Text,
}

impl Kind {
    /// Its name in SQL.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Whole => "bigint",
            Self::Wholes => "bigint[]",
            Self::Bytes => "bytea",
            Self::BytesList => "bytea[]",
            Self::Text => "text",
        }
    }

    pub(crate) const fn as_type(self) -> Type {
        match self {
            Self::Whole => Type::INT8,
            Self::Wholes => Type::INT8_ARRAY,
            Self::Bytes => Type::BYTEA,
            Self::BytesList => Type::BYTEA_ARRAY,
            Self::Text => Type::TEXT,
        }
    }
}

/// A statement and the types of its parameters.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) sql: std::borrow::Cow<'static, str>,
    pub(crate) kinds: std::borrow::Cow<'static, [Kind]>,
}

impl Statement {
    pub(crate) const fn new(sql: &'static str, kinds: &'static [Kind]) -> Self {
        Self { sql: std::borrow::Cow::Borrowed(sql), kinds: std::borrow::Cow::Borrowed(kinds) }
    }

    pub(crate) fn types(&self) -> Vec<Type> {
        self.kinds.iter().map(|kind| kind.as_type()).collect()
    }
}

/// The most rows that one statement writes. It stands in `FIND_TAKEN`, too.
pub(crate) const ROWS_MAX: usize = 64;

/// The numbers of rows for which there are statements. Any other number takes several of them, which costs
/// less than a statement for each number would.
const SIZES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// A statement over any number of rows that are written as `VALUES`.
pub(crate) struct RowsStatement {
    before: &'static str,
    row: &'static [Kind],
    after: &'static str,
    made: [OnceLock<Statement>; SIZES.len()],
}

impl RowsStatement {
    pub(crate) const fn new(
        before: &'static str,
        row: &'static [Kind],
        after: &'static str,
    ) -> Self {
        Self { before, row, after, made: [const { OnceLock::new() }; SIZES.len()] }
    }

    /// How many values a row has.
    pub(crate) const fn width(&self) -> usize {
        self.row.len()
    }

    /// The statement for the largest number of rows that is not more than `rows`, and that number.
    pub(crate) fn for_up_to(&self, rows: usize) -> Option<(&Statement, usize)> {
        let found = SIZES.iter().zip(&self.made).rev().find(|(size, _)| **size <= rows);
        found.map(|(size, made)| (made.get_or_init(|| self.make(*size)), *size))
    }

    /// All of its statements.
    pub(crate) fn all(&self) -> Vec<&Statement> {
        SIZES.iter().filter_map(|size| self.for_up_to(*size)).map(|(made, _)| made).collect()
    }

    fn make(&self, rows: usize) -> Statement {
        let mut sql = self.before.to_owned();
        let mut next = 1_usize;
        for row in 0..rows {
            sql.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..self.row.len() {
                if column > 0 {
                    sql.push_str(", ");
                }
                sql.push('$');
                sql.push_str(&next.to_string());
                next = next.saturating_add(1);
            }
            sql.push(')');
        }
        sql.push_str(self.after);
        Statement { sql: sql.into(), kinds: self.row.repeat(rows).into() }
    }
}

/// A value to bind.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Whole(i64),
    OptionalWhole(Option<i64>),
    Wholes(&'a [i64]),
    Bytes(&'a [u8]),
    OptionalBytes(Option<&'a [u8]>),
    BytesList(&'a [&'a [u8]]),
    OptionalBytesList(Option<&'a [&'a [u8]]>),
    Text(&'a str),
}

impl fmt::Debug for Value<'_> {
    /// What is bound is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value")
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Whole(value) => value.to_sql(ty, out),
            Self::OptionalWhole(value) => value.to_sql(ty, out),
            Self::Wholes(values) => values.to_sql(ty, out),
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
            Self::OptionalBytes(bytes) => bytes.to_sql(ty, out),
            Self::BytesList(list) => list.to_sql(ty, out),
            Self::OptionalBytesList(list) => list.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Kind::Whole, Kind::Wholes, Kind::Bytes, Kind::BytesList, Kind::Text]
            .into_iter()
            .any(|kind| kind.as_type() == *ty)
    }

    to_sql_checked!();
}

/// A whole number of any width.
pub(crate) struct Whole(pub(crate) i64);

impl<'a> FromSql<'a> for Whole {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        if *ty == Type::INT2 {
            i16::from_sql(ty, raw).map(|value| Self(value.into()))
        } else if *ty == Type::INT4 {
            i32::from_sql(ty, raw).map(|value| Self(value.into()))
        } else {
            i64::from_sql(ty, raw).map(Self)
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT2, Type::INT4, Type::INT8].contains(ty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written_in_powers_of_two() {
        static ROWS: RowsStatement =
            RowsStatement::new("INSERT INTO t (a, b) VALUES ", &[Kind::Whole, Kind::Text], " X");
        let check = |rows, expect: Option<usize>| {
            assert_eq!(ROWS.for_up_to(rows).map(|(_, size)| size), expect, "{rows}");
        };
        check(0, None);
        check(1, Some(1));
        check(3, Some(2));
        check(63, Some(32));
        check(ROWS_MAX, Some(64));
        check(1_000, Some(64));
        let (two, _) = ROWS.for_up_to(2).unwrap();
        assert_eq!(two.sql, "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) X");
        assert_eq!(two.kinds.len(), 4);
    }
}
