//! Operators are found by number and by address, and changed one change after the other.

use patron::entropy::random_bytes;
use patron::ids::{MerchantNumber, OperatorNumber};
use patron::operator::{Role, SealedOperator};
use patron::store::{ManagementChange, StoreError, Unique};

use super::management::{create as create_merchant, manage, merchant};
use super::persons::{START, at};
use super::{Opened, Place, assert_duplicate, assert_missing, assert_stale};
use crate::entropy::OsEntropy;

fn operator(number: i64, merchant: Option<u32>, role: Role) -> SealedOperator {
    SealedOperator {
        number: OperatorNumber::new(number),
        merchant: merchant.map(MerchantNumber::new),
        role,
        created: at(number),
        disabled: None,
        revision: 1,
        credential: 1,
        email_index: random_bytes(&OsEntropy::new()),
        sealed: random_bytes::<60>(&OsEntropy::new()).to_vec(),
        password: format!("$argon2id$v=19$m=1,t=1,p=1$salt$hash {number}"),
    }
}

fn create(opened: &Opened<'_>, operator: &SealedOperator) -> Result<(), StoreError> {
    manage(opened, ManagementChange::CreateOperator(operator.clone()))
}

fn update(opened: &Opened<'_>, operator: &SealedOperator) -> Result<(), StoreError> {
    manage(opened, ManagementChange::UpdateOperator(operator.clone()))
}

/// The operator with this one's number, found by its present address as well.
fn find(opened: &Opened<'_>, operator: &SealedOperator) -> Option<SealedOperator> {
    let found = opened.wait(opened.store.find_operator(operator.number)).unwrap();
    if let Some(found) = &found {
        let by_email = opened.store.find_operator_by_email(found.email_index);
        assert_eq!(opened.wait(by_email).unwrap().as_ref(), Some(found));
    }
    found
}

fn list(opened: &Opened<'_>, merchant: Option<u32>) -> Vec<SealedOperator> {
    opened.wait(opened.store.list_operators(merchant.map(MerchantNumber::new))).unwrap()
}

/// An operator is found by number and address, and listed by number with others of its merchant, or with the
/// deployment's.
pub fn operators_are_found_and_listed(place: &dyn Place) {
    let opened = Opened::at(place);
    create_merchant(&opened, &merchant(1, "one"));
    create_merchant(&opened, &merchant(2, "two"));
    let all = [
        operator(4, Some(1), Role::Owner),
        operator(2, None, Role::Owner),
        operator(3, Some(1), Role::Auditor),
        operator(1, None, Role::Operator),
        SealedOperator {
            disabled: Some(at(9)),
            credential: 7,
            ..operator(5, Some(2), Role::Operator)
        },
    ];
    assert_eq!(list(&opened, None), []);
    for one in &all {
        assert_eq!(find(&opened, one), None);
        create(&opened, one).unwrap();
        assert_eq!(find(&opened, one).as_ref(), Some(one));
    }
    let [four, two, three, one, five] = all;
    assert_eq!(list(&opened, Some(1)), [three, four]);
    assert_eq!(list(&opened, None), [one, two]);
    assert_eq!(list(&opened, Some(2)), [five]);
    assert_eq!(list(&opened, Some(3)), []);
    let nobody = opened.store.find_operator_by_email([9; 32]);
    assert_eq!(opened.wait(nobody).unwrap(), None);
}

/// An address is one operator's, over all merchants; a merchant that is not there has none.
pub fn a_taken_address_writes_nothing(place: &dyn Place) {
    let opened = Opened::at(place);
    create_merchant(&opened, &merchant(1, "one"));
    let one = operator(1, Some(1), Role::Owner);
    create(&opened, &one).unwrap();
    let double = SealedOperator { email_index: one.email_index, ..operator(2, None, Role::Owner) };
    assert_duplicate(&create(&opened, &double), Unique::OperatorEmail);
    assert_missing(&create(&opened, &operator(3, Some(9), Role::Owner)));
    let two = operator(2, None, Role::Owner);
    create(&opened, &two).unwrap();
    let moved = SealedOperator { email_index: one.email_index, revision: 2, ..two.clone() };
    assert_duplicate(&update(&opened, &moved), Unique::OperatorEmail);
    assert_eq!(find(&opened, &one), Some(one.clone()));
    assert_eq!(find(&opened, &two), Some(two));
    assert_eq!(list(&opened, Some(1)), [one]);
}

/// An operator becomes what it is updated to, but for its merchant and its time of creation; its old address is
/// free again.
pub fn an_operator_is_updated(place: &dyn Place) {
    let opened = Opened::at(place);
    create_merchant(&opened, &merchant(1, "one"));
    create_merchant(&opened, &merchant(2, "two"));
    let one = operator(1, Some(1), Role::Owner);
    create(&opened, &one).unwrap();
    let before = opened.wait(opened.store.ask_management_epoch()).unwrap();
    let wanted = SealedOperator {
        merchant: Some(MerchantNumber::new(2)),
        created: START,
        disabled: Some(at(77)),
        revision: 2,
        credential: 2,
        ..operator(1, None, Role::Auditor)
    };
    update(&opened, &wanted).unwrap();
    let after = SealedOperator { merchant: one.merchant, created: one.created, ..wanted };
    assert_eq!(find(&opened, &one), Some(after.clone()));
    assert!(opened.wait(opened.store.ask_management_epoch()).unwrap() > before, "the epoch stayed");
    let free = SealedOperator { email_index: one.email_index, ..operator(2, Some(1), Role::Owner) };
    create(&opened, &free).unwrap();
    let enabled = SealedOperator { disabled: None, revision: 3, ..after };
    update(&opened, &enabled).unwrap();
    let opened = opened.reopened();
    assert_eq!(list(&opened, Some(1)), [enabled, free]);
}

/// An update that does not follow the stored revision is refused; one of nobody is missing.
pub fn a_stale_operator_writes_nothing(place: &dyn Place) {
    let opened = Opened::at(place);
    let one = operator(1, None, Role::Owner);
    assert_missing(&update(&opened, &SealedOperator { revision: 2, ..one.clone() }));
    create(&opened, &one).unwrap();
    for revision in [1, 3] {
        let stale = SealedOperator { revision, ..operator(1, None, Role::Auditor) };
        assert_stale(&update(&opened, &stale));
        assert_eq!(find(&opened, &one), Some(one.clone()));
    }
}
