//! What a request's head must be beyond its syntax, so that nobody on its way reads it differently.

use http::header::{HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Version};

/// Whether the head leaves no doubt about whom the request is for and where it ends. Two parties that
/// read one head differently, such as a proxy and the server behind it, can be played off against each
/// other; so what is in doubt is refused, and its connection ends.
pub fn is_sound(version: Version, headers: &HeaderMap) -> bool {
    is_host_named(version, headers) && is_chunked_once(headers)
}

/// HTTP/1.1 names its host once, older versions at most once (RFC 9112, section 3.2), and with nothing in
/// it that no host's name has.
fn is_host_named(version: Version, headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(HOST).iter();
    match (lines.next(), lines.next()) {
        (Some(name), None) => name.as_bytes().iter().all(|byte| stands_in_a_name(*byte)),
        (Some(_), Some(_)) => false,
        (None, _) => version < Version::HTTP_11,
    }
}

/// The characters of RFC 3986's `host [ ":" port ]`: a registered name, an address, a port. None at
/// all is a name too: that of a target without an authority.
const fn stands_in_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b':')
        || matches!(byte, b'[' | b']' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*')
        || matches!(byte, b'+' | b',' | b';' | b'=')
}

/// A body is in chunks once (RFC 9112, section 6.1): whoever unwraps chunks in chunks finds another end.
/// Where HTTP is parsed, it is seen to that lengths agree, that chunks come last, and that a connection
/// ends on which both a length and chunks were announced.
fn is_chunked_once(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(TRANSFER_ENCODING).iter();
    let codings = codings.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let chunked = codings.filter(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"));
    chunked.count() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(version: Version, lines: &[(&str, &str)], expect: bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        assert_eq!(is_sound(version, &headers), expect, "{version:?} {lines:?}");
    }

    #[test]
    fn a_host_is_named_once() {
        for good in ["api.example", "api.example:443", "[2001:db8::1]:8080", "192.0.2.1", ""] {
            check(Version::HTTP_11, &[("host", good)], true);
            check(Version::HTTP_10, &[("host", good)], true);
        }
        check(Version::HTTP_11, &[], false);
        check(Version::HTTP_10, &[], true);
        for bad in ["a b", "user@host", "a/b", "a\"b", "é", "a\tb"] {
            check(Version::HTTP_11, &[("host", bad)], false);
        }
        for version in [Version::HTTP_10, Version::HTTP_11] {
            check(version, &[("host", "a"), ("host", "a")], false);
            check(version, &[("host", "a"), ("host", "b")], false);
        }
    }

    #[test]
    fn a_body_is_in_chunks_once() {
        let framed = |lines: &[(&'static str, &'static str)], expect: bool| {
            let host = [("host", "a")];
            check(Version::HTTP_11, &[&host, lines].concat(), expect);
        };
        framed(&[("content-length", "5")], true);
        framed(&[("transfer-encoding", "Chunked")], true);
        framed(&[("transfer-encoding", "gzip, chunked")], true);
        framed(&[("transfer-encoding", "chunked, chunked")], false);
        framed(&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], false);
    }
}
