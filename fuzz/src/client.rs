//! Clients as JSON: what is said about each field is what a simple reader finds there.

use patron_wire::json::{DEPTH_MAX, Json};
use patron_wire_cyrexa::bodies::{Presence, Said};
use patron_wire_cyrexa::errors::Refusal;
use patron_wire_cyrexa::fields::FieldName;
use serde_json::Value;

/// Checks one input: a body.
pub fn check(data: &[u8]) {
    let said = Said::from_json(data);
    assert_eq!(said, Said::from_json(data), "read twice, it says two things");
    let said = match said {
        Ok(said) => said,
        Err(refusal) => {
            let is_known = matches!(refusal, Refusal::Malformed | Refusal::PatchDocument);
            return assert!(is_known, "refused as {refusal:?}");
        }
    };
    // The simple reader keeps the last of members that stand twice, cannot hold long numbers, and has a
    // bound on depth of its own.
    let Ok(Value::Object(object)) = serde_json::from_slice(data) else {
        return;
    };
    for field in FieldName::ALL {
        match (said.about(field), object.get(field.text())) {
            (Presence::Absent, found) => assert_eq!(found, None, "{field:?} is passed over"),
            (Presence::Wrong, Some(found)) => {
                let text = String::from_utf8_lossy(data);
                let is_twice = text.matches(':').count() > object.len();
                assert!(is_twice || depth(found) > DEPTH_MAX, "{field:?} is wrong");
            }
            (Presence::Null, Some(found)) => assert_eq!(*found, Value::Null),
            (Presence::Value(value), Some(found)) => assert!(is_same(value, found), "{field:?}"),
            (said, None) => panic!("{field:?} is not there, and {said:?}"),
        }
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
    }
}

/// Whether both readers found the same. Of members that stand twice the simple one has the last.
fn is_same(value: &Json, found: &Value) -> bool {
    match (value, found) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(one), Value::Bool(other)) => one == other,
        (Json::Text(one), Value::String(other)) => one == other,
        (Json::Number(one), Value::Number(other)) => {
            serde_json::from_str(one).is_ok_and(|one: serde_json::Number| one == *other)
        }
        (Json::List(all), Value::Array(found)) => {
            all.len() == found.len()
                && all.iter().zip(found).all(|(one, other)| is_same(one, other))
        }
        (Json::Object(members), Value::Object(found)) => found.iter().all(|(key, other)| {
            let last = members.iter().rev().find(|(name, _)| name == key);
            last.is_some_and(|(_, value)| is_same(value, other))
        }),
        _ => false,
    }
}
