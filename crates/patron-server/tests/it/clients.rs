//! What real client libraries put on the wire, in stories of several calls. Their single forms are
//! golden files; the Node library itself runs in `node.rs`.

use patron_testkit::http::{Call, colonless};
use serde_json::{Map, Value, json};

use crate::errors::{is_taken, is_unknown_customer};
use crate::stage::{server, text};

const TEN: [&str; 10] = [
    "id",
    "object",
    "object_reference_id",
    "mobile_number",
    "date_created",
    "last_updated",
    "email_address",
    "first_name",
    "last_name",
    "mobile_country_code",
];

/// PyPI `juspay` 1.1.4 writes forms with `+`, repeats the id, and lists.
#[test]
fn the_python_library() {
    let server = server();
    let call = |call: Call| {
        call.basic(server.key())
            .header("version", "2017-07-26")
            .header("User-Agent", "Python-urllib/2.7")
    };
    let form = "object_reference_id=jon%40example.com&mobile_number=99887766\
        &email_address=jon%40winter.example&first_name=Jon&last_name=Snow\
        &mobile_country_code=91&options.get_client_auth_token=True";
    let created = call(Call::post("/customers")).form(form).send(&server).expect(200);
    let id = text(&created, "id");
    assert!(created["juspay"]["client_auth_token"].is_string());
    let target = format!("/customers/{id}?id={id}&options.get_client_auth_token=True");
    let read = call(Call::get(target)).send(&server).expect(200);
    assert_ne!(read["juspay"], created["juspay"]);
    let form = format!("id={id}&email_address=king%40winter.example");
    let updated = call(Call::post(format!("/customers/{id}"))).form(form).send(&server).expect(200);
    assert_eq!(updated["email_address"], "king@winter.example");
    let list = call(Call::get("/customers?count=2&offset=0")).send(&server).expect(200);
    assert_eq!(list, json!({"count": 2, "offset": 0, "total": 1, "list": [updated]}));
    let form = "object_reference_id=jon%40example.com&mobile_number=1";
    is_taken(&call(Call::post("/customers")).form(form).send(&server));
}

/// The PHP SDK 2.x merges each answer into the object that it has: a field that an answer leaves
/// out keeps its old value, so a cleared one must be there as null.
#[test]
fn the_php_library() {
    let server = server();
    let call = |target: &str, form: &str| {
        let call = Call::post(target).basic(server.key()).header("x-merchantid", "testaccount");
        call.form(form).send(&server).expect(200)
    };
    let mut known = Map::new();
    let mut merge = |answer: Value| -> Map<String, Value> {
        known.extend(answer.as_object().unwrap().clone());
        known.clone()
    };
    let form = "object_reference_id=r&mobile_number=1&first_name=Jon\
        &options.get_client_auth_token=1";
    let first = merge(call("/customers", form));
    assert!(first["juspay"]["client_auth_token"].is_string());
    assert_eq!(merge(call("/customers/r", "first_name="))["first_name"], Value::Null);
}

/// The .NET SDK 2.x reads two headers of each answer, and takes `juspay` for a token whenever it is
/// there, null included.
#[test]
fn the_dotnet_library() {
    let server = server();
    let call = |call: Call| {
        call.basic(server.key())
            .header("x-merchantid", "testaccount")
            .header("version", "2021-03-25")
    };
    let form = "object_reference_id=jon%40example.com&mobile_number=1\
        &options.get_client_auth_token=True";
    let reply = call(Call::post("/customers")).form(form).send(&server);
    assert!(reply.expect(200)["juspay"].is_object());
    let reply = call(Call::get("/customers/jon%40example.com")).send(&server);
    assert_eq!(reply.expect(200).get("juspay"), None);
    assert!(!reply.header("x-response-id").unwrap().is_empty());
    assert_eq!(reply.header("x-jp-merchant-id"), Some("testaccount"));
    let reply = call(Call::get("/customers/nobody%40example.com")).send(&server);
    is_unknown_customer(&reply);
    assert!(!reply.header("x-response-id").unwrap().is_empty());
}

/// Juspay's MCP server sends JSON with the option as a text, and keys of its own.
#[test]
fn the_mcp_server() {
    let server = server();
    let call = |call: Call, body: &Value| {
        call.header("Authorization", colonless(server.key()))
            .header("x-merchant-id", "testaccount")
            .header("Accept", "application/json")
            .json(body.to_string())
            .send(&server)
            .expect(200)
    };
    let body = json!({
        "object_reference_id": "jon@example.com",
        "mobile_number": "99887766",
        "email_address": "jon@winter.example",
        "routing_id": "jon@example.com",
        "options.get_client_auth_token": "true",
    });
    let created = call(Call::post("/customers"), &body);
    assert!(created["juspay"]["client_auth_token"].is_string());
    let body = json!({"customer_id": created["id"], "first_name": "Jon", "routing_id": "x"});
    let target = format!("/customers/{}", text(&created, "id"));
    assert_eq!(call(Call::post(target), &body)["first_name"], "Jon");
}

/// Juspay's Haskell services send explicit nulls, a boolean option, and forms to get-or-create.
#[test]
fn the_haskell_services() {
    let server = server();
    let call = |target: &str| Call::post(target).basic(server.key());
    let body = json!({
        "object_reference_id": "jon@example.com",
        "mobile_number": "99887766",
        "email_address": null,
        "first_name": null,
        "last_name": null,
        "mobile_country_code": null,
        "options.get_client_auth_token": true,
    });
    let created = call("/customers").json(body.to_string()).send(&server).expect(200);
    assert_eq!(created["mobile_country_code"], "91");
    assert!(created["juspay"]["client_auth_token"].is_string());
    let target = "/v2/customers/jon%40example.com";
    let form = "options.get_client_auth_token=true&mobile_number=1";
    let found = call(target).form(form).send(&server).expect(200);
    assert_eq!((&found["id"], &found["mobile_number"]), (&created["id"], &json!("99887766")));
    assert!(found["juspay"]["client_auth_token"].is_string());
}

/// A Swift client whose fields are not optional and whose dates have one form.
#[test]
fn a_strict_swift_client() {
    let server = server();
    let form = "object_reference_id=r&mobile_number=1";
    let created = Call::post("/customers").basic(server.key()).form(form).send(&server);
    let read = Call::get("/customers/r").basic(server.key()).send(&server);
    for reply in [created, read] {
        let customer = reply.expect(200);
        let mut keys: Vec<_> = customer.as_object().unwrap().keys().map(String::as_str).collect();
        let mut ten = TEN.to_vec();
        keys.sort_unstable();
        ten.sort_unstable();
        assert_eq!(keys, ten);
        for date in ["date_created", "last_updated"] {
            assert!(patron_testkit::shape::is_date(text(&customer, date)), "{customer}");
        }
    }
}
