//! The id of a request: the client's own, or a new UUID.

use http::{HeaderMap, HeaderName};
use patron::entropy::{Entropy, random_bytes};
use patron::hex;

/// The header that carries it, in both directions.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const LENGTH_MAX: usize = 128;

/// The client's `x-request-id` when it is 1 to 128 printable ASCII characters, else a new UUID.
pub fn request_id(headers: &HeaderMap, entropy: &dyn Entropy) -> String {
    let sent = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    let fits = |id: &&str| {
        (1..=LENGTH_MAX).contains(&id.len()) && id.bytes().all(|b| (b' '..=b'~').contains(&b))
    };
    sent.filter(fits).map_or_else(|| new_uuid(entropy), str::to_owned)
}

/// The id under which a request with this id is written down: its own when that is a UUID, as we make them and as
/// many clients do, else a new one.
///
/// A client chooses its `x-request-id` freely, and some put a name, an address or a number there. Beside what a
/// customer's erasure leaves, such as the access log, that would still say who it was.
pub fn loggable_id(id: &str, entropy: &dyn Entropy) -> String {
    if is_uuid(id) { id.to_owned() } else { new_uuid(entropy) }
}

fn is_uuid(id: &str) -> bool {
    const LENGTHS: [usize; 5] = [8, 4, 4, 4, 12];
    let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    id.split('-').map(str::len).eq(LENGTHS) && id.split('-').all(is_hex)
}

/// A random UUID (RFC 9562, version 4).
fn new_uuid(entropy: &dyn Entropy) -> String {
    let random = u128::from_be_bytes(random_bytes(entropy));
    let versioned = random & !(0xF << 76) | (0x4 << 76);
    let variant = versioned & !(0b11 << 62) | (0b10 << 62);
    let digits = hex::encode(&variant.to_be_bytes());
    let mut id = String::with_capacity(36);
    for (at, digit) in digits.chars().enumerate() {
        if [8, 12, 16, 20].contains(&at) {
            id.push('-');
        }
        id.push(digit);
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;

    impl Entropy for Ones {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0xFF);
        }
    }

    fn check(sent: Option<&str>, expect: &str) {
        let mut headers = HeaderMap::new();
        if let Some(sent) = sent {
            headers.insert(X_REQUEST_ID, http::HeaderValue::from_bytes(sent.as_bytes()).unwrap());
        }
        assert_eq!(request_id(&headers, &Ones), expect);
    }

    #[test]
    fn ids_that_may_name_a_person_are_not_written_down() {
        for good in ["ffffffff-ffff-4fff-bfff-ffffffffffff", "01234567-89AB-CDEF-0123-456789abcdef"]
        {
            assert_eq!(loggable_id(good, &Ones), good);
        }
        for bad in [
            "",
            "jon@example.com",
            "Jon.Snow",
            "4799887766",
            "jonsnow0-ffff-4fff-bfff-ffffffffffff",
        ] {
            assert_eq!(loggable_id(bad, &Ones), "ffffffff-ffff-4fff-bfff-ffffffffffff", "{bad}");
        }
    }

    #[test]
    fn a_fitting_id_is_echoed_and_any_other_replaced() {
        const NEW: &str = "ffffffff-ffff-4fff-bfff-ffffffffffff";
        check(None, NEW);
        check(Some(""), NEW);
        check(Some("r-1 ~"), "r-1 ~");
        check(Some("ü"), NEW);
        check(Some("a\tb"), NEW);
        check(Some(&"x".repeat(128)), &"x".repeat(128));
        check(Some(&"x".repeat(129)), NEW);
    }
}
