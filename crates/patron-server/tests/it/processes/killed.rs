//! A process that is killed while it works takes nothing with it that was acknowledged, and stands in nobody's way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use patron_testkit::effort::rounds;
use patron_testkit::http::{Call, Connection};
use patron_testkit::server::SANDBOX_KEY;
use patron_testkit::wait::soon;

use super::Processes;

fn creation(reference: &str) -> Call {
    let form = format!("object_reference_id={reference}&mobile_number=1");
    Call::post("/customers").basic(SANDBOX_KEY).form(form)
}

/// Creates customers for as long as somebody answers; the references of those that were acknowledged.
fn create_until(is_over: &AtomicBool, address: std::net::SocketAddr, name: &str) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let Some(mut connection) = Connection::try_open(address) else {
        return acknowledged;
    };
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let reference = format!("{name}-{number}");
        let Some(reply) = connection.try_send(&creation(&reference)) else {
            break;
        };
        reply.expect(200);
        acknowledged.push(reference);
    }
    acknowledged
}

#[test]
fn what_a_killed_process_has_acknowledged_is_there_for_the_others() {
    let mut processes = Processes::three();
    let mut acknowledged = Vec::new();
    for round in 0..rounds(3, 100) {
        let addresses: Vec<_> = (0..3).map(|number| processes.server(number).address()).collect();
        let is_over = AtomicBool::new(false);
        let victim = round % 3;
        let created = thread::scope(|scope| {
            let clients: Vec<_> = (0..12)
                .map(|client| {
                    let (is_over, address) = (&is_over, addresses[client % 3]);
                    let name = format!("r{round}c{client}");
                    scope.spawn(move || create_until(is_over, address, &name))
                })
                .collect();
            let count =
                || processes.get(victim, "/customers").expect(200)["total"].as_u64().unwrap();
            let before = count();
            soon("it is at work", || (count() >= before + 30).then_some(()));
            processes.servers[victim].kill();
            is_over.store(true, Ordering::Relaxed);
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(created.len() > 20, "only {} were acknowledged", created.len());
        acknowledged.extend(created);
        let launch = processes.servers[victim].launch().clone();
        processes.servers[victim] = launch.start();
    }
    for reference in &acknowledged {
        processes.get(0, &format!("/customers/{reference}")).expect(200);
    }
    processes.verify();
}
