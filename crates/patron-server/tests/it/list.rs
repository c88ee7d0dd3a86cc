//! Listing customers: `GET /customers`.

use patron_testkit::http::Call;
use patron_testkit::server::Server;
use serde_json::{Value, json};

use crate::errors::{is_malformed, is_wrong_value};
use crate::stage::{create, create_merchant, get, post, server, text, update};

fn create_many(server: &Server, count: usize) -> Vec<Value> {
    let form = |number| format!("object_reference_id=r{number}&mobile_number=1");
    (0..count).map(|number| create(server, &form(number))).collect()
}

fn references(page: &Value) -> Vec<&str> {
    let list = page["list"].as_array().unwrap();
    list.iter().map(|customer| text(customer, "object_reference_id")).collect()
}

#[test]
fn the_newest_come_first_in_pages() {
    let server = server();
    let mut customers = create_many(&server, 12);
    customers.reverse();
    let page = get(&server, "/customers?count=5&offset=0").expect(200);
    assert_eq!(page, json!({"count": 5, "offset": 0, "total": 12, "list": customers[..5]}));
    let page = get(&server, "/customers?count=5&offset=10").expect(200);
    assert_eq!(page, json!({"count": 5, "offset": 10, "total": 12, "list": customers[10..]}));
    let page = get(&server, "/customers?offset=12&count=1").expect(200);
    assert_eq!(page, json!({"count": 1, "offset": 12, "total": 12, "list": []}));
}

#[test]
fn ten_from_the_newest_unless_told_otherwise() {
    let server = server();
    create_many(&server, 11);
    let page = get(&server, "/customers").expect(200);
    assert_eq!(
        (&page["count"], &page["offset"], &page["total"]),
        (&json!(10), &json!(0), &json!(11))
    );
    assert_eq!(references(&page)[..2], ["r10", "r9"]);
    assert_eq!(references(&page).len(), 10);
    assert_eq!(references(&get(&server, "/customers?offset=10").expect(200)), ["r0"]);
    assert_eq!(references(&get(&server, "/customers?count=100").expect(200)).len(), 11);
}

#[test]
fn an_empty_list_is_a_list() {
    let page = get(&server(), "/customers?count=3").expect(200);
    assert_eq!(page, json!({"count": 3, "offset": 0, "total": 0, "list": []}));
}

#[test]
fn an_update_changes_neither_order_nor_total() {
    let server = server();
    create(&server, "object_reference_id=jon@example.com&mobile_number=1");
    create(&server, "object_reference_id=r1&mobile_number=1");
    let updated = update(&server, "first_name=Jon");
    let page = get(&server, "/customers").expect(200);
    assert_eq!(references(&page), ["r1", "jon@example.com"]);
    assert_eq!(page["list"][1], updated);
    assert_eq!(page["total"], 2);
}

#[test]
fn a_refused_creation_does_not_count() {
    let server = server();
    create_many(&server, 1);
    assert_eq!(post(&server, "/customers", "object_reference_id=r0&mobile_number=1").status, 400);
    assert_eq!(get(&server, "/customers").expect(200)["total"], 1);
}

#[test]
fn each_merchant_sees_its_own() {
    let server = server();
    create_many(&server, 2);
    let other = create_merchant(&server, "other", &[]);
    let page = Call::get("/customers").basic(&other).send(&server).expect(200);
    assert_eq!(page, json!({"count": 10, "offset": 0, "total": 0, "list": []}));
}

#[test]
fn what_is_out_of_bounds_is_a_wrong_value() {
    let server = server();
    for (query, fields) in [
        ("count=0", ["count"].as_slice()),
        ("count=101", &["count"]),
        ("count=-1", &["count"]),
        ("count=", &["count"]),
        ("count=ten", &["count"]),
        ("count=1.0", &["count"]),
        ("count=%2B1", &["count"]),
        ("count=99999999999999999999", &["count"]),
        ("count=1&count=2", &["count"]),
        ("offset=-1", &["offset"]),
        ("offset=10001", &["offset"]),
        ("offset=x&count=1", &["offset"]),
        ("offset=x&count=x", &["count", "offset"]),
    ] {
        let reply = get(&server, &format!("/customers?{query}"));
        assert_eq!(reply.status, 400, "{query}: {}", reply.text());
        is_wrong_value(&reply, fields);
    }
    for query in ["count=1", "count=100", "offset=0", "offset=10000", "unknown=x"] {
        assert_eq!(get(&server, &format!("/customers?{query}")).status, 200, "{query}");
    }
    is_malformed(&get(&server, "/customers?count=%zz"));
}
