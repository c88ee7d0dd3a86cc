//! The customer, and the pure decisions about it: (state, command, now) -> what it becomes.

use crate::clock::Timestamp;
use crate::edit::Edit;
use crate::error::Error;
use crate::history::HistoryHead;
use crate::ids::{CustomerId, CustomerNumber, KeyNumber, MerchantNumber};
use crate::profile::{Field, Profile, ProfileEdit};

/// A merchant's customer, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// Whose customer it is.
    pub merchant: MerchantNumber,
    /// The store's number of it.
    pub number: CustomerNumber,
    /// Its public id.
    pub id: CustomerId,
    /// 1 when created, one more with every change that changed something.
    pub version: u64,
    /// When it was created.
    pub created: Timestamp,
    /// When something last changed. Never before an earlier change, whatever the clocks say.
    pub updated: Timestamp,
    /// When it was deleted: hidden everywhere, its reference free again.
    pub deleted: Option<Timestamp>,
    /// Which API key created it, if one did.
    pub created_by: Option<KeyNumber>,
    /// What is known about it.
    pub profile: Profile,
    /// The last entry of its history.
    pub history_head: HistoryHead,
}

/// What a decision did to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// Nothing: the command says what already is.
    Unchanged,
    /// The customer as it now is (its history head still the old one), and which fields changed.
    Changed(Box<Customer>, Vec<Field>),
}

/// Which version an update insists on (`If-Match`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    /// None: the last writer wins, field by field.
    #[default]
    None,
    /// The customer must be there, at any version (`*`).
    Exists,
    /// The customer must be at one of these versions; an empty list is never met.
    Versions(Vec<u64>),
}

impl Precondition {
    /// Whether it is met where there is no customer.
    pub const fn is_met_by_absence(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Whether a customer at `version` meets it.
    pub fn is_met_by(&self, version: u64) -> bool {
        match self {
            Self::None | Self::Exists => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}

/// Who and when a new customer is; everything that is not said about it.
#[derive(Debug, Clone)]
pub struct Birth {
    /// Whose customer it is.
    pub merchant: MerchantNumber,
    /// A number that was leased for it.
    pub number: CustomerNumber,
    /// A fresh id.
    pub id: CustomerId,
    /// Which API key creates it.
    pub created_by: Option<KeyNumber>,
}

/// Decides on a new customer.
///
/// # Errors
/// `Invalid` with the fields that break a rule of every wire.
pub fn create(
    birth: Birth,
    profile: Profile,
    now: Timestamp,
) -> Result<(Customer, Vec<Field>), Error> {
    let broken = profile.broken_rules();
    if !broken.is_empty() {
        return Err(Error::invalid(broken));
    }
    let Birth { merchant, number, id, created_by } = birth;
    let changed = Profile::default().changed_fields(&profile);
    let customer = Customer {
        merchant,
        number,
        id,
        version: 1,
        created: now,
        updated: now,
        deleted: None,
        created_by,
        profile,
        history_head: HistoryHead::GENESIS,
    };
    Ok((customer, changed))
}

/// Decides on a partial update. An edit that says what already is changes nothing.
///
/// # Errors
/// `Stale` when the precondition is not met; `Invalid` with the fields that would break a rule of
/// every wire.
pub fn update(
    state: &Customer,
    edit: &ProfileEdit,
    precondition: &Precondition,
    now: Timestamp,
) -> Result<Decided, Error> {
    if !precondition.is_met_by(state.version) {
        return Err(stale());
    }
    let profile = settled(&state.profile, edit);
    let changed = state.profile.changed_fields(&profile);
    if changed.is_empty() {
        return Ok(Decided::Unchanged);
    }
    let mut broken = profile.broken_rules();
    broken.retain(|field| changed.contains(field));
    if !broken.is_empty() {
        return Err(Error::invalid(broken));
    }
    let Customer {
        merchant,
        number,
        id,
        version,
        created,
        updated,
        deleted,
        created_by,
        profile: _,
        history_head,
    } = state;
    let customer = Customer {
        merchant: *merchant,
        number: *number,
        id: id.clone(),
        version: version.saturating_add(1),
        created: *created,
        updated: now.max(*updated),
        deleted: *deleted,
        created_by: *created_by,
        profile,
        history_head: *history_head,
    };
    Ok(Decided::Changed(Box::new(customer), changed))
}

/// The profile after an edit. What was given whole (a full name, a phone number as one text) is dropped when a
/// part of it becomes another one and nothing is said about the whole: it would say what is no longer so.
fn settled(before: &Profile, edit: &ProfileEdit) -> Profile {
    let mut after = before.edited(edit);
    let is_renamed = before.first_name != after.first_name || before.last_name != after.last_name;
    if is_renamed && edit.full_name == Edit::Keep {
        after.full_name = None;
    }
    let is_renumbered = before.mobile_country_code != after.mobile_country_code
        || before.mobile_number != after.mobile_number;
    if is_renumbered && edit.phone == Edit::Keep {
        after.phone = None;
    }
    after
}

/// Decides on a deletion: the customer is hidden everywhere from then on, and its reference free.
///
/// # Errors
/// `Stale` when the precondition is not met; `NotFound` when it was deleted before.
pub fn delete(
    state: &Customer,
    precondition: &Precondition,
    now: Timestamp,
) -> Result<Customer, Error> {
    if state.deleted.is_some() {
        return Err(Error::customer_not_found());
    }
    if !precondition.is_met_by(state.version) {
        return Err(stale());
    }
    let at = now.max(state.updated);
    Ok(Customer {
        version: state.version.saturating_add(1),
        updated: at,
        deleted: Some(at),
        ..state.clone()
    })
}

/// The error of a precondition that is not met.
pub const fn stale() -> Error {
    Error::new(crate::error::Kind::Stale, "the customer was changed meanwhile")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn jon() -> Customer {
        let birth = Birth {
            merchant: MerchantNumber::new(1),
            number: CustomerNumber::new(7).unwrap(),
            id: CustomerId::from_sealed("cst_aaaaaaaaaaaaaaaa".to_owned()),
            created_by: Some(KeyNumber::new(3)),
        };
        let profile = Profile {
            first_name: Some("Jon".into()),
            last_name: Some("Snow".into()),
            ..Profile::default()
        };
        create(birth, profile, Timestamp::from_ms(1_000)).unwrap().0
    }

    fn check(edit: ProfileEdit, precondition: &Precondition, now_ms: i64, expect: &str) {
        let decided = update(&jon(), &edit, precondition, Timestamp::from_ms(now_ms));
        let said = match decided {
            Ok(Decided::Unchanged) => "unchanged".to_owned(),
            Ok(Decided::Changed(customer, fields)) => {
                let names: Vec<_> = fields.iter().map(|field| field.name()).collect();
                format!("v{} at {} {}", customer.version, customer.updated.as_ms(), names.join(","))
            }
            Err(error) if *error.kind() == Kind::Stale => "stale".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(said, expect);
    }

    #[test]
    fn updates_are_decided_by_what_they_change() {
        let set =
            |text: &str| ProfileEdit { first_name: Edit::Set(text.into()), ..Default::default() };
        let clear = ProfileEdit { last_name: Edit::Clear, ..Default::default() };
        let clear_unset = ProfileEdit { email: Edit::Clear, ..Default::default() };
        let none = &Precondition::None;
        check(ProfileEdit::default(), none, 2_000, "unchanged");
        check(set("Jon"), none, 2_000, "unchanged");
        check(clear_unset, none, 2_000, "unchanged");
        check(set("Arya"), none, 2_000, "v2 at 2000 first_name");
        check(clear, none, 2_000, "v2 at 2000 last_name");
        // A clock that was set back does not take the customer back in time.
        check(set("Arya"), none, 500, "v2 at 1000 first_name");
        check(set("Arya"), &Precondition::Versions(vec![4, 1]), 2_000, "v2 at 2000 first_name");
        check(set("Arya"), &Precondition::Versions(vec![2]), 2_000, "stale");
        check(set("Jon"), &Precondition::Versions(vec![]), 2_000, "stale");
    }

    #[test]
    fn a_whole_is_dropped_when_a_part_of_it_changes() {
        let mut whole = jon();
        whole.profile.full_name = Some("Jon Snow".into());
        whole.profile.mobile_country_code = Some("65".into());
        whole.profile.mobile_number = Some("99887766".into());
        whole.profile.phone = Some("+65 9988-7766".into());
        let check = |edit: ProfileEdit, expect: &str| {
            let decided = update(&whole, &edit, &Precondition::None, Timestamp::from_ms(2));
            let said = match decided.unwrap() {
                Decided::Unchanged => "unchanged".to_owned(),
                Decided::Changed(after, fields) => {
                    let names: Vec<_> = fields.iter().map(|field| field.name()).collect();
                    let kept = [&after.profile.full_name, &after.profile.phone];
                    format!("{} {:?}", names.join(","), kept.map(Option::is_some))
                }
            };
            assert_eq!(said, expect);
        };
        let set = |text: &str| Edit::Set(text.into());
        let keep = ProfileEdit::default;
        check(ProfileEdit { first_name: set("Jon"), ..keep() }, "unchanged");
        check(
            ProfileEdit { first_name: set("Arya"), ..keep() },
            "first_name,full_name [false, true]",
        );
        check(
            ProfileEdit { last_name: Edit::Clear, full_name: set("Jon"), ..keep() },
            "last_name,full_name [true, true]",
        );
        check(
            ProfileEdit { mobile_number: set("1"), ..keep() },
            "mobile_number,phone [true, false]",
        );
        check(ProfileEdit { mobile_country_code: set("65"), ..keep() }, "unchanged");
        check(ProfileEdit { email: set("a@b"), ..keep() }, "email [true, true]");
    }

    #[test]
    fn a_customer_is_deleted_once() {
        let at = Timestamp::from_ms;
        let stale = delete(&jon(), &Precondition::Versions(vec![2]), at(2)).unwrap_err();
        assert_eq!(*stale.kind(), Kind::Stale);
        let deleted = delete(&jon(), &Precondition::Versions(vec![1]), at(500)).unwrap();
        assert_eq!((deleted.version, deleted.deleted), (2, Some(at(1_000))));
        let again = delete(&deleted, &Precondition::None, at(3_000)).unwrap_err();
        assert_eq!(*again.kind(), Kind::NotFound);
    }

    #[test]
    fn a_rule_is_not_held_against_a_field_that_did_not_change() {
        let mut old = jon();
        old.profile.reference = Some("x".repeat(400).as_str().into());
        let edit = ProfileEdit { first_name: Edit::Set("Arya".into()), ..Default::default() };
        let decided = update(&old, &edit, &Precondition::None, Timestamp::from_ms(2)).unwrap();
        assert!(matches!(decided, Decided::Changed(..)));
    }
}
