//! Many at once, over three processes: one wins where one must, nobody's change is lost, and nobody waits for ever.

use std::collections::BTreeSet;

use patron_testkit::chance::Chance;
use patron_testkit::effort::rounds;
use patron_testkit::http::{Call, Connection};
use patron_testkit::server::SANDBOX_KEY;
use patron_testkit::together::together;

use super::Processes;
use crate::errors::{is_refused, is_taken};
use crate::stage::text;

const CROWD: usize = 64;

#[test]
fn one_of_many_creations_of_a_reference_wins() {
    let processes = Processes::three();
    let count = rounds(6, 200);
    for round in 0..count {
        let form = format!("object_reference_id=r{round}&mobile_number=1");
        let create = |_| Call::post("/customers").basic(SANDBOX_KEY).form(&form);
        let replies = processes.all_at_once(CROWD, create);
        let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
        assert_eq!((won.len(), lost.len()), (1, CROWD - 1), "round {round}");
        for reply in lost {
            is_taken(reply);
        }
        for number in 0..3 {
            let found = processes.get(number, &format!("/customers/r{round}"));
            assert_eq!(found.expect(200), won[0].json());
        }
    }
    for number in 0..3 {
        assert_eq!(processes.get(number, "/customers").expect(200)["total"], count);
    }
    assert_eq!(processes.verify()["customers"], count);
}

#[test]
fn many_first_calls_get_the_same_customer() {
    let processes = Processes::three();
    let count = rounds(6, 200);
    for round in 0..count {
        let target =
            if round % 2 == 0 { "/v2/customers" } else { &format!("/v2/customers/r{round}") };
        let form = format!("object_reference_id=r{round}");
        let replies =
            processes.all_at_once(CROWD, |_| Call::post(target).basic(SANDBOX_KEY).form(&form));
        let ids: BTreeSet<String> =
            replies.iter().map(|reply| text(&reply.expect(200), "id").to_owned()).collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
        assert!(replies.iter().all(|reply| reply.header("etag") == Some("\"1\"")));
    }
    assert_eq!(processes.verify()["customers"], count);
}

#[test]
fn updates_of_different_fields_all_survive() {
    let processes = Processes::three();
    let fields = ["first_name", "last_name", "mobile_number", "mobile_country_code"];
    for round in 0..rounds(2, 50) {
        let target = format!("/customers/r{round}");
        let form = format!("object_reference_id=r{round}&mobile_number=1");
        processes.post(round, "/customers", &form).expect(200);
        let replies = processes.all_at_once(CROWD, |number| {
            let form = format!("{}={}", fields[number % fields.len()], 1000 + number);
            Call::post(&target).basic(SANDBOX_KEY).form(form)
        });
        for (number, reply) in replies.iter().enumerate() {
            assert_eq!(
                reply.expect(200)[fields[number % fields.len()]],
                (1000 + number).to_string()
            );
        }
        let tags: BTreeSet<_> = replies.iter().map(|reply| reply.header("etag").unwrap()).collect();
        assert_eq!(tags.len(), CROWD, "each update is a version of its own");
        for number in 0..3 {
            let found = processes.get(number, &target);
            let version = format!("\"{}\"", CROWD + 1);
            assert_eq!(found.header("etag"), Some(version.as_str()));
            let after = found.expect(200);
            for (at, field) in fields.into_iter().enumerate() {
                let last: usize = text(&after, field).parse().unwrap();
                assert!((1000..1000 + CROWD).contains(&last), "{field}: {last}");
                assert_eq!((last - 1000) % fields.len(), at, "{field}: {last}");
            }
        }
    }
    processes.verify();
}

#[test]
fn of_many_updates_of_one_version_one_wins() {
    let processes = Processes::three();
    processes.post(0, "/customers", "object_reference_id=r&mobile_number=1").expect(200);
    for version in 1..=rounds(3, 100) {
        let replies = processes.all_at_once(CROWD, |number| {
            let call = Call::post("/customers/r").basic(SANDBOX_KEY);
            let form = format!("first_name=n{version}-{number}");
            call.header("If-Match", format!("\"{version}\"")).form(form)
        });
        let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
        assert_eq!((won.len(), lost.len()), (1, CROWD - 1));
        for reply in lost {
            is_refused(reply, 412, "precondition_failed");
        }
        for number in 0..3 {
            assert_eq!(processes.get(number, "/customers/r").expect(200), won[0].json());
        }
    }
}

#[test]
fn a_token_is_never_used_more_often_than_allowed() {
    let processes = Processes::three();
    processes.post(0, "/customers", "object_reference_id=r&mobile_number=1").expect(200);
    let asked = processes.get(1, "/customers/r?options.get_client_auth_token=true").expect(200);
    let token = text(&asked["juspay"], "client_auth_token");
    let replies = processes.all_at_once(CROWD, |_| Call::get("/customers/r").bearer(token));
    let admitted = replies.iter().filter(|reply| reply.status == 200).count();
    let denied = replies.iter().filter(|reply| reply.status == 401).count();
    assert_eq!((admitted, denied), (30, CROWD - 30));
}

/// Everybody updates a few customers that everybody else updates too, and creates some on the way: whatever is
/// committed together, nobody waits for somebody who waits for him.
#[test]
fn overlapping_groups_do_not_stand_in_each_others_way() {
    const HOT: usize = 8;
    const CLIENTS: usize = 48;
    let processes = Processes::three();
    for number in 0..HOT {
        let form = format!("object_reference_id=hot{number}&mobile_number=1");
        processes.post(number, "/customers", &form).expect(200);
    }
    let each = rounds(45, 3_000);
    let prepare = |number: usize| Connection::open(processes.server(number));
    let heard = together(CLIENTS, prepare, |number, mut connection: Connection| {
        let mut chance = Chance::new(u64::try_from(number).unwrap() + 1);
        let mut updates = [0_usize; HOT];
        for turn in 0..each {
            let hot = chance.below(HOT);
            let reply = if chance.below(8) == 0 {
                let form =
                    format!("object_reference_id=n{}&mobile_number=1", chance.below(CLIENTS));
                connection.send(&Call::post("/v2/customers").basic(SANDBOX_KEY).form(form))
            } else {
                updates[hot] += 1;
                let form = format!("first_name=n{number}-{turn}");
                let target = format!("/customers/hot{hot}");
                connection.send(&Call::post(target).basic(SANDBOX_KEY).form(form))
            };
            reply.expect(200);
        }
        updates
    });
    for hot in 0..HOT {
        let updates: usize = heard.iter().map(|updates| updates[hot]).sum();
        let tag = processes.get(hot, &format!("/customers/hot{hot}"));
        assert_eq!(tag.header("etag"), Some(format!("\"{}\"", 1 + updates).as_str()));
    }
    processes.verify();
    let log = processes.cluster.log();
    assert!(!log.contains("deadlock detected"), "{log}");
}
