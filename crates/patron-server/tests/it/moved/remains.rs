//! What is left of erased customers, moved and altered: a keyed hash vouches for it, so that neither `patron verify`
//! nor whoever asks for a receipt takes it for what was written.

use patron_testkit::http::Call;
use patron_testkit::server::{Launch, SANDBOX_KEY};
use patron_testkit::wait::soon;
use serde_json::Value as Json;

use super::{Source, carry, put, read, take};
use crate::data::{Data, copy};
use crate::stage::{create_merchant, launch, post};

/// Who the rows are of.
struct Erased {
    merchant: i64,
    number: i64,
    id: &'static str,
}

/// Two erased customers of one merchant, of whom the first has one version more, and one of another.
const ALL: [Erased; 3] = [
    Erased { merchant: 1, number: 1, id: "testaccount" },
    Erased { merchant: 1, number: 2, id: "testaccount" },
    Erased { merchant: 2, number: 3, id: "other" },
];

impl Erased {
    fn row(&self) -> String {
        format!("merchant = {} AND number = {}", self.merchant, self.number)
    }
}

struct Installation {
    launch: Launch,
    /// The data from before the bytes of the erased customers were gone.
    before: Launch,
    copies: std::cell::Cell<u32>,
}

impl Installation {
    fn found() -> Self {
        let launch = launch().with("--job-lease-ms").with("300");
        let mut server = launch.start();
        let other = create_merchant(&server, "other", &[]);
        for (name, key) in [("e1", SANDBOX_KEY), ("e2", SANDBOX_KEY), ("e3", other.as_str())] {
            let form = format!("object_reference_id={name}&mobile_number=1");
            Call::post("/customers").basic(key).form(form).send(&server).expect(200);
        }
        post(&server, "/customers/e1", "first_name=Jon").expect(200);
        assert!(server.terminate().success());
        for (name, of) in ["e1", "e2", "e3"].iter().zip(&ALL) {
            let erased = ["erase", of.id, name, "--yes", "--no-wait", "--json"];
            assert_eq!(launch.manage(&erased).json()["customer"], of.number);
        }
        let before = copy(&launch, "before");
        let mut server = launch.start();
        let unpurged = "SELECT count(*) AS n FROM erased_customer WHERE purged_ms IS NULL";
        soon("all are purged", || (Data::of(&launch).number(unpurged) == 0).then_some(()));
        assert!(server.terminate().success());
        Self { launch, before, copies: std::cell::Cell::new(0) }
    }

    fn copy(&self) -> Launch {
        self.copies.set(self.copies.get() + 1);
        copy(&self.launch, &format!("copy-{}", self.copies.get()))
    }
}

/// What `patron verify` says of a merchant.
fn verify(launch: &Launch, merchant: &str) -> Option<String> {
    let outcome = launch.manage(&["verify", merchant]);
    (!outcome.status.success()).then(|| outcome.refused().to_owned())
}

/// What whoever asks for the receipt of an erased customer gets; `None` for a fault.
fn receipt(launch: &Launch, of: &Erased) -> Option<Json> {
    let number = of.number.to_string();
    let outcome = launch.manage(&["erase", of.id, &number, "--yes", "--no-wait", "--json"]);
    outcome.status.success().then(|| outcome.json()["receipt"].clone())
}

/// What is found of those whose rows are touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The row is said to have been changed, and there is no receipt.
    Changed,
    /// The history of the first one is nobody's any more.
    Gone,
}

use Found::{Changed, Gone};

/// What is found for a value from each of [`Source::ALL`]; `None` when the value is the same there, or never null.
type Decision = (&'static str, [Option<Found>; Source::ALL.len()]);

const ALL_CHANGED: [Option<Found>; 5] =
    [Some(Changed), Some(Changed), Some(Changed), Some(Changed), None];

const ERASED_CUSTOMER: [Decision; 7] = [
    ("merchant", [None, Some(Gone), None, Some(Gone), None]),
    ("number", [Some(Changed), Some(Gone), None, Some(Gone), None]),
    ("version", [Some(Changed), Some(Changed), None, Some(Changed), None]),
    ("erased_ms", [Some(Changed), Some(Changed), None, Some(Changed), None]),
    // All are purged in one moment.
    ("purged_ms", [None, None, Some(Changed), Some(Changed), Some(Changed)]),
    ("history_head", [Some(Changed), Some(Changed), None, Some(Changed), None]),
    ("mac", ALL_CHANGED),
];

#[test]
fn what_is_left_of_an_erased_customer_is_taken_for_that_in_its_own_place_only() {
    let at = Installation::found();
    let schema = Data::of(&at.before).columns("erased_customer");
    let there: Vec<&str> = schema.iter().map(|(column, _)| column.as_str()).collect();
    assert_eq!(ERASED_CUSTOMER.map(|(column, _)| column), *there);
    for merchant in ["testaccount", "other"] {
        assert_eq!(verify(&at.launch, merchant), None);
    }
    let receipts = ALL.each_ref().map(|of| receipt(&at.launch, of).unwrap());
    assert!(receipts.iter().all(Json::is_object), "{receipts:?}");
    let mut moves = 0;
    for ((column, expects), (_, may_be_null)) in ERASED_CUSTOMER.iter().zip(&schema) {
        for (source, expect) in Source::ALL.into_iter().zip(expects) {
            let what = format!("erased_customer.{column} from {source:?}");
            if source == Source::Cleared && !may_be_null {
                assert_eq!(*expect, None, "{what}: it is never null");
                continue;
            }
            let touched: &[&Erased] = match source {
                Source::Neighbour => &[&ALL[0], &ALL[1]],
                Source::Stranger => &[&ALL[0], &ALL[2]],
                Source::Before | Source::Altered | Source::Cleared => &[&ALL[0]],
            };
            let launch = at.copy();
            let data = Data::of(&launch);
            let conditions: Vec<String> = touched.iter().map(|of| of.row()).collect();
            let earlier = read(&Data::of(&at.before), "erased_customer", &conditions[0]);
            let place = ("erased_customer", *column);
            let is_other = carry(&data, place, &conditions, (source, earlier));
            drop(data);
            let Some(found) = expect else {
                assert!(!is_other, "{what}: the value is another one");
                continue;
            };
            assert!(is_other, "{what}: the value is the same");
            let said = verify(&launch, touched[0].id).unwrap();
            let words = match found {
                Changed => "what is left of it since it was erased was changed by hand",
                Gone => "there are traces of it, but the customer is gone",
            };
            let whose = format!("customer {} of merchant", touched[0].number);
            assert!(said.contains(&whose) && said.contains(words), "{what}: {said}");
            for (of, whole) in ALL.iter().zip(&receipts) {
                let is_touched = touched.iter().any(|one| one.number == of.number);
                let expected = (!is_touched).then_some(whole);
                assert_eq!(receipt(&launch, of).as_ref(), expected, "{what}: {}", of.number);
            }
            moves += 1;
        }
    }
    assert_eq!(moves, 21);
}

/// The known limits: a row that is brought back whole from before its purge is purged anew, with another receipt;
/// one that is taken away shows, since the history is nobody's then.
#[test]
fn remains_that_are_brought_back_are_purged_anew() {
    let at = Installation::found();
    let launch = at.copy();
    let row = ALL[0].row();
    let earlier = read(&Data::of(&at.before), "erased_customer", &row);
    take(&Data::of(&launch), "erased_customer", &row);
    let said = verify(&launch, "testaccount").unwrap();
    assert!(said.contains("there are traces of it, but the customer is gone"), "{said}");
    assert_eq!(receipt(&launch, &ALL[0]), None);
    put(&Data::of(&launch), "erased_customer", &earlier);
    assert_eq!(verify(&launch, "testaccount"), None);
    assert_eq!(receipt(&launch, &ALL[0]), Some(Json::Null), "it is not purged yet");
    let _server = launch.start();
    soon("it is purged", || receipt(&launch, &ALL[0]).filter(Json::is_object));
}
