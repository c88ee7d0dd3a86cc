//! The `Authorization` header (RFC 9110, section 11.6.2), read once for all wires, and whether it was its holder
//! who sent it.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, Method};

/// What browsers say of the page that had them ask (Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

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

/// Whether a web page of another site had somebody's browser ask for a change.
///
/// Browsers remember `Basic` credentials and send them along whichever page asks, so that a stranger's page could
/// change what the person before the screen may change. Other credentials no page can send to a server that does
/// not invite it, and answers to pages of other sites are kept from them: it is asked of changes with `Basic`
/// alone. Servers, curl and the vendors' libraries say neither of the two headers.
pub fn is_from_another_site(method: &Method, headers: &HeaderMap) -> bool {
    !method.is_safe()
        && (headers.get_all(ORIGIN).iter().any(|origin| !is_own(origin.as_bytes(), headers))
            || headers.get_all(SEC_FETCH_SITE).iter().any(|site| {
                // `none` is what the person did, such as typing the address.
                !matches!(site.as_bytes(), b"same-origin" | b"none")
            }))
}

/// Whether an origin (RFC 6454, section 6.1) is the host that is asked, at its port. Behind a proxy the scheme is
/// not known; a port that goes without saying may be said by one of the two.
fn is_own(origin: &[u8], headers: &HeaderMap) -> bool {
    let (name, port): (_, &[u8]) =
        match (origin.strip_prefix(b"https://"), origin.strip_prefix(b"http://")) {
            (Some(name), _) => (name, b":443"),
            (None, Some(name)) => (name, b":80"),
            (None, None) => return false,
        };
    let without_port = |name: &[u8]| name.strip_suffix(port).unwrap_or(name).to_ascii_lowercase();
    headers.get(HOST).is_some_and(|host| without_port(host.as_bytes()) == without_port(name))
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

    fn check_site(method: &Method, lines: &[(&str, &str)], is_foreign: bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in [("host", "api.example:8080")].iter().chain(lines) {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, value.parse().unwrap());
        }
        assert_eq!(is_from_another_site(method, &headers), is_foreign, "{method} {lines:?}");
    }

    #[test]
    fn changes_that_another_sites_page_asks_for_are_told_apart() {
        let origin = |text: &'static str| ("origin", text);
        let site = |text: &'static str| ("sec-fetch-site", text);
        let own = origin("https://api.example:8080");
        for good in [
            &[][..],
            &[own],
            &[origin("http://API.example:8080")],
            &[site("same-origin")],
            &[site("none")],
            &[own, site("same-origin")],
        ] {
            check_site(&Method::POST, good, false);
        }
        for bad in [
            &[origin("https://evil.example")][..],
            &[origin("https://api.example")],
            &[origin("https://api.example:8081")],
            &[origin("https://api.example:8080.evil.example")],
            &[origin("https://x@api.example:8080")],
            &[origin("api.example:8080")],
            &[origin("null")],
            &[origin("")],
            &[own, origin("https://evil.example")],
            &[own, site("cross-site")],
            &[origin("null"), site("same-origin")],
            &[site("same-site")],
            &[site("")],
            &[site("none"), site("cross-site")],
        ] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                check_site(&method, bad, true);
            }
            check_site(&Method::GET, bad, false);
        }
    }

    #[test]
    fn a_port_that_goes_without_saying_may_be_said() {
        let ask = |host: &str, origin: &str| {
            let lines = [(HOST, host.parse().unwrap()), (ORIGIN, origin.parse().unwrap())];
            is_from_another_site(&Method::POST, &lines.into_iter().collect())
        };
        for (host, origin) in [
            ("api.example", "https://api.example"),
            ("api.example:443", "https://api.example"),
            ("api.example:80", "http://api.example"),
            ("[2001:db8::80]", "http://[2001:db8::80]"),
        ] {
            assert!(!ask(host, origin), "{host} {origin}");
        }
        assert!(ask("api.example:80", "https://api.example"));
        assert!(ask("api.example:443", "http://api.example"));
        assert!(is_from_another_site(
            &Method::POST,
            &[(ORIGIN, "https://api.example".parse().unwrap())].into_iter().collect()
        ));
    }
}
