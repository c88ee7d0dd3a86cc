//! Which indexes SQLite walks for a search, and that it reads nothing else.

use patron::clock::Timestamp;
use rusqlite::config::DbConfig;

use super::walked::Statements;
use super::*;
use crate::migrations;

const ALL: [(Walked, &str, &str); 7] = [
    (Walked::List, "customer_list", ""),
    (Walked::Reference, "customer_by_reference", " AND reference_search=?"),
    (Walked::Email, "customer_by_email", " AND email_search=?"),
    (Walked::Phone, "customer_by_phone", " AND phone_search=?"),
    (Walked::Name, "customer_by_name", " AND name_search=?"),
    (Walked::Status, "customer_by_status", " AND status=?"),
    (Walked::Verification, "customer_by_verification", " AND verification=?"),
];

fn database() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrations::migrate(&mut connection, Timestamp::from_ms(1)).unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
    connection
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = statement.raw_query();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        lines.push(row.get(3).unwrap());
    }
    lines
}

/// A page, a count and a width begin at their place in the index of their term, read it alone and in its order,
/// and look other terms up at one place of theirs.
#[test]
fn each_term_walks_its_own_index_and_reads_nothing_else() {
    let connection = database();
    for (walked, index, term) in ALL {
        let Statements { page, count, width } = walked.statements();
        let walk = format!(
            "SEARCH c USING COVERING INDEX {index} (merchant=?{term} AND created_ms>? AND \
             (created_ms,number)<(?,?))"
        );
        for sql in [page, count, width] {
            let lines = plan(&connection, sql);
            let steps = lines.iter().filter(|line| line.starts_with("SEARCH c ")).count();
            assert!(lines.contains(&walk) && steps == 1, "{walked:?}: {lines:#?}");
            for line in lines {
                let is_look = line.starts_with("SEARCH o USING COVERING INDEX customer_by_")
                    && line.contains(" AND created_ms=? AND number=?");
                let frames =
                    ["CORRELATED SCALAR SUBQUERY", "CO-ROUTINE (subquery-", "SCAN (subquery-"];
                let is_frame = frames.iter().any(|frame| line.starts_with(frame));
                assert!(line == walk || is_look || is_frame, "{walked:?}: {line}");
            }
        }
    }
}

/// What is looked at beside the end of a walk is found at once, however many have the same.
#[test]
fn the_end_of_a_walk_is_looked_at_by_a_seek() {
    let connection = database();
    for (walked, index, term) in ALL {
        let end::Beside {
            after,
            before,
            last,
            first,
            after_any,
            before_any,
            last_of_any,
            first_of_any,
        } = walked.beside();
        let column = term.trim_start_matches(" AND ").trim_end_matches("=?");
        let (place, values) = if column.is_empty() {
            ("(created_ms,number)".to_owned(), "(?,?)")
        } else {
            (format!("({column},created_ms,number)"), "(?,?,?)")
        };
        for (sql, side) in [(after, ">"), (before, "<"), (last, ""), (first, "")] {
            let lines = plan(&connection, sql);
            let [line] = lines.as_slice() else { panic!("{walked:?}: {lines:#?}") };
            let beginning = format!("SEARCH customer USING COVERING INDEX {index} (merchant=?");
            let is_seek = side.is_empty() || line.contains(&format!("{place}{side}{values}"));
            assert!(line.starts_with(&beginning) && is_seek, "{walked:?}: {line}");
        }
        // Beyond the merchant's own: by a seek too, and the edges without looking for them.
        let (place, values) = (place.replace('(', "(merchant,"), values.replace('(', "(?,"));
        for (sql, side) in [(after_any, ">"), (before_any, "<")] {
            let seek =
                format!("SEARCH customer USING COVERING INDEX {index} ({place}{side}{values})");
            assert_eq!(plan(&connection, sql), [seek], "{walked:?}");
        }
        for sql in [last_of_any, first_of_any] {
            let walk = format!("SCAN customer USING COVERING INDEX {index}");
            assert_eq!(plan(&connection, sql), [walk], "{walked:?}");
        }
    }
}
