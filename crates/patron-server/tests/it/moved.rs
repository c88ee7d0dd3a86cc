//! Rows that somebody moves, alters or brings back by hand, column by column: what was sealed for one
//! place is never answered in another.
//!
//! The columns come from the schema itself, so that a new one fails here until it is decided about.

mod accesses;
mod history;
mod installation;
mod keys;
mod management;
mod people;
mod remains;
mod rows;
mod wholes;

use patron_testkit::server::Launch;

use self::installation::State::{self, *};
use self::installation::{Installation, Known, Seen};
use self::rows::{altered, put, read, take, value};
use crate::data::{Data, Row, Value};

/// Where the value comes from that takes the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Two customers of one merchant change places, in this column.
    Neighbour,
    /// Two customers of two merchants do.
    Stranger,
    /// The same row before its last update.
    Before,
    /// Nowhere: it is changed a little.
    Altered,
    /// It is taken away.
    Cleared,
}

impl Source {
    const ALL: [Self; 5] =
        [Self::Neighbour, Self::Stranger, Self::Before, Self::Altered, Self::Cleared];

    /// Whose rows are touched.
    const fn touched(self) -> &'static [&'static str] {
        match self {
            Self::Neighbour => &["a1", "a2"],
            Self::Stranger => &["a1", "b1"],
            Self::Before | Self::Altered | Self::Cleared => &["a1"],
        }
    }
}

/// What is expected of a move.
#[derive(Clone, Copy)]
enum Expect {
    /// Everybody who was touched is answered with a fault, in every way, and so are the lists.
    Broken,
    /// The same, but for these questions.
    But(&'static [(&'static str, State)]),
    /// The value is the same there: nothing is moved.
    Same,
    /// The column is never null.
    Never,
}

use Expect::{Broken as B, But, Never as N, Same as S};

/// A column, and what is expected when its value comes from each of [`Source::ALL`].
type Decision = (&'static str, [Expect; Source::ALL.len()]);

/// A row that is nobody's any more is not found, as if it had been deleted: the security model says so.
const NOT_FOUND: &[(&str, State)] =
    &[("a1 by id", Gone), ("a1 by reference", Gone), ("a1 by token", Gone), ("list a", Short)];

const CUSTOMER: [Decision; 19] = [
    (
        "merchant",
        [
            S,
            But(&[
                ("a1 by id", Gone),
                ("a1 by reference", Gone),
                ("a1 by token", Gone),
                ("b1 by id", Gone),
                ("b1 by reference", Gone),
                ("b1 by token", Gone),
            ]),
            S,
            But(NOT_FOUND),
            N,
        ],
    ),
    (
        "number",
        [
            B,
            But(&[("a1 by token", Gone), ("b1 by token", Gone)]),
            S,
            But(&[("a1 by token", Gone)]),
            N,
        ],
    ),
    ("version", [S, S, B, B, N]),
    ("created_ms", [B, B, S, B, N]),
    ("updated_ms", [B, B, B, B, N]),
    // A second look finds that a deleted customer still has a reference. By number there is none to take.
    ("deleted_ms", [S, S, S, But(&[("a1 by token", Gone), ("list a", Short)]), S]),
    ("status", [S, S, S, B, N]),
    ("verification", [S, S, S, B, N]),
    ("index_generation", [S, S, S, B, N]),
    (
        "id_index",
        [B, But(&[("a1 by id", Gone), ("b1 by id", Gone)]), S, But(&[("a1 by id", Gone)]), N],
    ),
    (
        "reference_index",
        [
            B,
            But(&[("a1 by reference", Gone), ("b1 by reference", Gone)]),
            S,
            But(&[("a1 by reference", Gone)]),
            But(&[("a1 by reference", Gone)]),
        ],
    ),
    ("email_search", [B, B, B, B, B]),
    ("phone_search", [B, B, B, B, B]),
    ("reference_search", [B, B, S, B, B]),
    ("name_search", [B, B, B, B, B]),
    ("history_head", [B, B, B, B, N]),
    ("schema", [S, S, S, B, N]),
    ("sealed", [B, B, B, B, N]),
    ("key_generation", [S, S, S, B, N]),
];

const CUSTOMER_KEY: [Decision; 5] = [
    ("merchant", [S, B, S, B, N]),
    ("number", [B, B, S, B, N]),
    ("generation", [S, S, S, B, N]),
    ("wrap_generation", [S, S, S, B, N]),
    ("wrapped", [B, B, S, B, N]),
];

/// The condition that finds a customer's row.
fn of(known: &Known) -> String {
    format!("merchant = {} AND number = {}", known.merchant, known.number)
}

/// Moves a value between the rows that the conditions find, or into the first of them. Returns
/// whether anything is now other than before.
fn carry(
    data: &Data,
    (table, column): (&str, &str),
    conditions: &[String],
    (source, mut earlier): (Source, Row),
) -> bool {
    let mut rows: Vec<Row> =
        conditions.iter().map(|condition| take(data, table, condition)).collect();
    let untouched = rows.clone();
    let new: Vec<Value> = match source {
        Source::Neighbour | Source::Stranger => {
            rows.iter_mut().rev().map(|row| value(row, column).clone()).collect()
        }
        Source::Before => vec![value(&mut earlier, column).clone()],
        Source::Altered => vec![altered(column, value(&mut rows[0], column))],
        Source::Cleared => vec![Value::Null],
    };
    for (row, new) in rows.iter_mut().zip(new) {
        *value(row, column) = new;
    }
    for row in &rows {
        put(data, table, row);
    }
    rows != untouched
}

/// What should be answered after a move.
fn expected(at: &Installation, touched: &[&str], but: &[(&str, State)]) -> Seen {
    let mut expected = at.unharmed();
    for (question, state) in &mut expected {
        let is_of = |name: &&str| question.starts_with(*name);
        let lists =
            |name: &&str| question.strip_prefix("list ").is_some_and(|a| name.starts_with(a));
        if touched.iter().any(|name| is_of(name) || lists(name)) {
            *state = Fault;
        }
    }
    for (question, state) in but {
        *expected.get_mut(*question).unwrap() = *state;
    }
    expected
}

/// Makes the counters fit: whoever moves customers and forgets that does not get as far as a start.
fn count_anew(data: &Data) {
    data.run(
        "DELETE FROM customer_count;
         INSERT INTO customer_count (merchant, slot, live)
             SELECT merchant, number % 16, count(*) FROM customer
             WHERE deleted_ms IS NULL GROUP BY merchant, number % 16",
    );
}

/// Starts the program on what was moved, asks for everybody, and then updates everybody.
fn is_seen(at: &Installation, launch: &Launch, expected: &Seen, what: &str) {
    count_anew(&Data::of(launch));
    let server = launch.start();
    let seen = at.ask(&server);
    is_as_expected(&seen, expected, what);
    at.update(&server, &seen, what);
}

fn is_as_expected(seen: &Seen, expected: &Seen, what: &str) {
    let differences: Vec<_> = seen
        .iter()
        .filter(|(question, state)| expected[*question] != **state)
        .map(|(question, state)| format!("{question}: {state:?}, not {:?}", expected[question]))
        .collect();
    assert!(differences.is_empty(), "{what}: {differences:#?}");
}

/// Carries out every decision about a table. Returns how many moves there were.
fn try_table(table: &str, decisions: &[Decision]) -> usize {
    let at = Installation::found();
    let schema = Data::of(at.before()).columns(table);
    let decided: Vec<&str> = decisions.iter().map(|(column, _)| *column).collect();
    let there: Vec<&str> = schema.iter().map(|(column, _)| column.as_str()).collect();
    assert_eq!(decided, there, "each column of {table} has its decision");
    let mut moves = 0;
    for ((column, expects), (_, may_be_null)) in decisions.iter().zip(&schema) {
        for (source, expect) in Source::ALL.into_iter().zip(expects) {
            let what = format!("{table}.{column} from {source:?}");
            if source == Source::Cleared {
                assert_eq!(matches!(expect, N), !may_be_null, "{what}: null or never");
                if matches!(expect, N) {
                    continue;
                }
            }
            let launch = at.copy();
            let data = Data::of(&launch);
            let conditions: Vec<String> =
                source.touched().iter().map(|name| of(at.customer(name))).collect();
            let earlier = read(&Data::of(at.before()), table, &conditions[0]);
            let is_other = carry(&data, (table, column), &conditions, (source, earlier));
            drop(data);
            let but: &[(&str, State)] = match expect {
                B => &[],
                But(but) => but,
                S | N => {
                    assert!(!is_other, "{what}: the value is another one");
                    continue;
                }
            };
            assert!(is_other, "{what}: the value is the same");
            is_seen(&at, &launch, &expected(&at, source.touched(), but), &what);
            moves += 1;
        }
    }
    moves
}

#[test]
fn a_customers_row_opens_with_its_own_columns_only() {
    assert_eq!(try_table("customer", &CUSTOMER), 54);
}

#[test]
fn a_customers_key_opens_in_its_own_row_only() {
    assert_eq!(try_table("customer_key", &CUSTOMER_KEY), 10);
}
