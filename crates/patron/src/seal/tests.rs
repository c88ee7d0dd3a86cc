//! What is sealed opens in its own place, unchanged, and nowhere else.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::customer::{self, Birth, Decided, Precondition};
use crate::edit::Edit;
use crate::history::{BrokenChain, SealedParts, verify};
use crate::keys::tests::{TestEntropy, merchant_keys};
use crate::pii::Pii;
use crate::profile::{
    Address, CommunicationPreferences, Consent, Kyc, NotificationSetting, PaymentFacts,
    ProfileEdit, Status, TaxId, Verification,
};

fn actor() -> Actor {
    Actor {
        kind: ActorKind::ApiKey(KeyNumber::new(4)),
        address: Some("203.0.113.9".parse().unwrap()),
        request_id: "r-1".to_owned(),
    }
}

fn create(profile: Profile, merchant: u32, number: i64) -> Change {
    let entropy = TestEntropy::new(u64::try_from(number).unwrap() * 1_000);
    let keys = merchant_keys(merchant);
    let birth = Birth {
        merchant: MerchantNumber::new(merchant),
        number: CustomerNumber::new(number).unwrap(),
        id: CustomerId::issue(&entropy),
        created_by: Some(KeyNumber::new(4)),
    };
    let (customer, changed) = customer::create(birth, profile, Timestamp::from_ms(1_000)).unwrap();
    let actor = actor();
    let sealer = Sealer { keys: &keys, entropy: &entropy, actor: &actor };
    sealer.create(&customer, changed).unwrap()
}

fn update(row: &SealedCustomer, edit: &ProfileEdit, seed: u64) -> Change {
    let keys = merchant_keys(row.merchant.get());
    let opened = open_for_change(&keys, Arc::new(row.clone())).unwrap();
    let now = Timestamp::from_ms(2_000);
    let decided = customer::update(&opened.customer, edit, &Precondition::None, now).unwrap();
    let Decided::Changed(after, changed) = decided else { panic!("the edit changes nothing") };
    let (entropy, actor) = (TestEntropy::new(seed), actor());
    let sealer = Sealer { keys: &keys, entropy: &entropy, actor: &actor };
    sealer.update(&opened, &after, changed).unwrap()
}

fn full_profile(text: &str) -> Profile {
    let pii = || Some(Pii::new(text.to_owned()));
    let some = || Some(text.to_owned());
    let map = BTreeMap::from([(text.to_owned(), text.to_owned())]);
    let address = Address {
        text: some(),
        street: some(),
        city: None,
        state: some(),
        postal_code: some(),
        country: some(),
    };
    Profile {
        reference: Some(Pii::new(format!("r{}", text.chars().take(200).collect::<String>()))),
        first_name: pii(),
        last_name: pii(),
        full_name: pii(),
        email: pii(),
        mobile_country_code: pii(),
        mobile_number: pii(),
        phone: pii(),
        birth_date: Some(Pii::new(jiff::civil::date(1987, 12, 31))),
        billing_address: Some(Pii::new(address.clone())),
        shipping_address: Some(Pii::new(Address { text: None, ..address })),
        country: pii(),
        region: pii(),
        currency: pii(),
        language: pii(),
        notification_settings: Some(Pii::new(vec![NotificationSetting {
            notification: text.to_owned(),
            is_enabled: true,
        }])),
        communication_preferences: Some(Pii::new(CommunicationPreferences {
            email: Some(true),
            sms: Some(false),
            push: None,
            post: Some(true),
        })),
        subscription_preferences: Some(Pii::new(map.clone())),
        payment_preferences: Some(Pii::new(map)),
        status: Some(Status::Suspended),
        verification: Some(Verification::Pending),
        consents: Some(Pii::new(vec![Consent {
            purpose: text.to_owned(),
            is_granted: false,
            version: some(),
            at: Timestamp::from_ms(-5),
        }])),
        kyc: Some(Pii::new(Kyc {
            level: some(),
            provider: None,
            reference: some(),
            checked_at: Some(Timestamp::from_ms(5)),
            expires_at: None,
        })),
        tax_ids: Some(Pii::new(vec![TaxId {
            kind: text.to_owned(),
            value: text.to_owned(),
            country: some(),
        }])),
        metadata: Some(Pii::new(BTreeMap::from([("k".to_owned(), "v".to_owned())]))),
        payment_facts: Some(Pii::new(PaymentFacts {
            has_payment_requests: true,
            total_deposits: "12.50".to_owned(),
        })),
    }
}

proptest! {
    /// open(seal(x)) = x, for every field of the profile.
    #[test]
    fn what_is_sealed_opens_unchanged(text in "\\PC{0,40}") {
        let profile = full_profile(&text);
        let row = create(profile.clone(), 1, 7).parts().customer.clone();
        let customer = *open(&merchant_keys(1), &row).unwrap();
        prop_assert_eq!(customer.profile, profile);
        prop_assert_eq!(customer.created_by, Some(KeyNumber::new(4)));
    }

    /// Not one byte of a sealed blob or wrapped key can be changed.
    #[test]
    fn a_changed_byte_does_not_open(at in any::<prop::sample::Index>(), bit in 0_u8..8, in_key: bool) {
        let mut row = create(full_profile("x"), 1, 7).parts().customer.clone();
        let bytes = if in_key { &mut row.key.wrapped } else { &mut row.sealed };
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(open(&merchant_keys(1), &row).is_err());
    }
}

#[test]
fn a_row_opens_only_with_its_own_clear_columns() {
    let row = create(full_profile("x"), 1, 7).parts().customer.clone();
    assert!(open(&merchant_keys(1), &row).is_ok());
    type Tamper = fn(&mut SealedCustomer);
    let changes: [(&str, Tamper); 17] = [
        ("merchant", |row| row.merchant = MerchantNumber::new(2)),
        ("number", |row| row.number = CustomerNumber::new(8).unwrap()),
        ("version", |row| row.version += 1),
        ("created", |row| row.created = Timestamp::from_ms(0)),
        ("updated", |row| row.updated = Timestamp::from_ms(0)),
        ("deleted", |row| row.deleted = Some(Timestamp::from_ms(0))),
        ("status", |row| row.status = 1),
        ("verification", |row| row.verification = 3),
        ("index generation", |row| row.indexes.generation += 1),
        ("id index", |row| row.indexes.id = [0; 16]),
        ("reference index", |row| row.indexes.reference = None),
        ("email index", |row| row.indexes.email_search = row.indexes.name_search),
        ("phone index", |row| row.indexes.phone_search = Some([0; 16])),
        ("reference search index", |row| row.indexes.reference_search = None),
        ("name index", |row| row.indexes.name_search = None),
        ("history head", |row| row.history_head = HistoryHead::GENESIS),
        ("schema", |row| row.schema += 1),
    ];
    for (column, change) in changes {
        let mut row = row.clone();
        change(&mut row);
        assert!(open(&merchant_keys(1), &row).is_err(), "{column} is not bound");
    }
    assert!(open(&merchant_keys(2), &row).is_err());
    // The key of another customer of the same merchant.
    let other = create(full_profile("x"), 1, 8).parts().customer.clone();
    assert!(open(&merchant_keys(1), &SealedCustomer { key: other.key, ..row }).is_err());
}

#[test]
fn an_older_version_does_not_open_in_place_of_the_newer() {
    let first = create(full_profile("x"), 1, 7).parts().customer.clone();
    let edit = ProfileEdit { first_name: Edit::Set("Arya".into()), ..Default::default() };
    let second = update(&first, &edit, 50).parts().customer.clone();
    assert_eq!(second.version, 2);
    let swapped = SealedCustomer { sealed: first.sealed, ..second };
    assert!(open(&merchant_keys(1), &swapped).is_err());
}

#[test]
fn history_holds_old_and_new_values_and_who_it_was() {
    let first = create(full_profile("x"), 1, 7).parts().customer.clone();
    let edit = ProfileEdit {
        first_name: Edit::Set("Arya".into()),
        email: Edit::Clear,
        ..Default::default()
    };
    let change = update(&first, &edit, 50);
    let entry = &change.parts().entry;
    assert_eq!(entry.header.changed, [Field::FirstName, Field::FullName, Field::Email]);
    let opened = open_entry(&merchant_keys(1), &first.key, entry).unwrap().unwrap();
    assert_eq!(opened.before.first_name, Some("x".into()));
    assert_eq!(opened.before.email, Some("x".into()));
    assert_eq!(opened.before.last_name, None);
    let only_name = Profile { first_name: Some("Arya".into()), ..Profile::default() };
    assert_eq!(opened.after, only_name);
    assert_eq!((opened.actor_number, opened.address.as_deref()), (4, Some("203.0.113.9")));
    let moved =
        SealedEntry { header: EntryHeader { version: 3, ..entry.header.clone() }, ..entry.clone() };
    assert!(open_entry(&merchant_keys(1), &first.key, &moved).is_err());
    for other in [
        SealedEntry { schema: 2, ..entry.clone() },
        SealedEntry { key_generation: 2, ..entry.clone() },
    ] {
        assert!(open_entry(&merchant_keys(1), &first.key, &other).is_err());
    }
}

#[test]
fn a_deletion_is_told_as_one_and_takes_the_names_out_of_the_indexes() {
    let row = create(full_profile("x"), 1, 7).parts().customer.clone();
    let keys = merchant_keys(1);
    let mut after = *open(&keys, &row).unwrap();
    after.version += 1;
    after.deleted = Some(Timestamp::from_ms(3_000));
    let change = seal_update(&keys, &TestEntropy::new(70), &actor(), row.clone(), &after).unwrap();
    let ChangeParts { customer, entry, event, .. } = change.parts();
    assert_eq!((entry.header.happened, event.happened), (Happened::Deleted, Happened::Deleted));
    let bare = Indexes {
        generation: row.indexes.generation,
        id: row.indexes.id,
        reference: None,
        email_search: None,
        phone_search: None,
        reference_search: None,
        name_search: None,
    };
    assert_eq!(customer.indexes, bare);
    assert_eq!(open(&keys, customer).unwrap().profile, after.profile);
}

#[test]
fn a_chain_that_was_touched_does_not_verify() {
    let edit =
        |name: &str| ProfileEdit { first_name: Edit::Set(name.into()), ..Default::default() };
    let first = create(full_profile("x"), 1, 7);
    let second = update(&first.parts().customer, &edit("a"), 50);
    let third = update(&second.parts().customer, &edit("b"), 60);
    let entries = [&first, &second, &third].map(|change| change.parts().entry.clone());
    let head = third.parts().customer.history_head;
    let keys = merchant_keys(1);
    let check = |entries: &[SealedEntry]| verify(&keys, entries, head, 3, SealedParts::Kept);
    assert_eq!(check(&entries), Ok(()));

    let broken_at = |version| Err(BrokenChain { version });
    assert_eq!(check(&entries[..2]), broken_at(3), "a cut-off tail");
    assert_eq!(check(&entries[1..]), broken_at(1), "a cut-off start");
    let [a, b, c] = entries.clone();
    assert_eq!(check(&[a.clone(), c.clone()]), broken_at(2), "a gap");
    assert_eq!(check(&[a.clone(), c.clone(), b.clone()]), broken_at(2), "another order");
    let mut changed = entries.clone();
    changed[1].header.at = Timestamp::from_ms(9);
    assert_eq!(check(&changed), broken_at(2), "another time");
    let mut changed = entries.clone();
    changed[2].header.actor_code = 3;
    assert_eq!(check(&changed), broken_at(3), "another actor");
    let mut changed = entries.clone();
    changed[0].sealed.as_mut().unwrap()[20] ^= 1;
    assert_eq!(check(&changed), broken_at(1), "another sealed part");
    let other = verify(&merchant_keys(2), &entries, head, 3, SealedParts::Kept);
    assert!(other.is_err(), "another merchant's key");

    // Erasing drops the sealed parts and keeps their digests: the chain still verifies.
    let mut erased = entries.clone();
    erased.iter_mut().for_each(|entry| entry.sealed = None);
    let check_erased =
        |entries: &[SealedEntry]| verify(&keys, entries, head, 3, SealedParts::Erased);
    assert_eq!(check_erased(&erased), Ok(()));
    assert_eq!(
        check(&erased),
        broken_at(1),
        "nobody erases the values of a customer that is there"
    );
    assert_eq!(check_erased(&entries), broken_at(1), "nothing is left of one that is erased");
}

#[test]
fn nothing_personal_is_in_a_change_that_was_sealed() {
    let change = create(full_profile("canary-7f3a"), 1, 7);
    let shown = format!("{:?}", change.parts());
    assert!(!shown.contains("canary"), "{shown}");
    let ChangeParts { customer, entry, .. } = change.parts();
    for bytes in [&customer.sealed, &customer.key.wrapped, entry.sealed.as_ref().unwrap()] {
        assert!(!String::from_utf8_lossy(bytes).contains("canary"));
    }
}
