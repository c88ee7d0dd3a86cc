//! Allow-lists: from where keys may be used, and what a list would refuse.

use patron_testkit::http::{Call, Reply};
use serde_json::{Value, json};

use super::{HOME, OTHER, Stage, is_problem, is_wrong_in};
use crate::stage::launch;

const LIST: &str = "/admin/v1/merchants/testaccount/allow-list";
const TRIAL: &str = "/admin/v1/merchants/testaccount/allow-list/dry-run";

/// Behind a proxy that says where requests come from.
fn stage() -> Stage {
    Stage::of(launch().with("--behind-proxy").with("127.0.0.0/8"))
}

/// A request with the merchant's key from an address.
fn from(stage: &Stage, address: &str) -> Reply {
    let call = Call::get("/customers").basic(stage.server.key());
    call.header("x-forwarded-for", address).send(&stage.server)
}

#[test]
fn a_list_binds_keys_and_not_people() {
    let stage = stage();
    assert_eq!(stage.get(&stage.owner, LIST).expect(200), json!({"addresses": []}));
    let list = json!({"addresses": ["203.0.113.7", "2001:db8::/32", "::ffff:198.51.100.0/120"]});
    let set = stage.owner("PUT", LIST, &list).expect(200);
    let shown = json!({"addresses": ["203.0.113.7/32", "2001:db8::/32", "198.51.100.0/24"]});
    assert_eq!(set, shown);
    assert_eq!(stage.get(&stage.owner, LIST).expect(200), shown);
    for (address, status) in
        [("203.0.113.7", 200), ("198.51.100.9", 200), ("2001:db8::7", 200), ("203.0.113.8", 403)]
    {
        assert_eq!(from(&stage, address).status, status, "{address}");
        let me = Call::get("/admin/v1/me").basic(stage.server.key());
        let reply = me.header("x-forwarded-for", address).send(&stage.server);
        match status {
            200 => assert_eq!(reply.status, 200),
            _ => is_problem(&reply, 403, "address-refused"),
        }
    }
    // What it shows is taken as it is.
    assert_eq!(stage.owner("PUT", LIST, &shown).expect(200), shown);
    assert_eq!(
        stage.owner("PUT", LIST, &json!({"addresses": []})).expect(200)["addresses"],
        json!([])
    );
    assert_eq!(from(&stage, "203.0.113.8").status, 200);
}

#[test]
fn a_list_is_tried_on_what_was_asked_last() {
    let stage = stage();
    for (address, times) in [("203.0.113.1", 3), ("203.0.113.2", 2), ("198.51.100.1", 1)] {
        for _ in 0..times {
            assert_eq!(from(&stage, address).status, 200);
        }
    }
    let try_out = |addresses: Value, requests: u32| {
        let body = json!({"addresses": addresses, "requests": requests});
        stage.owner("POST", TRIAL, &body).expect(200)
    };
    let one = try_out(json!(["198.51.100.1"]), 6);
    assert_eq!(
        one,
        json!({"requests": 6, "refused": 5, "addresses": [
            {"address": "203.0.113.1", "count": 3}, {"address": "203.0.113.2", "count": 2},
        ]})
    );
    let last = try_out(json!(["203.0.113.0/24"]), 2);
    let address = json!([{"address": "198.51.100.1", "count": 1}]);
    assert_eq!(last, json!({"requests": 2, "refused": 1, "addresses": address}));
    let off = try_out(json!([]), 10_000);
    assert_eq!((&off["refused"], &off["addresses"]), (&json!(0), &json!([])));
    // Nothing is set by trying.
    assert_eq!(stage.get(&stage.owner, LIST).expect(200), json!({"addresses": []}));
    assert_eq!(from(&stage, "192.0.2.1").status, 200);
    // Another merchant's requests are nobody's business.
    let body = json!({"addresses": ["192.0.2.9"], "requests": 10});
    let other =
        stage.ask(&stage.other_owner, "POST", &format!("{OTHER}/allow-list/dry-run"), &body);
    assert_eq!(other.expect(200)["requests"], 0);
}

#[test]
fn what_is_no_address_is_named_and_nothing_is_set() {
    let stage = stage();
    let many = vec!["203.0.113.1"; 501];
    for (body, fields) in [
        (json!({}), vec!["addresses"]),
        (json!({"addresses": null}), vec!["addresses"]),
        (json!({"addresses": "203.0.113.1"}), vec!["addresses"]),
        (json!({"addresses": many}), vec!["addresses"]),
        (
            json!({"addresses": ["203.0.113.1", "home", "203.0.113.1/33", 7, "1.2.3.4,5.6.7.8", ""]}),
            vec!["addresses[1]", "addresses[2]", "addresses[3]", "addresses[4]", "addresses[5]"],
        ),
        (json!({"addresses": [], "merchant": "other"}), vec!["merchant"]),
    ] {
        is_wrong_in(&stage.owner("PUT", LIST, &body), &fields);
    }
    for (requests, addresses) in
        [(json!(0), json!([])), (json!(10_001), json!([])), (json!(1.5), json!([]))]
    {
        let body = json!({"requests": requests, "addresses": addresses});
        is_wrong_in(&stage.owner("POST", TRIAL, &body), &["requests"]);
    }
    assert_eq!(stage.get(&stage.owner, LIST).expect(200), json!({"addresses": []}));
    // It stands on its own path only.
    assert_eq!(stage.get(&stage.owner, HOME).expect(200).get("allowList"), None);
}
