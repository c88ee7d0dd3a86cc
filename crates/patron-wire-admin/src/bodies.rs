//! What a request says: a JSON object, a form or a query, each key of which must be known and stand there once.

use patron::edit::Edit;
use patron_wire::Request;
use patron_wire::body::BodyError;
use patron_wire::json::{Json, members};
use patron_wire::media::{is_compressed, media_type};

use crate::errors::{Refusal, WrongField};

/// How many keys one object, form or query may have.
pub const KEYS_MAX: usize = 100;

/// The media type of bodies.
pub(crate) const JSON: &str = "application/json";

/// The media type of the one body that a standard wants as a form.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// A body, or the parameters of a query.
pub(crate) trait Said: Sized {
    /// Takes what it is made of from the fields. `None` when one of them is wrong, which the fields remember.
    fn take(fields: &mut Fields) -> Option<Self>;
}

/// Reads a JSON body.
///
/// # Errors
/// When it is too large, too late, of another type, not a JSON object, or not what is wanted.
pub(crate) async fn from_json<T: Said>(request: &mut Request) -> Result<T, Refusal> {
    let body = read(request, JSON).await?;
    Fields::of_json(&body)?.into_said()
}

/// Reads a form.
///
/// # Errors
/// When it is too large, too late, of another type, not a form, or not what is wanted.
pub(crate) async fn from_form<T: Said>(request: &mut Request) -> Result<T, Refusal> {
    let body = read(request, FORM).await?;
    Fields::of_form(&body)?.into_said()
}

/// Reads the query.
///
/// # Errors
/// When it is malformed, or not what is wanted.
pub(crate) fn from_query<T: Said>(request: &Request) -> Result<T, Refusal> {
    Fields::of_form(request.query.as_deref().unwrap_or_default().as_bytes())?.into_said()
}

/// Sees to it that nothing is said where nothing is asked for: no query, and no body but an empty object.
///
/// # Errors
/// When something is.
pub(crate) async fn nothing(request: &mut Request) -> Result<(), Refusal> {
    no_query(request)?;
    let limits = request.context.limits;
    let body = request.body.read(limits).await.map_err(refusal)?;
    if body.is_empty() {
        return Ok(());
    }
    check_type(request, JSON)?;
    Fields::of_json(&body)?.into_said::<Nothing>().map(|Nothing| ())
}

/// Sees to it that there is no query where none is asked for.
///
/// # Errors
/// When there is one.
pub(crate) fn no_query(request: &Request) -> Result<(), Refusal> {
    from_query::<Nothing>(request).map(|Nothing| ())
}

struct Nothing;

impl Said for Nothing {
    fn take(_fields: &mut Fields) -> Option<Self> {
        Some(Self)
    }
}

const fn refusal(error: BodyError) -> Refusal {
    match error {
        BodyError::TooLarge => Refusal::PayloadTooLarge,
        BodyError::TooLate => Refusal::RequestTimeout,
        BodyError::Broken => Refusal::Malformed,
    }
}

/// A body whose type is not said is refused as well: any web page can send one of those to this machine, and
/// none can send another without being asked first.
fn check_type(request: &Request, expected: &str) -> Result<(), Refusal> {
    let is_read = media_type(&request.headers) == expected && !is_compressed(&request.headers);
    if is_read { Ok(()) } else { Err(Refusal::UnsupportedMediaType) }
}

async fn read(request: &mut Request, expected: &str) -> Result<Vec<u8>, Refusal> {
    no_query(request)?;
    check_type(request, expected)?;
    let limits = request.context.limits;
    request.body.read(limits).await.map(Vec::from).map_err(refusal)
}

/// The fields of an object, a form or a query that nobody has asked for yet, and what was wrong so far.
pub(crate) struct Fields {
    /// What stands before a key where the object is within another one.
    prefix: String,
    members: Vec<(String, Json)>,
    wrong: Vec<WrongField>,
}

/// What a value should be, where it is not.
pub(crate) type Expected = &'static str;

const UNKNOWN: Expected = "There is no such field.";
const MISSING: Expected = "It is required.";
const TWICE: Expected = "It stands there twice.";

impl Fields {
    fn new(prefix: String, members: Vec<(String, Json)>) -> Self {
        Self { prefix, members, wrong: Vec::new() }
    }

    fn of_json(body: &[u8]) -> Result<Self, Refusal> {
        // Some libraries on Windows put a byte order mark in front, which a reader of JSON may pass over
        // (RFC 8259, section 8.1).
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let text = std::str::from_utf8(body).map_err(|_| Refusal::Malformed)?;
        let members = members(text).map_err(|_| Refusal::Malformed)?;
        if members.len() > KEYS_MAX {
            return Err(Refusal::Malformed);
        }
        let read = members.into_iter().map(|(key, raw)| Ok((key, Json::read(raw)?)));
        let read = read.collect::<Result<Vec<_>, patron_wire::json::Unreadable>>();
        Self::checked(read.map_err(|_| Refusal::Malformed)?)
    }

    fn of_form(text: &[u8]) -> Result<Self, Refusal> {
        let pairs = patron_wire::form::parse(text).map_err(|_| Refusal::Malformed)?;
        if pairs.len() > KEYS_MAX {
            return Err(Refusal::Malformed);
        }
        Self::checked(pairs.into_iter().map(|(key, value)| (key, Json::Text(value))).collect())
    }

    /// Refuses keys that stand there twice, since nobody can tell which value was meant.
    fn checked(members: Vec<(String, Json)>) -> Result<Self, Refusal> {
        if !members.iter().all(|(_, value)| is_plain(value)) {
            return Err(Refusal::Malformed);
        }
        let mut fields = Self::new(String::new(), members);
        let twice = first_twice(&fields.members).map(str::to_owned);
        if let Some(key) = twice {
            fields.refuse(&key, TWICE);
            return Err(Refusal::Invalid(fields.wrong));
        }
        Ok(fields)
    }

    fn into_said<T: Said>(mut self) -> Result<T, Refusal> {
        let said = T::take(&mut self);
        self.end();
        match said {
            Some(said) if self.wrong.is_empty() => Ok(said),
            Some(_) | None => Err(Refusal::Invalid(self.wrong)),
        }
    }

    /// What is left is not known.
    fn end(&mut self) {
        for (key, _) in std::mem::take(&mut self.members) {
            self.refuse(&key, UNKNOWN);
        }
    }

    fn take(&mut self, key: &str) -> Option<Json> {
        let at = self.members.iter().position(|(name, _)| name == key)?;
        Some(self.members.swap_remove(at).1)
    }

    /// Remembers that a field is wrong.
    pub(crate) fn refuse(&mut self, key: &str, detail: Expected) {
        let field = format!("{}{}", self.prefix, shown(key));
        self.wrong.push(WrongField { field, detail });
    }

    /// A field that has to be there.
    pub(crate) fn required<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(Json) -> Result<T, Expected>,
    ) -> Option<T> {
        let Some(value) = self.take(key) else {
            self.refuse(key, MISSING);
            return None;
        };
        read(value).map_err(|detail| self.refuse(key, detail)).ok()
    }

    /// A field that may be left out.
    pub(crate) fn optional<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(Json) -> Result<T, Expected>,
    ) -> Option<T> {
        let value = self.take(key)?;
        read(value).map_err(|detail| self.refuse(key, detail)).ok()
    }

    /// A field that may be left out, or `null`, which says the same.
    pub(crate) fn nullable<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(Json) -> Result<T, Expected>,
    ) -> Option<T> {
        let value = self.take(key).filter(|value| *value != Json::Null)?;
        read(value).map_err(|detail| self.refuse(key, detail)).ok()
    }

    /// A field that stays as it is where it is left out, and that `null` unsets.
    pub(crate) fn edit<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(Json) -> Result<T, Expected>,
    ) -> Edit<T> {
        match self.take(key) {
            None => Edit::Keep,
            Some(Json::Null) => Edit::Clear,
            Some(value) => match read(value) {
                Ok(value) => Edit::Set(value),
                Err(detail) => {
                    self.refuse(key, detail);
                    Edit::Keep
                }
            },
        }
    }

    /// An object within, that may be left out.
    pub(crate) fn object<T>(
        &mut self,
        key: &str,
        take: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        match self.take(key)? {
            Json::Object(members) => {
                let mut inner = Self::new(format!("{}{key}.", self.prefix), members);
                let taken = take(&mut inner);
                inner.end();
                self.wrong.append(&mut inner.wrong);
                taken
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => {
                self.refuse(key, "It is an object.");
                None
            }
        }
    }

    /// A list that has to be there, of at most `length_max` entries.
    pub(crate) fn list<T>(
        &mut self,
        key: &str,
        length_max: usize,
        read: impl Fn(Json) -> Result<T, Expected>,
    ) -> Option<Vec<T>> {
        let values = self.required(key, |value| match value {
            Json::List(values) if values.len() <= length_max => Ok(values),
            Json::List(_) => Err("It has too many entries."),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Object(_) => {
                Err("It is a list.")
            }
        })?;
        let length = values.len();
        let mut entries = Vec::with_capacity(length);
        for (index, value) in values.into_iter().enumerate() {
            match read(value) {
                Ok(entry) => entries.push(entry),
                Err(detail) => {
                    let field = format!("{}{key}[{index}]", self.prefix);
                    self.wrong.push(WrongField { field, detail });
                }
            }
        }
        (entries.len() == length).then_some(entries)
    }

    /// All that is left: the keys are the caller's own.
    pub(crate) fn rest(&mut self) -> Vec<(String, Json)> {
        std::mem::take(&mut self.members)
    }
}

/// A key as it is said again to whoever sent it. What does not look like a name may be a value that got lost.
fn shown(key: &str) -> &str {
    let is_name = (1..=64).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if is_name { key } else { "(a key)" }
}

fn first_twice(members: &[(String, Json)]) -> Option<&str> {
    let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys.windows(2).find_map(|pair| match pair {
        [one, next] if one == next => Some(*one),
        _ => None,
    })
}

/// Whether no object within has too many keys, or one twice.
fn is_plain(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => true,
        Json::List(values) => values.iter().all(is_plain),
        Json::Object(members) => {
            members.len() <= KEYS_MAX
                && first_twice(members).is_none()
                && members.iter().all(|(_, value)| is_plain(value))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values;

    #[derive(Debug, PartialEq)]
    struct Example {
        name: String,
        age: Option<u32>,
        tags: Vec<String>,
    }

    impl Said for Example {
        fn take(fields: &mut Fields) -> Option<Self> {
            let name = fields.required("name", values::label);
            let age = fields.nullable("age", |value| values::integer(value, 1..=9));
            let tags = fields.list("tags", 2, values::label);
            Some(Self { name: name?, age, tags: tags? })
        }
    }

    fn read(text: &str) -> Result<Example, Refusal> {
        Fields::of_json(text.as_bytes())?.into_said()
    }

    #[test]
    fn what_is_known_is_read() {
        let example = |age, tags: &[&str]| Example {
            name: "n".to_owned(),
            age,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        };
        assert_eq!(read(r#"{"name":"n","tags":[]}"#), Ok(example(None, &[])));
        assert_eq!(
            read("\u{feff}{\"age\":5.0,\"tags\":[\"a\",\"b\"],\"name\":\"n\"}"),
            Ok(example(Some(5), &["a", "b"]))
        );
        assert_eq!(read(r#"{"name":"n","age":null,"tags":[]}"#), Ok(example(None, &[])));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let check = |text: &str, expect: &[&str]| match read(text) {
            Err(Refusal::Invalid(wrong)) => {
                let names: Vec<_> = wrong.iter().map(|wrong| wrong.field.as_str()).collect();
                assert_eq!(names, expect, "{text}");
            }
            other => panic!("{text}: {other:?}"),
        };
        check("{}", &["name", "tags"]);
        check(r#"{"name":null,"age":0,"tags":["a","b","c"]}"#, &["name", "age", "tags"]);
        check(r#"{"name":"n","tags":["a",1],"x":1}"#, &["tags[1]", "x"]);
        check(r#"{"name":"n","tags":[],"jon@example.com":1}"#, &["(a key)"]);
        check(r#"{"name":"n","tags":[],"name":"n"}"#, &["name"]);
    }

    #[test]
    fn what_two_could_read_differently_is_malformed() {
        let many: Vec<_> = (0..=KEYS_MAX).map(|key| format!("\"k{key}\":1")).collect();
        for bad in [
            "",
            "[]",
            "null",
            "{",
            r#"{"a":"\ud800"}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":[{"b":1,"\u0062":1}]}"#,
            r#"{"a":[[[[[[[[[1]]]]]]]]]}"#,
            &format!("{{{}}}", many.join(",")),
            &format!("{{\"a\":{{{}}}}}", many.join(",")),
        ] {
            assert_eq!(read(bad), Err(Refusal::Malformed), "{bad}");
        }
    }
}
