//! The store's own statements as scripts for `pgbench`, with values of their own for each customer.
//!
//! What differs between customers is a variable; what is the same in each row stands in the text, which spares the
//! server a little. An index is a whole number of sixteen digits, which are the sixteen bytes that it must have.

use std::fmt::Write as _;

use patron_store_postgres::plain;

use crate::{Fault, Outcome};

/// The merchant whose customers these are: no store gives out such a number.
pub(crate) const MERCHANT: i64 = 1 << 40;

/// The first index, and how many there are.
const INDEX_MIN: i64 = 1_000_000_000_000_000;
const INDEXES: i64 = 9_000_000_000_000_000;

/// Scatters customers over the indexes, as a keyed hash does. Multiplied by as many customers as are ever measured
/// it stays a whole number.
const SCATTER: i64 = 450_359_962_737;

/// The SQL that makes the reference of the customer with this place among the others.
pub(crate) fn reference_of(place: &str) -> String {
    format!("({place} * {SCATTER} % {INDEXES} + {INDEX_MIN})")
}

/// Looks up so many customers at once, each any of the first `customers`.
pub(crate) fn lookup(group: u16, customers: u32) -> String {
    let mut script = String::new();
    let mut names = Vec::new();
    for at in 0..group {
        let last = i64::from(customers) - 1;
        // Memory takes all.
        let _ = writeln!(script, "\\set place_{at} random(0, {last})");
        let _ = writeln!(script, "\\set r_{at} {}", reference_of(&format!(":place_{at}")));
        names.push(format!(":r_{at}"));
    }
    // One is looked for as a program does that gathers nothing.
    let wanted = match names.as_slice() {
        [one] => format!("= {one}"),
        many => format!("= ANY (ARRAY[{}]::bytea[])", many.join(", ")),
    };
    let sql = plain::lookup().replace("= ANY ($2)", &wanted).replace("$1", &MERCHANT.to_string());
    script + &sql + ";\n"
}

/// How the statements of a creation are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// Each when the one before is answered.
    InTurn,
    /// All at once.
    Pipelined,
}

/// Creates so many customers in one transaction. `sample` answers the values of a real row of a table, as SQL.
pub(crate) fn creation(
    group: u16,
    sending: Sending,
    sample: impl Fn(&str, &[&str]) -> Outcome<Vec<String>>,
) -> Outcome<String> {
    let statements = plain::creation(group.into());
    let mut body = String::new();
    let mut random = Vec::new();
    for sql in &statements {
        let _ = writeln!(body, "{};", filled(sql, &mut random, &sample)?);
    }
    let mut script = "\\set next :next + 1\n\\set slot :client_id % 64\n".to_owned();
    for row in 0..group {
        let _ = writeln!(
            script,
            "\\set number_{row} :first + (:next * {group} + {row}) * {clients} + :client_id",
            clients = crate::database::CONNECTIONS
        );
    }
    for name in random {
        let _ = writeln!(script, "\\set {name} random({INDEX_MIN}, {})", INDEX_MIN + INDEXES - 1);
    }
    let (begin, end) = match sending {
        Sending::InTurn => ("", ""),
        Sending::Pipelined => ("\\startpipeline\n", "\\endpipeline\n"),
    };
    Ok(script + begin + &body + end)
}

/// The statement with something in the place of each parameter.
fn filled(
    sql: &str,
    random: &mut Vec<String>,
    sample: impl Fn(&str, &[&str]) -> Outcome<Vec<String>>,
) -> Outcome<String> {
    let Some((table, columns)) = table_of(sql) else {
        return Ok(sql.to_owned());
    };
    let row = sample(table, &columns)?;
    if row.len() != columns.len() {
        return Err(Fault::new(format!("no row of {table} was found to take after")));
    }
    let mut filled = String::new();
    let mut parts = sql.split('$');
    filled.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let (digits, rest) = part.split_at_checked(end).unwrap_or((part, ""));
        let place = digits.parse::<usize>().map_err(Fault::at(sql))?.saturating_sub(1);
        let (number, at) = (place / columns.len().max(1), place % columns.len().max(1));
        let (column, same) = columns
            .get(at)
            .zip(row.get(at))
            .ok_or_else(|| Fault::new(format!("a parameter without a column: {sql}")))?;
        match value(column, same) {
            Cell::Merchant => filled.push_str(&MERCHANT.to_string()),
            Cell::Same => filled.push_str(same),
            Cell::Slot => filled.push_str(":slot"),
            Cell::Number => {
                let _ = write!(filled, ":number_{number}");
            }
            Cell::Random => {
                let name = format!("{column}_{number}");
                let _ = write!(filled, ":{name}");
                random.push(name);
            }
        }
        filled.push_str(rest);
    }
    Ok(filled)
}

/// What stands in a column.
#[derive(Debug, PartialEq, Eq)]
enum Cell {
    Merchant,
    Number,
    Slot,
    /// An index, or a change's id: bytes that have no order.
    Random,
    /// The same as in the row that is taken after.
    Same,
}

fn value(column: &str, same: &str) -> Cell {
    let is_index = ["_index", "_search", "change_id"].iter().any(|end| column.ends_with(end));
    match column {
        "merchant" => Cell::Merchant,
        "number" => Cell::Number,
        "slot" => Cell::Slot,
        _ if is_index && same != "NULL" => Cell::Random,
        _ => Cell::Same,
    }
}

/// The table that a statement adds rows to, and the columns that it names.
fn table_of(sql: &str) -> Option<(&str, Vec<&str>)> {
    let (name, rest) = sql.strip_prefix("INSERT INTO ")?.split_once('(')?;
    let (columns, _) = rest.split_once(')')?;
    Some((name.split(' ').next()?, columns.split(',').map(str::trim).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(_: &str, columns: &[&str]) -> Outcome<Vec<String>> {
        Ok(columns.iter().map(|column| format!("'{column}'")).collect())
    }

    #[test]
    fn a_creation_is_the_stores_own_with_values_in_it() {
        let Ok(script) = creation(2, Sending::InTurn, sample) else {
            panic!("no script");
        };
        assert!(!script.contains('$'), "{script}");
        let lines: Vec<_> = script.lines().filter(|line| !line.starts_with('\\')).collect();
        let begins = ["BEGIN", "INSERT INTO customer (", "INSERT INTO customer_key"];
        let ends =
            ["INSERT INTO history", "INSERT INTO outbox", "INSERT INTO customer_count", "COMMIT"];
        assert_eq!(lines.len(), begins.len() + ends.len(), "{script}");
        for (line, begin) in lines.iter().zip(begins.iter().chain(&ends)) {
            assert!(line.starts_with(begin), "{line}");
        }
        for piece in
            [":number_1", ":id_index_0", ":change_id_1", "'sealed'", ":slot", "ON CONFLICT"]
        {
            assert!(script.contains(piece), "{piece}: {script}");
        }
        assert!(script.contains("\\set reference_search_1 random("), "{script}");
    }

    #[test]
    fn a_lookup_is_the_stores_own_of_one_or_of_several() {
        let one = lookup(1, 10);
        assert!(one.contains(" reference_index = :r_0 ") && !one.contains('$'), "{one}");
        assert!(one.contains("\\set place_0 random(0, 9)"), "{one}");
        let two = lookup(2, 10);
        assert!(two.contains("= ANY (ARRAY[:r_0, :r_1]::bytea[])") && !two.contains('$'), "{two}");
    }
}
