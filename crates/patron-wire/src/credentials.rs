//! The `Authorization` header (RFC 9110, section 11.6.2), read once for all wires.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// What a client shows to be let in.
#[derive(PartialEq, Eq)]
pub enum Credential {
    /// No `Authorization` header.
    None,
    /// `Basic`, decoded: what stands before the first colon, and what stands after it, if there is one.
    Basic {
        /// Before the first colon; all of it when there is none.
        user: Vec<u8>,
        /// After the first colon.
        password: Option<Vec<u8>>,
    },
    /// `Bearer`, as sent.
    Bearer(String),
    /// Something else: another scheme, not base64, several headers.
    Malformed,
}

/// Base64 as clients write it: with padding or without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Credential {
    /// Reads the header. The scheme's case does not matter.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Self::None;
        };
        if values.next().is_some() {
            return Self::Malformed;
        }
        let Ok(text) = value.to_str() else {
            return Self::Malformed;
        };
        let Some((scheme, rest)) = text.trim().split_once(' ') else {
            return Self::Malformed;
        };
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return Self::Bearer(rest.to_owned());
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Self::Malformed;
        }
        let Ok(decoded) = LENIENT.decode(rest) else {
            return Self::Malformed;
        };
        let mut parts = decoded.splitn(2, |byte| *byte == b':');
        let user = parts.next().unwrap_or_default().to_vec();
        let password = parts.next().map(<[u8]>::to_vec);
        Self::Basic { user, password }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Credential {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        Credential::from_headers(&headers)
    }

    fn check(value: &str, user: &str, password: Option<&str>) {
        match read(&[value]) {
            Credential::Basic { user: u, password: p } => {
                assert_eq!(String::from_utf8(u).unwrap(), user);
                assert_eq!(p.map(|p| String::from_utf8(p).unwrap()).as_deref(), password);
            }
            Credential::None | Credential::Bearer(_) | Credential::Malformed => {
                panic!("not read as Basic: {value}")
            }
        }
    }

    #[test]
    fn basic_is_read_with_and_without_colon_and_padding() {
        check("Basic S0VZOg==", "KEY", Some(""));
        check("Basic S0VZOg", "KEY", Some(""));
        check("basic  S0VZ", "KEY", None);
        check("BASIC S0VZOnB3OnB3", "KEY", Some("pw:pw"));
    }

    #[test]
    fn anything_else_is_malformed() {
        assert!(read(&[]) == Credential::None);
        assert!(read(&["Bearer tkn_1"]) == Credential::Bearer("tkn_1".to_owned()));
        for bad in ["", "Basic", "Basic ", "Digest x", "Basic !!!", "Basic S0VZ=OnB3"] {
            assert!(read(&[bad]) == Credential::Malformed, "{bad}");
        }
        assert!(read(&["Basic S0VZ", "Basic S0VZ"]) == Credential::Malformed);
    }
}
