//! Readers that are as simple as can be, to compare the program's own with.

use patron_wire_juspay::bodies::Presence;
use serde_json::Value;

/// Decodes `%XX`. `None` when a `%` is not followed by two hex digits.
pub fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
        let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
        decoded.push(u8::try_from(value).ok()?);
    }
    Some(decoded)
}

/// The pairs of a form. `None` when it is malformed.
pub fn form(text: &[u8]) -> Option<Vec<(String, String)>> {
    let decoded = |part: &[u8]| {
        let spaced: Vec<u8> = part.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
        String::from_utf8(percent_decoded(&spaced)?).ok()
    };
    let parts = text.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let mut halves = part.splitn(2, |byte| *byte == b'=');
            let key = decoded(halves.next().unwrap_or_default())?;
            Some((key, decoded(halves.next().unwrap_or_default())?))
        })
        .collect()
}

/// Everything percent-encoded, as no client does and all may.
pub fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// What a form's pairs say about a key.
pub fn said_in_form(pairs: &[(String, String)], key: &str, is_node: bool) -> Presence {
    let values: Vec<&String> =
        pairs.iter().filter(|(name, _)| name == key).map(|(_, value)| value).collect();
    match values.as_slice() {
        [] => Presence::Absent,
        [one] if is_node && *one == "undefined" => Presence::Absent,
        [one] => Presence::Text((*one).clone()),
        _ => Presence::Wrong,
    }
}

/// What a JSON object without repeated keys says about a key.
pub fn said_in_json(object: &serde_json::Map<String, Value>, key: &str, is_node: bool) -> Presence {
    match object.get(key) {
        None | Some(Value::Null) => Presence::Absent,
        Some(Value::String(text)) if is_node && text == "undefined" => Presence::Absent,
        Some(Value::String(text)) => Presence::Text(text.clone()),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => {
            Presence::Text(number.to_string())
        }
        Some(Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            Presence::Wrong
        }
    }
}
