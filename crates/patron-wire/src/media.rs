//! What a body says that it is: its media type, and whether it is compressed.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, TRANSFER_ENCODING};

/// The media type in lower case, without parameters. Empty when there is none, or it cannot be read.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether the body is in a coding that nobody here undoes.
pub fn is_compressed(headers: &HeaderMap) -> bool {
    let codings =
        headers.get_all(CONTENT_ENCODING).iter().chain(headers.get_all(TRANSFER_ENCODING));
    let is_plain = |coding: &[u8]| {
        let coding = coding.trim_ascii();
        // Empty elements of a list are passed over (RFC 9110, section 5.6.1).
        let plain = [b"".as_slice(), b"identity", b"chunked"];
        plain.iter().any(|plain| coding.eq_ignore_ascii_case(plain))
    };
    let mut codings = codings.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| !is_plain(coding))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(http::HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn media_types_are_read_without_their_parameters() {
        let of = |value: &str| media_type(&headers(&[(CONTENT_TYPE, value)]));
        assert_eq!(of("Application/JSON; charset=utf-8"), "application/json");
        assert_eq!(of(" text/json "), "text/json");
        assert_eq!(media_type(&HeaderMap::new()), "");
    }

    #[test]
    fn a_coding_that_is_none_does_not_compress() {
        for plain in ["", "identity", "chunked", "Identity, chunked", " , "] {
            assert!(!is_compressed(&headers(&[(TRANSFER_ENCODING, plain)])), "{plain}");
        }
        assert!(is_compressed(&headers(&[(CONTENT_ENCODING, "gzip")])));
        assert!(is_compressed(&headers(&[(TRANSFER_ENCODING, "gzip, chunked")])));
    }
}
