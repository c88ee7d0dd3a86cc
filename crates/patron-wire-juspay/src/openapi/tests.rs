//! The document says what the wire does, wherever both can be looked at side by side.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::answers::example_customer;
use crate::errors::Refusal;
use crate::rules::ApiVersion;

fn document() -> Value {
    serde_json::to_value(openapi()).unwrap()
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_endpoint_is_described_and_nothing_else() {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let described = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
    });
    let offered = crate::endpoints().map(|(method, path)| (method.to_string(), path.to_owned()));
    assert_eq!(described.collect::<BTreeSet<_>>(), offered.collect());
}

#[test]
fn the_customer_has_the_keys_of_a_real_one() {
    let document = document();
    let schema = &document["components"]["schemas"]["Customer"];
    let most = example_customer(ApiVersion::V3_2, true);
    assert_eq!(keys(&schema["properties"]), keys(&most));
    let least = example_customer(ApiVersion::Default, false);
    let required = schema["required"].as_array().unwrap();
    let required: BTreeSet<_> = required.iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(required, keys(&least));
}

#[test]
fn every_refusal_that_can_occur_has_its_status_where_it_occurs() {
    let document = document();
    let statuses: BTreeSet<u16> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .flat_map(|operation| operation["responses"].as_object().unwrap().keys())
        .map(|status| status.parse().unwrap())
        .collect();
    // Other methods are nobody's operation; the others have nothing yet that could provoke them.
    let unanswered = [405, 409, 422, 429];
    let refused = Refusal::one_of_each().iter().map(Refusal::http_status).collect::<BTreeSet<_>>();
    let expected = refused.into_iter().filter(|status| !unanswered.contains(status)).chain([200]);
    assert_eq!(statuses, expected.collect());
}
