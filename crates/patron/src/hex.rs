//! Secrets as hex digits and back, wiped when dropped.

use zeroize::Zeroizing;

/// The bytes as lower-case hex digits.
pub fn encode(bytes: &[u8]) -> Zeroizing<String> {
    // Room for all digits from the start: a text that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().saturating_mul(2)));
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            // A nibble is below 16, so there is always a digit.
            text.push(char::from_digit(nibble.into(), 16).unwrap_or('0'));
        }
    }
    text
}

/// Reads exactly `2 * N` hex digits of either case.
pub fn decode<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Zeroizing::new([0; N]);
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let bytes = [0x00, 0x0f, 0xa5, 0xff];
        assert_eq!(*encode(&bytes), "000fa5ff");
        assert_eq!(decode::<4>("000fA5ff").as_deref(), Some(&bytes));
        for bad in ["", "000fa5f", "000fa5ff0", "000fa5ff00", "000fa5fg", "+00fa5ff", "é00fa5f"] {
            assert_eq!(decode::<4>(bad).as_deref(), None, "{bad}");
        }
    }
}
