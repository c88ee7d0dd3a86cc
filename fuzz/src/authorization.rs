//! The `Authorization` header: what is read from it can be written again, and more than one line is none.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use patron::api_key::ApiKeyText;
use patron::token::ClientToken;
use patron_wire::credentials::Credential;

fn read(value: &HeaderValue) -> Credential {
    let headers: HeaderMap = [(AUTHORIZATION, value.clone())].into_iter().collect();
    Credential::from_headers(&headers)
}

/// Checks one input: the value of the header.
pub fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        keys_and_tokens_are_exact(text);
    }
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let credential = read(&value);
    assert!(credential == read(&value), "read twice, it says two things");
    let written = match credential {
        Credential::None => panic!("there is a header"),
        Credential::Malformed => return,
        Credential::Bearer(ref token) => {
            assert_eq!(token.trim(), token);
            format!("Bearer {token}")
        }
        Credential::Basic { ref user, ref password } => {
            assert!(!user.contains(&b':'));
            let mut pair = user.clone();
            if let Some(password) = password {
                pair.push(b':');
                pair.extend_from_slice(password);
            }
            format!("bAsIc {}", STANDARD.encode(pair))
        }
    };
    let Ok(again) = HeaderValue::from_str(&written) else {
        panic!("what was read cannot be sent");
    };
    // A token may be empty, and then there is nothing after the scheme.
    assert!(
        read(&again) == credential || written == "Bearer ",
        "written again, it says another thing"
    );
    let mut twice = HeaderMap::new();
    twice.append(AUTHORIZATION, value);
    twice.append(AUTHORIZATION, again);
    assert!(
        Credential::from_headers(&twice) == Credential::Malformed,
        "two lines are one too many"
    );
}

/// What is taken for a key or a token is exactly that text.
fn keys_and_tokens_are_exact(text: &str) {
    if let Some(key) = ApiKeyText::parse(text) {
        assert_eq!(key.expose(), text);
    }
    if let Some(token) = ClientToken::parse(text) {
        assert_eq!(token.to_text().as_str(), text);
    }
}
