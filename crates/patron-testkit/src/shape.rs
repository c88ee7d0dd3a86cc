//! What made-up values must look like: ids, tokens, dates.

/// `cst_` and 16 of `[a-z0-9]`.
pub fn is_customer_id(text: &str) -> bool {
    follows(text, "cst_", 16, |b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// `tkn_` and 32 lower-case hex digits.
pub fn is_token(text: &str) -> bool {
    follows(text, "tkn_", 32, is_lower_hex)
}

/// `ses_` and 64 lower-case hex digits.
pub fn is_access_token(text: &str) -> bool {
    follows(text, "ses_", 64, is_lower_hex)
}

/// 32 upper-case hex digits.
pub fn is_api_key(text: &str) -> bool {
    follows(text, "", 32, |b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
}

/// `YYYY-MM-DDTHH:MM:SSZ`.
pub fn is_date(text: &str) -> bool {
    fits(text, "dddd-dd-ddTdd:dd:ddZ")
}

/// A random UUID, version 4, in lower case.
pub fn is_uuid(text: &str) -> bool {
    fits(text, "xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx")
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

fn follows(text: &str, prefix: &str, length: usize, is_fit: impl Fn(u8) -> bool) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| rest.len() == length && rest.bytes().all(is_fit))
}

/// `d` stands for a digit, `x` for a lower-case hex digit, `v` for a UUID's variant; the rest for
/// itself.
fn fits(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(byte, kind)| match kind {
            b'd' => byte.is_ascii_digit(),
            b'x' => is_lower_hex(byte),
            b'v' => b"89ab".contains(&byte),
            _ => byte == kind,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_told_apart() {
        assert!(is_customer_id("cst_om2l6ctlptxwxuzj"));
        assert!(!is_customer_id("cst_om2l6ctlptxwxuzJ"));
        assert!(!is_customer_id("cst_om2l6ctlptxwxuz"));
        assert!(is_token("tkn_24543c6a278f45d680d09edb32e78061"));
        assert!(!is_token("tkn_24543C6a278f45d680d09edb32e78061"));
        assert!(is_api_key("0F1E2D3C4B5A69788796A5B4C3D2E1F0"));
        assert!(is_date("2016-08-02T08:07:52Z"));
        assert!(!is_date("2016-08-02T08:07:52+0000"));
        assert!(is_uuid("94d986db-85a2-45a3-af88-6eb5967ab61c"));
        assert!(!is_uuid("94D986DB-85a2-45a3-af88-6eb5967ab61c"));
    }
}
