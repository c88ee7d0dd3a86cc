//! What a request says: form or JSON, body or query, read into pairs of key and value.

use http::HeaderMap;
use http::header::USER_AGENT;
use patron_wire::Request;
use patron_wire::body::BodyError;
use patron_wire::json::members;
use patron_wire::media::{is_compressed, media_type};
use serde_json::value::RawValue;

use crate::errors::Refusal;
use crate::fields::FieldName;

/// The values of a request's keys, in the order in which they came.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    pairs: Vec<(String, Value)>,
    is_node_library: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    /// JSON `null`: not sent.
    Null,
    /// Text, or the digits of a JSON integer.
    Text(String),
    /// JSON `true`.
    True,
    /// Any other JSON value.
    Other,
}

/// What a request says about one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Nothing.
    Absent,
    /// This text.
    Text(String),
    /// Something that is not a text, or two things.
    Wrong,
}

impl Said {
    /// Reads the body, whatever its `Content-Type` says: a body whose first non-blank byte is `{` is
    /// JSON, any other is a form, since clients send both under the other's name.
    ///
    /// # Errors
    /// When it is too large, too late, of a type that cannot be read, or malformed.
    pub async fn from_body(request: &mut Request) -> Result<Self, Refusal> {
        refuse_other_media(&request.headers)?;
        let limits = request.context.limits;
        let body = request.body.read(limits).await.map_err(|error| match error {
            BodyError::TooLarge => Refusal::PayloadTooLarge,
            BodyError::TooLate => Refusal::RequestTimeout,
            BodyError::Broken => Refusal::Malformed,
        })?;
        // Some libraries on Windows put a byte order mark in front, which a reader of JSON may pass
        // over (RFC 8259, section 8.1).
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&body);
        let pairs = match body.trim_ascii_start().first() {
            Some(b'{') => json_pairs(body)?,
            Some(_) if is_json(&request.headers) && is_other_json(body) => {
                return Err(Refusal::Malformed);
            }
            Some(_) | None => form_pairs(body)?,
        };
        Ok(Self { pairs, is_node_library: is_node_library(&request.headers) })
    }

    /// Reads the query.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn from_query(request: &Request) -> Result<Self, Refusal> {
        let pairs = form_pairs(request.query.as_deref().unwrap_or_default().as_bytes())?;
        Ok(Self { pairs, is_node_library: is_node_library(&request.headers) })
    }

    /// What is said about this key. A key that appears twice is wrong, since nobody can tell which
    /// value was meant.
    pub fn about(&self, field: FieldName) -> Presence {
        self.about_key(field.text())
    }

    /// As [`Said::about`], for a key that is no field.
    pub(crate) fn about_key(&self, key: &str) -> Presence {
        let mut values = self.pairs.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
        let Some(value) = values.next() else {
            return Presence::Absent;
        };
        if values.next().is_some() {
            return Presence::Wrong;
        }
        match value {
            Value::Null => Presence::Absent,
            // The vendor's Node library sends this word for what its caller left undefined.
            Value::Text(text) if self.is_node_library && text == "undefined" => Presence::Absent,
            Value::Text(text) => Presence::Text(text.clone()),
            Value::True | Value::Other => Presence::Wrong,
        }
    }

    /// Whether a switch is on: `true`, `True`, `1`, JSON `true`; anything else is off.
    ///
    /// # Errors
    /// The switch itself when it appears twice.
    pub fn is_on(&self, field: FieldName) -> Result<bool, FieldName> {
        let key = field.text();
        let mut values = self.pairs.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
        let first = values.next();
        if values.next().is_some() {
            return Err(field);
        }
        Ok(match first {
            Some(Value::True) => true,
            Some(Value::Text(text)) => matches!(text.as_str(), "true" | "True" | "1"),
            Some(Value::Null | Value::Other) | None => false,
        })
    }
}

fn is_node_library(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).map(|agent| agent.as_bytes());
    agent.is_some_and(|agent| agent.starts_with(b"NODEJS_SDK/"))
}

fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers) == "application/json"
}

/// Whether a body says plainly that it is JSON but no object: any other JSON value, or the beginning
/// of an array or a text.
fn is_other_json(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'[' | b'"'))
        || serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

/// Multipart bodies and compressed ones cannot be read as either form, so they are said to be what
/// they are.
fn refuse_other_media(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_multipart = media_type(headers).starts_with("multipart/");
    if is_multipart || is_compressed(headers) { Err(Refusal::UnsupportedMediaType) } else { Ok(()) }
}

fn form_pairs(text: &[u8]) -> Result<Vec<(String, Value)>, Refusal> {
    let pairs = patron_wire::form::parse(text).map_err(|_| Refusal::Malformed)?;
    Ok(pairs.into_iter().map(|(key, text)| (key, Value::Text(text))).collect())
}

fn json_pairs(body: &[u8]) -> Result<Vec<(String, Value)>, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| Refusal::Malformed)?;
    let members = members(text).map_err(|_| Refusal::Malformed)?;
    let mut pairs = Vec::with_capacity(members.len());
    for (key, raw) in members {
        if key == "options" && raw.get().starts_with('{') {
            pairs.extend(nested_options(raw)?);
        } else {
            pairs.push((key, json_value(raw)?));
        }
    }
    Ok(pairs)
}

/// `{"options":{"get_client_auth_token":true}}` says the same as the key with the dot.
fn nested_options(raw: &RawValue) -> Result<Vec<(String, Value)>, Refusal> {
    let options = members(raw.get()).map_err(|_| Refusal::Malformed)?;
    options.into_iter().map(|(key, raw)| Ok((format!("options.{key}"), json_value(raw)?))).collect()
}

fn json_value(raw: &RawValue) -> Result<Value, Refusal> {
    let text = raw.get();
    Ok(match text.as_bytes() {
        // A lone surrogate shows here: it is JSON, but no text.
        [b'"', ..] => Value::Text(serde_json::from_str(text).map_err(|_| Refusal::Malformed)?),
        b"null" => Value::Null,
        b"true" => Value::True,
        // The digits as sent: a number type would lose some of a long one.
        [b'-', rest @ ..] | rest if !rest.is_empty() && rest.iter().all(u8::is_ascii_digit) => {
            Value::Text(text.to_owned())
        }
        _ => Value::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Result<Said, Refusal> {
        Ok(Said { pairs: json_pairs(text.as_bytes())?, is_node_library: false })
    }

    fn check(text: &str, expect: Presence) {
        assert_eq!(json(text).unwrap().about(FieldName::MobileNumber), expect, "{text}");
    }

    #[test]
    fn json_values_are_texts_integers_or_wrong() {
        let text = |text: &str| Presence::Text(text.to_owned());
        check(r#"{"mobile_number":"99"}"#, text("99"));
        check(r#"{"mobile_number":"\u0039\ud83d\ude00"}"#, text("9😀"));
        check(r#" {"mobile_number" : 99 }"#, text("99"));
        check(
            r#"{"mobile_number":123456789012345678901234567890}"#,
            text("123456789012345678901234567890"),
        );
        check(r#"{"mobile_number":-5}"#, text("-5"));
        check(r#"{"mobile_number":null}"#, Presence::Absent);
        check("{}", Presence::Absent);
        for wrong in ["1.0", "1e3", "true", "false", "[]", "{}", "[[1]]"] {
            check(&format!("{{\"mobile_number\":{wrong}}}"), Presence::Wrong);
        }
        check(r#"{"mobile_number":"1","mobile_number":"1"}"#, Presence::Wrong);
        check(r#"{"mobile_number":"1","mobile_number":null}"#, Presence::Wrong);
        check(r#"{"mobile_number":"1","mobile\u005fnumber":"2"}"#, Presence::Wrong);
        check(
            &format!("{{\"deep\":{}{}}}", "[".repeat(9_000), "]".repeat(9_000)),
            Presence::Absent,
        );
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for bad in [
            "{",
            "{]",
            "{\"a\":1,}",
            "{\"a\":01}",
            "{}x",
            "{\"a\":\"\\ud800\"}",
            "{\"\\ud800\":1}",
            "{\"a\":\"\u{1}\"}",
            "{'a':1}",
        ] {
            assert!(json(bad).is_err(), "{bad}");
        }
        assert!(json_pairs(b"{\"a\":\"\xFF\"}").is_err());
    }

    #[test]
    fn the_token_option_has_many_spellings() {
        let field = FieldName::GetClientAuthToken;
        for (text, expect) in [
            (r#"{"options.get_client_auth_token":true}"#, true),
            (r#"{"options.get_client_auth_token":"true"}"#, true),
            (r#"{"options.get_client_auth_token":"True"}"#, true),
            (r#"{"options.get_client_auth_token":"1"}"#, true),
            (r#"{"options.get_client_auth_token":1}"#, true),
            (r#"{"options":{"get_client_auth_token":true}}"#, true),
            (r#"{"options":{"get_client_auth_token":"no"}}"#, false),
            (r#"{"options":{"other":true}}"#, false),
            (r#"{"options":true}"#, false),
            (r#"{"options.get_client_auth_token":"TRUE"}"#, false),
            (r#"{"options.get_client_auth_token":false}"#, false),
            (r#"{"options.get_client_auth_token":null}"#, false),
            (r#"{"get_client_auth_token":true}"#, false),
        ] {
            assert_eq!(json(text).unwrap().is_on(field), Ok(expect), "{text}");
        }
        let twice =
            r#"{"options.get_client_auth_token":true,"options":{"get_client_auth_token":true}}"#;
        assert_eq!(json(twice).unwrap().is_on(field), Err(field));
    }

    #[test]
    fn undefined_means_not_sent_from_the_node_library_only() {
        let pairs = form_pairs(b"mobile_number=undefined").unwrap();
        let mut said = Said { pairs, is_node_library: true };
        assert_eq!(said.about(FieldName::MobileNumber), Presence::Absent);
        said.is_node_library = false;
        assert_eq!(said.about(FieldName::MobileNumber), Presence::Text("undefined".to_owned()));
    }
}
