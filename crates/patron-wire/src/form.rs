//! `application/x-www-form-urlencoded`, strictly: what libraries swallow is an error here.

use percent_encoding::percent_decode;

/// The text is not a form: a `%` without two hex digits, or bytes that are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a form: bad percent-encoding or not UTF-8")]
pub struct NotAForm;

/// Reads a form's (or a query's) pairs in their order, `+` being a space.
///
/// # Errors
/// `form_urlencoded` lets bad percent-encoding pass and replaces what is not UTF-8, so both are
/// looked for first.
pub fn parse(text: &[u8]) -> Result<Vec<(String, String)>, NotAForm> {
    if !escapes_are_whole(text) {
        return Err(NotAForm);
    }
    // Separators are ASCII, so the whole is UTF-8 exactly if each decoded part is.
    percent_decode(text).decode_utf8().map_err(|_| NotAForm)?;
    let pairs = form_urlencoded::parse(text);
    Ok(pairs.map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
}

fn escapes_are_whole(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match rest.get(at..) {
            Some([_, high, low, tail @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                rest = tail;
            }
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_in_order_with_repeats() {
        let pairs = parse(b"a=1&b=x%20y+z&a=%C3%A9&c&=d&&e=f=g").unwrap();
        let expect = [("a", "1"), ("b", "x y z"), ("a", "é"), ("c", ""), ("", "d"), ("e", "f=g")];
        let expect: Vec<_> = expect.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(pairs, expect);
        assert_eq!(parse(b""), Ok(vec![]));
    }

    #[test]
    fn what_libraries_swallow_is_refused() {
        for bad in ["a=%zz", "a=%", "a=%4", "%=1", "a=100%&b=1", "a=%E9", "a=%C3&b=%A9", "%FF=1"] {
            assert_eq!(parse(bad.as_bytes()), Err(NotAForm), "{bad}");
        }
        assert_eq!(parse(b"a=\xE9"), Err(NotAForm));
    }
}
