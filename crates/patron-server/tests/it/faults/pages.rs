//! The pages of a database file, what lies on each, and how they are damaged.

use std::fs;
use std::path::Path;

use patron_testkit::chance::Chance;
use rusqlite::{Connection, OpenFlags};

const PAGE: usize = 4_096;

/// A page: what it belongs to, and its place in the file.
#[derive(Debug, Clone)]
pub(super) struct Page {
    /// The table or index, with its kind of page; or the list of free pages.
    pub(super) of: String,
    at: usize,
}

/// Every page of the database, which nobody has open.
pub(super) fn pages(file: &Path) -> Vec<Page> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(file, flags).unwrap();
    let sql = "SELECT pageno, name || ' ' || pagetype FROM dbstat";
    let mut statement = connection.prepare(sql).unwrap();
    let used = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let used: Vec<(u32, String)> = used.map(|page| page.unwrap()).collect();
    let count = usize::try_from(fs::metadata(file).unwrap().len()).unwrap() / PAGE;
    let of = |number: usize| used.iter().find(|(page, _)| usize::try_from(*page) == Ok(number));
    (1..=count)
        .map(|number| Page {
            of: of(number).map_or_else(|| "(free)".to_owned(), |(_, of)| of.clone()),
            at: (number - 1) * PAGE,
        })
        .collect()
}

/// How a page is damaged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Damage {
    /// It was never written.
    Zeros,
    /// Something else was written there.
    Garbage,
    /// The same for one sector of 512 bytes.
    SectorOfZeros,
    SectorOfGarbage,
    /// A range of up to 64 bytes.
    Range,
    /// One bit.
    Bit,
    /// The page says that it has one entry less. This one is not by chance.
    LastEntry,
}

/// Those by chance.
pub(super) const DAMAGES: [Damage; 6] = [
    Damage::Zeros,
    Damage::Garbage,
    Damage::SectorOfZeros,
    Damage::SectorOfGarbage,
    Damage::Range,
    Damage::Bit,
];

/// Damages a page of a file.
pub(super) fn damage(file: &Path, page: &Page, damage: Damage, chance: &mut Chance) {
    let mut bytes = fs::read(file).unwrap();
    let page = &mut bytes[page.at..page.at + PAGE];
    let sector = 512 * chance.below(PAGE / 512);
    match damage {
        Damage::Zeros => page.fill(0),
        Damage::Garbage => garble(page, chance),
        Damage::SectorOfZeros => page[sector..sector + 512].fill(0),
        Damage::SectorOfGarbage => garble(&mut page[sector..sector + 512], chance),
        Damage::Range => {
            let from = chance.below(PAGE - 1);
            let length = 1 + chance.below(64.min(PAGE - from));
            garble(&mut page[from..(from + length).min(PAGE)], chance);
        }
        Damage::LastEntry => {
            let entries = u16::from_be_bytes([page[3], page[4]]) - 1;
            page[3..5].copy_from_slice(&entries.to_be_bytes());
        }
        Damage::Bit => page[chance.below(PAGE)] ^= 1 << chance.below(8),
    }
    // In place, so that whoever has the file open sees it.
    overwrite(file, &bytes);
}

fn garble(bytes: &mut [u8], chance: &mut Chance) {
    for byte in bytes {
        *byte = u8::try_from(chance.below(256)).unwrap();
    }
}

/// Overwrites a file in place.
pub(super) fn overwrite(file: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all(bytes).unwrap();
}
