//! Juspay's answers, every one of them in full.

use patron_testkit::http::Reply;
use patron_testkit::shape;
use serde_json::{Map, Value, json};

/// The fields of a customer that every success has.
const CUSTOMER: [&str; 10] = [
    "date_created",
    "email_address",
    "first_name",
    "id",
    "last_name",
    "last_updated",
    "mobile_country_code",
    "mobile_number",
    "object",
    "object_reference_id",
];

/// What errors can name, in the vendor's order.
const FIELDS: [&str; 10] = [
    "object_reference_id",
    "mobile_number",
    "email_address",
    "first_name",
    "last_name",
    "mobile_country_code",
    "options.get_client_auth_token",
    "update",
    "count",
    "offset",
];

/// The rows that the vendor documents and that name no fields: status, then the words of `error_message` (empty where it
/// is absent), `status`, `error_code`, `user_message`, `developer_message` and `code`.
type Row = (u16, [&'static str; 6]);

const DOCUMENTED: [Row; 3] = [
    (
        400,
        [
            "Customer with given object reference id already exist for your account.",
            "invalid_request_error",
            "unique",
            "Already exists.",
            "Customer account with given object reference already exists.",
            "ALREADY_EXISTS",
        ],
    ),
    (
        404,
        [
            "Cannot find what you are looking for",
            "invalid_request_error",
            "object_not_found",
            "Cannot process your request as customer account not found.",
            "Customer account not found.",
            "RESOURCE_NOT_FOUND",
        ],
    ),
    (
        401,
        [
            "",
            "error",
            "access_denied",
            "Unauthorized.",
            "Invalid API Key. Please pass a valid and active api key.",
            "UNAUTHORIZED",
        ],
    ),
];

/// The rows in the common shape that a request can bring about by itself: status, `error_code`, `code`.
const COMMON: [(u16, &str, &str); 7] = [
    (403, "forbidden", "FORBIDDEN"),
    (404, "endpoint_not_found", "ENDPOINT_NOT_FOUND"),
    (405, "method_not_allowed", "METHOD_NOT_ALLOWED"),
    (408, "request_timeout", "REQUEST_TIMEOUT"),
    (412, "precondition_failed", "PRECONDITION_FAILED"),
    (413, "payload_too_large", "PAYLOAD_TOO_LARGE"),
    (415, "unsupported_media_type", "UNSUPPORTED_MEDIA_TYPE"),
];

/// What is wrong with an answer of the wire's; nothing, where it is one of the contract's.
pub(super) fn problem(reply: &Reply) -> Option<String> {
    head_fault(reply).or_else(|| {
        let body = reply.json();
        match reply.status {
            200 => success_fault(reply, &body),
            400..=499 => (!is_refusal(reply, &body)).then(|| "no row of the table".to_owned()),
            _ => Some("a status that nobody can ask for".to_owned()),
        }
    })
}

fn head_fault(reply: &Reply) -> Option<String> {
    let is = |name: &str, value: &str| reply.header(name) == Some(value);
    let id = reply.header("x-request-id").unwrap_or_default();
    let wrong = if !is("content-type", "application/json") {
        "content-type"
    } else if !is("cache-control", "no-store") {
        "cache-control"
    } else if !(1..=128).contains(&id.len()) || !is("x-response-id", id) {
        "x-request-id"
    } else if reply
        .header("content-length")
        .is_some_and(|said| said != reply.body.len().to_string())
    {
        "content-length"
    } else if (reply.status == 401) != is("www-authenticate", "Basic") {
        "www-authenticate"
    } else if (reply.status == 405) != reply.header("allow").is_some() {
        "allow"
    } else if reply.status == 200 && reply.header("x-jp-merchant-id").is_none() {
        "x-jp-merchant-id"
    } else {
        return None;
    };
    Some(format!("the header {wrong}"))
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> =
        value.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn success_fault(reply: &Reply, body: &Value) -> Option<String> {
    if body.get("object").is_some() {
        let tag = reply.header("etag").unwrap_or_default();
        let version = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        if version
            .and_then(|version| version.parse::<u64>().ok())
            .is_none_or(|version| version == 0)
        {
            return Some("the header etag".to_owned());
        }
        return customer_fault(body);
    }
    let numbers = ["count", "offset", "total"];
    let is_list = keys(body) == ["count", "list", "offset", "total"]
        && numbers.iter().all(|name| body[*name].is_u64())
        && reply.header("etag").is_none();
    match body["list"].as_array() {
        Some(list) if is_list => list.iter().find_map(customer_fault),
        Some(_) | None => Some("neither a customer nor a list".to_owned()),
    }
}

fn customer_fault(customer: &Value) -> Option<String> {
    let text = |name: &str| customer[name].as_str().unwrap_or_default();
    let mut found = keys(customer);
    found.retain(|key| !matches!(*key, "customer_id" | "juspay"));
    let fault = if found != CUSTOMER {
        "not the ten fields"
    } else if customer.get("customer_id").is_some_and(|id| *id != customer["id"]) {
        "customer_id"
    } else if !shape::is_customer_id(text("id")) || text("object") != "customer" {
        "id or object"
    } else if !shape::is_date(text("date_created")) || !shape::is_date(text("last_updated")) {
        "a date"
    } else if customer["object_reference_id"] == "" {
        "an empty reference"
    } else if CUSTOMER.iter().any(|name| !customer[*name].is_string() && !customer[*name].is_null())
    {
        "a field that is no text"
    } else {
        return token_fault(customer.get("juspay")?);
    };
    Some(fault.to_owned())
}

fn token_fault(token: &Value) -> Option<String> {
    let text = |name: &str| token[name].as_str().unwrap_or_default();
    let is_whole = keys(token) == ["client_auth_token", "client_auth_token_expiry"]
        && shape::is_token(text("client_auth_token"))
        && shape::is_date(text("client_auth_token_expiry"));
    (!is_whole).then(|| "juspay".to_owned())
}

fn is_refusal(reply: &Reply, body: &Value) -> bool {
    let id = reply.header("x-request-id");
    let is_documented = DOCUMENTED
        .iter()
        .any(|(status, words)| reply.status == *status && *body == documented(words, id));
    let is_common = COMMON.iter().any(|(status, error_code, code)| {
        let message = &body["error_message"];
        let said = message.as_str().unwrap_or_default();
        let words = [said, "invalid_request_error", error_code, said, said, code];
        reply.status == *status && !said.is_empty() && *body == documented(&words, id)
    });
    let is_invalid =
        reply.status == 400 && (*body == wrong(body, id) || *body == missing(body, id));
    is_documented || is_common || is_invalid || (reply.status == 403 && *body == bad_origin())
}

fn documented(words: &[&str; 6], id: Option<&str>) -> Value {
    let [error_message, status, error_code, user_message, developer_message, code] = words;
    let mut body = json!({
        "error_message": error_message,
        "status": status,
        "error_code": error_code,
        "error_info": {
            "user_message": user_message,
            "request_id": id,
            "href": "NA",
            "developer_message": developer_message,
            "code": code,
            "category": "USER_ERROR",
        },
    });
    if error_message.is_empty() {
        body.as_object_mut().into_iter().for_each(|body| drop(body.remove("error_message")));
    }
    body
}

/// The fields that a body names, where they are known ones, each once and in the vendor's order.
fn named(body: &Value) -> Vec<&'static str> {
    let named = body["error_info"]["fields"].as_array();
    let named: Vec<&Value> =
        named.into_iter().flatten().map(|field| &field["field_name"]).collect();
    FIELDS.into_iter().filter(|field| named.contains(&&json!(field))).collect()
}

fn with_fields(words: &[&str; 6], id: Option<&str>, fields: &[&str], reason: &str) -> Value {
    let mut body = documented(words, id);
    body["error_info"]["fields"] =
        fields.iter().map(|field| json!({"field_name": field, "reason": reason})).collect();
    body
}

/// The row of wrong values, or the one of malformed bodies where none is named.
fn wrong(body: &Value, id: Option<&str>) -> Value {
    let fields = named(body);
    let message = fields.first().map_or_else(
        || "Malformed request body".to_owned(),
        |first| format!("Wrong value in {first}"),
    );
    let words = [
        &message,
        "Invalid Request",
        "Invalid Request",
        "Invalid request params. Please verify your input.",
        "Invalid request params",
        "INVALID_INPUT",
    ];
    with_fields(&words, id, &fields, "Invalid value.")
}

fn missing(body: &Value, id: Option<&str>) -> Value {
    const WORDS: [&str; 6] = [
        "Mandatory fields are missing",
        "Bad Request",
        "Mandatory fields are missing",
        "Invalid input data",
        "Invalid input data",
        "INVALID_INPUT",
    ];
    let fields = named(body);
    if fields.is_empty() {
        return Value::Null;
    }
    with_fields(&WORDS, id, &fields, WORDS[0])
}

fn bad_origin() -> Value {
    json!({
        "error": true,
        "error_message": "Internal Server error.",
        "user_message": "Bad Origin.",
        "error_info": {
            "code": "BAD_ORIGIN",
            "category": "USER_ERROR",
            "user_message": "Bad Origin.",
            "developer_message": "IP Verification Failed",
        },
    })
}
