//! Sessions of operators.

use patron::clock::Timestamp;
use patron::entropy::random_bytes;
use patron::ids::OperatorNumber;
use patron::session::{SessionPurpose, SessionRecord};
use patron::store::Unique;

use super::persons::{START, at};
use super::{Opened, Place, assert_duplicate};
use crate::entropy::OsEntropy;

fn session(operator: i64, purpose: SessionPurpose, expires: i64) -> SessionRecord {
    SessionRecord {
        hash: random_bytes(&OsEntropy::new()),
        operator: OperatorNumber::new(operator),
        credential: 3,
        purpose,
        issued: START,
        expires: at(expires),
    }
}

fn open(opened: &Opened<'_>, session: &SessionRecord) {
    opened.wait(opened.store.open_session(session.clone())).unwrap();
}

fn find(opened: &Opened<'_>, session: &SessionRecord) -> Option<SessionRecord> {
    opened.wait(opened.store.find_session(session.hash)).unwrap()
}

fn close(opened: &Opened<'_>, session: &SessionRecord) -> bool {
    opened.wait(opened.store.close_session(session.hash)).unwrap()
}

fn clear(opened: &Opened<'_>, now: Timestamp, limit: u32) -> u32 {
    opened.wait(opened.store.clear_expired_sessions(now, limit)).unwrap()
}

/// A session is found from its opening to its closing, expired or not; it is closed once.
pub fn a_session_is_there_until_it_is_closed(place: &dyn Place) {
    let opened = Opened::at(place);
    let all = SessionPurpose::ALL.map(|purpose| session(1, purpose, 10));
    for one in &all {
        assert_eq!(find(&opened, one), None);
        assert!(!close(&opened, one));
        open(&opened, one);
        assert_eq!(find(&opened, one).as_ref(), Some(one));
    }
    let opened = opened.reopened();
    assert_eq!(find(&opened, &all[0]).as_ref(), Some(&all[0]));
    assert!(close(&opened, &all[0]));
    assert_eq!(find(&opened, &all[0]), None);
    assert!(!close(&opened, &all[0]), "closed twice");
    assert_eq!(find(&opened, &all[1]).as_ref(), Some(&all[1]));
}

/// A hash that is taken is refused, and the session that has it stays as it is.
pub fn a_taken_session_hash_writes_nothing(place: &dyn Place) {
    let opened = Opened::at(place);
    let one = session(1, SessionPurpose::Admin, 10);
    open(&opened, &one);
    let double = SessionRecord { hash: one.hash, ..session(2, SessionPurpose::Wire, 99) };
    assert_duplicate(&opened.wait(opened.store.open_session(double)), Unique::Session);
    assert_eq!(find(&opened, &one), Some(one));
}

/// Sessions that expired before a moment are cleared away, so many at a time, and no others.
pub fn expired_sessions_are_cleared_a_batch_at_a_time(place: &dyn Place) {
    let opened = Opened::at(place);
    assert_eq!(clear(&opened, at(9_000), 10), 0);
    let old: Vec<_> = (0..25).map(|number| session(number, SessionPurpose::Wire, number)).collect();
    let young = session(1, SessionPurpose::Admin, 25);
    for one in old.iter().chain([&young]) {
        open(&opened, one);
    }
    assert_eq!(clear(&opened, START, 100), 0, "the oldest expires in this very moment");
    assert_eq!(clear(&opened, at(1), 100), 1);
    let cleared = [0, 10, 10, 10, 10].map(|limit| clear(&opened, at(25), limit));
    assert_eq!(cleared, [0, 10, 10, 4, 0]);
    assert!(old.iter().all(|one| find(&opened, one).is_none()));
    assert_eq!(find(&opened, &young), Some(young.clone()));
    assert_eq!(clear(&opened, at(26), u32::MAX), 1);
}
