//! What Citus asks of every table and statement, on an ordinary server: Debian has no Citus.
//!
//! Whatever belongs to a customer is found by its merchant first: by every unique key, in every statement, and in
//! every plan. Nothing has a shape that Citus refuses, or that it collects on its coordinator before it goes on
//! (<https://docs.citusdata.com/en/stable/develop/reference_workarounds.html>).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use patron::ids::MerchantNumber;
use patron::store::{Store as _, UniqueKey};
use patron_store_postgres::{StatementText, plain, statements, tables};
use patron_testkit::postgres::{Cluster, Setup};
use patron_testkit::wait::soon;

use crate::ground::{open, settings, wait};

fn distributed() -> &'static [&'static str] {
    tables()[0]
}

/// A server with the store's tables.
fn with_tables() -> Cluster {
    let cluster = Cluster::new();
    drop(open(&settings(&cluster.url())));
    cluster
}

fn words(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$' || c == '.';
    text.split(|c| !is_part(c)).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// The tables that a statement names, in the order in which it does.
fn tables_in(sql: &str) -> Vec<String> {
    let words = words(sql);
    let all: BTreeSet<&str> = tables().into_iter().flatten().copied().collect();
    let pairs = words.windows(2).filter(|pair| {
        ["from", "join", "into", "update"].contains(&pair[0].as_str())
            && all.contains(pair[1].as_str())
    });
    pairs.map(|pair| pair[1].clone()).collect()
}

fn is_distributed(statement: &StatementText) -> bool {
    tables_in(statement.sql).iter().any(|table| distributed().contains(&table.as_str()))
}

/// How often a text stands in the store's own files.
fn count_in_sources(text: &str) -> usize {
    fn visit(directory: &Path, text: &str) -> usize {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let count = |path: PathBuf| match path.extension() {
            _ if path.is_dir() => visit(&path, text),
            Some(ending) if ending == "rs" => {
                let source = fs::read_to_string(&path).unwrap();
                source.split("mod tests {").next().unwrap().matches(text).count()
            }
            _ => 0,
        };
        entries.map(count).sum()
    }
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), text)
}

#[test]
fn every_statement_that_there_is_is_looked_at() {
    let singles = count_in_sources(": Statement =");
    let of_rows = count_in_sources(": RowsStatement =");
    assert!(singles > 30 && of_rows > 5, "{singles}, {of_rows}");
    // There is one for each of seven numbers of rows.
    assert_eq!(statements().len(), singles + 7 * of_rows);
}

#[test]
fn it_is_decided_of_every_table_where_it_goes() {
    let cluster = with_tables();
    let there = cluster.psql("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace");
    let there: BTreeSet<&str> = there.lines().collect();
    let decided: Vec<&str> = tables().into_iter().flatten().copied().collect();
    assert_eq!(decided.iter().copied().collect::<BTreeSet<_>>(), there);
    assert_eq!(decided.len(), there.len(), "a table goes to two places: {decided:?}");
}

#[test]
fn every_key_of_what_is_distributed_begins_with_the_merchant() {
    let cluster = with_tables();
    for table in distributed() {
        let first_columns = cluster.psql(&format!(
            "SELECT i.indexrelid::regclass, a.attname FROM pg_index AS i JOIN pg_attribute AS a \
             ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indrelid = '{table}'::regclass"
        ));
        assert!(!first_columns.is_empty(), "{table} has no key");
        for line in first_columns.lines() {
            assert!(line.ends_with("|merchant"), "{table}: {line}");
        }
        let expressions = cluster.psql(&format!(
            "SELECT count(*) FROM pg_index WHERE indrelid = '{table}'::regclass AND indexprs IS NOT NULL"
        ));
        assert_eq!(expressions, "0", "{table}");
    }
}

#[test]
fn nothing_leads_from_what_is_distributed_to_elsewhere() {
    let cluster = with_tables();
    let count = |sql: &str| assert_eq!(cluster.psql(sql), "0", "{sql}");
    count("SELECT count(*) FROM pg_constraint WHERE contype = 'f'");
    count("SELECT count(*) FROM pg_trigger");
    count(
        "SELECT count(*) FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace",
    );
    count(
        "SELECT count(*) FROM pg_attrdef AS d JOIN pg_class AS c ON c.oid = d.adrelid \
           WHERE c.relnamespace = 'public'::regnamespace",
    );
}

#[test]
fn every_statement_on_what_is_distributed_names_one_merchant() {
    let mut seen = 0;
    for statement in statements().iter().filter(|statement| is_distributed(statement)) {
        let sql = statement.sql;
        seen += 1;
        let named = tables_in(sql);
        assert!(
            named.iter().all(|table| distributed().contains(&table.as_str())),
            "it joins what is distributed with what is not: {sql}"
        );
        if sql.starts_with("INSERT") {
            let columns = sql.split('(').nth(1).unwrap();
            assert!(columns.starts_with("merchant,"), "{sql}");
            assert!(sql.contains(" VALUES ($1, "), "{sql}");
            assert_eq!(named.len(), 1, "it reads what it writes from another table: {sql}");
            continue;
        }
        // Every table that is read or changed is held to the one merchant, by itself or by the one it is joined to.
        let held =
            sql.matches("merchant = $1").count() + sql.matches("k.merchant = c.merchant").count();
        assert!(
            held >= named.len(),
            "{held} of {} tables are held to the merchant: {sql}",
            named.len()
        );
        assert!(!sql.contains("merchant IN") && !sql.contains("merchant = ANY"), "{sql}");
    }
    assert!(seen > 20, "only {seen} statements were looked at");
}

#[test]
fn no_statement_has_a_shape_that_citus_refuses_or_collects() {
    for statement in statements() {
        let sql = statement.sql;
        let upper = sql.to_uppercase();
        let words = words(&upper);
        let has = |word: &str| words.iter().any(|found| found == &word.to_lowercase());
        for refused in [
            "UNNEST",
            "GENERATE_SERIES",
            "WITH",
            "LATERAL",
            "OVER",
            "NEXTVAL",
            "LOCKED",
            "MERGE",
            "CUBE",
            "ROLLUP",
            "TABLESAMPLE",
            "RANDOM",
            "SAVEPOINT",
            "TEMP",
            "LISTEN",
            "NOTIFY",
        ] {
            assert!(!has(refused), "{refused}: {sql}");
        }
        if !is_distributed(&statement) {
            continue;
        }
        assert!(!(sql.starts_with("INSERT") && has("SELECT")), "it is collected: {sql}");
        // What each server would answer differently must not be in what is written.
        for volatile in ["NOW", "CLOCK_TIMESTAMP", "CURRENT_TIMESTAMP"] {
            assert!(!has(volatile), "{volatile}: {sql}");
        }
        if has("CONFLICT") && upper.contains("DO UPDATE") {
            assert!(upper.contains("ON CONFLICT (MERCHANT,"), "{sql}");
        }
    }
}

/// One merchant's customers, as many as make a table that is not young any more, and nobody has counted them.
const FILL: &str = "\
    INSERT INTO customer SELECT 1, n, 1, n, n, NULL, n % 3, n % 4, 1, decode(md5('i' || n), 'hex'), \
        decode(md5('r' || n), 'hex'), decode(md5('e' || n), 'hex'), decode(md5('p' || n), 'hex'), \
        decode(md5('s' || n), 'hex'), decode(md5('n' || n), 'hex'), decode(repeat(md5('h' || n), 2), 'hex'), \
        1, decode(repeat(md5('x' || n), 25), 'hex'), 1 FROM generate_series(1, 1500) AS n; \
    INSERT INTO customer_key SELECT 1, n, 1, 1, decode(repeat(md5('x' || n), 4), 'hex') \
        FROM generate_series(1, 1500) AS n; \
    INSERT INTO history SELECT 1, n, 1, 1, '', n, 1, decode(repeat(md5('x' || n), 10), 'hex'), \
        decode(repeat(md5('d' || n), 2), 'hex'), decode(repeat(md5('h' || n), 2), 'hex'), \
        decode(md5('c' || n), 'hex'), 1, 1 FROM generate_series(1, 1500) AS n; \
    INSERT INTO outbox SELECT 1, n, 1, 1, n FROM generate_series(1, 1500) AS n; \
    INSERT INTO client_token SELECT 1, decode(repeat(md5('t' || n), 2), 'hex'), n, n, n, 1 \
        FROM generate_series(1, 1500) AS n; \
    INSERT INTO erased_customer SELECT 1, n, 1, n, nullif(n % 2, 0), decode(repeat(md5('h' || n), 2), 'hex'), \
        decode(repeat(md5('m' || n), 2), 'hex') FROM generate_series(1, 1500) AS n; \
    INSERT INTO access_log SELECT 1, n, decode(md5('a' || n), 'hex'), 1, nullif(n % 5, 0), 1, 1, \
        decode(md5('x' || n), 'hex') FROM generate_series(1, 1500) AS n";

/// The statements that walk over a merchant's customers, and those whose every row is the merchant's own.
fn walks(line: &str) -> bool {
    ["customer_list", "customer_count", "erased_customer_unpurged"]
        .iter()
        .any(|index| line.contains(index))
}

/// What sets a session as ours are.
fn session() -> String {
    let settings = plain::SESSION.split(" -c ").filter(|setting| !setting.is_empty());
    settings.map(|setting| format!("SET {setting}; ")).collect()
}

/// A statement's plan as it is made once for all parameters.
fn plan(cluster: &Cluster, statement: &StatementText) -> String {
    let nothing = vec!["NULL"; statement.types.len()].join(", ");
    cluster.psql(&format!(
        "{}SET plan_cache_mode = force_generic_plan; \
         PREPARE one ({}) AS {}; EXPLAIN EXECUTE one ({nothing})",
        session(),
        statement.types.join(", "),
        statement.sql
    ))
}

/// With plans that are made once for all parameters, as they are for prepared statements, by a planner that
/// knows nothing but how large the tables are.
#[test]
fn every_plan_goes_straight_to_what_it_looks_for() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    drop(open(&settings(&cluster.url())));
    cluster.psql(FILL);
    let mut looked_at = 0;
    for statement in statements().iter().filter(|statement| is_distributed(statement)) {
        let plan = plan(&cluster, statement);
        assert!(!plan.contains("Seq Scan"), "{}\n{plan}", statement.sql);
        let lines: Vec<&str> = plan.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let is_scan = line.contains("Index Scan") || line.contains("Index Only Scan");
            if is_scan {
                looked_at += 1;
                let condition = lines[at + 1];
                assert!(condition.contains("(merchant ="), "{}\n{plan}", statement.sql);
                // By the merchant and something more, or it would look through all that the merchant has.
                assert!(walks(line) || condition.contains(" AND "), "{}\n{plan}", statement.sql);
            }
        }
    }
    assert!(looked_at > 20, "only {looked_at} scans were looked at");
}

/// What a statement of the search is led by, the index that it is to go by, the number of the parameter that says what
/// is looked for, and what that is.
const LEADS: [(&str, &str, usize, &str); 11] = [
    ("number = $8", "customer_number", 8, "7"),
    ("id_index = $7", "customer_id", 7, "'x'"),
    ("reference_index = $9", "customer_reference", 9, "'x'"),
    ("email_search = $11", "customer_list_by_email", 11, "'x'"),
    ("phone_search = ($12::bytea[])[1]", "customer_list_by_phone", 12, "'{x}'"),
    ("phone_search = ANY ($12)", "customer_list_by_phone", 12, "'{x,y}'"),
    ("reference_search = $10", "customer_list_by_reference", 10, "'x'"),
    ("name_search = $13", "customer_list_by_name", 13, "'x'"),
    ("verification = $15", "customer_list_by_verification", 15, "1"),
    ("status = $14", "customer_list_by_status", 14, "1"),
    ("created_ms >= $4", "customer_list", 4, "500"),
];

/// As each search is planned: for what it looks for, by a planner that knows nothing of the table, or all of it.
#[test]
fn a_search_walks_the_index_of_its_narrowest_term() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    drop(open(&settings(&cluster.url())));
    cluster.psql(FILL);
    for _ in 0..2 {
        for (lead, index, place, term) in LEADS {
            let lead = format!("deleted_ms IS NULL AND {lead}");
            let led: Vec<_> =
                statements().into_iter().filter(|one| one.sql.contains(&lead)).collect();
            assert_eq!(led.len(), 2, "a page and a count by {index}");
            for statement in led {
                let plan = plan_of_search(&cluster, &statement, (place, term));
                let walk = format!("using {index} on customer");
                assert!(plan.contains(&walk) || plan.contains(&format!("on {index} ")), "{plan}");
                if statement.sql.contains("created_ms >= $4") {
                    assert!(plan.contains(&walk) && !plan.contains("Sort"), "{plan}");
                    assert!(plan.contains("ROW(created_ms, number) <"), "{plan}");
                }
            }
        }
        cluster.psql("ANALYZE");
    }
}

/// The plan of a page of 20, or of a count, of what has one term only.
fn plan_of_search(
    cluster: &Cluster,
    statement: &StatementText,
    (place, term): (usize, &str),
) -> String {
    let mut values = ["1", "20", "0", "0", "900", "0"].map(str::to_owned).to_vec();
    values.resize(statement.types.len(), "NULL".to_owned());
    values[place - 1] = term.to_owned();
    cluster.psql(&format!(
        "{}SET enable_sort = off; SET enable_bitmapscan = off; \
         SET plan_cache_mode = force_custom_plan; \
         PREPARE one ({}) AS {}; EXPLAIN EXECUTE one ({})",
        session(),
        statement.types.join(", "),
        statement.sql,
        values.join(", ")
    ))
}

/// While the table is young, each statement is planned each time it runs; then plans are kept.
#[test]
fn plans_are_kept_once_the_table_has_grown() {
    let cluster = Setup::new().with("log_statement", "all").start();
    let store = open(&settings(&cluster.url()));
    let said = |mode: &str| cluster.log().matches(&format!("SET plan_cache_mode = {mode}")).count();
    let look_up =
        || wait(store.find_customer(MerchantNumber::new(1), UniqueKey::Id([0; 16]))).unwrap();
    assert!(look_up().is_none());
    assert!(said("force_custom_plan") > 0);
    assert_eq!(said("auto"), 0);
    cluster.psql(FILL);
    soon("the connections look at the table again", || {
        look_up();
        (said("auto") > 0).then_some(())
    });
}

/// What reads no customers may stay: it is short, and every server has it.
#[test]
fn every_other_statement_can_be_prepared() {
    let cluster = with_tables();
    // What is Citus' own, as far as it is asked for.
    cluster.psql(
        "CREATE TABLE pg_dist_partition (logicalrelid regclass); \
         CREATE FUNCTION run_command_on_workers(text) \
         RETURNS TABLE (nodename text, nodeport int, success bool, result text) \
         LANGUAGE sql AS 'SELECT NULL::text, NULL::int, NULL::bool, NULL::text'",
    );
    for statement in statements().iter().filter(|statement| !is_distributed(statement)) {
        let types = statement.types.join(", ");
        let types = if types.is_empty() { types } else { format!("({types})") };
        let sql = format!("PREPARE one {types} AS {}", statement.sql);
        cluster.psql(&sql);
    }
}
