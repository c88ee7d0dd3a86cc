//! The vendor's own Node library, unmodified, against the program.
//!
//! It speaks TLS to port 443 of a bare host only, so the program gets a certificate and a loopback
//! address of its own. Where binding to port 443 is not permitted, both run in a network namespace.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use patron_testkit::server::{Outcome, SANDBOX_KEY, Server};
use patron_testkit::shape;
use serde_json::{Map, Value, json};

use crate::stage::{launch, text, with_tls};

const LIBRARY: &str = "expresscheckout-nodejs";

/// Enters a network of its own, in which the loopback device is up, and becomes the program there.
const OWN_NETWORK: [&str; 8] = [
    "unshare",
    "--user",
    "--map-root-user",
    "--net",
    "sh",
    "-c",
    "ip link set lo up && exec \"$@\"",
    "sh",
];

/// Where `./test` installs the library.
fn library() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let modules = target.join("node-client/node_modules");
    let package = modules.join(LIBRARY).join("package.json");
    let text = std::fs::read_to_string(&package).unwrap_or_else(|error| {
        panic!("{}: {error}: run ./test, which installs it", package.display())
    });
    let package: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(package["version"], "1.0.0");
    modules
}

/// A loopback address that no other run of this test has at the same time.
fn own_address() -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 77, high, low.max(2))
}

struct Stage {
    server: Server,
    host: Ipv4Addr,
    is_in_own_network: bool,
}

impl Stage {
    fn new() -> Self {
        let host = own_address();
        let launch = with_tls(launch(), &host.to_string()).listening_on(format!("{host}:443"));
        let is_in_own_network = match TcpListener::bind((host, 443)) {
            Ok(_) => false,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => true,
            Err(error) => panic!("{host}:443: {error}"),
        };
        let is_reachable = !is_in_own_network || launch.database_url().is_none();
        assert!(is_reachable, "a network of its own has no PostgreSQL: be root, or allow port 443");
        let launch = if is_in_own_network { launch.wrapped_in(&OWN_NETWORK) } else { launch };
        Self { server: launch.start(), host, is_in_own_network }
    }

    /// Tells one of the stories in `story.js` and returns what came of it.
    fn tell(&self, story: &str) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/story.js");
        let directory = self.server.launch().directory();
        // The library reads the shop's package.json from its working directory.
        let shop = r#"{"name":"shop","version":"2.5.0"}"#;
        std::fs::write(directory.join("package.json"), shop).unwrap();
        let mut command = Command::new("node");
        if self.is_in_own_network {
            let server = self.server.id().to_string();
            command = Command::new("nsenter");
            let words = ["--user", "--net", "--preserve-credentials", "--target", &server, "node"];
            command.args(words);
        }
        command
            .arg(script)
            .args([story, &self.host.to_string(), SANDBOX_KEY])
            .env("NODE_PATH", library())
            .env("NODE_EXTRA_CA_CERTS", directory.join("certificate.pem"))
            .env_remove("NODE_TLS_REJECT_UNAUTHORIZED")
            .current_dir(directory);
        Outcome::of(&mut command).json()
    }
}

/// Takes a field out of an answer and checks what it looks like.
fn take(value: &mut Value, key: &str, is_fit: impl Fn(&str) -> bool) -> String {
    let taken = value.as_object_mut().unwrap().remove(key);
    let taken = taken.unwrap_or_else(|| panic!("no {key} in {value}"));
    let taken = taken.as_str().unwrap_or_else(|| panic!("{key} is {taken}")).to_owned();
    assert!(is_fit(&taken), "{key}: {taken}");
    taken
}

/// The customer in a result, once everything that is made up was checked and taken out.
fn customer(results: &Value, step: &str) -> Value {
    let mut result = results[step].clone();
    assert_eq!(result["status"], 200, "{step}: {result}");
    assert_eq!(result["merchant"], "testaccount", "{step}");
    take(&mut result, "request_id", shape::is_uuid);
    let mut answer = result["answer"].take();
    take(&mut answer, "id", shape::is_customer_id);
    take(&mut answer, "date_created", shape::is_date);
    take(&mut answer, "last_updated", shape::is_date);
    if let Some(juspay) = answer.get_mut("juspay") {
        take(juspay, "client_auth_token", shape::is_token);
        take(juspay, "client_auth_token_expiry", shape::is_date);
    }
    answer
}

/// The typed error in a result, without the id of its request.
fn error(results: &Value, step: &str) -> Value {
    let mut result = results[step].clone();
    let info = &mut result["error_info"];
    assert!(info.is_object(), "{step}: {}", results[step]);
    if info.get("request_id").is_some() {
        take(info, "request_id", shape::is_uuid);
    }
    result
}

#[test]
fn the_official_library_works_unmodified() {
    let stage = Stage::new();
    let results = stage.tell("everything");

    let jon = json!({
        "object": "customer",
        "object_reference_id": "customer@gmail.com",
        "mobile_number": "99887766",
        "email_address": "customer@gmail.com",
        "first_name": "Jon",
        "last_name": null,
        "mobile_country_code": "65",
    });
    let with = |changes: Value| -> Value {
        let mut fields: Map<String, Value> = jon.as_object().unwrap().clone();
        fields.extend(changes.as_object().unwrap().clone());
        fields.into()
    };
    assert_eq!(customer(&results, "create"), jon);
    assert_eq!(customer(&results, "get_by_id"), jon);
    let arya = json!({
        "object_reference_id": "arya@gmail.com",
        "mobile_number": "11223344",
        "email_address": null,
        "first_name": null,
        "mobile_country_code": "91",
        "juspay": {},
    });
    assert_eq!(customer(&results, "create_with_token"), with(arya));
    let asked = with(json!({"juspay": {}}));
    assert_eq!(customer(&results, "get_by_reference_with_token"), asked);
    assert_eq!(customer(&results, "update"), with(json!({"first_name": "Aegon"})));
    let twice = with(json!({"first_name": "Aegon", "last_name": "(T.)"}));
    assert_eq!(customer(&results, "update_by_id"), twice);
    let id = |step: &str| text(&results[step]["answer"], "id").to_owned();
    for step in ["get_by_id", "get_by_reference_with_token", "update", "update_by_id"] {
        assert_eq!(id(step), id("create"), "{step}");
    }
    assert_eq!(results.as_object().unwrap().len(), 14, "every step is looked at: {results}");
    errors_are_typed(&results);
}

fn invalid_request(message: &str, fields: &[&str]) -> Value {
    let fields: Vec<_> = fields
        .iter()
        .map(|field| json!({"field_name": field, "reason": "Invalid value."}))
        .collect();
    json!({
        "type": "InvalidRequestError",
        "name": "InvalidRequestError",
        "status": "Invalid Request",
        "error_code": "Invalid Request",
        "error_message": message,
        "error_info": {
            "user_message": "Invalid request params. Please verify your input.",
            "href": "NA",
            "fields": fields,
            "developer_message": "Invalid request params",
            "code": "INVALID_INPUT",
            "category": "USER_ERROR",
        },
    })
}

fn errors_are_typed(results: &Value) {
    let unique = json!({
        "type": "InvalidRequestError",
        "name": "InvalidRequestError",
        "status": "invalid_request_error",
        "error_code": "unique",
        "error_message":
            "Customer with given object reference id already exist for your account.",
        "error_info": {
            "user_message": "Already exists.",
            "href": "NA",
            "developer_message": "Customer account with given object reference already exists.",
            "code": "ALREADY_EXISTS",
            "category": "USER_ERROR",
        },
    });
    assert_eq!(error(results, "create_again"), unique);
    let wrong = invalid_request("Wrong value in mobile_number", &["mobile_number"]);
    assert_eq!(error(results, "wrong_value"), wrong);
    let space = invalid_request("Wrong value in first_name", &["first_name"]);
    assert_eq!(error(results, "space_in_a_name"), space);
    let missing = error(results, "missing");
    assert_eq!(missing["type"], "InvalidRequestError");
    assert_eq!(missing["error_message"], "Mandatory fields are missing");
    assert_eq!(missing["error_info"]["fields"][0]["field_name"], "mobile_number");
    let unknown = json!({
        "type": "InvalidRequestError",
        "name": "InvalidRequestError",
        "status": "invalid_request_error",
        "error_code": "object_not_found",
        "error_message": "Cannot find what you are looking for",
        "error_info": {
            "user_message": "Cannot process your request as customer account not found.",
            "href": "NA",
            "developer_message": "Customer account not found.",
            "code": "RESOURCE_NOT_FOUND",
            "category": "USER_ERROR",
        },
    });
    assert_eq!(error(results, "get_unknown"), unknown);
    assert_eq!(error(results, "update_unknown"), unknown);
    let denied = json!({
        "type": "AuthenticationError",
        "name": "AuthenticationError",
        "status": "error",
        "error_code": "access_denied",
        "error_info": {
            "user_message": "Unauthorized.",
            "href": "NA",
            "developer_message": "Invalid API Key. Please pass a valid and active api key.",
            "code": "UNAUTHORIZED",
            "category": "USER_ERROR",
        },
    });
    assert_eq!(error(results, "wrong_key"), denied);
    assert_eq!(error(results, "wrong_merchant"), denied);
}

#[test]
fn the_official_library_meets_the_allow_list() {
    let stage = Stage::new();
    let words = ["merchant", "set", "testaccount", "--allow-ip", "203.0.113.7"];
    stage.server.manage(&words).ok();
    let refused = json!({
        "get": {
            "type": "AuthorizationError",
            "name": "AuthorizationError",
            "error_message": "Internal Server error.",
            "user_message": "Bad Origin.",
            "error_info": {
                "code": "BAD_ORIGIN",
                "category": "USER_ERROR",
                "user_message": "Bad Origin.",
                "developer_message": "IP Verification Failed",
            },
        },
    });
    assert_eq!(stage.tell("refused"), refused);
    let words = ["merchant", "set", "testaccount", "--no-allow-ip"];
    stage.server.manage(&words).ok();
    let unknown = stage.tell("refused");
    assert_eq!(unknown["get"]["error_code"], "object_not_found");
}
