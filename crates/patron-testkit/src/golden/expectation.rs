//! The answer that a golden expects, and how another one differs from it.

use serde_json::Value;

use super::template::Variables;
use crate::exact_json;
use crate::http::Reply;
use crate::shape;

/// An answer as the file writes it.
pub(super) struct Expectation {
    status: u16,
    headers: Vec<(String, String)>,
    /// `None` for an answer without a body.
    body: Option<Value>,
}

impl Expectation {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status.and_then(|status| status.trim().parse().ok());
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').ok_or(format!("no header: {line}"))?;
            Ok((name.to_owned(), value.trim().to_owned()))
        });
        let status = status.ok_or("the answer's first line must be `HTTP/1.1 <status>`")?;
        let body = match (status, body.trim()) {
            (204, "") => None,
            (_, body) => {
                Some(exact_json::parse(body.as_bytes()).map_err(|error| error.to_string())?)
            }
        };
        Ok(Self { status, headers: headers.collect::<Result<_, String>>()?, body })
    }

    /// What differs, each as a line for people.
    ///
    /// # Errors
    /// What is wrong with the expectation itself.
    pub(super) fn differences(
        &self,
        reply: &Reply,
        variables: &Variables,
    ) -> Result<Vec<String>, String> {
        let mut differences = Vec::new();
        if reply.status != self.status {
            differences.push(format!("status: expected {}, got {}", self.status, reply.status));
        }
        let matcher = Matcher { reply, variables };
        for (name, expected) in &self.headers {
            let found = reply.header(name);
            let fits = match found {
                None => expected == "{{absent}}",
                Some(found) => matcher.text_fits(expected, found)?,
            };
            if !fits {
                let found = found.unwrap_or("nothing");
                differences.push(format!("{name}: expected {expected}, got {found}"));
            }
        }
        let Some(expected) = &self.body else {
            if !reply.body.is_empty() || reply.header("content-type").is_some() {
                differences.push("an answer without a body has one".to_owned());
            }
            return Ok(differences);
        };
        if reply.header("content-type") != Some("application/json") {
            differences.push("every body is `Content-Type: application/json`".to_owned());
        }
        match exact_json::parse(&reply.body) {
            Ok(body) => matcher.compare("$", expected, &body, &mut differences)?,
            Err(error) => differences.push(format!("the body is not JSON: {error}")),
        }
        Ok(differences)
    }
}

struct Matcher<'a> {
    reply: &'a Reply,
    variables: &'a Variables,
}

impl Matcher<'_> {
    fn compare(
        &self,
        path: &str,
        expected: &Value,
        found: &Value,
        differences: &mut Vec<String>,
    ) -> Result<(), String> {
        match (expected, found) {
            (Value::Object(expected), Value::Object(found)) => {
                for (key, value) in expected {
                    match found.get(key) {
                        Some(other) => {
                            self.compare(&format!("{path}.{key}"), value, other, differences)?;
                        }
                        None => {
                            differences.push(format!("{path}.{key}: missing, expected {value}"))
                        }
                    }
                }
                for (key, value) in found.iter().filter(|(key, _)| !expected.contains_key(*key)) {
                    differences.push(format!("{path}.{key}: not expected, got {value}"));
                }
            }
            (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
                for (at, (value, other)) in expected.iter().zip(found).enumerate() {
                    self.compare(&format!("{path}[{at}]"), value, other, differences)?;
                }
            }
            (Value::String(template), Value::String(text)) if self.text_fits(template, text)? => {}
            (Value::String(template), Value::Number(number))
                if self.number_fits(template, &number.to_string())? => {}
            _ if expected == found => {}
            _ => differences.push(format!("{path}: expected {expected}, got {found}")),
        }
        Ok(())
    }

    /// Whether a number is what the template stands for.
    fn number_fits(&self, template: &str, number: &str) -> Result<bool, String> {
        let inside = template.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        Ok(match inside.and_then(|inside| inside.strip_prefix("number ")) {
            Some(name) => self.variables.fill_text(&format!("{{{{{name}}}}}"))? == number,
            None => template == "{{any number}}" && number.parse::<u64>().is_ok_and(|it| it > 0),
        })
    }

    /// Whether a text is what the template stands for.
    fn text_fits(&self, template: &str, text: &str) -> Result<bool, String> {
        Ok(match template {
            "{{any uuid}}" => shape::is_uuid(text),
            "{{cst id}}" => shape::is_customer_id(text),
            "{{date}}" => shape::is_date(text),
            "{{any words}}" => !text.trim().is_empty(),
            "{{token}}" => shape::is_token(text),
            "{{access token}}" => shape::is_access_token(text),
            "{{request id}}" => self.reply.header("x-request-id") == Some(text),
            _ => self.variables.fill_text(template)? == text,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(body: &str) -> Reply {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Reply {
            status: 200,
            headers: vec![
                header("content-type", "application/json"),
                header("x-request-id", "r-1"),
            ],
            body: body.into(),
        }
    }

    fn check(expected: &str, body: &str, differences: &[&str]) {
        let text =
            format!("HTTP/1.1 200\nX-Request-Id: r-1\nX-Other: {{{{absent}}}}\n\n{expected}");
        let expectation = Expectation::parse(&text).unwrap();
        let mut variables = Variables::new("KEY");
        variables.capture("customer", serde_json::json!({"id": 7}));
        let found = expectation.differences(&reply(body), &variables);
        assert_eq!(found.unwrap(), differences);
    }

    #[test]
    fn equal_answers_do_not_differ() {
        check(r#"{"a":[1,null,"x"]}"#, r#"{"a":[1,null,"x"]}"#, &[]);
        check(r#"{"id":"{{cst id}}"}"#, r#"{"id":"cst_0123456789abcdef"}"#, &[]);
        check(r#"{"at":"{{date}}"}"#, r#"{"at":"2016-08-02T08:07:52Z"}"#, &[]);
        check(r#"{"id":"{{request id}}"}"#, r#"{"id":"r-1"}"#, &[]);
        check(r#"{"key":"{{key}}"}"#, r#"{"key":"KEY"}"#, &[]);
        check(r#"{"id":"{{number customer.id}}","n":"{{any number}}"}"#, r#"{"id":7,"n":3}"#, &[]);
    }

    #[test]
    fn an_answer_without_a_body_has_none() {
        let expectation = Expectation::parse("HTTP/1.1 204\nX-Request-Id: r-1").unwrap();
        let empty = Reply { status: 204, headers: reply("").headers[1..].to_vec(), body: vec![] };
        let found = |reply: &Reply| expectation.differences(reply, &Variables::new("KEY"));
        assert_eq!(found(&empty), Ok(vec![]));
        let full = Reply { status: 204, ..reply("{}") };
        assert_eq!(found(&full), Ok(vec!["an answer without a body has one".to_owned()]));
    }

    #[test]
    fn every_difference_is_named() {
        check(r#"{"a":1}"#, r#"{"a":2}"#, &["$.a: expected 1, got 2"]);
        check(r#"{"a":1}"#, r#"{}"#, &["$.a: missing, expected 1"]);
        check(r#"{}"#, r#"{"a":1}"#, &["$.a: not expected, got 1"]);
        check(
            r#"{"id":"{{number customer.id}}"}"#,
            r#"{"id":8}"#,
            &[r#"$.id: expected "{{number customer.id}}", got 8"#],
        );
        check(r#"["7"]"#, r#"[7]"#, &[r#"$[0]: expected "7", got 7"#]);
        check(r#"[1]"#, r#"[1,2]"#, &["$: expected [1], got [1,2]"]);
        check(r#"[1]"#, r#"[null]"#, &["$[0]: expected 1, got null"]);
        check(
            r#"{"at":"{{date}}"}"#,
            r#"{"at":"2016-08-02T08:07:52.000Z"}"#,
            &[r#"$.at: expected "{{date}}", got "2016-08-02T08:07:52.000Z""#],
        );
    }
}
