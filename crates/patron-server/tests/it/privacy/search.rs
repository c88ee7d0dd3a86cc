//! Searching bytes for values in every form in which they could have leaked.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use aws_lc_rs::digest::{
    Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA224, SHA256, SHA384, SHA512, digest,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What every form begins with is looked up first, so that it must be this long.
const HEAD: usize = 8;

/// A form of a value: what it is, and its bytes in lower case.
type Needle = (String, Vec<u8>);

/// Values in all their forms.
pub(super) struct Needles {
    needles: Vec<Needle>,
    heads: HashMap<Vec<u8>, Vec<usize>>,
    /// Whether a form begins with these two bytes.
    starts: Vec<bool>,
}

impl Needles {
    pub(super) fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let needles: Vec<Needle> = values.into_iter().flat_map(forms).collect();
        let mut heads: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        let mut starts = vec![false; 1 << 16];
        for (at, (what, bytes)) in needles.iter().enumerate() {
            assert!(bytes.len() >= HEAD, "{what} is too short to stand nowhere by chance");
            heads.entry(bytes[..HEAD].to_vec()).or_default().push(at);
            starts[start(bytes[0], bytes[1])] = true;
        }
        Self { needles, heads, starts }
    }

    /// The first form that stands in the bytes, in any case of letters.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<&str> {
        let bytes = bytes.to_ascii_lowercase();
        for (at, pair) in bytes.windows(2).enumerate() {
            if !self.starts[start(pair[0], pair[1])] {
                continue;
            }
            let candidates = bytes.get(at..at + HEAD).and_then(|head| self.heads.get(head));
            let found = candidates.into_iter().flatten().find(|needle| {
                let (_, form) = &self.needles[**needle];
                bytes[at..].starts_with(form)
            });
            if let Some(needle) = found {
                return Some(&self.needles[*needle].0);
            }
        }
        None
    }
}

fn start(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

/// A value as it may be written down, in whatever case a normal form has it.
fn forms(value: &str) -> Vec<Needle> {
    let mut spellings = vec![value.to_owned(), value.to_lowercase(), value.to_uppercase()];
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        spellings.push(format!("+{value}"));
    }
    spellings.sort();
    spellings.dedup();
    let mut forms = Vec::new();
    for spelling in spellings {
        forms.extend(encodings(&spelling));
        forms.extend(digests(&spelling));
    }
    forms.iter_mut().for_each(|(_, bytes)| bytes.make_ascii_lowercase());
    forms.sort();
    forms.dedup();
    forms
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encodings(text: &str) -> Vec<Needle> {
    let each = |form: fn(u16) -> String| text.encode_utf16().map(form).collect::<String>();
    let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let ascii_or = |form: fn(char) -> String| {
        let part = |c: char| if c.is_ascii() { c.to_string() } else { form(c) };
        text.chars().map(part).collect::<String>()
    };
    let mut forms = vec![
        ("plain", text.as_bytes().to_vec()),
        ("percent-encoded", crate::stage::encoded(text).into_bytes()),
        (
            "percent-encoded throughout",
            text.bytes().map(|b| format!("%{b:02x}")).collect::<String>().into_bytes(),
        ),
        ("a form", crate::stage::encoded(text).replace("%20", "+").into_bytes()),
        ("hex", hex(text.as_bytes()).into_bytes()),
        (
            "a list of bytes",
            text.bytes().map(|b| format!("{b}, ")).collect::<String>().into_bytes(),
        ),
        (
            "JSON, escaped",
            ascii_or(|c| c.to_string().encode_utf16().map(|u| format!("\\u{u:04x}")).collect())
                .into_bytes(),
        ),
        ("JSON, escaped throughout", each(|unit| format!("\\u{unit:04x}")).into_bytes()),
        ("Rust, escaped", ascii_or(|c| c.escape_unicode().collect()).into_bytes()),
        ("UTF-16, little end first", wide(u16::to_le_bytes)),
        ("UTF-16, big end first", wide(u16::to_be_bytes)),
    ];
    for before in 0..3_usize {
        let shifted = [vec![0; before], text.as_bytes().to_vec()].concat();
        // What its neighbours have a share in is left out at both ends.
        let (first, end) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
        for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            forms.push(("base64", encoded.as_bytes()[first..end].to_vec()));
        }
    }
    forms.into_iter().map(|(form, bytes)| (format!("{text}: {form}"), bytes)).collect()
}

/// What anybody can compute who guesses the value: a digest without a key is as good as the value.
fn digests(text: &str) -> Vec<Needle> {
    let algorithms: [(&str, &'static Algorithm); 5] = [
        ("SHA-1", &SHA1_FOR_LEGACY_USE_ONLY),
        ("SHA-224", &SHA224),
        ("SHA-256", &SHA256),
        ("SHA-384", &SHA384),
        ("SHA-512", &SHA512),
    ];
    let mut sums: Vec<(&str, Vec<u8>)> = algorithms
        .into_iter()
        .map(|(name, algorithm)| (name, digest(algorithm, text.as_bytes()).as_ref().to_vec()))
        .collect();
    sums.push(("MD5", md5(text)));
    let mut forms: Vec<Needle> = Vec::new();
    for (name, sum) in sums {
        // Their beginnings are found even where they were cut off.
        forms.push((format!("{text}: {name}"), sum[..HEAD].to_vec()));
        forms.push((format!("{text}: {name} in hex"), hex(&sum[..HEAD]).into_bytes()));
        let encoded = STANDARD_NO_PAD.encode(&sum).as_bytes()[..12].to_vec();
        forms.push((format!("{text}: {name} in base64"), encoded));
    }
    let crc = crc32(text.as_bytes());
    // Eight digits alone would be found in a random id now and then.
    for (quoted, name) in [(format!("\"{crc:08x}\""), "hex"), (format!("{crc:010}"), "decimal")] {
        forms.push((format!("{text}: CRC-32 in {name}"), quoted.into_bytes()));
    }
    forms
}

/// The system's, since no library of ours knows it.
fn md5(text: &str) -> Vec<u8> {
    let mut process =
        Command::new("md5sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..32).step_by(2).map(digit).collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes
        .iter()
        .fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shift(crc)))
}

/// A search that finds nothing at all would be of no use.
#[test]
fn each_form_is_found_and_nothing_else() {
    let value = "Kanariënvögel+1@nest.example";
    let needles = Needles::of([value]);
    let forms = forms(value);
    assert!(forms.len() > 80, "{}", forms.len());
    let noise: Vec<u8> = (0..=255).cycle().take(5000).collect();
    assert_eq!(needles.find(&noise), None);
    for (what, form) in forms {
        let planted = [&noise[..1234], &form, &noise[..777]].concat();
        assert!(needles.find(&planted).is_some(), "{what}");
        assert_eq!(needles.find(&planted[..1234 + form.len() - 1]), None, "{what}: a part of it");
    }
}

/// As others wrote them down.
#[test]
fn known_forms_are_found() {
    let needles = Needles::of(["canarybird"]);
    for leak in [
        r#"{"name":"CanaryBird"}"#,
        "GET /customers?name=%63%61%6E%61%72%79%62%69%72%64",
        "63616E61727962697264",
        "Y2FuYXJ5YmlyZA==",
        "eGNhbmFyeWJpcmR4",
        "eHhjYW5hcnliaXJkeHg=",
        "c\0a\0n\0a\0r\0y\0b\0i\0r\0d\0",
    ] {
        assert!(needles.find(leak.as_bytes()).is_some(), "{leak}");
    }
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    assert_eq!(hex(&md5("abc")), "900150983cd24fb0d6963f7d28e17f72");
    let sum = STANDARD_NO_PAD.encode(digest(&SHA256, b"abc"));
    assert_eq!(sum, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0");
}
