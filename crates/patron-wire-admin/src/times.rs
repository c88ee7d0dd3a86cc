//! Moments as texts: RFC 3339 in UTC with milliseconds, so that what is answered can be asked for again.

use patron::clock::Timestamp;

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`
pub(crate) fn text(at: Timestamp) -> String {
    let mut text = at.to_rfc3339_seconds();
    text.pop();
    let ms = at.as_ms().rem_euclid(1_000);
    text + &format!(".{ms:03}Z")
}

/// Reads a moment of RFC 3339, to the millisecond.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    // A zone in brackets, a space in the middle and what else some programs write are not of that form.
    let (date, time) = text.split_at_checked(10)?;
    let time = time.strip_prefix(['T', 't'])?;
    let (clock, rest) = time.split_at_checked(8)?;
    let is_like = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                sign => byte == sign,
            })
    };
    let zone = match rest.strip_prefix('.') {
        Some(rest) => {
            let zone = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == rest.len() {
                return None;
            }
            zone
        }
        None => rest,
    };
    let is_zone = matches!(zone, "Z" | "z") || is_like(zone, "+00:00") || is_like(zone, "-00:00");
    if !is_like(date, "0000-00-00") || !is_like(clock, "00:00:00") || !is_zone {
        return None;
    }
    let at: jiff::Timestamp = text.to_ascii_uppercase().parse().ok()?;
    Some(Timestamp::from_ms(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (ms, expect) in [
            (1_470_125_272_999, "2016-08-02T08:07:52.999Z"),
            (1_470_125_272_000, "2016-08-02T08:07:52.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(text(Timestamp::from_ms(ms)), expect);
            assert_eq!(parse(expect), Some(Timestamp::from_ms(ms)));
        }
    }

    #[test]
    fn only_the_form_of_the_standard_is_read() {
        let at = Some(Timestamp::from_ms(1_705_314_600_000));
        for good in [
            "2024-01-15T10:30:00Z",
            "2024-01-15t10:30:00z",
            "2024-01-15T16:00:00+05:30",
            "2024-01-15T10:30:00.0009Z",
        ] {
            assert_eq!(parse(good), at, "{good}");
        }
        for bad in [
            "",
            "2024-01-15",
            "2024-01-15T10:30Z",
            "2024-01-15T10:30:00",
            "2024-01-15 10:30:00Z",
            "2024-01-15T10:30:00Z[UTC]",
            "2024-01-15T10:30:00.Z",
            "2024-01-15T10:30:00,5Z",
            "2024-01-15T10:30:00+0530",
            "2024-13-15T10:30:00Z",
            "2024-02-30T10:30:00Z",
            "+002024-01-15T10:30:00Z",
            "２024-01-15T10:30:00Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
