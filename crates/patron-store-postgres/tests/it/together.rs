//! Several stores over one database, as several processes have them: who may do what, and who knows what.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use patron::clock::MonotonicClock;
use patron::ids::{MerchantNumber, ProcessId};
use patron::store::{Job, Store, StoreError, UniqueKey};
use patron_store_postgres::PostgresStore;
use patron_testkit::postgres::{Cluster, Setup};
use patron_testkit::proxy::Proxy;
use patron_testkit::store_contract::persons::{Author, Made};
use patron_testkit::wait::{Since, soon, timed};

use crate::ground::{PassingTime, open, open_at, open_with, settings, wait};

/// Time as a test says that it passes.
#[derive(Debug, Default)]
struct SetTime(AtomicU64);

impl SetTime {
    fn pass(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl MonotonicClock for SetTime {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

fn is_unavailable<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}

#[test]
fn a_job_is_nobody_elses_until_its_lease_is_over_by_the_databases_clock() {
    let cluster = Cluster::new();
    let settings = settings(&cluster.url());
    // For one of them no time passes at all, for the other one a year at once.
    let (slow, fast) = (Arc::new(SetTime::default()), Arc::new(SetTime::default()));
    let stores = [open_at(&settings, slow), open_at(&settings, Arc::<SetTime>::clone(&fast))];
    let holders = [1, 2].map(|number| ProcessId::from_bytes([number; 16]));
    let claim = |at: usize, lease: Duration| {
        wait(stores[at].claim_job(Job::ClearTokens, holders[at], lease)).unwrap()
    };
    let (short, long) = (Duration::from_millis(400), Duration::from_secs(3_600));
    assert!(claim(0, long));
    fast.pass(Duration::from_secs(31_536_000));
    assert!(!claim(1, long), "the lease is not over by the database's clock");
    assert!(!claim(1, Duration::from_millis(1)), "a short lease is no more of a right");
    assert!(claim(0, short), "the lease begins anew");
    let since = Since::now();
    while !claim(1, long) {
        assert!(since.elapsed() < Duration::from_secs(20), "the lease does not end");
    }
    let took = since.elapsed();
    assert!(took >= short - Duration::from_millis(50), "it was taken away after {took:?}");
    assert!(!claim(0, short), "it is the other's now");
}

#[test]
fn what_is_known_of_the_epoch_is_trusted_for_a_second_and_then_asked_for() {
    let cluster = Cluster::new();
    let clock = Arc::new(SetTime::default());
    let store = open_at(&settings(&cluster.url()), Arc::<SetTime>::clone(&clock));
    let known = store.management_epoch().unwrap();
    assert_eq!(wait(store.ask_management_epoch()).unwrap(), known, "nothing has changed");
    clock.pass(Duration::from_millis(999));
    assert_eq!(store.management_epoch().unwrap(), known);

    // Nobody can answer while the clock goes on.
    cluster.pause();
    clock.pass(Duration::from_millis(1_001));
    assert!(is_unavailable(&store.management_epoch()));
    assert!(is_unavailable(&wait(store.ask_management_epoch())));
    cluster.resume();
    soon("the database answers again", || {
        let asked = wait(store.ask_management_epoch()).ok()?;
        assert!(asked > known, "what was remembered is believed after a gap");
        assert_eq!(store.management_epoch().unwrap(), asked);
        Some(())
    });
}

#[test]
fn a_change_of_another_store_moves_the_epoch() {
    let cluster = Cluster::new();
    let store = open(&settings(&cluster.url()));
    let known = store.management_epoch().unwrap();
    cluster.psql("update management_epoch set epoch = epoch + 1");
    let asked = wait(store.ask_management_epoch()).unwrap();
    assert!(asked > known);
    let since = Since::now();
    cluster.psql("update management_epoch set epoch = epoch + 1");
    soon("it is learned without being asked for", || {
        (store.management_epoch().unwrap() > asked).then_some(())
    });
    assert!(since.elapsed() <= Duration::from_secs(1), "{:?}", since.elapsed());
}

/// A store by way of a proxy, and one that goes straight to the database.
fn by_proxy(cluster: &Cluster) -> (Proxy, PostgresStore, PostgresStore) {
    let proxy = Proxy::before(cluster.port());
    let proxied = open(&settings(&proxy.url(&cluster.url())));
    (proxy, proxied, open(&settings(&cluster.url())))
}

#[test]
fn a_change_whose_answer_is_lost_is_applied_once() {
    let cluster = Cluster::new();
    let (proxy, store, other) = by_proxy(&cluster);
    let author = Author::of_merchant(1);
    let mut version = author.create("jon");
    wait(store.apply(vec![version.change.clone()])).unwrap().remove(0).unwrap();
    for number in 2..=9_u64 {
        let next = author.rename(&version, &format!("Jon {number}"));
        // The database has committed, or has heard of nothing.
        let committed = number % 2 == 0;
        if committed {
            proxy.lose_answer("COMMIT\0");
        } else {
            proxy.lose_request("COMMIT\0");
        }
        wait(store.apply(vec![next.change.clone()])).unwrap().remove(0).unwrap();
        assert!(proxy.has_lost(), "nothing was lost");
        let sealed = &next.change.parts().customer;
        let whole = wait(other.find_whole_customer(sealed.merchant, sealed.number)).unwrap();
        assert_eq!(whole.customer.as_ref(), Some(sealed));
        assert_eq!(whole.entries.len(), usize::try_from(number).unwrap());
        assert_eq!(whole.events.len(), whole.entries.len());
        version = next;
    }
}

#[test]
fn of_changes_that_meet_a_lost_answer_each_is_applied_once() {
    let cluster = Cluster::new();
    let (proxy, store, other) = by_proxy(&cluster);
    let author = Author::of_merchant(1);
    for round in 0..6 {
        let made: Vec<_> =
            (0..20).map(|number| author.create(&format!("r{round}-{number}"))).collect();
        let changes: Vec<_> = made.iter().map(|made| made.change.clone()).collect();
        proxy.lose_answer("COMMIT\0");
        let answers = wait(store.apply(changes)).unwrap();
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert!(proxy.has_lost(), "nothing was lost");
        let merchant = made[0].change.parts().customer.merchant;
        let list = wait(other.list_customers(merchant, 0, 1_000)).unwrap();
        assert_eq!(list.total, 20 * (round + 1));
        assert_eq!(u64::try_from(list.customers.len()).unwrap(), list.total);
    }
}

/// How many changes, and in how many commits.
#[derive(Default)]
struct Commits {
    changes: AtomicU64,
    commits: AtomicU64,
}

#[test]
fn what_comes_at_once_shares_commits_and_statements_and_what_comes_alone_does_not_wait() {
    const CROWD: usize = 64;
    let cluster = Setup::new().with("log_statement", "all").start();
    let counted = Arc::new(Commits::default());
    let counting = Arc::clone(&counted);
    let on_group = Arc::new(move |size: usize| {
        counting.changes.fetch_add(u64::try_from(size).unwrap(), Ordering::SeqCst);
        counting.commits.fetch_add(1, Ordering::SeqCst);
    });
    let store = open_with(&settings(&cluster.url()), Arc::new(PassingTime::start()), on_group);
    let author = Author::of_merchant(1);
    let made: Vec<_> = (0..CROWD).map(|number| author.create(&number.to_string())).collect();
    // They wait from the moment on in which they are called.
    let waiting: Vec<_> = made.iter().map(|one| store.apply(vec![one.change.clone()])).collect();
    for answer in waiting {
        wait(answer).unwrap().remove(0).unwrap();
    }
    assert_eq!(counted.changes.load(Ordering::SeqCst), 64);
    let commits = counted.commits.load(Ordering::SeqCst);
    assert!(commits < 32, "{commits} commits for 64 changes");
    let looked_up = || cluster.log().matches("AND number = ANY").count();
    let before = looked_up();
    let number = |one: &Made| one.change.parts().customer.number;
    let merchant = MerchantNumber::new(1);
    let find = |one: &Made| store.find_customer(merchant, UniqueKey::Number(number(one)));
    let waiting: Vec<_> = made.iter().map(find).collect();
    for (answer, one) in waiting.into_iter().zip(&made) {
        assert_eq!(wait(answer).unwrap().unwrap().number, number(one));
    }
    let statements = soon("the log shows the lookups", || {
        let count = looked_up() - before;
        (count > 0).then_some(count)
    });
    assert!(statements < 32, "{statements} statements for 64 lookups");
    // Were it kept for company, it would be for as long as others are late.
    let mut alone: Vec<_> = (0..9).map(|at| timed(|| wait(find(&made[at])).unwrap()).1).collect();
    alone.sort_unstable();
    assert!(alone[4] < Duration::from_millis(20), "{alone:?}");
}
