//! JSON bodies, read so that nothing is lost: members that appear twice, and the digits of numbers.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The text is not a JSON object, or not JSON at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object")]
pub struct NotAnObject;

/// Reads an object's members in their order, repeated ones included, with their values unread: however
/// deep a value is that nobody asks for, it costs no more than its length.
///
/// # Errors
/// When the text is anything else. That it is JSON all through is checked; that its texts are Unicode is
/// seen when they are read.
pub fn members(text: &str) -> Result<Vec<(String, &RawValue)>, NotAnObject> {
    serde_json::from_str(text).map(|Object(members)| members).map_err(|_| NotAnObject)
}

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was written: a number type would lose some of a long one.
    Number(String),
    /// A text.
    Text(String),
    /// An array.
    List(Vec<Self>),
    /// An object's members in their order, repeated ones included.
    Object(Vec<(String, Self)>),
}

/// A value is JSON and yet cannot be read: half a surrogate pair, which is no text, or arrays and
/// objects within each other beyond [`DEPTH_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a JSON value that cannot be read")]
pub struct Unreadable;

/// How many arrays and objects may stand in each other where a value is read.
pub const DEPTH_MAX: usize = 8;

impl Json {
    /// Reads a value.
    ///
    /// # Errors
    /// When it holds half a surrogate pair, or is too deep.
    pub fn read(raw: &RawValue) -> Result<Self, Unreadable> {
        Self::read_within(raw, DEPTH_MAX)
    }

    fn read_within(raw: &RawValue, depth: usize) -> Result<Self, Unreadable> {
        let text = raw.get();
        let below = || depth.checked_sub(1).ok_or(Unreadable);
        Ok(match text.as_bytes() {
            b"null" => Self::Null,
            b"true" => Self::Bool(true),
            b"false" => Self::Bool(false),
            [b'"', ..] => Self::Text(serde_json::from_str(text).map_err(|_| Unreadable)?),
            [b'[', ..] => {
                let depth = below()?;
                let values: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| Unreadable)?;
                let read = values.into_iter().map(|raw| Self::read_within(raw, depth));
                Self::List(read.collect::<Result<_, _>>()?)
            }
            [b'{', ..] => {
                let depth = below()?;
                let members = members(text).map_err(|_| Unreadable)?;
                let read = members.into_iter().map(|(key, raw)| {
                    let value = Self::read_within(raw, depth)?;
                    Ok((key, value))
                });
                Self::Object(read.collect::<Result<_, _>>()?)
            }
            _ => Self::Number(text.to_owned()),
        })
    }
}

struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Json, Unreadable> {
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        Json::read(raw)
    }

    #[test]
    fn members_keep_their_order_and_are_counted() {
        let read = members(r#" {"b":1,"a":[{}],"b":null} "#).unwrap();
        let read: Vec<_> = read.iter().map(|(key, raw)| (key.as_str(), raw.get())).collect();
        assert_eq!(read, [("b", "1"), ("a", "[{}]"), ("b", "null")]);
        let deep = format!("{{\"deep\":{}{}}}", "[".repeat(9_000), "]".repeat(9_000));
        assert!(members(&deep).is_ok());
        for bad in ["", "[]", "1", "{", "{]", "{\"a\":1,}", "{\"a\":01}", "{}x", "{'a':1}"] {
            assert!(members(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_are_read_whole() {
        assert_eq!(read("null"), Ok(Json::Null));
        assert_eq!(read("true"), Ok(Json::Bool(true)));
        let long = "-123456789012345678901234567890.5e9";
        assert_eq!(read(long), Ok(Json::Number(long.to_owned())));
        assert_eq!(read(r#""\u0039\ud83d\ude00""#), Ok(Json::Text("9😀".to_owned())));
        let one = ("a".to_owned(), Json::List(vec![Json::Bool(false)]));
        assert_eq!(read(r#"{"a":[false]}"#), Ok(Json::Object(vec![one])));
        assert_eq!(read(r#""\ud800""#), Err(Unreadable));
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(read(&nested(DEPTH_MAX + 1)), Err(Unreadable));
    }
}
