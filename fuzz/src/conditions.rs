//! `If-Match` and `x-request-id`: versions stand there word for word, and ids are fit to be echoed.

use http::header::IF_MATCH;
use http::{HeaderMap, HeaderValue};
use patron::customer::Precondition;
use patron::entropy::Entropy;
use patron_wire::etag::{entity_tag, if_match};
use patron_wire::request_id::{X_REQUEST_ID, request_id};

/// What makes ids here: the same one every time.
struct Nines;

impl Entropy for Nines {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0x99);
    }
}

/// Checks one input: each line is one of the header.
pub fn check(data: &[u8]) {
    let mut tags = HeaderMap::new();
    let mut ids = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else {
            return;
        };
        tags.append(IF_MATCH, value.clone());
        ids.append(X_REQUEST_ID, value);
    }
    let text = String::from_utf8_lossy(data);
    let precondition = if_match(&tags);
    match &precondition {
        Precondition::None => panic!("there is a header"),
        Precondition::Exists => assert!(text.contains('*')),
        Precondition::Versions(versions) => {
            for version in versions {
                assert!(text.contains(&entity_tag(*version)), "{version} stands nowhere");
            }
            let written: Vec<String> = versions.iter().map(|one| entity_tag(*one)).collect();
            let line =
                HeaderValue::from_str(&written.join(",")).unwrap_or(HeaderValue::from_static(""));
            let again: HeaderMap = [(IF_MATCH, line)].into_iter().collect();
            assert_eq!(if_match(&again), precondition, "written again, it says another thing");
        }
    }
    let id = request_id(&ids, &Nines);
    assert!((1..=128).contains(&id.len()), "{id:?}");
    assert!(id.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{id:?}");
    let made = "99999999-9999-4999-9999-999999999999";
    let first = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    assert!(id == made || id.as_bytes() == first, "{id:?} was neither sent nor made");
}
