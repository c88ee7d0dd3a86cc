//! Queries: the same pairs as in a form, or malformed.

use http::HeaderMap;
use patron_wire::form::parse;
use patron_wire_juspay::bodies::Said;
use patron_wire_juspay::errors::Refusal;

use super::body::{FIELDS, request};
use super::reference;

/// Checks one input: a query, without its question mark.
pub fn check(data: &[u8]) {
    let pairs = reference::form(data);
    assert_eq!(parse(data).ok(), pairs, "a simple reader differs");
    // In a request it has passed as an URI, so that it is text.
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut request = request(HeaderMap::new(), b"", 0);
    request.query = Some(text.to_owned());
    let Some(pairs) = pairs else {
        assert_eq!(Said::from_query(&request), Err(Refusal::Malformed));
        return;
    };
    let said = Said::from_query(&request);
    let Ok(said) = said else {
        panic!("refused, though it is a form: {said:?}");
    };
    for field in FIELDS {
        assert_eq!(said.about(field), reference::said_in_form(&pairs, field.text(), false));
        let times = pairs.iter().filter(|(key, _)| key == field.text()).count();
        assert_eq!(said.is_on(field).is_err(), times > 1);
    }
}
