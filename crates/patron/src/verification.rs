//! Verifying what is kept: every customer opens, its history is whole, and both say the same.
//!
//! It goes page by page, so that whoever walks holds little at a time, can show how far it is, and
//! can walk while the installation is in use.

use std::fmt;

use crate::erasure::ErasedCustomer;
use crate::error::{Error, Kind};
use crate::event::Event;
use crate::history::{self, BrokenChain, EntryHeader, SealedEntry, SealedParts};
use crate::ids::{CustomerNumber, MerchantId};
use crate::keys::MerchantKeys;
use crate::management::Console;
use crate::profile::{Field, Profile};
use crate::seal::{self, SealedCustomer};
use crate::store::{StoreError, WholeCustomer};

/// What is wrong with a thing that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Something of a customer is kept, but not the customer.
    NoCustomer,
    /// A row holds what no version of the program writes, or a row that belongs to it is gone.
    Unreadable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The customer's row was changed, or belongs elsewhere.
    CustomerDoesNotOpen,
    /// The customer was erased, and is there.
    ErasedAndThere,
    /// What is left of a customer that was erased was changed, or belongs elsewhere.
    RemainsWereChanged,
    /// The entry of this version is missing, out of place, or was changed.
    BrokenHistory {
        /// Which version.
        version: u64,
    },
    /// The history goes on after the version at which the customer is.
    HistoryGoesOn {
        /// The first version that the customer has not reached.
        version: u64,
    },
    /// The sealed part of the entry of this version does not open.
    EntryDoesNotOpen {
        /// Which version.
        version: u64,
    },
    /// The entry of this version set a field to another value than the customer has.
    OtherValue {
        /// Which version; 0 where no entry set a field that the customer has.
        version: u64,
    },
    /// An event tells of what the history does not have.
    EventWithoutEntry {
        /// Which version.
        version: u64,
    },
    /// No event tells of the entry of this version.
    EntryWithoutEvent {
        /// Which version.
        version: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCustomer => f.write_str("there are traces of it, but the customer is gone"),
            Self::Unreadable { table, column } => {
                write!(f, "what stands in {table}.{column} is missing or cannot be read")
            }
            Self::CustomerDoesNotOpen => {
                f.write_str("its row was changed by hand or belongs elsewhere")
            }
            Self::ErasedAndThere => f.write_str("it was erased, and is there nevertheless"),
            Self::RemainsWereChanged => {
                f.write_str("what is left of it since it was erased was changed by hand")
            }
            Self::BrokenHistory { version } => {
                write!(
                    f,
                    "history entry {version} is missing, out of place, or was changed by hand"
                )
            }
            Self::HistoryGoesOn { version } => {
                write!(f, "history entry {version} is newer than the customer")
            }
            Self::EntryDoesNotOpen { version } => {
                write!(f, "the sealed part of history entry {version} does not open")
            }
            Self::OtherValue { version: 0 } => {
                f.write_str("a field of it was set by no history entry")
            }
            Self::OtherValue { version } => {
                write!(f, "history entry {version} and the customer itself do not say the same")
            }
            Self::EventWithoutEntry { version } => {
                write!(f, "an event tells of version {version}, which its history does not have")
            }
            Self::EntryWithoutEvent { version } => {
                write!(f, "history entry {version} has no event")
            }
        }
    }
}

/// The first broken thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Whose customer it is.
    pub merchant: MerchantId,
    /// Which customer.
    pub customer: CustomerNumber,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What came of a page of customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCustomers {
    /// How many customers are in order, deleted and erased ones among them.
    pub customers: u64,
    /// How many of them are erased.
    pub erased: u64,
    /// How many history entries they have.
    pub entries: u64,
    /// How many events they have.
    pub events: u64,
    /// After whom to go on; `None` at the end.
    pub next: Option<i64>,
    /// What is broken. The page ends there.
    pub broken: Option<Broken>,
}

impl Console<'_> {
    /// Verifies the merchant's customers with numbers above `after`, `limit` of them at most.
    ///
    /// # Errors
    /// `NotFound` when there is no such merchant, `Internal` when its keys do not open, `Unavailable` when
    /// the store cannot answer. What is wrong with a customer is no error.
    pub async fn verify_customers(
        &self,
        id: &MerchantId,
        after: i64,
        limit: u32,
    ) -> Result<VerifiedCustomers, Error> {
        let merchant = self.find_merchant(id).await?.number;
        let patron = self.patron();
        let store = &patron.store;
        let epoch = patron.management_epoch().await?;
        let context = patron.merchant_context(epoch, merchant).await?;
        let context = context.ok_or_else(|| Error::new(Kind::NotFound, "not found"))?;
        let numbers = store.list_kept_customers(merchant, after, limit).await?;
        let mut verified = VerifiedCustomers {
            customers: 0,
            erased: 0,
            entries: 0,
            events: 0,
            next: None,
            broken: None,
        };
        for customer in numbers {
            let whole = store.find_whole_customer(merchant, customer).await;
            let is_erased = whole.as_ref().is_ok_and(|whole| whole.erased.is_some());
            let checked = match whole {
                Ok(whole) => check(&context.keys, whole),
                Err(StoreError::Corrupt { table, column }) => {
                    Err(Fault::Unreadable { table, column })
                }
                Err(error) => return Err(error.into()),
            };
            match checked {
                Ok(counts) => {
                    verified.entries = verified.entries.saturating_add(counts.entries);
                    verified.events = verified.events.saturating_add(counts.events);
                }
                Err(fault) => {
                    let merchant = id.clone();
                    verified.broken = Some(Broken { merchant, customer, fault });
                    verified.next = None;
                    break;
                }
            }
            verified.customers = verified.customers.saturating_add(1);
            verified.erased = verified.erased.saturating_add(u64::from(is_erased));
            verified.next = Some(customer.get());
        }
        Ok(verified)
    }
}

/// What is kept of one customer that is in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    entries: u64,
    events: u64,
}

impl Counts {
    fn of(entries: &[SealedEntry], events: &[Event]) -> Self {
        let count = |length| u64::try_from(length).unwrap_or(u64::MAX);
        Self { entries: count(entries.len()), events: count(events.len()) }
    }
}

/// Checks one customer.
fn check(keys: &MerchantKeys, whole: WholeCustomer) -> Result<Counts, Fault> {
    let WholeCustomer { customer, erased, entries, events } = whole;
    let row = match (customer, erased) {
        (Some(row), None) => row,
        (None, Some(erased)) => return check_erased(keys, &erased, &entries, &events),
        (Some(_), Some(_)) => return Err(Fault::ErasedAndThere),
        (None, None) => return Err(Fault::NoCustomer),
    };
    let opened = seal::open(keys, &row).map_err(|_| Fault::CustomerDoesNotOpen)?;
    // The walk along the chain would name the version after all of them.
    if let Some(entry) = entries.iter().find(|entry| entry.header.version > row.version) {
        return Err(Fault::HistoryGoesOn { version: entry.header.version });
    }
    history::verify(keys, &entries, row.history_head, row.version, SealedParts::Kept)
        .map_err(|BrokenChain { version }| Fault::BrokenHistory { version })?;
    says_the_same(keys, &row, &entries, &opened.profile)?;
    are_told(&entries, &events)?;
    Ok(Counts::of(&entries, &events))
}

/// Checks what is left of a customer that was erased: a history without values that ends with the erasure,
/// and the one event that tells of it.
fn check_erased(
    keys: &MerchantKeys,
    erased: &ErasedCustomer,
    entries: &[SealedEntry],
    events: &[Event],
) -> Result<Counts, Fault> {
    if !erased.is_genuine(keys) {
        return Err(Fault::RemainsWereChanged);
    }
    if let Some(entry) = entries.iter().find(|entry| entry.header.version > erased.version) {
        return Err(Fault::HistoryGoesOn { version: entry.header.version });
    }
    history::verify(keys, entries, erased.history_head, erased.version, SealedParts::Erased)
        .map_err(|BrokenChain { version }| Fault::BrokenHistory { version })?;
    let last = entries.len().saturating_sub(1);
    are_told(entries.get(last..).unwrap_or_default(), events)?;
    Ok(Counts::of(entries, events))
}

/// Whether each entry has its event and each event its entry. Both are in the order of their versions.
fn are_told(entries: &[SealedEntry], events: &[Event]) -> Result<(), Fault> {
    let mut events = events.iter().peekable();
    for SealedEntry { header, .. } in entries {
        if events.next_if(|event| tells_of(event, header)).is_some() {
            continue;
        }
        // An event that tells of this version, or of none, stands where its own event would.
        return Err(match events.peek() {
            Some(event) if event.version <= header.version => {
                Fault::EventWithoutEntry { version: event.version }
            }
            Some(_) | None => Fault::EntryWithoutEvent { version: header.version },
        });
    }
    match events.next() {
        Some(event) => Err(Fault::EventWithoutEntry { version: event.version }),
        None => Ok(()),
    }
}

fn tells_of(event: &Event, entry: &EntryHeader) -> bool {
    let Event { merchant, customer, version, happened, at } = event;
    let whose = (entry.merchant, entry.number, entry.version);
    (*merchant, *customer, *version) == whose && (*happened, *at) == (entry.happened, entry.at)
}

/// Whether each field has the value that the last entry about it set.
fn says_the_same(
    keys: &MerchantKeys,
    row: &SealedCustomer,
    entries: &[SealedEntry],
    profile: &Profile,
) -> Result<(), Fault> {
    let mut fields = Field::ALL.to_vec();
    for entry in entries.iter().rev() {
        let version = entry.header.version;
        let does_not_open = Fault::EntryDoesNotOpen { version };
        let opened = seal::open_entry(keys, &row.key, entry)
            .map_err(|_| does_not_open)?
            .ok_or(does_not_open)?;
        let (set, rest): (Vec<_>, Vec<_>) =
            fields.into_iter().partition(|field| entry.header.changed.contains(field));
        if opened.after.only(&set) != profile.only(&set) {
            return Err(Fault::OtherValue { version });
        }
        fields = rest;
    }
    // What no entry has set is not set.
    let is_explained = profile.only(&fields) == Profile::default();
    if is_explained { Ok(()) } else { Err(Fault::OtherValue { version: 0 }) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::actor::{Actor, ActorKind};
    use crate::change::Change;
    use crate::clock::Timestamp;
    use crate::customer::{Birth, Customer, Decided, Precondition, create, update};
    use crate::edit::Edit;
    use crate::history::Happened;
    use crate::ids::{CustomerId, KeyNumber, MerchantNumber};
    use crate::keys::tests::{TestEntropy, merchant_keys};
    use crate::profile::ProfileEdit;
    use crate::seal::Sealer;

    /// A customer with a first and a last name, whose history tells of `told` only.
    fn created(told: &[Field]) -> (Customer, Change) {
        let entropy = TestEntropy::new(1);
        let keys = merchant_keys(1);
        let birth = Birth {
            merchant: keys.merchant(),
            number: CustomerNumber::new(1).unwrap(),
            id: CustomerId::issue(&entropy),
            created_by: None,
        };
        let profile = Profile {
            first_name: Some("Jon".into()),
            last_name: Some("Snow".into()),
            ..Profile::default()
        };
        let (mut customer, _) = create(birth, profile, Timestamp::from_ms(1)).unwrap();
        let actor = actor();
        let sealer = Sealer { keys: &keys, entropy: &entropy, actor: &actor };
        let change = sealer.create(&customer, told.to_vec()).unwrap();
        customer.history_head = change.parts().entry.head;
        (customer, change)
    }

    /// The same with its first name cleared, where history says that `told` changed.
    fn renamed(created: &(Customer, Change), told: &[Field]) -> Change {
        let (before, change) = created;
        let edit = ProfileEdit { first_name: Edit::Clear, ..ProfileEdit::default() };
        let now = Timestamp::from_ms(2);
        let decided = update(before, &edit, &Precondition::None, now).unwrap();
        let Decided::Changed(after, _) = decided else { panic!("the edit changes nothing") };
        let keys = merchant_keys(1);
        let (entropy, actor) = (TestEntropy::new(2), actor());
        let opened =
            seal::open_for_change(&keys, Arc::new(change.parts().customer.clone())).unwrap();
        let sealer = Sealer { keys: &keys, entropy: &entropy, actor: &actor };
        sealer.update(&opened, &after, told.to_vec()).unwrap()
    }

    fn actor() -> Actor {
        Actor {
            kind: ActorKind::ApiKey(KeyNumber::new(4)),
            address: None,
            request_id: "r-1".to_owned(),
        }
    }

    fn whole(changes: &[&Change]) -> WholeCustomer {
        WholeCustomer {
            customer: changes.last().map(|change| change.parts().customer.clone()),
            erased: None,
            entries: changes.iter().map(|change| change.parts().entry.clone()).collect(),
            events: changes.iter().map(|change| change.parts().event.clone()).collect(),
        }
    }

    const NAMES: [Field; 2] = [Field::FirstName, Field::LastName];

    #[test]
    fn a_customer_is_what_its_history_made_of_it() {
        let keys = merchant_keys(1);
        let made = created(&NAMES);
        assert_eq!(check(&keys, whole(&[&made.1])), Ok(Counts { entries: 1, events: 1 }));
        let renamed = renamed(&made, &[Field::FirstName]);
        let both = whole(&[&made.1, &renamed]);
        assert_eq!(check(&keys, both), Ok(Counts { entries: 2, events: 2 }));
        let other = merchant_keys(2);
        assert_eq!(check(&other, whole(&[&made.1])), Err(Fault::CustomerDoesNotOpen));
    }

    #[test]
    fn a_value_that_history_does_not_explain_is_found() {
        let keys = merchant_keys(1);
        let half = created(&[Field::FirstName]);
        let fault = Err(Fault::OtherValue { version: 0 });
        assert_eq!(check(&keys, whole(&[&half.1])), fault, "nobody set the last name");
        let made = created(&NAMES);
        let renamed = renamed(&made, &[Field::LastName]);
        let fault = Err(Fault::OtherValue { version: 1 });
        assert_eq!(check(&keys, whole(&[&made.1, &renamed])), fault, "nobody cleared the first");
    }

    /// The same customer after its erasure, as a store keeps it.
    fn erased(change: &Change) -> WholeCustomer {
        let keys = merchant_keys(1);
        let (entropy, actor) = (TestEntropy::new(3), actor());
        let before = change.parts().customer.clone();
        let erasure =
            seal::seal_erasure(&keys, &entropy, &actor, before, Timestamp::from_ms(3)).unwrap();
        let parts = erasure.parts();
        let entries =
            vec![SealedEntry { sealed: None, ..change.parts().entry.clone() }, parts.entry.clone()];
        WholeCustomer {
            customer: None,
            erased: Some(parts.erased.clone()),
            entries,
            events: vec![parts.event.clone()],
        }
    }

    #[test]
    fn what_is_left_of_an_erased_customer_is_verified() {
        let keys = merchant_keys(1);
        let (_, change) = created(&NAMES);
        assert_eq!(check(&keys, erased(&change)), Ok(Counts { entries: 2, events: 1 }));
        let found = |touch: fn(&mut WholeCustomer)| {
            let mut whole = erased(&change);
            touch(&mut whole);
            check(&keys, whole).unwrap_err()
        };
        let moved = |touch: fn(&mut ErasedCustomer)| {
            let mut whole = erased(&change);
            touch(whole.erased.as_mut().unwrap());
            assert_eq!(check(&keys, whole), Err(Fault::RemainsWereChanged));
        };
        moved(|erased| erased.number = CustomerNumber::new(2).unwrap());
        moved(|erased| erased.version += 1);
        moved(|erased| erased.erased = Timestamp::from_ms(4));
        moved(|erased| erased.purged = Some(Timestamp::from_ms(4)));
        moved(|erased| erased.history_head.0[0] ^= 1);
        assert_eq!(found(|whole| whole.erased = None), Fault::NoCustomer);
        assert_eq!(
            found(|whole| whole.entries.truncate(1)),
            Fault::BrokenHistory { version: 2 },
            "the tail is cut off"
        );
        assert_eq!(
            found(|whole| whole.entries[0].sealed = Some(Vec::new())),
            Fault::BrokenHistory { version: 1 },
            "a sealed part came back"
        );
        assert_eq!(found(|whole| whole.events.clear()), Fault::EntryWithoutEvent { version: 2 });
        let mut both = erased(&change);
        both.customer = whole(&[&change]).customer;
        assert_eq!(check(&keys, both), Err(Fault::ErasedAndThere));
    }

    #[test]
    fn an_entry_that_fits_its_chain_and_does_not_open_is_found() {
        let keys = merchant_keys(1);
        let (_, change) = created(&NAMES);
        let mut whole = whole(&[&change]);
        // The chain does not cover the schema, which the sealed part is bound to.
        whole.entries[0].schema += 1;
        assert_eq!(check(&keys, whole), Err(Fault::EntryDoesNotOpen { version: 1 }));
    }

    #[test]
    fn entries_and_events_correspond_one_to_one() {
        let keys = merchant_keys(1);
        let made = created(&NAMES);
        let renamed = renamed(&made, &[Field::FirstName]);
        let found = |touch: fn(&mut Vec<Event>)| {
            let mut whole = whole(&[&made.1, &renamed]);
            touch(&mut whole.events);
            check(&keys, whole).unwrap_err()
        };
        let untold = |version| Fault::EntryWithoutEvent { version };
        let untrue = |version| Fault::EventWithoutEntry { version };
        assert_eq!(found(Vec::clear), untold(1));
        assert_eq!(found(|events| *events = events.split_off(1)), untold(1));
        assert_eq!(found(|events| events.truncate(1)), untold(2));
        assert_eq!(
            found(|events| events.push(Event { version: 3, ..events[1].clone() })),
            untrue(3)
        );
        assert_eq!(
            found(|events| events.insert(0, Event { version: 0, ..events[0].clone() })),
            untrue(0)
        );
        assert_eq!(found(|events| events.insert(1, events[0].clone())), untrue(1), "told twice");
        assert_eq!(found(|events| events[1].happened = Happened::Deleted), untrue(2));
        assert_eq!(found(|events| events[0].at = Timestamp::from_ms(9)), untrue(1));
        assert_eq!(found(|events| events[0].customer = CustomerNumber::new(2).unwrap()), untrue(1));
        assert_eq!(found(|events| events[0].merchant = MerchantNumber::new(2)), untrue(1));
    }
}
