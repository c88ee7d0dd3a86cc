//! The tests of the document: it leaves nothing out that the wire answers by.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{clients, openapi, refusals};
use crate::errors::Refusal;
use crate::fields::FieldName;
use crate::route::Endpoint;

fn document() -> Value {
    serde_json::to_value(openapi()).unwrap()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_endpoint_is_documented_with_its_refusals() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    for endpoint in Endpoint::ALL {
        let method = endpoint.method().as_str().to_lowercase();
        let operation = &document["paths"][endpoint.template()][&method];
        let statuses: BTreeSet<String> = Refusal::samples()
            .iter()
            .filter(|refusal| refusals::can_occur(refusal, endpoint))
            .map(|refusal| refusal.http_status().to_string())
            .collect();
        let found: BTreeSet<String> = keys(&operation["responses"])
            .into_iter()
            .filter(|status| !status.starts_with('2'))
            .map(str::to_owned)
            .collect();
        assert_eq!(found, statuses, "{endpoint:?}");
        assert_eq!(keys(&operation["responses"]).len(), statuses.len() + 1, "{endpoint:?}");
    }
    let operations = document["paths"].as_object().unwrap().values();
    let count: usize = operations.map(|item| keys(item).len()).sum();
    assert_eq!(count, Endpoint::ALL.len());
}

#[test]
fn every_refusal_is_documented_but_those_that_nothing_brings_about() {
    let nowhere: Vec<Refusal> = Refusal::samples()
        .into_iter()
        .filter(|refusal| {
            !Endpoint::ALL.into_iter().any(|endpoint| refusals::can_occur(refusal, endpoint))
        })
        .collect();
    assert_eq!(nowhere, [Refusal::IdempotencyConflict, Refusal::IdempotencyMismatch]);
}

#[test]
fn every_field_is_documented() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let not_of_clients = [FieldName::Password, FieldName::PageNumber, FieldName::PageSize];
    let fields = FieldName::ALL.into_iter().filter(|field| !not_of_clients.contains(field));
    let expect: BTreeSet<&str> = fields.map(FieldName::text).chain(clients::OWN).collect();
    for name in ["Client", "NewClient", "ClientChanges"] {
        assert_eq!(keys(&schemas[name]["properties"]), expect, "{name}");
    }
    let required = schemas["Client"]["required"].as_array().unwrap();
    assert_eq!(required.len(), 12);
    assert_eq!(schemas["NewClient"]["required"], serde_json::json!(["name", "email"]));
    assert_eq!(schemas["ClientChanges"]["required"], Value::Null);
}

#[test]
fn every_reference_leads_somewhere() {
    let text = openapi().to_json().unwrap();
    let document = document();
    let mut count = 0;
    for rest in text.split("\"$ref\":\"#").skip(1) {
        let pointer = rest.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
        count += 1;
    }
    assert!(count > 10);
}
