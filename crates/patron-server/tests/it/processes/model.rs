//! What several clients heard of the same customers, and whether some order of all that was done explains it.
//!
//! A customer's versions are the order. Each answer shows one of them, or says that there was none yet, and must
//! have been true at some moment between its question and its arrival.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

/// A moment of a run: a later one is a larger number.
type Moment = u64;

/// The clock of a run.
#[derive(Debug, Default)]
pub(super) struct Moments(AtomicU64);

impl Moments {
    pub(super) fn next(&self) -> Moment {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// From before a question was sent until after its answer came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) began: Moment,
    pub(super) ended: Moment,
}

/// What an answer says of one customer.
#[derive(Debug, Clone)]
pub(super) enum Heard {
    /// The change was made, and this came of it.
    Wrote { version: u64, body: Value },
    /// This is how it is.
    Read { version: u64, body: Value },
    /// It is not there.
    Absent,
    /// This is how it is, and nothing about the version.
    Listed { body: Value },
    /// Something that only a version from this one on explains.
    AtLeast(u64),
    /// Nothing: the change with this stamp may have been made at any time since, or never.
    Nothing { stamp: String },
}

/// One answer about one customer.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) reference: String,
    pub(super) span: Span,
    pub(super) heard: Heard,
}

/// The mark of the change that left a customer as it is. No two changes of a run have the same.
pub(super) fn stamp_of(body: &Value) -> &str {
    body["mobile_number"].as_str().unwrap()
}

/// The last state that is known of each customer, by reference: its version, and how it is if anybody has seen it.
pub(super) type Last = BTreeMap<String, (u64, Option<Value>)>;

/// Explains all answers, or says which of them nothing explains.
pub(super) fn explain(facts: &[Fact]) -> Result<Last, String> {
    let mut of_each: BTreeMap<&str, Vec<&Fact>> = BTreeMap::new();
    for fact in facts {
        of_each.entry(&fact.reference).or_default().push(fact);
    }
    let mut last = Last::new();
    for (reference, facts) in of_each {
        let versions = Versions::learn(&facts)?;
        versions.check(&facts)?;
        let version = versions.last();
        let body = versions.bodies.get(&version).map(|body| (*body).clone());
        last.insert(reference.to_owned(), (version, body));
    }
    Ok(last)
}

/// The versions of one customer, as the answers tell of them.
#[derive(Default)]
struct Versions<'a> {
    bodies: BTreeMap<u64, &'a Value>,
    /// When the change that made a version was begun.
    begun: BTreeMap<u64, Moment>,
    /// When changes were begun of whose end nobody has heard, by their stamps.
    open: BTreeMap<&'a str, Moment>,
    by_stamp: BTreeMap<&'a str, u64>,
}

impl<'a> Versions<'a> {
    fn learn(facts: &[&'a Fact]) -> Result<Self, String> {
        let mut versions = Self::default();
        for fact in facts {
            match &fact.heard {
                Heard::Wrote { version, body } => {
                    versions.see(*version, body)?;
                    if versions.begun.insert(*version, fact.span.began).is_some() {
                        return Err(format!("two changes made version {version}: {fact:?}"));
                    }
                }
                Heard::Read { version, body } => versions.see(*version, body)?,
                Heard::Nothing { stamp } => {
                    versions.open.insert(stamp, fact.span.began);
                }
                Heard::Absent | Heard::Listed { .. } | Heard::AtLeast(_) => {}
            }
        }
        versions.find_makers()?;
        Ok(versions)
    }

    fn see(&mut self, version: u64, body: &'a Value) -> Result<(), String> {
        let known = *self.bodies.entry(version).or_insert(body);
        if known != body {
            return Err(format!("version {version} was seen in two ways: {known} {body}"));
        }
        let known = *self.by_stamp.entry(stamp_of(body)).or_insert(version);
        if known != version {
            return Err(format!("{known} and {version} were made by the same change: {body}"));
        }
        Ok(())
    }

    fn last(&self) -> u64 {
        self.bodies.last_key_value().map_or(0, |(version, _)| *version)
    }

    /// Each version was made by a change that was acknowledged, or by one of whose end nobody has heard.
    fn find_makers(&mut self) -> Result<(), String> {
        let mut makers = self.open.clone();
        let mut unseen = 0;
        for version in 1..=self.last() {
            if self.begun.contains_key(&version) {
                continue;
            }
            match self.bodies.get(&version) {
                None => unseen += 1,
                Some(body) => {
                    let maker = makers.remove(stamp_of(body));
                    let begun = maker.ok_or_else(|| format!("nobody made this: {body}"))?;
                    self.begun.insert(version, begun);
                }
            }
        }
        if unseen > makers.len() {
            return Err(format!("{unseen} versions were made by nobody: {:?}", self.bodies));
        }
        Ok(())
    }

    /// Which version an answer shows, which it proves to have been there when it came, if any.
    fn shown(&self, fact: &Fact) -> Result<Shown, String> {
        Ok(match &fact.heard {
            Heard::Wrote { version, .. } => Shown::Made(*version),
            Heard::Read { version, .. } => Shown::Exactly(*version),
            Heard::Absent => Shown::Exactly(0),
            Heard::AtLeast(version) => Shown::AtLeast(*version),
            Heard::Nothing { .. } => Shown::AtLeast(0),
            Heard::Listed { body } => match self.by_stamp.get(stamp_of(body)) {
                Some(version) if self.bodies.get(version) == Some(&body) => {
                    Shown::Exactly(*version)
                }
                Some(_) => return Err(format!("a list shows it in another way: {body}")),
                // Whose change nobody has heard of, its version nobody has seen.
                None if self.open.contains_key(stamp_of(body)) => Shown::AtLeast(1),
                None => return Err(format!("nobody made this: {body}")),
            },
        })
    }

    /// Each answer was true at a moment between its question and its arrival, and all these moments have an order.
    fn check(&self, facts: &[&'a Fact]) -> Result<(), String> {
        // Until when a version cannot have been there: it takes all before it to have been begun.
        let mut possible_from = vec![0; 1];
        for version in 1..=self.last() {
            let before = possible_from.last().copied().unwrap_or(0);
            possible_from.push(self.begun.get(&version).copied().unwrap_or(0).max(before));
        }
        let mut moments = BTreeMap::new();
        for fact in facts {
            let shown = self.shown(fact)?;
            let version = usize::try_from(shown.at_least()).unwrap();
            let from = possible_from.get(version).copied();
            if from.is_some_and(|from| from >= fact.span.ended)
                || (from.is_none() && self.open.is_empty())
            {
                return Err(format!("it was shown before it was made: {fact:?}"));
            }
            moments.insert(fact.span.began, (false, shown, *fact));
            moments.insert(fact.span.ended, (true, shown, *fact));
        }
        let mut proven = 0;
        // What has begun sees at least what was proven then.
        let mut wants = BTreeMap::new();
        for (is_end, shown, fact) in moments.values() {
            if !is_end {
                wants.insert(fact.span.began, proven);
                continue;
            }
            let proven_before = wants.get(&fact.span.began).copied().unwrap_or(0);
            let is_late = match shown {
                Shown::Made(version) => *version <= proven_before,
                Shown::Exactly(version) => *version < proven_before,
                Shown::AtLeast(_) => false,
            };
            if is_late {
                return Err(format!("version {proven_before} was there before this: {fact:?}"));
            }
            proven = proven.max(shown.at_least());
        }
        Ok(())
    }
}

/// What an answer shows of the order.
#[derive(Debug, Clone, Copy)]
enum Shown {
    Made(u64),
    Exactly(u64),
    AtLeast(u64),
}

impl Shown {
    const fn at_least(self) -> u64 {
        match self {
            Self::Made(version) | Self::Exactly(version) | Self::AtLeast(version) => version,
        }
    }
}

/// Moments are the facts' own, so that tests of the test can say which was when.
fn fact(began: Moment, ended: Moment, heard: Heard) -> Fact {
    Fact { reference: "r".to_owned(), span: Span { began, ended }, heard }
}

fn body(stamp: u64) -> Value {
    serde_json::json!({ "mobile_number": stamp.to_string() })
}

fn wrote(began: Moment, ended: Moment, version: u64) -> Fact {
    fact(began, ended, Heard::Wrote { version, body: body(version) })
}

fn read(began: Moment, ended: Moment, version: u64) -> Fact {
    fact(began, ended, Heard::Read { version, body: body(version) })
}

fn listed(began: Moment, ended: Moment, version: u64) -> Fact {
    fact(began, ended, Heard::Listed { body: body(version) })
}

fn lost(began: Moment, ended: Moment, stamp: u64) -> Fact {
    fact(began, ended, Heard::Nothing { stamp: stamp.to_string() })
}

#[test]
fn what_an_order_explains_is_explained() {
    let at_least = |began, ended, version| fact(began, ended, Heard::AtLeast(version));
    let absent = |began, ended| fact(began, ended, Heard::Absent);
    for facts in [
        vec![absent(0, 1), wrote(2, 3, 1), read(4, 5, 1)],
        // At the same time either is right.
        vec![wrote(0, 9, 1), absent(1, 2), read(3, 4, 1), at_least(5, 6, 1)],
        vec![wrote(0, 1, 1), wrote(2, 9, 2), read(3, 4, 1), listed(5, 6, 2), read(7, 8, 2)],
        vec![wrote(0, 1, 1), lost(2, 3, 2), read(4, 5, 1), read(6, 7, 2), wrote(8, 9, 3)],
        vec![wrote(0, 1, 1), lost(2, 3, 7), wrote(4, 5, 3)],
        vec![wrote(0, 1, 1), lost(2, 3, 2), listed(4, 5, 2)],
    ] {
        assert_eq!(explain(&facts).map(|_| ()), Ok(()), "{facts:?}");
    }
}

#[test]
fn what_no_order_explains_is_found() {
    let seen = BTreeSet::from([
        // Older than what was acknowledged.
        explain(&[wrote(0, 1, 1), wrote(2, 3, 2), read(4, 5, 1)]).unwrap_err(),
        explain(&[wrote(0, 1, 1), fact(2, 3, Heard::Absent)]).unwrap_err(),
        explain(&[wrote(0, 1, 1), wrote(2, 3, 2), listed(4, 5, 1)]).unwrap_err(),
        // Older than what was seen, though its change is not acknowledged yet.
        explain(&[wrote(0, 1, 1), wrote(2, 9, 2), read(3, 4, 2), read(5, 6, 1)]).unwrap_err(),
        explain(&[fact(0, 1, Heard::AtLeast(1)), wrote(2, 3, 1)]).unwrap_err(),
        // Before its time.
        explain(&[wrote(0, 1, 1), read(2, 3, 2), wrote(4, 5, 2)]).unwrap_err(),
        // Twice, by nobody, or out of order.
        explain(&[wrote(0, 1, 1), fact(2, 3, Heard::Wrote { version: 1, body: body(1) })])
            .unwrap_err(),
        explain(&[wrote(0, 1, 1), wrote(2, 3, 3)]).unwrap_err(),
        explain(&[wrote(0, 1, 1), read(2, 3, 2)]).unwrap_err(),
        explain(&[wrote(0, 1, 2), wrote(2, 3, 1)]).unwrap_err(),
        // In two ways.
        explain(&[wrote(0, 1, 1), fact(2, 3, Heard::Read { version: 1, body: body(9) })])
            .unwrap_err(),
        explain(&[wrote(0, 1, 1), listed(2, 3, 9)]).unwrap_err(),
    ]);
    assert_eq!(seen.len(), 12, "each for a reason of its own: {seen:#?}");
}
