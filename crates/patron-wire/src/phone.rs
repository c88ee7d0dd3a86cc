//! Telephone numbers in the international form (ITU-T E.164): country code and number.

/// Digits of a whole number, country code included.
const DIGITS_MAX: usize = 15;

/// The country codes of two and three digits that are assigned (ITU-T E.164, list of assigned codes,
/// with those of global services and networks). No code is the beginning of another, and `1` and `7`
/// are the only ones of one digit.
const OF_TWO: &str = "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 \
     81 82 84 86 90 91 92 93 94 95 98";
const OF_THREE: &str = "211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 \
     239 240 241 242 243 244 245 246 247 248 249 250 251 252 253 254 255 256 257 258 260 261 262 263 \
     264 265 266 267 268 269 290 291 297 298 299 350 351 352 353 354 355 356 357 358 359 370 371 372 \
     373 374 375 376 377 378 379 380 381 382 383 385 386 387 389 420 421 423 500 501 502 503 504 505 \
     506 507 508 509 590 591 592 593 594 595 596 597 598 599 670 672 673 674 675 676 677 678 679 680 \
     681 682 683 685 686 687 688 689 690 691 692 800 808 850 852 853 855 856 870 878 880 881 882 883 \
     886 888 960 961 962 963 964 965 966 967 968 970 971 972 973 974 975 976 977 979 992 993 994 995 \
     996 998";

/// An international number in its two parts, digits each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct International {
    /// The country code.
    pub country_code: String,
    /// The number within the country.
    pub number: String,
}

impl International {
    /// Reads a `+`, an assigned country code and a number, 15 digits at most in all; spaces, brackets, dots
    /// and hyphens between them are for people.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.trim_start().strip_prefix('+')?;
        let is_known = |c: char| c.is_ascii_digit() || " ()-.".contains(c);
        if !rest.chars().all(is_known) {
            return None;
        }
        let digits = digits_of(rest);
        if digits.len() > DIGITS_MAX {
            return None;
        }
        let (country_code, number) = digits.split_at_checked(country_code_length(&digits)?)?;
        (!number.is_empty())
            .then(|| Self { country_code: country_code.to_owned(), number: number.to_owned() })
    }
}

fn country_code_length(digits: &str) -> Option<usize> {
    let is_of = |codes: &str, length: usize| {
        let start = digits.get(..length);
        start.is_some_and(|start| codes.split_ascii_whitespace().any(|code| code == start))
    };
    if is_of("1 7", 1) {
        Some(1)
    } else if is_of(OF_TWO, 2) {
        Some(2)
    } else if is_of(OF_THREE, 3) {
        Some(3)
    } else {
        None
    }
}

/// The digits in a text.
pub fn digits_of(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<(&str, &str)>) {
        let expect = expect.map(|(country_code, number)| International {
            country_code: country_code.to_owned(),
            number: number.to_owned(),
        });
        assert_eq!(International::parse(text), expect, "{text}");
    }

    #[test]
    fn international_numbers_are_split() {
        check("+15551234567", Some(("1", "5551234567")));
        check("+1 (555) 123-4567", Some(("1", "5551234567")));
        check(" +7.495.123", Some(("7", "495123")));
        check("+91 99887766", Some(("91", "99887766")));
        check("+65-9988-7766", Some(("65", "99887766")));
        check("+353 1 234", Some(("353", "1234")));
        check("+491234567890123", Some(("49", "1234567890123")));
        for bad in [
            "",
            "99887766",
            "0049123",
            "+",
            "+1",
            "+91",
            "+353",
            "+0123",
            "+9991234",
            "+4912345678901234",
            "++491234",
            "+49x123",
            "+49+123",
            "49+123",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn no_country_code_begins_another() {
        let twos: Vec<&str> = OF_TWO.split_ascii_whitespace().collect();
        let threes: Vec<&str> = OF_THREE.split_ascii_whitespace().collect();
        assert!(twos.iter().all(|code| code.len() == 2) && threes.iter().all(|c| c.len() == 3));
        assert!(twos.is_sorted() && threes.is_sorted());
        let all = twos.iter().chain(&threes);
        assert!(all.clone().all(|code| !code.starts_with(['0', '1', '7'])));
        assert!(threes.iter().all(|code| twos.iter().all(|two| !code.starts_with(two))));
    }
}
