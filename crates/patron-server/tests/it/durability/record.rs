//! What the clients of a server that was killed know, and what the server may answer when it is back.
//!
//! Every change sets all fields to values that carry the change's own stamp, so that a customer of which
//! a half is missing, or that is made of two changes, shows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The mark of one change. No two changes of an installation have the same.
pub(crate) type Stamp = u64;

/// The fields to which a change sets a customer, and which of them it empties.
pub(crate) fn fields(stamp: Stamp) -> [(&'static str, Option<String>); 5] {
    let unless = |every: u64, text: String| (!stamp.is_multiple_of(every)).then_some(text);
    [
        ("mobile_number", Some(format!("{stamp}"))),
        ("email_address", unless(5, format!("e{stamp}@example.com"))),
        ("first_name", unless(7, format!("F{stamp}"))),
        ("last_name", unless(3, format!("L{stamp}"))),
        ("mobile_country_code", Some((1 + stamp % 90).to_string())),
    ]
}

/// The stamp of the change that left a customer as it is, all of it.
fn stamp_of(customer: &Value) -> Result<Stamp, String> {
    let number = customer["mobile_number"].as_str().and_then(|number| number.parse().ok());
    let stamp = number.ok_or_else(|| format!("no change leaves a customer so: {customer}"))?;
    for (field, value) in fields(stamp) {
        if customer[field] != json!(value) {
            return Err(format!("a mixture of changes: {field} is not of {stamp} in {customer}"));
        }
    }
    Ok(stamp)
}

/// A customer as an answer shows it.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// From the entity tag.
    pub(crate) version: u64,
    /// The body.
    pub(crate) customer: Value,
}

/// What one client sent and heard.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    /// The change was acknowledged.
    Acknowledged { reference: String, stamp: Stamp, shown: Shown },
    /// The customer was there already: nothing of the request was done.
    Seen { reference: String, shown: Shown },
    /// No answer came.
    Unanswered { reference: String, stamp: Stamp },
}

/// What is known of one customer.
#[derive(Debug, Clone, Default)]
struct Known {
    /// The version that the server showed when it was last back; 0 before.
    settled: u64,
    /// The stamps of the last settled version and of all that were acknowledged, or shown, since.
    versions: BTreeMap<u64, Stamp>,
    /// Changes that were sent since, and not answered.
    unanswered: Vec<Stamp>,
    /// What never changes: id, date of creation.
    lasting: Option<[Value; 2]>,
}

/// What became of the changes that were not answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Done, all of it.
    pub(crate) done: u64,
    /// Not done, nothing of it.
    pub(crate) not_done: u64,
}

/// What the clients of one installation know of all its customers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    customers: BTreeMap<String, Known>,
}

impl Record {
    /// The references of all customers that are, or may be, there.
    pub(crate) fn references(&self) -> Vec<String> {
        self.customers.keys().cloned().collect()
    }

    /// The customers whose references begin so, by reference and id.
    pub(crate) fn named(&self, prefix: &str) -> Vec<(String, String)> {
        let all = self.customers.iter().filter(|(reference, _)| reference.starts_with(prefix));
        all.filter_map(|(reference, known)| {
            let [id, _] = known.lasting.as_ref()?;
            Some((reference.clone(), id.as_str()?.to_owned()))
        })
        .collect()
    }

    /// The customers that are known to be there.
    pub(crate) fn customers(&self) -> u64 {
        u64::try_from(self.customers.values().filter(|known| known.last().0 > 0).count()).unwrap()
    }

    /// All changes that are known to be done, as versions count them.
    pub(crate) fn changes(&self) -> u64 {
        self.customers.values().map(|known| known.last().0).sum()
    }

    /// Takes down what a client sent and heard.
    pub(crate) fn note(&mut self, said: Said) -> Result<(), String> {
        match said {
            Said::Acknowledged { reference, stamp, shown } => {
                let known = self.customers.entry(reference).or_default();
                if stamp_of(&shown.customer)? != stamp {
                    return Err(format!("change {stamp} is answered with another: {shown:?}"));
                }
                known.see(&shown)
            }
            Said::Seen { reference, shown } => {
                self.customers.entry(reference).or_default().see(&shown)
            }
            Said::Unanswered { reference, stamp } => {
                self.customers.entry(reference).or_default().unanswered.push(stamp);
                Ok(())
            }
        }
    }

    /// Compares what the server shows of a customer with what is known of it, and takes it over.
    pub(crate) fn settle(
        &mut self,
        reference: &str,
        shown: Option<&Shown>,
    ) -> Result<Outcome, String> {
        let known = self.customers.entry(reference.to_owned()).or_default();
        let outcome = known.settle(shown).map_err(|problem| {
            format!("{reference}: {problem}\nknown: {known:?}\nshown: {shown:?}")
        })?;
        if shown.is_none() {
            self.customers.remove(reference);
        }
        Ok(outcome)
    }
}

impl Known {
    /// The newest version that is known, and its stamp.
    fn last(&self) -> (u64, Option<Stamp>) {
        self.versions
            .last_key_value()
            .map_or((0, None), |(version, stamp)| (*version, Some(*stamp)))
    }

    /// Takes down a version that an answer showed.
    fn see(&mut self, shown: &Shown) -> Result<(), String> {
        let stamp = stamp_of(&shown.customer)?;
        if shown.version < self.settled.max(1) {
            return Err(format!("a version from before the restart is back: {shown:?}"));
        }
        let lasting = ["id", "date_created"].map(|key| shown.customer[key].clone());
        let first = self.lasting.get_or_insert_with(|| lasting.clone());
        if *first != lasting {
            return Err(format!("it is not the same customer as {first:?}: {shown:?}"));
        }
        let other = self.versions.insert(shown.version, stamp).filter(|other| *other != stamp);
        match other {
            Some(other) => Err(format!("one version for the changes {other} and {stamp}")),
            None => Ok(()),
        }
    }

    /// Compares what the server shows now with all that is known, and goes on from there.
    fn settle(&mut self, shown: Option<&Shown>) -> Result<Outcome, String> {
        let (last, _) = self.last();
        let sent = u64::try_from(self.unanswered.len()).unwrap();
        let Some(shown) = shown else {
            let nothing = Outcome { done: 0, not_done: sent };
            return if last == 0 { Ok(nothing) } else { Err("the customer is lost".to_owned()) };
        };
        if shown.version < last {
            return Err("acknowledged changes are lost".to_owned());
        }
        let stamp = stamp_of(&shown.customer)?;
        if shown.version > last && !self.unanswered.contains(&stamp) {
            return Err("it is what nobody made of it".to_owned());
        }
        let mut now = self.clone();
        now.see(shown)?;
        // Every version since the last restart is a change that was answered, or one that was not.
        let known = u64::try_from(now.versions.range(self.settled + 1..).count()).unwrap();
        let shown_unanswered =
            self.unanswered.iter().filter(|stamp| now.versions.values().any(|one| one == *stamp));
        let shown_unanswered = u64::try_from(shown_unanswered.count()).unwrap();
        let unseen = shown.version - self.settled - known;
        if shown_unanswered + unseen > sent {
            return Err(format!("{unseen} versions are nobody's change"));
        }
        let done = shown_unanswered + unseen;
        now.settled = shown.version;
        now.versions = BTreeMap::from([(shown.version, stamp)]);
        now.unanswered.clear();
        *self = now;
        Ok(Outcome { done, not_done: sent - done })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "r1";

    /// The customer as the change with this stamp leaves it.
    fn shown(version: u64, stamp: Stamp) -> Shown {
        let mut customer = json!({ "id": "cst_1", "date_created": "2026-01-01T00:00:00Z" });
        for (field, value) in fields(stamp) {
            customer[field] = json!(value);
        }
        Shown { version, customer }
    }

    fn acknowledged(version: u64, stamp: Stamp) -> Said {
        Said::Acknowledged { reference: NAME.to_owned(), stamp, shown: shown(version, stamp) }
    }

    fn unanswered(stamp: Stamp) -> Said {
        Said::Unanswered { reference: NAME.to_owned(), stamp }
    }

    fn record(said: &[Said]) -> Record {
        let mut record = Record::default();
        for one in said {
            record.note(one.clone()).unwrap();
        }
        record
    }

    fn settled(said: &[Said], shown: &Shown) -> Result<Outcome, String> {
        record(said).settle(NAME, Some(shown))
    }

    #[track_caller]
    fn is_noticed(outcome: Result<Outcome, String>, problem: &str) {
        let said = outcome.expect_err("nothing was noticed");
        assert!(said.contains(problem), "{said}");
    }

    #[test]
    fn what_was_acknowledged_and_is_there_passes() {
        let said = [acknowledged(1, 11), acknowledged(2, 12)];
        assert_eq!(settled(&said, &shown(2, 12)), Ok(Outcome::default()));
    }

    #[test]
    fn an_unanswered_change_may_be_done_or_not() {
        let said = [acknowledged(1, 11), unanswered(12)];
        assert_eq!(settled(&said, &shown(1, 11)), Ok(Outcome { done: 0, not_done: 1 }));
        assert_eq!(settled(&said, &shown(2, 12)), Ok(Outcome { done: 1, not_done: 0 }));
        assert_eq!(settled(&[unanswered(11)], &shown(1, 11)), Ok(Outcome { done: 1, not_done: 0 }));
        let nobody = record(&[unanswered(11)]).settle(NAME, None);
        assert_eq!(nobody, Ok(Outcome { done: 0, not_done: 1 }));
        // Of two, one may be done under an acknowledged one.
        let said = [acknowledged(1, 11), acknowledged(3, 13), unanswered(12), unanswered(14)];
        assert_eq!(settled(&said, &shown(3, 13)), Ok(Outcome { done: 1, not_done: 1 }));
        assert_eq!(settled(&said, &shown(4, 14)), Ok(Outcome { done: 2, not_done: 0 }));
    }

    #[test]
    fn a_lost_customer_is_noticed() {
        is_noticed(record(&[acknowledged(1, 11)]).settle(NAME, None), "the customer is lost");
    }

    #[test]
    fn a_lost_change_is_noticed() {
        let said = [acknowledged(1, 11), acknowledged(2, 12), acknowledged(3, 13)];
        is_noticed(settled(&said, &shown(2, 12)), "acknowledged changes are lost");
        // Not by its number alone.
        is_noticed(settled(&said, &shown(3, 12)), "one version for the changes 13 and 12");
    }

    #[test]
    fn half_a_change_is_noticed() {
        let said = [acknowledged(1, 11), unanswered(12)];
        for (field, value) in fields(11) {
            let mut mixed = shown(2, 12);
            mixed.customer[field] = json!(value);
            is_noticed(
                settled(&said, &mixed),
                if field == "mobile_number" { "email_address" } else { field },
            );
        }
        let mut empty = shown(2, 12);
        empty.customer["mobile_number"] = Value::Null;
        is_noticed(settled(&said, &empty), "no change leaves a customer so");
    }

    #[test]
    fn a_change_that_counts_twice_is_noticed() {
        is_noticed(settled(&[acknowledged(1, 11)], &shown(2, 11)), "nobody made of it");
        let said = [acknowledged(1, 11), unanswered(12)];
        is_noticed(settled(&said, &shown(3, 12)), "1 versions are nobody's change");
        let said = [acknowledged(1, 11), acknowledged(3, 13)];
        is_noticed(settled(&said, &shown(3, 13)), "1 versions are nobody's change");
    }

    #[test]
    fn another_customer_in_its_place_is_noticed() {
        let mut other = shown(1, 11);
        other.customer["id"] = json!("cst_2");
        is_noticed(settled(&[acknowledged(1, 11)], &other), "not the same customer");
    }

    #[test]
    fn an_answer_that_shows_another_change_is_noticed() {
        let said =
            Said::Acknowledged { reference: NAME.to_owned(), stamp: 12, shown: shown(2, 11) };
        assert!(Record::default().note(said).is_err());
        let mut record = record(&[acknowledged(1, 11)]);
        assert!(record.note(acknowledged(1, 12)).is_err(), "one version twice");
    }

    #[test]
    fn what_was_adopted_is_expected_from_then_on() {
        let mut record = record(&[acknowledged(1, 11), unanswered(12)]);
        record.settle(NAME, Some(&shown(2, 12))).unwrap();
        assert_eq!((record.customers(), record.changes()), (1, 2));
        let mut back = record.clone();
        is_noticed(back.settle(NAME, Some(&shown(1, 11))), "acknowledged changes are lost");
        let old = Said::Seen { reference: NAME.to_owned(), shown: shown(1, 11) };
        assert!(record.clone().note(old).is_err(), "what is over is back");
        record.note(acknowledged(3, 13)).unwrap();
        assert_eq!(record.settle(NAME, Some(&shown(3, 13))), Ok(Outcome::default()));
        assert_eq!(record.references(), [NAME]);
    }
}
