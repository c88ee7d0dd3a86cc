//! The access log.

use patron::access_log::{AccessPlace, Accessed, SealedAccess};
use patron::entropy::random_bytes;
use patron::ids::{AccessId, CustomerNumber, MerchantNumber};

use super::persons::at;
use super::{Opened, Place};
use crate::entropy::OsEntropy;

fn access(merchant: u32, ms: i64, id: u8, customer: Option<i64>) -> SealedAccess {
    SealedAccess {
        merchant: MerchantNumber::new(merchant),
        at: at(ms),
        id: AccessId::from_bytes([id; 16]),
        accessed: Accessed::ALL[usize::from(id) % Accessed::ALL.len()],
        customer: customer.map(|number| CustomerNumber::new(number).unwrap()),
        actor_code: 7,
        actor_number: i64::from(id) - 3,
        sealed: random_bytes::<40>(&OsEntropy::new()).to_vec(),
    }
}

fn log(opened: &Opened<'_>, accesses: &[SealedAccess]) {
    opened.wait(opened.store.log_accesses(accesses.to_vec())).unwrap();
}

fn list(
    opened: &Opened<'_>,
    customer: Option<i64>,
    after: Option<&SealedAccess>,
    limit: u32,
) -> Vec<SealedAccess> {
    let customer = customer.map(|number| CustomerNumber::new(number).unwrap());
    let after = after.map(|access| AccessPlace { at: access.at, id: access.id });
    let merchant = MerchantNumber::new(1);
    opened.wait(opened.store.list_accesses(merchant, customer, after, limit)).unwrap()
}

/// Newest first by time, then by the bytes of the id; a page comes after a place, be it there or not. All that
/// is logged is answered as it was.
pub fn the_access_log_is_newest_first_in_pages(place: &dyn Place) {
    let opened = Opened::at(place);
    assert_eq!(list(&opened, None, None, 9), []);
    log(&opened, &[]);
    let [one, two, high, low, last] = [
        access(1, 10, 1, None),
        access(1, 20, 2, Some(5)),
        access(1, 20, 0xff, None),
        access(1, 20, 0x7f, Some(6)),
        access(1, 30, 0, Some(5)),
    ];
    log(&opened, &[two.clone(), access(2, 20, 9, Some(5)), last.clone()]);
    log(&opened, &[one.clone(), low.clone(), high.clone()]);
    let all = [last, high, low, two, one];
    assert_eq!(list(&opened, None, None, 99), all);
    assert_eq!(list(&opened, None, None, 2), all[..2]);
    assert_eq!(list(&opened, None, None, 0), []);
    for (place, access) in all.iter().enumerate() {
        assert_eq!(list(&opened, None, Some(access), 99), all[place + 1..]);
        assert_eq!(list(&opened, None, Some(access), 1), all[place + 1..][..1.min(4 - place)]);
    }
    let nobodys = access(1, 20, 0x80, None);
    assert_eq!(list(&opened, None, Some(&nobodys), 99), all[2..]);
    let opened = opened.reopened();
    assert_eq!(list(&opened, None, None, 99), all);
}

/// The log of one customer has what is about it, of its own merchant, in the same order.
pub fn the_access_log_of_one_customer_is_its_own(place: &dyn Place) {
    let opened = Opened::at(place);
    let mut all = Vec::new();
    for number in 0..30_u8 {
        let customer = [None, Some(5), Some(6)][usize::from(number) % 3];
        all.push(access(1, i64::from(number / 4), number, customer));
        log(&opened, &[access(2, 1, number, Some(5))]);
    }
    log(&opened, &all);
    all.reverse();
    let of_five: Vec<_> = all
        .iter()
        .filter(|access| access.customer.is_some_and(|number| number.get() == 5))
        .cloned()
        .collect();
    assert_eq!(list(&opened, Some(5), None, 99), of_five);
    assert_eq!(list(&opened, Some(5), Some(&of_five[3]), 4), of_five[4..8]);
    assert_eq!(list(&opened, Some(5), Some(&all[0]), 99), of_five);
    assert_eq!(list(&opened, Some(7), None, 99), []);
    assert_eq!(list(&opened, None, None, 99), all);
}
