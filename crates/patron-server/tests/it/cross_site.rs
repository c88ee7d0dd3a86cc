//! Web pages of other sites: whoever has a browser that remembers a key is not changed by them.

use patron_testkit::http::{Call, Reply};
use serde_json::json;

use crate::admin::{HOME, Stage, call, is_problem, path_of};
use crate::stage::{LEAST, create, read, server, text};

const JON: &str = "/customers/jon@example.com";

/// What browsers say when another site's page asks.
const FOREIGN: [(&str, &str); 6] = [
    ("origin", "https://evil.example"),
    ("origin", "null"),
    ("origin", "http://127.0.0.1"),
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-site"),
    ("Sec-Fetch-Site", ""),
];

#[track_caller]
fn is_refused_in_juspays_words(reply: &Reply) {
    let body = reply.expect(403);
    assert_eq!(
        (&body["error_code"], &body["error_info"]["code"]),
        (&json!("cross_site_request"), &json!("CROSS_SITE_REQUEST")),
        "{body}"
    );
    // A browser that is told so asks its user for a key.
    assert_eq!(reply.header("www-authenticate"), None);
}

#[test]
fn another_sites_page_changes_no_customer() {
    let server = server();
    create(&server, LEAST);
    let before = read(&server);
    let form = "first_name=Evil&object_reference_id=other@example.com&mobile_number=1";
    for path in ["/customers", JON, "/v2/customers", "/v2/customers/other@example.com"] {
        // As a page's form is sent without being asked about first.
        let call = Call::post(path).basic(server.key()).form(form);
        for (name, value) in FOREIGN {
            is_refused_in_juspays_words(&call.clone().header(name, value).send(&server));
        }
    }
    assert_eq!(read(&server), before);
    let list = Call::get("/customers").basic(server.key()).send(&server).expect(200);
    assert_eq!(list["total"], 1, "{list}");
}

#[test]
fn pages_of_our_own_and_those_who_only_read_are_answered() {
    let server = server();
    create(&server, LEAST);
    let own = format!("http://{}", server.address());
    for (name, value) in
        [("origin", own.as_str()), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none")]
    {
        let call = Call::post(JON).basic(server.key()).form("first_name=Jon");
        assert_eq!(call.header(name, value).send(&server).status, 200, "{name}: {value}");
    }
    for (name, value) in FOREIGN {
        let call = Call::get(JON).basic(server.key()).header(name, value);
        assert_eq!(call.send(&server).status, 200, "{name}: {value}");
    }
    // No browser has a token of its own accord.
    let form = "object_reference_id=device&mobile_number=1&options.get_client_auth_token=true";
    let device = create(&server, form);
    let token = text(&device["juspay"], "client_auth_token");
    let own = Call::post("/customers/device").bearer(token).form("first_name=Jon");
    assert_eq!(own.header("sec-fetch-site", "cross-site").send(&server).status, 200);
}

#[test]
fn another_sites_page_manages_nothing() {
    let stage = Stage::new();
    let number = stage.customer(&json!({"name": "Jon", "email": "jon@x"}));
    let key = stage.key("admin,customers:read,customers:write,customers:erase");
    let form = |path: String| Call::post(path).form("token=tkn_1");
    for asked in [
        form(format!("{}/erase", path_of(number))),
        form(format!("{HOME}/keys")),
        call("PUT", format!("{}/metadata", path_of(number)), &json!({"k": "v"})),
        call("DELETE", path_of(number), &json!(null)),
    ] {
        for (name, value) in FOREIGN {
            let reply = asked.clone().basic(&key).header(name, value).send(&stage.server);
            is_problem(&reply, 403, "denied");
            let detail = text(&reply.json(), "detail").to_owned();
            assert_eq!(detail, "A web page of another site may not use a key.");
        }
    }
    let look = Call::get(path_of(number)).basic(&key).header("sec-fetch-site", "cross-site");
    assert_eq!(look.send(&stage.server).expect(200)["version"], 1);
    // Whoever shows a credential that browsers do not remember shows it on purpose.
    let metadata = call("PUT", format!("{}/metadata", path_of(number)), &json!({"k": "v"}));
    let reply = metadata.bearer(&key).header("sec-fetch-site", "cross-site").send(&stage.server);
    assert_eq!(reply.status, 204, "{}", reply.text());
}
