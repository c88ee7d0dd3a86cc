//! Email addresses in the form of RFC 5321: what a mail server has to accept as an address.

use std::net::{Ipv4Addr, Ipv6Addr};

const LOCAL_PART_LENGTH_MAX: usize = 64;
const DOMAIN_LENGTH_MAX: usize = 255;
const LABEL_LENGTH_MAX: usize = 63;

/// Whether a text is a `Mailbox` (RFC 5321, section 4.1.2) within the limits of section 4.5.3.1: a
/// local part, dotted or quoted, and a domain or an address in brackets. ASCII only, as there.
pub fn is_mailbox(text: &str) -> bool {
    // A quoted local part may hold an `@`; a domain may not.
    text.rsplit_once('@').is_some_and(|(local, domain)| {
        local.len() <= LOCAL_PART_LENGTH_MAX
            && (is_dotted(local) || is_quoted(local))
            && (is_domain(domain) || is_literal(domain))
    })
}

fn is_dotted(local: &str) -> bool {
    let atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(atext))
}

fn is_quoted(local: &str) -> bool {
    let inner = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else {
        return false;
    };
    let mut bytes = inner.bytes();
    while let Some(byte) = bytes.next() {
        let is_text = match byte {
            b'\\' => bytes.next().is_some_and(|quoted| (b' '..=b'~').contains(&quoted)),
            b'"' => false,
            other => (b' '..=b'~').contains(&other),
        };
        if !is_text {
            return false;
        }
    }
    true
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_LENGTH_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.len() <= DOMAIN_LENGTH_MAX && domain.split('.').all(is_label)
}

fn is_literal(domain: &str) -> bool {
    let inner = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| match inner.split_once(':') {
        // Tags are compared without case (RFC 5321, section 2.3.5, as all of its keywords).
        Some((tag, address)) if tag.eq_ignore_ascii_case("ipv6") => {
            address.parse::<Ipv6Addr>().is_ok()
        }
        Some(_) => false,
        None => inner.parse::<Ipv4Addr>().is_ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_are_told_from_other_texts() {
        let local = "l".repeat(64);
        let label = "d".repeat(63);
        for good in [
            "jon@example.com",
            "a@b",
            "!#$%&'*+-/=?^_`{|}~@x",
            "jon.snow+tag@mail.north.example",
            "\"jon snow\"@x",
            "\"a@b\"@x",
            "\"\"@x",
            "\"a\\\"b\"@x",
            "jon@[192.0.2.1]",
            "jon@[IPv6:2001:db8::1]",
            &format!("{local}@{label}.{label}"),
        ] {
            assert!(is_mailbox(good), "{good}");
        }
        for bad in [
            "",
            "jon",
            "@",
            "jon@",
            "@x",
            ".jon@x",
            "jon.@x",
            "j..on@x",
            "jon snow@x",
            "a@b@c",
            "jön@x",
            "jon@x.",
            "jon@.x",
            "jon@-x",
            "jon@x-",
            "jon@x_y",
            "jon@exämple.com",
            "\"a\"b\"@x",
            "\"a\\\"@x",
            "jon@[192.0.2]",
            "jon@[2001:db8::1]",
            "jon@x\n",
            "jon@x\0",
            &format!("l{local}@x"),
            &format!("jon@d{label}"),
            &format!("jon@{label}.{label}.{label}.{label}.x"),
        ] {
            assert!(!is_mailbox(bad), "{bad:?}");
        }
    }
}
