//! The error bodies of the contract, word for word.

use patron_testkit::http::Reply;
use serde_json::{Value, json};

fn error_info(reply: &Reply, user: &str, developer: &str, code: &str) -> Value {
    json!({
        "user_message": user,
        "request_id": reply.header("x-request-id").unwrap(),
        "href": "NA",
        "developer_message": developer,
        "code": code,
        "category": "USER_ERROR",
    })
}

fn invalid_input(reply: &Reply, message: &str, fields: &[&str]) -> Value {
    let mut info = error_info(
        reply,
        "Invalid request params. Please verify your input.",
        "Invalid request params",
        "INVALID_INPUT",
    );
    info["fields"] = fields
        .iter()
        .map(|field| json!({"field_name": field, "reason": "Invalid value."}))
        .collect();
    json!({
        "error_message": message,
        "status": "Invalid Request",
        "error_code": "Invalid Request",
        "error_info": info,
    })
}

/// 400: wrong values in these fields, in this order.
#[track_caller]
pub(crate) fn is_wrong_value(reply: &Reply, fields: &[&str]) {
    let message = format!("Wrong value in {}", fields[0]);
    assert_eq!(reply.expect(400), invalid_input(reply, &message, fields));
}

/// 400: a body that cannot be read.
#[track_caller]
pub(crate) fn is_malformed(reply: &Reply) {
    let expected = invalid_input(reply, "Malformed request body", &[]);
    assert_eq!(reply.expect(400), expected);
}

/// 400: these required fields are missing, in this order.
#[track_caller]
pub(crate) fn is_missing(reply: &Reply, fields: &[&str]) {
    let mut info = error_info(reply, "Invalid input data", "Invalid input data", "INVALID_INPUT");
    info["fields"] = fields
        .iter()
        .map(|field| json!({"field_name": field, "reason": "Mandatory fields are missing"}))
        .collect();
    let expected = json!({
        "error_message": "Mandatory fields are missing",
        "status": "Bad Request",
        "error_code": "Mandatory fields are missing",
        "error_info": info,
    });
    assert_eq!(reply.expect(400), expected);
}

/// 400: the reference exists.
#[track_caller]
pub(crate) fn is_taken(reply: &Reply) {
    let expected = json!({
        "error_message":
            "Customer with given object reference id already exist for your account.",
        "status": "invalid_request_error",
        "error_code": "unique",
        "error_info": error_info(
            reply,
            "Already exists.",
            "Customer account with given object reference already exists.",
            "ALREADY_EXISTS",
        ),
    });
    assert_eq!(reply.expect(400), expected);
}

/// 404: no such customer.
#[track_caller]
pub(crate) fn is_unknown_customer(reply: &Reply) {
    let expected = json!({
        "error_message": "Cannot find what you are looking for",
        "status": "invalid_request_error",
        "error_code": "object_not_found",
        "error_info": error_info(
            reply,
            "Cannot process your request as customer account not found.",
            "Customer account not found.",
            "RESOURCE_NOT_FOUND",
        ),
    });
    assert_eq!(reply.expect(404), expected);
}

/// 401: the credential is no good.
#[track_caller]
pub(crate) fn is_denied(reply: &Reply) {
    let expected = json!({
        "status": "error",
        "error_code": "access_denied",
        "error_info": error_info(
            reply,
            "Unauthorized.",
            "Invalid API Key. Please pass a valid and active api key.",
            "UNAUTHORIZED",
        ),
    });
    assert_eq!(reply.expect(401), expected);
    assert_eq!(reply.header("www-authenticate"), Some("Basic"));
}

/// 403: the client's address is not on the allow-list. No request id in this one.
#[track_caller]
pub(crate) fn is_bad_origin(reply: &Reply) {
    let expected = json!({
        "error": true,
        "error_message": "Internal Server error.",
        "user_message": "Bad Origin.",
        "error_info": {
            "code": "BAD_ORIGIN",
            "category": "USER_ERROR",
            "user_message": "Bad Origin.",
            "developer_message": "IP Verification Failed",
        },
    });
    assert_eq!(reply.expect(403), expected);
}

/// Any other refusal: the common shape, with words that the contract leaves open.
#[track_caller]
pub(crate) fn is_refused(reply: &Reply, status: u16, error_code: &str) {
    let body = reply.expect(status);
    assert_eq!(body["error_code"], error_code, "{body}");
    let info = &body["error_info"];
    assert_eq!(info["request_id"], reply.header("x-request-id").unwrap());
    assert_eq!(info["href"], "NA");
    assert_eq!(info["category"], "USER_ERROR");
    let keys = |value: &Value| -> Vec<String> {
        let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&body), ["error_code", "error_info", "error_message", "status"]);
    assert_eq!(
        keys(info),
        ["category", "code", "developer_message", "href", "request_id", "user_message"]
    );
}
