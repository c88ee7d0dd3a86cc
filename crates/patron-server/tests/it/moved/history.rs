//! Entries of the history, moved and altered: no answer is made of them, and the chain shows it.

use patron::history::{SealedParts, verify};
use patron::ids::{CustomerNumber, MerchantNumber};
use patron::keys::{KeyOwner, MerchantKeys};
use patron::seal::open_entry;
use patron::store::UniqueKey;
use patron_testkit::server::Launch;

use super::installation::{Installation, Known};
use super::rows::read;
use super::{Source, carry, is_as_expected, of};
use crate::data::Data;
use crate::inside::{root_key, store, wait};

/// What whoever walks the chain of `a1` finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chain {
    /// All is well.
    Whole,
    /// It does not verify.
    Broken,
    /// It does, but an entry does not open.
    Closed,
    /// An entry holds what no entry can hold.
    Unreadable,
}

use Chain::{Broken, Closed, Unreadable, Whole};

/// What is found for a value from each of [`Source::ALL`], `Before` being the customer's first entry.
/// `None` when the value is the same there, or never null.
type Decision = (&'static str, [Option<Chain>; Source::ALL.len()]);

const ALL_BROKEN: [Option<Chain>; 5] =
    [Some(Broken), Some(Broken), Some(Broken), Some(Broken), None];

const HISTORY: [Decision; 13] = [
    ("merchant", [None, Some(Broken), None, Some(Broken), None]),
    ("number", [Some(Broken), Some(Broken), None, Some(Broken), None]),
    // In the place of the first entry it would meet that one.
    ("version", [None, None, None, Some(Broken), None]),
    ("happened", [None, None, Some(Broken), Some(Broken), None]),
    ("changed", ALL_BROKEN),
    ("at_ms", ALL_BROKEN),
    ("actor", [None, None, None, Some(Broken), None]),
    ("sealed", [Some(Broken), Some(Broken), Some(Broken), Some(Broken), Some(Broken)]),
    ("digest", ALL_BROKEN),
    ("head", ALL_BROKEN),
    // It tells a change that comes twice, within moments, and nothing else looks at it.
    ("change_id", [Some(Whole), Some(Whole), Some(Whole), Some(Whole), None]),
    ("schema", [None, None, None, Some(Closed), None]),
    ("key_generation", [None, None, None, Some(Closed), None]),
];

/// Walks the chain of a customer, as nobody can who has no keys.
fn walk(launch: &Launch, known: &Known) -> Chain {
    let root = root_key(launch);
    let store = store(launch);
    let merchant = MerchantNumber::new(known.merchant.try_into().unwrap());
    let number = CustomerNumber::new(known.number).unwrap();
    wait(async {
        let wrapped = store.list_wrapped_keys(KeyOwner::Merchant(merchant)).await.unwrap();
        let keys = MerchantKeys::unwrap(&root, merchant, &wrapped).unwrap();
        let row = store.find_customer(merchant, UniqueKey::Number(number)).await.unwrap().unwrap();
        let Ok(entries) = store.list_history(merchant, number).await else {
            return Unreadable;
        };
        if verify(&keys, &entries, row.history_head, row.version, SealedParts::Kept).is_err() {
            return Broken;
        }
        let opens = |entry| matches!(open_entry(&keys, &row.key, entry), Ok(Some(_)));
        if entries.iter().all(opens) { Whole } else { Closed }
    })
}

#[test]
fn a_history_that_was_touched_shows_and_changes_no_answer() {
    let at = Installation::found();
    let schema = Data::of(at.before()).columns("history");
    let there: Vec<&str> = schema.iter().map(|(column, _)| column.as_str()).collect();
    assert_eq!(HISTORY.map(|(column, _)| column), *there);
    assert_eq!(walk(&at.copy(), at.customer("a1")), Whole);
    let mut moves = 0;
    for ((column, expects), (_, may_be_null)) in HISTORY.iter().zip(&schema) {
        for (source, expect) in Source::ALL.into_iter().zip(expects) {
            let what = format!("history.{column} from {source:?}");
            if (source == Source::Cleared && !may_be_null)
                || (*column == "version" && source == Source::Before)
            {
                continue;
            }
            let launch = at.copy();
            let newest = |name: &&str| format!("{} AND version = 2", of(at.customer(name)));
            let conditions: Vec<String> = source.touched().iter().map(newest).collect();
            let data = Data::of(&launch);
            let first =
                read(&data, "history", &format!("{} AND version = 1", of(at.customer("a1"))));
            let is_other = carry(&data, ("history", column), &conditions, (source, first));
            drop(data);
            let Some(chain) = expect else {
                assert!(!is_other, "{what}: the value is another one");
                continue;
            };
            assert!(is_other, "{what}: the value is the same");
            assert_eq!(walk(&launch, at.customer("a1")), *chain, "{what}");
            is_as_expected(&at.ask(&launch.start()), &at.unharmed(), &what);
            moves += 1;
        }
    }
    assert_eq!(moves, 36);
}
