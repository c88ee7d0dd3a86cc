//! TLS: certificate and key from PEM files, HTTP/1.1 inside.

use std::path::Path;
use std::sync::Arc;

use patron::clock::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::refusal::Refusal;

/// What the listener needs for TLS with these files.
pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Refusal> {
    let chain = read_certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        Refusal::configuration(format!(
            "the TLS key {} cannot be read ({error}): correct --tls-key or the file",
            key.display()
        ))
    })?;
    let unusable = |error: rustls::Error| {
        Refusal::configuration(format!(
            "the TLS certificate {} and key {} cannot be used together ({error}): give a certificate \
             and its own key",
            certificate.display(),
            key.display()
        ))
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The certificates of the file, the server's own first.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Refusal> {
    let unreadable = |reason: String| {
        Refusal::configuration(format!(
            "the TLS certificate {} cannot be read ({reason}): correct --tls-cert or the file",
            path.display()
        ))
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(error.to_string()))?;
    if certificates.is_empty() {
        return Err(unreadable("it holds no certificate".to_owned()));
    }
    Ok(certificates)
}

/// The end of the first certificate's validity, as far as it can be read.
pub(crate) fn expiry(certificate: &Path) -> Option<Timestamp> {
    let certificates = read_certificates(certificate).ok()?;
    not_after(certificates.first()?)
}

/// Finds `notAfter` in a certificate (RFC 5280, section 4.1): the fields before it are stepped over.
fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    const CONTEXT_0: u8 = 0xA0;
    let (_, certificate, _) = element(certificate)?;
    let (_, to_be_signed, _) = element(certificate)?;
    let (tag, _, rest) = element(to_be_signed)?;
    // The version is left out in certificates of the first one.
    let from_serial = if tag == CONTEXT_0 { rest } else { to_be_signed };
    let (_, _, from_algorithm) = element(from_serial)?;
    let (_, _, from_issuer) = element(from_algorithm)?;
    let (_, _, from_validity) = element(from_issuer)?;
    let (_, validity, _) = element(from_validity)?;
    let (_, _, from_not_after) = element(validity)?;
    let (tag, time, _) = element(from_not_after)?;
    read_time(tag, std::str::from_utf8(time).ok()?)
}

/// The first element of some DER: its tag, what is in it, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, length, rest @ ..] = der else {
        return None;
    };
    let (length, rest) = if *length < 0x80 {
        (usize::from(*length), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(*length & 0x7F))?;
        let length = digits.iter().try_fold(0_usize, |length, digit| {
            length.checked_mul(256)?.checked_add(usize::from(*digit))
        });
        (length?, rest)
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((*tag, value, rest))
}

/// Reads a `UTCTime` (two digits of the year) or a `GeneralizedTime` (four).
fn read_time(tag: u8, text: &str) -> Option<Timestamp> {
    const UTC_TIME: u8 = 0x17;
    let year_length = if tag == UTC_TIME { 2 } else { 4 };
    let (year, rest) = text.strip_suffix('Z')?.split_at_checked(year_length)?;
    let century = match (year_length, year.parse::<u16>().ok()?) {
        (2, 50..) => "19",
        (2, _) => "20",
        _ => "",
    };
    let (month, rest) = rest.split_at_checked(2)?;
    let (day, rest) = rest.split_at_checked(2)?;
    let (hour, rest) = rest.split_at_checked(2)?;
    let (minute, second) = rest.split_at_checked(2)?;
    let text = format!("{century}{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    let moment: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_ms(moment.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_found() {
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        for (year, expect) in [(2031, "2031-02-03T00:00:00Z"), (2075, "2075-02-03T00:00:00Z")] {
            parameters.not_after = rcgen::date_time_ymd(year, 2, 3);
            let certificate = parameters.self_signed(&key).unwrap();
            let found = not_after(certificate.der()).unwrap();
            assert_eq!(found.to_rfc3339_seconds(), expect);
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for bad in [&b""[..], b"\x30", b"\x30\x05\x30", b"\x30\x84\xFF\xFF\xFF\xFF"] {
            assert_eq!(not_after(bad), None);
        }
    }
}
