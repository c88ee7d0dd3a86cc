//! Merchants and API keys.

use std::collections::BTreeMap;

use patron::api_key::ApiKey;
use patron::clock::Timestamp;
use patron::entropy::random_bytes;
use patron::ids::{KeyNumber, MerchantId, MerchantNumber};
use patron::keys::{KeyOwner, RootKey, WrappedKey};
use patron::merchant::{AllowList, CountryCode, Days, Merchant, Retention, Settings, Standing};
use patron::store::{ListedKey, ManagementChange, StoreError, Unique};

use super::persons::{START, at};
use super::{Opened, Place, assert_duplicate, assert_missing, assert_stale};
use crate::entropy::OsEntropy;

pub(crate) fn merchant(number: u32, id: &str) -> Merchant {
    Merchant {
        number: MerchantNumber::new(number),
        id: MerchantId::parse(id).unwrap(),
        name: format!("The merchant {id}"),
        standing: Standing::Active,
        created: START,
        revision: 1,
        settings: Settings {
            allow_list: AllowList::parse("203.0.113.0/24, 2001:db8::1").unwrap(),
            country_code: CountryCode::parse("49").unwrap(),
            retention: Retention {
                after_deletion: Days::new(30),
                after_last_change: Days::new(36_500),
            },
            wires: BTreeMap::from([("some.setting".to_owned(), "a value".to_owned())]),
        },
    }
}

pub(crate) fn wrapped_keys(number: u32) -> Vec<WrappedKey> {
    let root = RootKey::new([7; 32]).unwrap();
    root.wrap_merchant_keys(&OsEntropy::new(), MerchantNumber::new(number)).unwrap()
}

pub(crate) fn api_key(number: i64, merchant: u32) -> ApiKey {
    ApiKey {
        number: KeyNumber::new(number),
        merchant: MerchantNumber::new(merchant),
        label: format!("key {number}"),
        scopes: "customers:read,admin".parse().unwrap(),
        hash: random_bytes(&OsEntropy::new()),
        pepper_generation: 1,
        created: START,
        expires: None,
        grace_ends: None,
        revoked: None,
    }
}

pub(crate) fn manage(opened: &Opened<'_>, change: ManagementChange) -> Result<(), StoreError> {
    opened.wait(opened.store.manage(change))
}

pub(crate) fn create(opened: &Opened<'_>, merchant: &Merchant) -> Vec<WrappedKey> {
    let keys = wrapped_keys(merchant.number.get());
    let change =
        ManagementChange::CreateMerchant { merchant: merchant.clone(), keys: keys.clone() };
    manage(opened, change).unwrap();
    keys
}

fn find(opened: &Opened<'_>, merchant: &Merchant) -> Option<Merchant> {
    let by_number = opened.wait(opened.store.find_merchant(merchant.number)).unwrap();
    let by_id = opened.wait(opened.store.find_merchant_by_id(&merchant.id)).unwrap();
    assert_eq!(by_number, by_id);
    by_number
}

fn find_key(opened: &Opened<'_>, key: &ApiKey) -> Option<ApiKey> {
    opened.wait(opened.store.find_api_key(key.hash)).unwrap()
}

fn listed(opened: &Opened<'_>, merchant: u32) -> Vec<ListedKey> {
    opened.wait(opened.store.list_api_keys(MerchantNumber::new(merchant))).unwrap()
}

/// A merchant is found by number and id with all its settings, and becomes what it is updated to.
pub fn a_merchant_is_found_and_updated(place: &dyn Place) {
    let opened = Opened::at(place);
    let mut one = merchant(1, "one");
    assert_eq!(find(&opened, &one), None);
    let keys = create(&opened, &one);
    assert_eq!(find(&opened, &one), Some(one.clone()));
    let owner = KeyOwner::Merchant(one.number);
    let mut kept = opened.wait(opened.store.list_wrapped_keys(owner)).unwrap();
    kept.sort_by_key(|key| key.purpose.code());
    assert_eq!(kept, keys);
    let nobody = KeyOwner::Merchant(MerchantNumber::new(2));
    assert_eq!(opened.wait(opened.store.list_wrapped_keys(nobody)).unwrap(), []);
    one.revision = 2;
    one.name = "Another name".to_owned();
    one.standing = Standing::Suspended;
    one.settings = Settings::default();
    one.settings.wires.insert("other.setting".to_owned(), String::new());
    manage(&opened, ManagementChange::UpdateMerchant(one.clone())).unwrap();
    assert_eq!(find(&opened, &one), Some(one));
}

/// A second merchant with the same id is refused, and none of its keys is kept. Case matters.
pub fn a_taken_merchant_id_writes_nothing(place: &dyn Place) {
    let opened = Opened::at(place);
    let one = merchant(1, "one");
    create(&opened, &one);
    let double =
        ManagementChange::CreateMerchant { merchant: merchant(2, "one"), keys: wrapped_keys(2) };
    assert_duplicate(&manage(&opened, double), Unique::MerchantId);
    let owner = KeyOwner::Merchant(MerchantNumber::new(2));
    assert_eq!(opened.wait(opened.store.list_wrapped_keys(owner)).unwrap(), []);
    assert_eq!(opened.wait(opened.store.list_merchants()).unwrap(), [one]);
    create(&opened, &merchant(3, "ONE"));
}

/// An update that does not follow the stored revision is refused; one of nobody is missing.
pub fn a_stale_merchant_writes_nothing(place: &dyn Place) {
    let opened = Opened::at(place);
    let one = merchant(1, "one");
    let other = Merchant { settings: Settings::default(), name: "Other".to_owned(), ..one.clone() };
    let nobody = ManagementChange::UpdateMerchant(Merchant { revision: 2, ..other.clone() });
    assert_missing(&manage(&opened, nobody));
    create(&opened, &one);
    for revision in [1, 3] {
        let stale = ManagementChange::UpdateMerchant(Merchant { revision, ..other.clone() });
        assert_stale(&manage(&opened, stale));
        assert_eq!(find(&opened, &one), Some(one.clone()));
    }
}

/// All merchants are listed in the order of their ids' bytes, each with its own settings.
pub fn merchants_are_listed_by_id(place: &dyn Place) {
    let opened = Opened::at(place);
    assert_eq!(opened.wait(opened.store.list_merchants()).unwrap(), []);
    let mut all: Vec<_> = (1..)
        .zip(["b", "a-c", "B", "a.b", "a", "_", "9"])
        .map(|(number, id)| merchant(number, id))
        .collect();
    all[0].settings = Settings::default();
    for one in &all {
        create(&opened, one);
    }
    all.sort_by(|one, two| one.id.cmp(&two.id));
    assert_eq!(opened.wait(opened.store.list_merchants()).unwrap(), all);
}

/// A key is found by its hash and listed by its number, for its own merchant.
pub fn keys_are_found_and_listed(place: &dyn Place) {
    let opened = Opened::at(place);
    create(&opened, &merchant(1, "one"));
    create(&opened, &merchant(2, "two"));
    let expiring = ApiKey { expires: Some(at(5)), label: String::new(), ..api_key(2, 1) };
    let keys = [api_key(3, 1), expiring, api_key(1, 2)];
    assert_eq!(find_key(&opened, &keys[0]), None);
    for key in &keys {
        manage(&opened, ManagementChange::CreateKey(key.clone())).unwrap();
        assert_eq!(find_key(&opened, key).as_ref(), Some(key));
    }
    let of_one: Vec<_> = listed(&opened, 1).into_iter().map(|listed| listed.key).collect();
    assert_eq!(of_one, [keys[1].clone(), keys[0].clone()]);
    assert_eq!(listed(&opened, 2), [ListedKey { key: keys[2].clone(), last_used: None }]);
    assert_eq!(listed(&opened, 3), []);
    assert_missing(&manage(&opened, ManagementChange::CreateKey(api_key(4, 3))));
}

/// A key whose hash is taken is refused, whichever merchant has it.
pub fn a_taken_key_writes_nothing(place: &dyn Place) {
    let opened = Opened::at(place);
    create(&opened, &merchant(1, "one"));
    create(&opened, &merchant(2, "two"));
    let key = api_key(1, 1);
    manage(&opened, ManagementChange::CreateKey(key.clone())).unwrap();
    let double = ApiKey { hash: key.hash, ..api_key(2, 2) };
    assert_duplicate(&manage(&opened, ManagementChange::CreateKey(double)), Unique::ApiKey);
    assert_eq!(find_key(&opened, &key), Some(key));
    assert_eq!(listed(&opened, 2), []);
}

/// A key is revoked from its first revocation on; another merchant cannot revoke it.
pub fn a_key_is_revoked_once(place: &dyn Place) {
    let opened = Opened::at(place);
    create(&opened, &merchant(1, "one"));
    create(&opened, &merchant(2, "two"));
    let key = api_key(1, 1);
    manage(&opened, ManagementChange::CreateKey(key.clone())).unwrap();
    let revoke = |merchant, key, at| {
        let merchant = MerchantNumber::new(merchant);
        manage(&opened, ManagementChange::RevokeKey { merchant, key: KeyNumber::new(key), at })
    };
    assert_missing(&revoke(2, 1, at(1)));
    assert_missing(&revoke(1, 2, at(1)));
    assert_eq!(find_key(&opened, &key), Some(key.clone()));
    for later in [10, 20, 5] {
        revoke(1, 1, at(later)).unwrap();
        assert_eq!(find_key(&opened, &key).unwrap().revoked, Some(at(10)));
    }
}

fn roll(
    opened: &Opened<'_>,
    old: &ApiKey,
    old_ends: Timestamp,
    new: &ApiKey,
) -> Result<(), StoreError> {
    let change = ManagementChange::RollKey { old: old.number, old_ends, new: new.clone() };
    manage(opened, change)
}

/// The old key of a roll gets an end of its grace and keeps its expiry, so that it is not rolled twice
/// and its own length of life is not forgotten; without a grace it is revoked. The new one is there.
pub fn a_rolled_key_works_for_its_grace(place: &dyn Place) {
    let opened = Opened::at(place);
    create(&opened, &merchant(1, "one"));
    let endless = api_key(1, 1);
    let short = ApiKey { expires: Some(at(50)), ..api_key(2, 1) };
    for (old, number) in [(&endless, 3), (&short, 4)] {
        manage(&opened, ManagementChange::CreateKey(old.clone())).unwrap();
        let new = ApiKey { created: at(10), ..api_key(number, 1) };
        roll(&opened, old, at(100), &new).unwrap();
        assert_eq!(find_key(&opened, &new), Some(new));
    }
    for old in [endless, short] {
        let rolled = ApiKey { grace_ends: Some(at(100)), ..old.clone() };
        assert_eq!(find_key(&opened, &old), Some(rolled));
        let again = ApiKey { created: at(20), ..api_key(9, 1) };
        assert_missing(&roll(&opened, &old, at(200), &again));
    }
    let graceless = api_key(5, 1);
    manage(&opened, ManagementChange::CreateKey(graceless.clone())).unwrap();
    let new = ApiKey { created: at(10), ..api_key(6, 1) };
    roll(&opened, &graceless, at(10), &new).unwrap();
    assert_eq!(find_key(&opened, &graceless).unwrap().revoked, Some(at(10)));
}

/// A key that is not in force, or is another merchant's, is not rolled; nor is one rolled into a key
/// whose hash is taken. Nothing is written then.
pub fn only_a_key_in_force_is_rolled(place: &dyn Place) {
    let opened = Opened::at(place);
    create(&opened, &merchant(1, "one"));
    create(&opened, &merchant(2, "two"));
    let good = api_key(1, 1);
    let expired = ApiKey { expires: Some(at(10)), ..api_key(2, 1) };
    let revoked = ApiKey { revoked: Some(at(5)), ..api_key(3, 1) };
    for key in [&good, &expired, &revoked] {
        manage(&opened, ManagementChange::CreateKey(key.clone())).unwrap();
    }
    let new = ApiKey { created: at(10), ..api_key(9, 1) };
    for old in [&expired, &revoked, &api_key(4, 1)] {
        assert_missing(&roll(&opened, old, at(100), &new));
    }
    assert_missing(&roll(&opened, &good, at(100), &ApiKey { created: at(10), ..api_key(9, 2) }));
    let taken = ApiKey { hash: expired.hash, ..new.clone() };
    assert_duplicate(&roll(&opened, &good, at(100), &taken), Unique::ApiKey);
    assert_eq!(find_key(&opened, &new), None);
    for key in [&good, &expired, &revoked] {
        assert_eq!(find_key(&opened, key).as_ref(), Some(key));
    }
}

/// The last use of a key only ever becomes later; a key that is not there is passed over.
pub fn key_uses_never_move_back(place: &dyn Place) {
    let opened = Opened::at(place);
    create(&opened, &merchant(1, "one"));
    for number in [1, 2] {
        manage(&opened, ManagementChange::CreateKey(api_key(number, 1))).unwrap();
    }
    let record = |uses: &[(i64, i64)]| {
        let uses = uses.iter().map(|(key, ms)| (KeyNumber::new(*key), at(*ms))).collect();
        opened.wait(opened.store.record_key_uses(uses)).unwrap();
    };
    let last_used =
        || -> Vec<_> { listed(&opened, 1).iter().map(|listed| listed.last_used).collect() };
    record(&[]);
    assert_eq!(last_used(), [None, None]);
    record(&[(1, 10), (77, 10)]);
    assert_eq!(last_used(), [Some(at(10)), None]);
    record(&[(2, 5), (1, 3)]);
    assert_eq!(last_used(), [Some(at(10)), Some(at(5))]);
    record(&[(1, 11), (2, 4)]);
    assert_eq!(last_used(), [Some(at(11)), Some(at(5))]);
}

/// The management epoch is a larger number after each change of merchants and keys, for the engine itself and
/// for the store that made the change, if that knows it at all.
pub fn the_epoch_grows(place: &dyn Place) {
    let opened = Opened::at(place);
    let asked = || opened.wait(opened.store.ask_management_epoch()).unwrap();
    let known = || {
        let known = opened.store.management_epoch();
        assert!(matches!(known, Ok(_) | Err(StoreError::Unavailable(_))), "{known:?}");
        known.ok()
    };
    let one = merchant(1, "one");
    let key = api_key(1, 1);
    let new = ApiKey { created: at(1), ..api_key(2, 1) };
    let revoke = ManagementChange::RevokeKey { merchant: one.number, key: new.number, at: at(2) };
    let changes = [
        ManagementChange::CreateMerchant { merchant: one.clone(), keys: wrapped_keys(1) },
        ManagementChange::UpdateMerchant(Merchant { revision: 2, ..one }),
        ManagementChange::CreateKey(key.clone()),
        ManagementChange::RollKey { old: key.number, old_ends: at(9), new },
        revoke,
    ];
    for change in changes {
        let before = known().into_iter().chain([asked()]).max().unwrap();
        manage(&opened, change).unwrap();
        assert!(known().is_none_or(|known| known > before), "the epoch stayed at {before}");
        assert!(asked() > before, "the epoch stayed at {before}");
    }
}
