//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110, sections 8.8.3, 13.1.1 and 13.1.2).

use http::HeaderMap;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use patron::customer::Precondition;

/// The entity tag of a version: the number in quotes.
pub fn entity_tag(version: u64) -> String {
    format!("\"{version}\"")
}

/// Reads `If-Match`. `*` is met by any customer that is there. A weak tag never matches, and neither
/// does what is not a tag of ours: then no version meets the condition.
pub fn if_match(headers: &HeaderMap) -> Precondition {
    let mut lines = headers.get_all(IF_MATCH).iter().peekable();
    if lines.peek().is_none() {
        return Precondition::None;
    }
    let mut versions = Vec::new();
    for line in lines {
        let Ok(line) = line.to_str() else { continue };
        for tag in line.split(',').map(str::trim) {
            if tag == "*" {
                return Precondition::Exists;
            }
            let inner = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            if let Some(version) = inner.and_then(parse_version) {
                versions.push(version);
            }
        }
    }
    Precondition::Versions(versions)
}

/// Whether `If-None-Match` says that the client has what this tag stands for. Tags are compared weakly, since
/// somebody on the way may have made a weak one of ours.
pub fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let mut tags = lines.flat_map(|line| line.split(',')).map(str::trim);
    tags.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// A version exactly as [`entity_tag`] writes it: no sign, no leading zero.
fn parse_version(text: &str) -> Option<u64> {
    let version = text.parse().ok()?;
    (entity_tag(version).trim_matches('"') == text).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], expect: Precondition) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, line.parse().unwrap());
        }
        assert_eq!(if_match(&headers), expect, "{lines:?}");
    }

    #[test]
    fn what_the_client_has_is_known() {
        for (lines, expect) in [
            (&[][..], false),
            (&["\"a\""], true),
            (&["W/\"a\""], true),
            (&["\"b\", \"a\""], true),
            (&["\"b\"", "\"a\""], true),
            (&["*"], true),
            (&["\"b\"", "a", "\"a", "\"A\"", ""], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(IF_NONE_MATCH, line.parse().unwrap());
            }
            assert_eq!(is_known(&headers, "\"a\""), expect, "{lines:?}");
        }
    }

    #[test]
    fn if_match_is_read() {
        check(&[], Precondition::None);
        check(&["*"], Precondition::Exists);
        check(&["\"3\""], Precondition::Versions(vec![3]));
        check(&["\"3\", \"4\"", "\"5\""], Precondition::Versions(vec![3, 4, 5]));
        check(&["W/\"3\""], Precondition::Versions(vec![]));
        check(&["3", "\"+3\"", "\"03\"", "\"x\"", "\"\"", ""], Precondition::Versions(vec![]));
    }
}
