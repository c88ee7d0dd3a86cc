//! Pages of real databases, and pages that make no sense.

use rusqlite::Connection;

use super::*;

/// A database with trees of all four kinds, of rows short and long, of which many were changed and deleted.
fn database(is_secure: bool) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.pragma_update(None, "secure_delete", is_secure).unwrap();
    let schema = "CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT, length INTEGER);
        CREATE INDEX by_text ON rows (text);
        CREATE TABLE keyed (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
        WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
        INSERT INTO rows SELECT n, printf('%d %.*c', n * 7919 % 3001, n % 3 * 17, 'x'), 0 FROM n;
        UPDATE rows SET text = text || printf('%.*c', 6000, 'y') WHERE id % 97 = 0;
        INSERT INTO keyed SELECT text, printf('%.*c', id % 50, 'z') FROM rows;
        UPDATE rows SET text = printf('%.*c %d', id % 60, 'x', id), length = -id WHERE id % 2 = 0;
        DELETE FROM rows WHERE id % 5 = 0;
        DELETE FROM keyed WHERE length(value) % 3 = 0;
        UPDATE keyed SET value = value || value WHERE length(value) % 2 = 0;";
    connection.execute_batch(schema).unwrap();
    connection
}

fn pages(connection: &Connection) -> Vec<Vec<u8>> {
    let mut statement = connection.prepare("SELECT data FROM sqlite_dbpage ORDER BY pgno").unwrap();
    let pages = statement.query_map([], |row| row.get(0)).unwrap();
    pages.collect::<Result<_, _>>().unwrap()
}

/// Every page of a tree accounts for its every byte, and with all that means nothing overwritten, the database
/// holds what it held.
#[test]
fn overwriting_what_means_nothing_changes_nothing() {
    for is_secure in [false, true] {
        let connection = database(is_secure);
        let content = "SELECT id, text, length FROM rows UNION ALL
             SELECT 0, key || value, 0 FROM keyed";
        let read = || -> Vec<(i64, String, i64)> {
            let mut statement = connection.prepare(content).unwrap();
            let rows =
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
            rows.collect::<Result<_, _>>().unwrap()
        };
        let before = read();
        let mut kinds = Vec::new();
        let mut unclean = 0;
        for (number, page) in (1..).zip(pages(&connection)) {
            let header = if number == 1 { 100 } else { 0 };
            match look(number, &page, page.len()) {
                Look::NoTree => continue,
                Look::Clean => {}
                Look::Unclean(cleaned) => {
                    assert_eq!(look(number, &cleaned, cleaned.len()), Look::Clean);
                    let update = "UPDATE sqlite_dbpage SET data = ?1 WHERE pgno = ?2";
                    connection.execute(update, (cleaned, number)).unwrap();
                    unclean += 1;
                }
                Look::Unsound => panic!("page {number} is said to be unsound"),
            }
            kinds.push(page[header]);
        }
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds, [0x02, 0x05, 0x0a, 0x0d], "not all kinds of pages are there");
        assert!(unclean > 5, "{unclean} pages only had anything stale");
        assert_eq!(read(), before);
        let check: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        for (number, page) in (1..).zip(pages(&connection)) {
            let look = look(number, &page, page.len());
            assert!(matches!(look, Look::Clean | Look::NoTree), "page {number}: {look:?}");
        }
    }
}

/// A page that was damaged where it says what is where is not touched.
#[test]
fn a_page_that_makes_no_sense_is_left_alone() {
    let connection = database(true);
    let leaf = pages(&connection).into_iter().find(|page| page[0] == 0x0a).unwrap();
    assert!(matches!(look(9, &leaf, leaf.len()), Look::Clean | Look::Unclean(_)));
    let damaged = |at: usize, change: u8| {
        let mut page = leaf.clone();
        page[at] ^= change;
        look(9, &page, page.len())
    };
    // The first free block, the number of cells, where they begin, how many bytes are lost between them, and where
    // the first one is.
    for (at, change) in [(1, 0xff), (3, 0xff), (4, 1), (5, 1), (7, 1), (8, 0xff)] {
        assert_eq!(damaged(at, change), Look::Unsound, "byte {at}");
    }
    for kind in [0x00, 0x01, 0x03, 0xff] {
        assert_eq!(damaged(0, leaf[0] ^ kind), Look::NoTree, "kind {kind}");
    }
    assert_eq!(look(9, &leaf[..100], 4_096), Look::Unsound, "cut off");
}

/// Whatever stands on a page, looking at it comes to an end.
#[test]
fn whatever_a_page_holds_it_is_judged() {
    let mut chance = patron_testkit::chance::Chance::new(3);
    let leaf = pages(&database(true)).into_iter().find(|page| page[0] == 0x02).unwrap();
    for round in 0..20_000 {
        let mut page = leaf.clone();
        for _ in 0..=round % 4 {
            let at = chance.below(if round % 2 == 0 { 40 } else { page.len() });
            page[at] = u8::try_from(chance.below(256)).unwrap();
        }
        if let Look::Unclean(cleaned) = look(9, &page, page.len()) {
            assert_eq!(look(9, &cleaned, cleaned.len()), Look::Clean);
        }
    }
}
