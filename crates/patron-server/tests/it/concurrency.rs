//! Many at once: one wins where one must, and nobody's change is lost.

use std::collections::BTreeSet;

use patron_testkit::http::{Call, Connection, Reply};
use patron_testkit::server::Server;
use patron_testkit::together::together;

use crate::errors::{is_refused, is_taken};
use crate::stage::{LEAST, create, get, read, server, text};

const CROWD: usize = 64;

/// Sends a call from each of the crowd at the same moment, on connections that are already open.
fn all_at_once(server: &Server, call: impl Fn(usize) -> Call + Sync) -> Vec<Reply> {
    together(
        CROWD,
        |_| Connection::open(server),
        |number, mut connection: Connection| connection.send(&call(number)),
    )
}

#[test]
fn one_of_many_creations_of_a_reference_wins() {
    let server = server();
    for round in 0..4 {
        let form = format!("object_reference_id=r{round}&mobile_number=1");
        let replies =
            all_at_once(&server, |_| Call::post("/customers").basic(server.key()).form(&form));
        let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
        assert_eq!((won.len(), lost.len()), (1, CROWD - 1));
        for reply in lost {
            is_taken(reply);
        }
        let reference = format!("/customers/r{round}");
        assert_eq!(get(&server, &reference).expect(200), won[0].json());
    }
    assert_eq!(get(&server, "/customers").expect(200)["total"], 4);
}

#[test]
fn many_first_calls_get_the_same_customer() {
    let server = server();
    for (round, target) in ["/v2/customers", "/v2/customers/r1"].into_iter().enumerate() {
        let form = format!("object_reference_id=r{round}");
        let replies = all_at_once(&server, |_| Call::post(target).basic(server.key()).form(&form));
        let ids: BTreeSet<String> =
            replies.iter().map(|reply| text(&reply.expect(200), "id").to_owned()).collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
        assert!(replies.iter().all(|reply| reply.header("etag") == Some("\"1\"")));
    }
    assert_eq!(get(&server, "/customers").expect(200)["total"], 2);
}

#[test]
fn updates_of_different_fields_all_survive() {
    let server = server();
    create(&server, LEAST);
    let fields = ["first_name", "last_name", "mobile_number", "mobile_country_code"];
    let replies = all_at_once(&server, |number| {
        let field = fields[number % fields.len()];
        let form = format!("{field}={}", 1000 + number);
        Call::post("/customers/jon@example.com").basic(server.key()).form(form)
    });
    for (number, reply) in replies.iter().enumerate() {
        let own = (1000 + number).to_string();
        assert_eq!(reply.expect(200)[fields[number % fields.len()]], own);
    }
    let after = read(&server);
    for (at, field) in fields.into_iter().enumerate() {
        let last: usize = text(&after, field).parse().unwrap();
        assert!((1000..1000 + CROWD).contains(&last), "{field}: {last}");
        assert_eq!((last - 1000) % fields.len(), at, "{field}: {last}");
    }
    let version = get(&server, "/customers/jon@example.com").header("etag").unwrap().to_owned();
    assert_eq!(version, format!("\"{}\"", CROWD + 1), "each update is a version");
}

#[test]
fn of_many_updates_of_one_version_one_wins() {
    let server = server();
    create(&server, LEAST);
    let replies = all_at_once(&server, |number| {
        let call = Call::post("/customers/jon@example.com").basic(server.key());
        call.header("If-Match", "\"1\"").form(format!("first_name=n{number}"))
    });
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!((won.len(), lost.len()), (1, CROWD - 1));
    for reply in lost {
        is_refused(reply, 412, "precondition_failed");
    }
    assert_eq!(read(&server), won[0].json());
}

#[test]
fn many_different_customers_are_all_created() {
    let server = server();
    let replies = all_at_once(&server, |number| {
        let form = format!("object_reference_id=r{number}&mobile_number={number}");
        Call::post("/customers").basic(server.key()).form(form)
    });
    let mut ids = BTreeSet::new();
    for (number, reply) in replies.iter().enumerate() {
        let customer = reply.expect(200);
        assert_eq!(customer["object_reference_id"], format!("r{number}"));
        ids.insert(text(&customer, "id").to_owned());
    }
    assert_eq!(ids.len(), CROWD);
    assert_eq!(get(&server, "/customers").expect(200)["total"], CROWD);
}

#[test]
fn a_token_is_never_used_more_often_than_allowed() {
    let server = server();
    create(&server, LEAST);
    let target = "/customers/jon@example.com?options.get_client_auth_token=true";
    let asked = get(&server, target).expect(200);
    let token = text(&asked["juspay"], "client_auth_token");
    let replies = all_at_once(&server, |_| Call::get("/customers/jon@example.com").bearer(token));
    let admitted = replies.iter().filter(|reply| reply.status == 200).count();
    let denied = replies.iter().filter(|reply| reply.status == 401).count();
    assert_eq!((admitted, denied), (30, CROWD - 30));
}
