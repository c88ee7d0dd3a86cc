//! What is changed about merchants and keys is in force on every process within a second, and a process that cannot
//! know refuses.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use patron_testkit::effort::rounds;
use patron_testkit::http::{Call, Reply};
use patron_testkit::proxy::Proxy;
use patron_testkit::server::SANDBOX_KEY;
use patron_testkit::together::together;
use patron_testkit::wait::{Since, soon};

use super::{Processes, is_unavailable, named, tell};
use crate::errors::{is_bad_origin, is_denied};

/// How old what a process knows of merchants and keys may be.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// How long a process that cannot know takes to say so, beyond the second in which it may still find out.
const SLACK: Duration = Duration::from_millis(500);

/// Asks each process again and again until `is_in_force`, and returns when the last one was asked that did not know
/// yet.
fn takes_effect(
    processes: &Processes,
    since: Since,
    call: &(impl Fn() -> Call + Sync),
    is_in_force: &(impl Fn(&Reply) -> bool + Sync),
) -> Duration {
    let latest = together(
        3,
        |_| (),
        |number, ()| {
            let mut unaware = Duration::ZERO;
            soon("a change is in force", || {
                let asked = since.elapsed();
                if is_in_force(&call().send(processes.server(number))) {
                    return Some(());
                }
                unaware = asked;
                None
            });
            unaware
        },
    );
    latest.into_iter().max().unwrap()
}

#[test]
fn changes_are_in_force_everywhere_within_a_second() {
    let processes = Processes::three();
    processes.post(0, "/customers", "object_reference_id=r&mobile_number=1").expect(200);
    let slowest = Cell::new(Duration::ZERO);
    let change = |words: &[&str],
                  call: &(dyn Fn() -> Call + Sync),
                  is_in_force: &(dyn Fn(&Reply) -> bool + Sync)| {
        processes.manage(words).ok();
        let took = takes_effect(&processes, Since::now(), &call, &is_in_force);
        assert!(took <= TRUSTED_FOR, "{words:?} took {took:?}");
        slowest.set(slowest.get().max(took));
    };
    for _ in 0..rounds(2, 200) {
        let (key, number) = processes.create_key();
        let list = || Call::get("/customers").basic(&key);
        for process in 0..3 {
            list().send(processes.server(process)).expect(200);
        }
        change(&["key", "revoke", "testaccount", &number], &list, &|reply| reply.status == 401);
        let read = || Call::get("/customers/r").basic(SANDBOX_KEY);
        let is_open = |reply: &Reply| reply.status == 200;
        let only = ["merchant", "set", "testaccount", "--allow-ip", "10.0.0.0/8"];
        change(&only, &read, &|reply| reply.status == 403);
        is_bad_origin(&read().send(processes.server(1)));
        change(&["merchant", "set", "testaccount", "--no-allow-ip"], &read, &is_open);
        change(&["merchant", "suspend", "testaccount"], &read, &|reply| reply.status == 401);
        is_denied(&read().send(processes.server(2)));
        change(&["merchant", "resume", "testaccount"], &read, &is_open);
        // Another name each time: one that the customer has is not looked at again.
        let names = AtomicUsize::new(0);
        let name = || {
            let form = format!("first_name=%C3%86gon{}", names.fetch_add(1, Ordering::Relaxed));
            Call::post("/customers/r").basic(SANDBOX_KEY).form(form)
        };
        let unicode = ["merchant", "set", "testaccount", "--set", "juspay.names=unicode"];
        assert_eq!(name().send(processes.server(0)).status, 400);
        change(&unicode, &name, &is_open);
        change(&["merchant", "set", "testaccount", "--unset", "juspay.names"], &name, &|reply| {
            reply.status == 400
        });
    }
    tell(&format!("the slowest change was in force everywhere after {:?}", slowest.get()));
}

/// Shows the process that is cut off a key, with a body for whose refusal no database is asked: 400 when it trusts
/// the key.
fn show(processes: &Processes, key: &str) -> Reply {
    Call::post("/customers").basic(key).form("first_name=Jon").send(processes.server(2))
}

/// Asks the process again and again until it must not trust any longer what it knew when it was cut off.
fn until_it_refuses(processes: &Processes, key: &str, since: Since) {
    soon("the process that is cut off refuses", || {
        let asked = since.elapsed();
        let reply = show(processes, key);
        let answered = since.elapsed();
        if reply.status == 400 {
            assert!(asked <= TRUSTED_FOR, "it trusts the old key after {asked:?}");
            return None;
        }
        is_unavailable(&reply);
        tell(&format!("cut off, it was asked after {asked:?} and refused after {answered:?}"));
        assert!(answered.saturating_sub(asked) <= TRUSTED_FOR + SLACK, "{answered:?}");
        (asked > TRUSTED_FOR).then_some(())
    });
}

/// A process loses its database by `cut`, a key is revoked meanwhile, and it comes back.
fn is_cut_off(processes: &Processes, proxy: &Proxy, cut: impl Fn(&Proxy)) {
    let (key, number) = processes.create_key();
    soon("the key is known", || (show(processes, &key).status == 400).then_some(()));
    cut(proxy);
    let since = Since::now();
    processes.manage(&["key", "revoke", "testaccount", &number]).ok();
    until_it_refuses(processes, &key, since);
    // Many who ask at once do not wait for each other.
    let asked = Since::now();
    for reply in together(16, |_| (), |_, ()| show(processes, &key)) {
        is_unavailable(&reply);
    }
    let took = asked.elapsed();
    tell(&format!("cut off, sixteen were refused after {took:?}"));
    assert!(took <= 2 * TRUSTED_FOR + SLACK, "sixteen were refused after {took:?}");
    let ready = || Call::get("/readyz").send(processes.server(2)).status;
    assert_eq!(ready(), 503);
    assert_eq!(Call::get("/healthz").send(processes.server(2)).status, 200);
    for number in 0..2 {
        assert_eq!(Call::get("/readyz").send(processes.server(number)).status, 200);
    }
    proxy.restore();
    let restored = Since::now();
    let reply = soon("it answers again", || {
        Some(show(processes, &key)).filter(|reply| reply.status != 503)
    });
    is_denied(&reply);
    tell(&format!("it was back after {:?}", restored.elapsed()));
    soon("it is ready again", || (ready() == 200).then_some(()));
    processes.get(2, "/customers").expect(200);
}

#[test]
fn a_process_that_is_cut_off_trusts_nobody_until_it_is_back() {
    let proxy = std::sync::OnceLock::new();
    let processes = Processes::three_with(|cluster, number, launch| {
        if number != 2 {
            return launch;
        }
        let proxy = proxy.get_or_init(|| Proxy::before(cluster.port()));
        launch.on(named(&proxy.url(&cluster.url()), number))
    });
    let proxy = proxy.get().unwrap();
    for _ in 0..rounds(1, 100) {
        is_cut_off(&processes, proxy, Proxy::cut);
        is_cut_off(&processes, proxy, Proxy::hold);
    }
}
