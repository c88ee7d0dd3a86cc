//! Cyrexa's answers, every one of them in full.

use patron_testkit::http::Reply;
use patron_testkit::shape;
use serde_json::{Map, Value, json};

/// The keys of a client that every success has.
const CLIENT: [&str; 12] = [
    "address",
    "createDate",
    "email",
    "hasPaymentRequests",
    "id",
    "memberId",
    "name",
    "ownerId",
    "ownerName",
    "phone",
    "totalDeposits",
    "userId",
];

/// What a client may have beside them, once it is set.
const MORE: [&str; 16] = [
    "billingAddress",
    "communicationPreferences",
    "consents",
    "country",
    "dateOfBirth",
    "defaultCurrency",
    "kyc",
    "language",
    "notificationSettings",
    "paymentPreferences",
    "region",
    "shippingAddress",
    "status",
    "subscriptionPreferences",
    "taxInformation",
    "verificationStatus",
];

/// What errors can name, in the vendor's order.
const FIELDS: [&str; 25] = [
    "id",
    "name",
    "email",
    "address",
    "phone",
    "memberId",
    "dateOfBirth",
    "billingAddress",
    "shippingAddress",
    "country",
    "region",
    "defaultCurrency",
    "language",
    "notificationSettings",
    "communicationPreferences",
    "status",
    "verificationStatus",
    "subscriptionPreferences",
    "paymentPreferences",
    "consents",
    "kyc",
    "taxInformation",
    "password",
    "pageNumber",
    "pageSize",
];

/// The rows that a request can bring about by itself: status, `error`, `code`.
const ROWS: [(u16, &str, &str); 16] = [
    (400, "VALIDATION_ERROR", "VAL001"),
    (400, "INVALID_FORMAT", "VAL002"),
    (400, "VALIDATION_ERROR", "VAL003"),
    (401, "UNAUTHORIZED", "AUTH001"),
    (401, "UNAUTHORIZED", "AUTH003"),
    (403, "FORBIDDEN", "AUTH002"),
    (404, "NOT_FOUND", "CUST001"),
    (404, "NOT_FOUND", "REQ001"),
    (405, "METHOD_NOT_ALLOWED", "REQ001"),
    (408, "REQUEST_TIMEOUT", "REQ001"),
    (409, "CONFLICT", "CUST002"),
    (412, "PRECONDITION_FAILED", "CUST003"),
    (413, "PAYLOAD_TOO_LARGE", "REQ001"),
    (415, "UNSUPPORTED_MEDIA_TYPE", "REQ001"),
    (429, "RATE_LIMITED", "RATE001"),
    // Passwords are checked a few at a time.
    (503, "INTERNAL_ERROR", "SRV001"),
];

pub(super) fn problem(reply: &Reply) -> Option<String> {
    head_fault(reply).or_else(|| match reply.status {
        204 => (!reply.body.is_empty()).then(|| "a body where there is none".to_owned()),
        200 | 201 => success_fault(reply, &reply.json()),
        400..=503 => refusal_fault(reply, &reply.json()),
        _ => Some("a status that nobody can ask for".to_owned()),
    })
}

fn head_fault(reply: &Reply) -> Option<String> {
    let has = |name: &str| reply.header(name).is_some();
    let is = |name: &str, value: &str| reply.header(name) == Some(value);
    let id = reply.header("x-request-id").unwrap_or_default();
    let length = reply.body.len().to_string();
    let is_bearer = reply.header("www-authenticate").is_some_and(|how| how.starts_with("Bearer"));
    let wrong = if (reply.status == 204) == has("content-type")
        || (has("content-type") && !is("content-type", "application/json"))
    {
        "content-type"
    } else if !is("cache-control", "no-store") {
        "cache-control"
    } else if !(1..=128).contains(&id.len()) {
        "x-request-id"
    } else if reply.header("content-length").is_some_and(|said| said != length) {
        "content-length"
    } else if (reply.status == 401) != is_bearer {
        "www-authenticate"
    } else if (reply.status == 405) != has("allow") {
        "allow"
    } else if (reply.status == 201) != has("location") {
        "location"
    } else if matches!(reply.status, 429 | 503) != has("retry-after") {
        "retry-after"
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
    if body.get("accessToken").is_some() {
        return token_fault(body);
    }
    if body.get("createDate").is_some() {
        let tag = reply.header("etag").unwrap_or_default();
        let version = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let version = version.and_then(|version| version.parse::<u64>().ok());
        let is_tagged = version.is_some_and(|version| version > 0);
        return if is_tagged { client_fault(body) } else { Some("the header etag".to_owned()) };
    }
    let numbers = ["pageNumber", "pageSize", "total"];
    let is_page = keys(body) == ["customers", "pageNumber", "pageSize", "total"]
        && numbers.iter().all(|name| body[*name].is_u64());
    match body["customers"].as_array() {
        Some(list) if is_page => list.iter().find_map(client_fault),
        Some(_) | None => Some("neither a client nor a page nor a token".to_owned()),
    }
}

fn token_fault(body: &Value) -> Option<String> {
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let token = text("accessToken");
    let is_whole = keys(body) == ["accessToken", "expireDate"]
        && (shape::is_token(token) || shape::is_access_token(token))
        && shape::is_date(text("expireDate"));
    (!is_whole).then(|| "a token".to_owned())
}

fn client_fault(client: &Value) -> Option<String> {
    let mut found = keys(client);
    found.retain(|key| !MORE.contains(key));
    let texts = ["name", "email", "address", "phone", "memberId"];
    let is_text = |name: &&str| client[*name].is_string() || client[*name].is_null();
    let number = client["id"].as_i64().unwrap_or_default();
    let fault = if found != CLIENT {
        "not the twelve keys"
    } else if !(1..1 << 53).contains(&number) {
        "id"
    } else if !client["ownerId"].is_u64() || !client["ownerName"].is_string() {
        "ownerId or ownerName"
    } else if !client["userId"].is_u64() && !client["userId"].is_null() {
        "userId"
    } else if !shape::is_date(client["createDate"].as_str().unwrap_or_default()) {
        "createDate"
    } else if !texts.iter().all(is_text) || client["memberId"] == "" {
        "a key that is no text"
    } else if !client["hasPaymentRequests"].is_boolean() || !client["totalDeposits"].is_number() {
        "facts of payments"
    } else if MORE.iter().any(|name| client.get(name).is_some_and(Value::is_null)) {
        "a key of ours that is not set"
    } else {
        return None;
    };
    Some(fault.to_owned())
}

fn refusal_fault(reply: &Reply, body: &Value) -> Option<String> {
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let row = (reply.status, text("error"), text("code"));
    let mut found = keys(body);
    found.retain(|key| *key != "details");
    let fault = if !ROWS.contains(&row) {
        "no row of the table"
    } else if found != ["code", "error", "message", "requestId", "timestamp"] {
        "not the keys of an error"
    } else if text("message").is_empty() || !shape::is_date(text("timestamp")) {
        "message or timestamp"
    } else if reply.header("x-request-id") != Some(text("requestId")) {
        "requestId"
    } else if body.get("details") != details(row.2, body).as_ref() {
        "details"
    } else {
        return None;
    };
    Some(fault.to_owned())
}

/// What the details must be: known fields only, each once and in the vendor's order.
fn details(code: &str, body: &Value) -> Option<Value> {
    let named = |list: &str| {
        let named = body["details"][list].as_array();
        let named: Vec<&Value> = named.into_iter().flatten().collect();
        let fields = FIELDS.into_iter().filter(|field| named.contains(&&json!(field)));
        fields.collect::<Vec<_>>()
    };
    match code {
        "VAL001" => Some(json!({"missingFields": named("missingFields")})),
        "VAL002" => {
            let fields = named("fields");
            Some(json!({"field": fields.first(), "fields": fields}))
        }
        _ => None,
    }
}
