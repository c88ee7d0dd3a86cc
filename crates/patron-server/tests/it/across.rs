//! One customer behind two wires: what one writes the other reads, and what it cannot say stays.

use std::collections::BTreeSet;

use patron_testkit::http::{Call, Connection, Reply};
use patron_testkit::server::Server;
use patron_testkit::together::together;
use serde_json::{Value, json};

use crate::cyrexa::{
    CLIENTS, ask, call, create_client, find_client, path_of, read_client, update_client,
};
use crate::errors::{is_taken, is_unknown_customer};
use crate::stage::{LEAST, MOST, create, create_key, get, post, read, server, text, update};

/// The reference of the customer that [`LEAST`] and [`MOST`] create.
const REFERENCE: &str = "jon@example.com";

/// The same customer as Cyrexa's wire creates it, with everything that only that wire can say.
fn everything() -> Value {
    json!({
        "name": "Jon Snow", "email": "jon@winter.example", "phone": "+65 9988-7766",
        "memberId": REFERENCE, "address": "The North", "dateOfBirth": "1990-02-28",
        "billingAddress": {"street": "1 Keep", "country": "GB"},
        "shippingAddress": {"city": "Winterfell"}, "country": "GB", "region": "North",
        "defaultCurrency": "EUR", "language": "en-GB",
        "notificationSettings": [{"notificationType": "Receipts", "isEnabled": true}],
        "communicationPreferences": {"email": true, "sms": false},
        "status": "suspended", "verificationStatus": "rejected",
        "subscriptionPreferences": {"plan": "gold"}, "paymentPreferences": {"method": "card"},
        "consents": [{"purpose": "terms", "isGranted": true, "at": "2024-01-15T10:30:00Z"}],
        "kyc": {"level": "full"}, "taxInformation": [{"type": "eu_vat", "value": "DE1"}],
    })
}

/// The client without these keys.
fn without(client: &Value, keys: &[&str]) -> Value {
    let mut client = client.clone();
    client.as_object_mut().unwrap().retain(|key, _| !keys.contains(&key.as_str()));
    client
}

#[test]
fn a_customer_of_juspay_is_a_client_of_cyrexa() {
    let server = server();
    let customer = create(&server, MOST);
    let client = find_client(&server, REFERENCE);
    assert_eq!(
        client,
        json!({
            "id": client["id"], "ownerId": client["ownerId"], "userId": client["userId"],
            "ownerName": client["ownerName"], "name": "Jon Snow", "email": "jon@winter.example",
            "address": null, "phone": "+6599887766", "memberId": REFERENCE,
            "hasPaymentRequests": false, "totalDeposits": 0,
            "createDate": customer["date_created"],
        })
    );
    assert_eq!(read_client(&server, &client), client);
    let updated = update_client(&server, &client, &json!({"email": "jon@wall.example"}));
    assert_eq!(updated["email"], "jon@wall.example");
    let read = read(&server);
    assert_eq!(read["email_address"], "jon@wall.example");
    for field in ["id", "first_name", "last_name", "mobile_number", "mobile_country_code"] {
        assert_eq!(read[field], customer[field], "{field}");
    }
}

#[test]
fn a_client_of_cyrexa_is_a_customer_of_juspay() {
    let server = server();
    let client = create_client(&server, &everything());
    let customer = read(&server);
    assert_eq!(
        customer,
        json!({
            "id": customer["id"], "object": "customer", "object_reference_id": REFERENCE,
            "mobile_number": "99887766", "mobile_country_code": "65",
            "email_address": "jon@winter.example", "first_name": "Jon", "last_name": "Snow",
            "date_created": client["createDate"], "last_updated": client["createDate"],
        })
    );
    let updated = update(&server, "email_address=jon@wall.example");
    assert_eq!(updated["email_address"], "jon@wall.example");
    // Everything that the other cannot say is as it was, to the letter.
    let read = read_client(&server, &client);
    assert_eq!(read["email"], "jon@wall.example");
    assert_eq!(without(&read, &["email"]), without(&client, &["email"]));
}

#[test]
fn a_name_is_whole_until_a_part_of_it_changes() {
    let server = server();
    let mut body = everything();
    body["name"] = json!(" Jon  Aegon Snow ");
    let client = create_client(&server, &body);
    let customer = read(&server);
    assert_eq!(
        (&customer["first_name"], &customer["last_name"]),
        (&json!("Jon  Aegon"), &json!("Snow"))
    );
    // The same again changes nothing.
    update(&server, "last_name=Snow");
    assert_eq!(read_client(&server, &client)["name"], " Jon  Aegon Snow ");
    update(&server, "last_name=Targaryen");
    assert_eq!(read_client(&server, &client)["name"], "Jon  Aegon Targaryen");
    update(&server, "first_name=");
    assert_eq!(read_client(&server, &client)["name"], "Targaryen");
    update_client(&server, &client, &json!({"name": "Arya"}));
    let customer = read(&server);
    assert_eq!((&customer["first_name"], &customer["last_name"]), (&json!("Arya"), &Value::Null));
}

#[test]
fn a_phone_number_is_whole_until_a_part_of_it_changes() {
    let server = server();
    let client = create_client(&server, &everything());
    let phone = || read_client(&server, &client)["phone"].clone();
    update(&server, "mobile_number=99887766&mobile_country_code=%2B65");
    assert_eq!(phone(), "+65 9988-7766");
    update(&server, "mobile_number=11223344");
    assert_eq!(phone(), "+6511223344");
    update_client(&server, &client, &json!({"phone": "(0)99 88"}));
    let customer = read(&server);
    // A number that says no country has the merchant's.
    assert_eq!(
        (&customer["mobile_country_code"], &customer["mobile_number"]),
        (&json!("91"), &json!("09988"))
    );
    update(&server, "mobile_country_code=65");
    assert_eq!(phone(), "+6509988");
    update_client(&server, &client, &json!({"phone": null}));
    let customer = read(&server);
    assert_eq!(
        (&customer["mobile_country_code"], &customer["mobile_number"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn an_address_stays_when_the_other_updates() {
    let server = server();
    let client = create_client(&server, &everything());
    update(&server, "first_name=Arya&last_name=Stark&mobile_number=1");
    let read = read_client(&server, &client);
    assert_eq!((&read["address"], &read["name"]), (&json!("The North"), &json!("Arya Stark")));
    assert_eq!(read["billingAddress"], client["billingAddress"]);
}

#[test]
fn a_reference_is_one_and_the_same() {
    let server = server();
    let client = create_client(&server, &everything());
    let id = text(&read(&server), "id").to_owned();
    is_taken(&post(&server, "/customers", LEAST));
    create(&server, "object_reference_id=other&mobile_number=1");
    let taken = ask(&server, "PUT", &path_of(&client), &json!({"memberId": "other"}));
    assert_eq!(taken.expect(409)["code"], "CUST002");
    update_client(&server, &client, &json!({"memberId": "changed"}));
    is_unknown_customer(&get(&server, "/customers/jon@example.com"));
    assert_eq!(get(&server, "/customers/changed").expect(200)["id"], id.as_str());
    update_client(&server, &client, &json!({"memberId": null}));
    let customer = get(&server, &format!("/customers/{id}")).expect(200);
    assert_eq!(customer["object_reference_id"], Value::Null);
    // It is free again, for whichever wire.
    create(&server, "object_reference_id=changed&mobile_number=1");
    create(&server, LEAST);
}

#[test]
fn what_another_wire_allows_can_be_sent_back() {
    let server = server();
    let long = "9".repeat(300);
    // This vendor's addresses of mail need not be mailboxes.
    let reference = "r".repeat(300);
    let form =
        format!("object_reference_id={reference}&mobile_number={long}&email_address=x%60@y_z");
    create(&server, &form);
    let client = find_client(&server, &reference);
    let back = ask(&server, "PUT", &path_of(&client), &without(&client, &["name"]));
    assert_eq!(back.expect(200), client);
    assert_eq!(back.header("etag"), Some("\"1\""));
    let wrong = ask(&server, "PUT", &path_of(&client), &json!({"email": "y`@y_z", "phone": long}));
    assert_eq!(wrong.expect(400)["details"]["fields"], json!(["email", "phone"]));
}

#[test]
fn versions_count_for_both() {
    let server = server();
    let client = create_client(&server, &everything());
    let tag = get(&server, "/customers/jon@example.com").header("etag").unwrap().to_owned();
    update_client(&server, &client, &json!({"status": "active"}));
    let call = Call::post("/customers/jon@example.com").basic(server.key());
    let stale = call.header("If-Match", &tag).form("first_name=Arya").send(&server);
    assert_eq!(stale.expect(412)["error_code"], "precondition_failed");
    let tag = get(&server, "/customers/jon@example.com").header("etag").unwrap().to_owned();
    update(&server, "first_name=Arya");
    let stale = call_put(&server, &client, &json!({"status": "inactive"})).header("If-Match", &tag);
    assert_eq!(stale.send(&server).expect(412)["code"], "CUST003");
}

fn call_put(server: &Server, client: &Value, body: &Value) -> Call {
    call("PUT", path_of(client), body).header("X-API-Key", server.key())
}

#[test]
fn what_one_deletes_is_gone_for_the_other() {
    let server = server();
    create(&server, MOST);
    let id = text(&read(&server), "id").to_owned();
    let client = find_client(&server, REFERENCE);
    let scopes = ["--scopes", "customers:erase"];
    let (eraser, _) = create_key(&server, "testaccount", &scopes);
    let gone = Call::new("DELETE", path_of(&client)).header("X-API-Key", &eraser).send(&server);
    assert_eq!((gone.status, gone.text()), (204, ""));
    for name in [REFERENCE, &id] {
        is_unknown_customer(&get(&server, &format!("/customers/{name}")));
        is_unknown_customer(&post(&server, &format!("/customers/{name}"), "first_name=Arya"));
    }
    assert_eq!(get(&server, "/customers").expect(200)["total"], 0);
    let list = Call::get(CLIENTS).header("X-API-Key", server.key()).send(&server).expect(200);
    assert_eq!((&list["total"], &list["customers"]), (&json!(0), &json!([])));
    let again = post(&server, "/v2/customers", LEAST).expect(200);
    assert_ne!(again["id"], id.as_str(), "another customer");
}

#[test]
fn a_token_of_one_wire_reaches_the_same_customer_by_the_other() {
    let server = server();
    let created = create(&server, &format!("{MOST}&options.get_client_auth_token=true"));
    let client = find_client(&server, REFERENCE);
    let token = text(&created["juspay"], "client_auth_token");
    let read = Call::get(path_of(&client)).bearer(token).send(&server).expect(200);
    assert_eq!(read, client);
    let issued = ask(&server, "POST", &format!("{}/token", path_of(&client)), &Value::Null);
    let token = text(&issued.expect(200), "accessToken").to_owned();
    let call = Call::post("/customers/jon@example.com").bearer(&token).form("first_name=Arya");
    assert_eq!(call.send(&server).expect(200)["first_name"], "Arya");
}

/// Each of many changes a field of its own, over one wire or the other: none is lost.
#[test]
fn concurrent_updates_of_different_fields_all_survive() {
    const CROWD: usize = 48;
    let server = server();
    let client = create_client(
        &server,
        &json!({"name": "Jon Snow", "email": "jon@winter.example", "memberId": REFERENCE}),
    );
    let key = server.key();
    let replies: Vec<Reply> = together(
        CROWD,
        |_| Connection::open(&server),
        |at, mut connection: Connection| {
            let value = 1_000 + at;
            let put = |body: &Value| call_put(&server, &client, body);
            let form =
                |form: String| Call::post("/customers/jon@example.com").basic(key).form(form);
            connection.send(&match at % 6 {
                0 => put(&json!({"region": value.to_string()})),
                1 => form(format!("email_address={value}@x")),
                2 => put(&json!({"address": value.to_string()})),
                3 => form(format!("mobile_number={value}")),
                4 => put(&json!({"kyc": {"level": value.to_string()}})),
                _ => form(format!("last_name={value}")),
            })
        },
    );
    assert!(replies.iter().all(|reply| reply.status == 200), "{replies:#?}");
    let read = read_client(&server, &client);
    let customer = get(&server, "/customers/jon@example.com");
    let last = [
        text(&read, "region").to_owned(),
        text(&read, "email").trim_end_matches("@x").to_owned(),
        text(&read, "address").to_owned(),
        text(&customer.json(), "mobile_number").to_owned(),
        text(&read["kyc"], "level").to_owned(),
        text(&customer.json(), "last_name").to_owned(),
    ];
    for (at, value) in last.iter().enumerate() {
        let number: usize = value.parse().unwrap();
        assert!(
            (1_000..1_000 + CROWD).contains(&number) && (number - 1_000) % 6 == at,
            "{at}: {value}"
        );
    }
    let tags: BTreeSet<_> = replies.iter().map(|reply| reply.header("etag")).collect();
    assert_eq!(tags.len(), CROWD, "each update is a version");
    assert_eq!(customer.header("etag"), Some(format!("\"{}\"", CROWD + 1).as_str()));
}
