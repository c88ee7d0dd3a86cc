//! The configuration file: TOML, one key for each setting, no other keys.

use toml::{Table, Value};

/// The file's settings as texts, as they would stand behind their flags.
///
/// # Errors
/// What is wrong, to stand behind the file's name. It never repeats a value, which may be a secret.
pub(super) fn parse(text: &str, known: &[String]) -> Result<Vec<(String, String)>, String> {
    let table: Table = toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
        // What the parser says may hold the value itself.
        format!("is not TOML in line {line}: every line is `key = value`, with texts in quotes")
    })?;
    table
        .into_iter()
        .map(|(key, value)| {
            if !known.contains(&key) {
                return Err(format!(
                    "holds the unknown key `{key}`; known keys are {}",
                    known.join(", ")
                ));
            }
            let value = plain(value).ok_or_else(|| {
                format!("holds a value for `{key}` that is no text, number or list of these")
            })?;
            Ok((key, value))
        })
        .collect()
}

/// A value as it would stand behind its flag; a list's parts are separated by commas.
fn plain(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Integer(number) => Some(number.to_string()),
        Value::Array(parts) => {
            let parts: Option<Vec<_>> = parts.into_iter().map(plain).collect();
            Some(parts?.join(","))
        }
        Value::Boolean(_) | Value::Float(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&[(&str, &str)], &str>) {
        let known = ["listen".to_owned(), "workers".to_owned()];
        let expect = expect
            .map(|pairs| {
                let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
                pairs.iter().map(owned).collect()
            })
            .map_err(str::to_owned);
        assert_eq!(parse(text, &known), expect, "{text}");
    }

    #[test]
    fn texts_numbers_and_lists_are_read() {
        check("listen = \"a\"\nworkers = 2", Ok(&[("listen", "a"), ("workers", "2")]));
        check("listen = [\"a\", \"b\"]", Ok(&[("listen", "a,b")]));
        check("", Ok(&[]));
    }

    #[test]
    fn problems_are_named_and_values_are_not() {
        check("lisen = 1", Err("holds the unknown key `lisen`; known keys are listen, workers"));
        check(
            "listen = true",
            Err("holds a value for `listen` that is no text, number or list of these"),
        );
        let error = parse("\nlisten = \"SECRET", &["listen".to_owned()]).unwrap_err();
        assert!(error.contains("line 2") && !error.contains("SECRET"), "{error}");
    }
}
