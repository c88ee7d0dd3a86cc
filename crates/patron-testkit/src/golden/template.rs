//! What stands in double braces: variables of the run, and bytes that a text file cannot hold.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::http::{basic, colonless};

/// What a run knows so far.
pub(super) struct Variables(BTreeMap<String, Value>);

impl Variables {
    pub(super) fn new(key: &str) -> Self {
        let key = Value::String(key.to_owned());
        Self(BTreeMap::from([("key".to_owned(), key)]))
    }

    /// Remembers an answer under a name; `{{name.field}}` reaches into it.
    pub(super) fn capture(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// The variable's text, if there is such a variable.
    pub(super) fn find(&self, path: &str) -> Option<String> {
        let mut parts = path.split('.');
        let mut value = self.0.get(parts.next()?)?;
        for part in parts {
            value = value.get(part)?;
        }
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// A text with everything in double braces filled in.
    pub(super) fn fill_text(&self, text: &str) -> Result<String, String> {
        let bytes = self.fill(text)?;
        String::from_utf8(bytes).map_err(|_| format!("not text: {text}"))
    }

    fn fill(&self, text: &str) -> Result<Vec<u8>, String> {
        let mut filled = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (inside, after) = after
                .split_once("}}")
                .ok_or_else(|| format!("`{{{{` is never closed in: {text}"))?;
            filled.extend_from_slice(before.as_bytes());
            filled.extend(self.value_of(inside)?);
            rest = after;
        }
        filled.extend_from_slice(rest.as_bytes());
        Ok(filled)
    }

    fn value_of(&self, inside: &str) -> Result<Vec<u8>, String> {
        let words: Vec<&str> = inside.split(' ').collect();
        let of = |name: &str| {
            self.find(name).ok_or_else(|| format!("nothing is known as {{{{{name}}}}}"))
        };
        match words.as_slice() {
            ["basic", name] => Ok(basic(&of(name)?).into_bytes()),
            ["colonless", name] => Ok(colonless(&of(name)?).into_bytes()),
            ["repeat", count, what] => {
                let count = count.parse().map_err(|_| format!("not a count: {count}"))?;
                Ok(what.repeat(count).into_bytes())
            }
            ["bytes", pairs @ ..] => pairs
                .iter()
                .map(|pair| u8::from_str_radix(pair, 16).map_err(|_| format!("not hex: {pair}")))
                .collect(),
            _ => Ok(of(inside)?.into_bytes()),
        }
    }

    /// A request as it goes over the wire: lines of the head end in CRLF, `Host` is there, and the
    /// body has a length, or is cut into a chunk per line, unless the file says otherwise.
    pub(super) fn fill_request(&self, text: &str) -> Result<Vec<u8>, String> {
        let (head, body) = match text.split_once("\n\n") {
            Some((head, body)) => (head, Some(body)),
            None => (text, None),
        };
        let says = |name: &str| {
            head.lines().skip(1).any(|line| {
                let given = line.split_once(':').map_or("", |(given, _)| given);
                given.eq_ignore_ascii_case(name)
            })
        };
        let mut request = Vec::new();
        for line in head.lines() {
            request.extend(self.fill(line)?);
            request.extend_from_slice(b"\r\n");
        }
        if !says("host") {
            request.extend_from_slice(b"Host: patron.example\r\n");
        }
        let body = self.fill(body.unwrap_or_default())?;
        let is_chunked = says("transfer-encoding");
        if !is_chunked && !says("content-length") && !head.starts_with("GET ") {
            request.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        request.extend_from_slice(b"\r\n");
        if is_chunked {
            request.extend(in_chunks(&body));
        } else {
            request.extend(body);
        }
        Ok(request)
    }
}

fn in_chunks(body: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    let lines = body.split(|byte| *byte == b'\n');
    for line in lines.filter(|line| !line.is_empty()) {
        framed.extend_from_slice(format!("{:x}\r\n", line.len()).as_bytes());
        framed.extend_from_slice(line);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    framed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::new("KEY");
        variables.capture("customer", serde_json::json!({"id": "cst_1", "deep": {"n": 7}}));
        variables
    }

    fn check(text: &str, expect: Result<&[u8], &str>) {
        let filled = variables().fill(text);
        assert_eq!(filled.as_deref().map_err(String::as_str), expect, "{text}");
    }

    #[test]
    fn braces_are_filled_in() {
        check("a {{customer.id}}/{{customer.deep.n}}", Ok(b"a cst_1/7"));
        check("{{basic key}}", Ok(b"Basic S0VZOg=="));
        check("{{colonless key}}", Ok(b"Basic S0VZ"));
        check("{{repeat 3 ab}}{{bytes ff 00}}", Ok(b"ababab\xff\x00"));
        check("{{who}}", Err("nothing is known as {{who}}"));
        check("{{customer", Err("`{{` is never closed in: {{customer"));
    }

    #[test]
    fn requests_get_their_framing() {
        let filled = variables().fill_request("POST /x HTTP/1.1\nA: b\n\nbody").unwrap();
        let expect =
            "POST /x HTTP/1.1\r\nA: b\r\nHost: patron.example\r\nContent-Length: 4\r\n\r\nbody";
        assert_eq!(String::from_utf8(filled).unwrap(), expect);
        let chunked = "POST / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\nab\nc";
        let filled = variables().fill_request(chunked).unwrap();
        let expect = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(String::from_utf8(filled).unwrap(), expect);
    }
}
