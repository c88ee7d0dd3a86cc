//! Customers to write: real changes, sealed under real keys.

use std::sync::atomic::{AtomicI64, Ordering};

use patron::actor::{Actor, ActorKind};
use patron::change::Change;
use patron::clock::Timestamp;
use patron::customer::{self, Birth, Customer, Decided, Precondition};
use patron::edit::Edit;
use patron::entropy::random_bytes;
use patron::erasure::{ErasedCustomer, Erasure};
use patron::history::{self, SealedEntry, SealedParts};
use patron::ids::{CustomerId, CustomerNumber, KeyNumber, MerchantNumber};
use patron::keys::{MerchantKeys, RootKey};
use patron::pii::Pii;
use patron::profile::{Address, Profile, ProfileEdit, Status};
use patron::seal::{SealedCustomer, seal_creation, seal_erasure, seal_update};
use patron::store::UniqueKey;
use patron::token::TokenRecord;

use crate::entropy::OsEntropy;

/// When everything begins.
pub const START: Timestamp = Timestamp::from_ms(1_700_000_000_000);

/// The moment `ms` milliseconds after [`START`].
pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(START.as_ms().saturating_add(ms))
}

/// A merchant's server: it makes changes of that merchant's customers.
pub struct Author {
    pub(crate) merchant: MerchantNumber,
    keys: MerchantKeys,
    entropy: OsEntropy,
    actor: Actor,
    next_number: AtomicI64,
}

/// A customer as a change leaves it.
pub struct Made {
    /// The change.
    pub change: Change,
    /// The customer, open, with its history head moved on.
    pub customer: Customer,
}

impl Made {
    pub(crate) fn sealed(&self) -> &SealedCustomer {
        &self.change.parts().customer
    }

    pub(crate) fn number(&self) -> CustomerNumber {
        self.customer.number
    }

    pub(crate) fn by_number(&self) -> UniqueKey {
        UniqueKey::Number(self.customer.number)
    }

    pub(crate) fn by_id(&self) -> UniqueKey {
        UniqueKey::Id(self.sealed().indexes.id)
    }

    pub(crate) fn by_reference(&self) -> UniqueKey {
        UniqueKey::Reference(self.sealed().indexes.reference.unwrap())
    }

    /// The same with a client auth token issued in the same commit.
    #[must_use]
    pub fn with_token(self, token: &TokenRecord) -> Self {
        let Self { change, customer } = self;
        Self { change: change.with_token(Some(token.clone())), customer }
    }
}

impl Author {
    /// The merchant with this number, with fresh keys.
    pub fn of_merchant(number: u32) -> Self {
        let entropy = OsEntropy::new();
        let merchant = MerchantNumber::new(number);
        let root = RootKey::new(random_bytes(&entropy)).unwrap();
        let wrapped = root.wrap_merchant_keys(&entropy, merchant).unwrap();
        let keys = MerchantKeys::unwrap(&root, merchant, &wrapped).unwrap();
        let actor = Actor {
            kind: ActorKind::ApiKey(KeyNumber::new(1)),
            address: None,
            request_id: "request-1".to_owned(),
        };
        Self { merchant, keys, entropy, actor, next_number: AtomicI64::new(1) }
    }

    /// A new customer's number and id.
    pub fn birth(&self) -> Birth {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        Birth {
            merchant: self.merchant,
            number: CustomerNumber::new(number).unwrap(),
            id: CustomerId::issue(&self.entropy),
            created_by: Some(KeyNumber::new(1)),
        }
    }

    /// The birth of a new customer with a number that was somebody else's.
    pub(crate) fn birth_of(&self, number: CustomerNumber) -> Birth {
        Birth { number, ..self.birth() }
    }

    /// A new customer with this reference.
    pub fn create(&self, reference: &str) -> Made {
        self.create_from(self.birth(), profile(reference), START)
    }

    /// A new customer without a reference, created at `now`.
    pub(crate) fn create_at(&self, now: Timestamp) -> Made {
        self.create_from(self.birth(), Profile { reference: None, ..profile("") }, now)
    }

    /// A new customer with this profile, created at `now`.
    pub fn create_from(&self, birth: Birth, profile: Profile, now: Timestamp) -> Made {
        let (customer, _) = customer::create(birth, profile, now).unwrap();
        let change = seal_creation(&self.keys, &self.entropy, &self.actor, &customer).unwrap();
        moved_on(change, customer)
    }

    /// What becomes of a customer whose first name changes.
    pub fn rename(&self, before: &Made, first_name: &str) -> Made {
        let first_name = Edit::Set(first_name.into());
        self.update(before, &ProfileEdit { first_name, ..ProfileEdit::default() })
    }

    /// What an edit makes of a customer; it must change something.
    pub fn update(&self, before: &Made, edit: &ProfileEdit) -> Made {
        let now = at(i64::try_from(before.customer.version).unwrap());
        let none = Precondition::None;
        match customer::update(&before.customer, edit, &none, now).unwrap() {
            Decided::Changed(after, _) => self.seal(before, *after),
            Decided::Unchanged => unreachable!("the edit changes something"),
        }
    }

    /// What becomes of a customer that is deleted.
    pub fn delete(&self, before: &Made) -> Made {
        let mut after = before.customer.clone();
        after.version = after.version.saturating_add(1);
        after.deleted = Some(at(1_000));
        self.seal(before, after)
    }

    /// The erasure of a customer, `ms` milliseconds after [`START`] or when it last changed.
    pub(crate) fn erase_at(&self, before: &Made, ms: i64) -> Erasure {
        let sealed = before.sealed().clone();
        seal_erasure(&self.keys, &self.entropy, &self.actor, sealed, at(ms)).unwrap()
    }

    /// The erasure of a customer.
    pub fn erase(&self, before: &Made) -> Erasure {
        self.erase_at(before, 2_000)
    }

    /// Whether this is the whole history of a customer that was erased.
    pub(crate) fn is_history_of(&self, erased: &ErasedCustomer, entries: &[SealedEntry]) -> bool {
        let (head, version) = (erased.history_head, erased.version);
        history::verify(&self.keys, entries, head, version, SealedParts::Erased).is_ok()
    }

    fn seal(&self, before: &Made, after: Customer) -> Made {
        let sealed = before.sealed().clone();
        let change = seal_update(&self.keys, &self.entropy, &self.actor, sealed, &after).unwrap();
        moved_on(change, after)
    }

    /// A token for a customer: issued at [`START`], good for one second.
    pub fn token(&self, customer: CustomerNumber, uses_left: u32) -> TokenRecord {
        TokenRecord {
            merchant: self.merchant,
            hash: random_bytes(&self.entropy),
            customer,
            issued: START,
            expires: at(1_000),
            uses_left,
        }
    }
}

fn moved_on(change: Change, mut customer: Customer) -> Made {
    customer.history_head = change.parts().entry.head;
    Made { change, customer }
}

/// A profile that has every index, and enough text that it does not fit one page of a database.
pub(crate) fn profile(reference: &str) -> Profile {
    let metadata = (0..40).map(|number| (format!("key {number}"), "x".repeat(200))).collect();
    let address = Address { city: Some("Bengaluru".to_owned()), ..Address::default() };
    Profile {
        reference: Some(reference.into()),
        first_name: Some("Jon".into()),
        last_name: Some("Snow".into()),
        email: Some("jon@example.com".into()),
        mobile_country_code: Some("91".into()),
        mobile_number: Some("9876543210".into()),
        billing_address: Some(Pii::new(address)),
        status: Some(Status::Active),
        metadata: Some(Pii::new(metadata)),
        ..Profile::default()
    }
}
