//! What a request says: a JSON object, or a query, read into what is said about each field.

use http::HeaderMap;
use patron_wire::Request;
use patron_wire::body::BodyError;
use patron_wire::json::{Json, members};
use patron_wire::media::{is_compressed, media_type};

use crate::errors::Refusal;
use crate::fields::FieldName;

/// The media types of the vendor's generated clients: `application/json-patch+json` is what its page
/// says, over a plain object; the others are what the framework behind it takes as well. Nothing at all
/// is what hand-written clients send.
pub(crate) const MEDIA_TYPES: [&str; 3] =
    ["application/json-patch+json", "application/json", "text/json"];

/// What a request says, about the fields that there are; other keys are passed over.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said(Vec<(FieldName, Presence)>);

/// What a request says about one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Nothing.
    Absent,
    /// `null`.
    Null,
    /// This value.
    Value(Json),
    /// Two things, or something that cannot be read.
    Wrong,
}

impl Said {
    /// Reads the body.
    ///
    /// # Errors
    /// When it is too large, too late, of a type that cannot be read, or not a JSON object.
    pub async fn from_body(request: &mut Request) -> Result<Self, Refusal> {
        refuse_other_media(&request.headers)?;
        let limits = request.context.limits;
        let body = request.body.read(limits).await.map_err(|error| match error {
            BodyError::TooLarge => Refusal::PayloadTooLarge,
            BodyError::TooLate => Refusal::RequestTimeout,
            BodyError::Broken => Refusal::Malformed,
        })?;
        Self::from_json(&body)
    }

    /// Reads a JSON object.
    ///
    /// # Errors
    /// When it is not one; an array is told apart, since the media type promises one.
    pub fn from_json(body: &[u8]) -> Result<Self, Refusal> {
        // Some libraries on Windows put a byte order mark in front, which a reader of JSON may pass
        // over (RFC 8259, section 8.1).
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let text = std::str::from_utf8(body).map_err(|_| Refusal::Malformed)?;
        let members = members(text).map_err(|_| {
            let is_list = text.trim_ascii_start().starts_with('[');
            if is_list { Refusal::PatchDocument } else { Refusal::Malformed }
        })?;
        let mut said = Self::default();
        for (key, raw) in members {
            if let Some(field) = FieldName::find(&key) {
                said.add(field, Json::read(raw).map_or(Presence::Wrong, Presence::of));
            }
        }
        Ok(said)
    }

    /// Reads the query.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn from_query(request: &Request) -> Result<Self, Refusal> {
        let query = request.query.as_deref().unwrap_or_default();
        let pairs = patron_wire::form::parse(query.as_bytes()).map_err(|_| Refusal::Malformed)?;
        let mut said = Self::default();
        for (key, value) in pairs {
            if let Some(field) = FieldName::find(&key) {
                said.add(field, Presence::Value(Json::Text(value)));
            }
        }
        Ok(said)
    }

    /// A key that appears twice is wrong, since nobody can tell which value was meant.
    fn add(&mut self, field: FieldName, presence: Presence) {
        match self.0.iter_mut().find(|(known, _)| *known == field) {
            Some((_, known)) => *known = Presence::Wrong,
            None => self.0.push((field, presence)),
        }
    }

    /// What is said about this field.
    pub fn about(&self, field: FieldName) -> &Presence {
        let found = self.0.iter().find(|(known, _)| *known == field);
        found.map_or(&Presence::Absent, |(_, presence)| presence)
    }
}

impl Presence {
    fn of(value: Json) -> Self {
        match value {
            Json::Null => Self::Null,
            value @ (Json::Bool(_)
            | Json::Number(_)
            | Json::Text(_)
            | Json::List(_)
            | Json::Object(_)) => Self::Value(value),
        }
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Value(Json::Text(text)) => Some(text),
            Self::Value(
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_),
            )
            | Self::Absent
            | Self::Null
            | Self::Wrong => None,
        }
    }
}

fn refuse_other_media(headers: &HeaderMap) -> Result<(), Refusal> {
    let media_type = media_type(headers);
    let is_json = media_type.is_empty() || MEDIA_TYPES.contains(&media_type.as_str());
    if is_json && !is_compressed(headers) { Ok(()) } else { Err(Refusal::UnsupportedMediaType) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Presence) {
        let said = Said::from_json(text.as_bytes()).unwrap();
        assert_eq!(*said.about(FieldName::Phone), expect, "{text}");
    }

    #[test]
    fn an_object_says_something_about_its_known_keys() {
        let value = |json| Presence::Value(json);
        check("{}", Presence::Absent);
        check(r#"{"Phone":"1"}"#, Presence::Absent);
        check(r#"{"phone":null}"#, Presence::Null);
        check(r#"{"phone":"+1"}"#, value(Json::Text("+1".to_owned())));
        check(r#"{"phone":1.50}"#, value(Json::Number("1.50".to_owned())));
        check(r#"{"phone":"1","phone":"1"}"#, Presence::Wrong);
        check(r#"{"phone":"1","ph\u006fne":null}"#, Presence::Wrong);
        check(r#"{"phone":"\ud800"}"#, Presence::Wrong);
        let deep = format!("{}{}", "[".repeat(9_000), "]".repeat(9_000));
        check(&format!(r#"{{"deep":{deep}}}"#), Presence::Absent);
        check(&format!(r#"{{"phone":{deep}}}"#), Presence::Wrong);
        check("\u{FEFF}{\"phone\":null}", Presence::Null);
    }

    #[test]
    fn anything_else_is_malformed() {
        let refused = |text: &[u8]| Said::from_json(text).unwrap_err();
        for bad in ["", "1", "\"x\"", "null", "{", "{}x", "{\"a\":\"\u{1}\"}"] {
            assert_eq!(refused(bad.as_bytes()), Refusal::Malformed, "{bad}");
        }
        assert_eq!(refused(b"{\"a\":\"\xFF\"}"), Refusal::Malformed);
        let patch = br#" [{"op":"replace","path":"/name","value":"Jon"}]"#;
        assert_eq!(refused(patch), Refusal::PatchDocument);
        assert_eq!(refused(b"[]"), Refusal::PatchDocument);
    }
}
