//! Traces of what must be gone: pieces of bytes, looked for in all files of a store.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot read what it looks through must fail where it notices"
)]

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use patron::change::ChangeParts;

use crate::store_contract::persons::Made;

/// How many bytes are looked for at once. So many agree by chance in no file of any length.
const PIECE: usize = 8;

/// What the pieces of wrapped keys are of.
const KEY: &str = "the wrapped key";

/// Pieces of all that customers ever had in the store and that must be gone, and what each was of.
#[derive(Debug, Default)]
pub struct Traces(HashMap<u64, &'static str>);

impl Traces {
    /// All of these bytes, as far as they make whole pieces.
    pub fn add(&mut self, what: &'static str, bytes: &[u8]) {
        let (pieces, _) = bytes.as_chunks::<PIECE>();
        self.0.extend(pieces.iter().map(|piece| (u64::from_le_bytes(*piece), what)));
    }

    /// All that a change has written of a customer and an erasure takes away.
    ///
    /// # Panics
    /// When the change is an erasure's.
    pub fn add_change(&mut self, made: &Made) {
        let ChangeParts { customer, entry, .. } = made.change.parts();
        self.add(KEY, &customer.key.wrapped);
        self.add("the sealed customer", &customer.sealed);
        self.add("a sealed history entry", entry.sealed.as_ref().unwrap());
        let indexes = &customer.indexes;
        self.add("an index", &indexes.id);
        let others = [
            indexes.reference,
            indexes.email_search,
            indexes.phone_search,
            indexes.reference_search,
            indexes.name_search,
        ];
        for index in others.iter().flatten() {
            self.add("an index", index);
        }
    }

    /// All of another's.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many pieces are found in all files of a directory and of those in it, by what they were of.
    ///
    /// # Panics
    /// When a file cannot be read.
    pub fn found_in(&self, directory: &Path) -> HashMap<&'static str, usize> {
        // Most places of a file are passed over at once.
        let mut sieve = vec![false; 1 << SIEVE_BITS];
        for piece in self.0.keys() {
            sieve[sieve_place(*piece)] = true;
        }
        let mut found = HashMap::new();
        let mut directories = vec![directory.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    self.look_in(&fs::read(path).unwrap(), &sieve, &mut found);
                }
            }
        }
        found
    }

    fn look_in(&self, bytes: &[u8], sieve: &[bool], found: &mut HashMap<&'static str, usize>) {
        let mut window = 0;
        for byte in bytes {
            window = window >> 8 | u64::from(*byte) << 56;
            if sieve[sieve_place(window)]
                && let Some(what) = self.0.get(&window)
            {
                *found.entry(*what).or_default() += 1;
            }
        }
    }
}

const SIEVE_BITS: u32 = 26;

fn sieve_place(piece: u64) -> usize {
    let mixed = piece.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - SIEVE_BITS);
    usize::try_from(mixed).unwrap()
}
