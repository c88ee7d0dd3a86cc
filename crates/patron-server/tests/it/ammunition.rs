//! What hostile clients send: requests that are nearly right, made by chance.

use patron_testkit::chance::Chance;
use patron_testkit::http::Call;

use crate::stage::encoded;

/// What parsers stumble over.
const NASTY: [&[u8]; 36] = [
    b"%",
    b"%zz",
    b"%00",
    b"%ff",
    b"%ED%A0%80",
    b"%C0%AF",
    b"%25",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"\0",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"\\ud800",
    b"\\u0000",
    b"null",
    b"1e999",
    b"-0",
    b"&",
    b"=",
    b"+",
    b"@",
    b"\r\n",
    b"\n",
    b"..",
    b"/",
    b"?",
    b"#",
    b";",
    b"undefined",
    b"object_reference_id",
];

/// Keys that the wire knows, and some that it does not.
const KEYS: [&str; 16] = [
    "object_reference_id",
    "mobile_number",
    "email_address",
    "first_name",
    "last_name",
    "mobile_country_code",
    "options.get_client_auth_token",
    "update",
    "count",
    "offset",
    "client_auth_token",
    "options",
    "id",
    "customer_id",
    "",
    "mobile\\u005fnumber",
];

/// Values, some of which are good for some keys.
const VALUES: [&str; 26] = [
    "",
    "jon@x",
    "99887766",
    "+6599887766",
    "Jon",
    "65",
    "true",
    "True",
    "1",
    "0",
    "10",
    "101",
    "-1",
    "undefined",
    "null",
    "a b",
    "é",
    "😀",
    "\u{0}",
    "\u{202e}",
    "\u{feff}",
    "a@b@c",
    "'",
    "<x>",
    "18446744073709551616",
    "tkn_0123456789abcdef0123456789abcdef",
];

/// JSON values that are no texts, well-formed and not.
const OTHER_VALUES: [&str; 18] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "99887766",
    "1.5",
    "1e999",
    "01",
    "NaN",
    "[]",
    "{}",
    "[[1]]",
    "{\"get_client_auth_token\":true}",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\u0000\"",
];

/// Bodies that are good as they are, somewhere.
const GOOD_BODIES: [&[u8]; 5] = [
    b"object_reference_id=jon%40x&mobile_number=99887766&email_address=a%40b&first_name=Jon",
    b"first_name=Jon&last_name=Snow&mobile_country_code=%2B65&options.get_client_auth_token=true",
    br#"{"object_reference_id":"jon@x","mobile_number":99887766,"first_name":"Jon","x":[1,{}]}"#,
    br#"{"email_address":"a@b","options":{"get_client_auth_token":true},"last_name":null}"#,
    b"update=true&mobile_number=+99887766&first_name=undefined",
];

const METHODS: [&str; 12] =
    ["GET", "GET", "GET", "POST", "POST", "POST", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "X"];

const PATHS: [&str; 12] = [
    "/customers",
    "/customers",
    "/customers/",
    "/v2/customers",
    "/v2/customers/",
    "/customers/jon@x",
    "/customers/jon%40x",
    "/v2/customers/jon@x",
    "/customers/cst_0123456789abcdef",
    "/customers/jon@x/more",
    "/Customers",
    "/",
];

/// Headers that mean something to somebody.
const HEADERS: [(&str, &str); 24] = [
    ("Content-Type", "application/json"),
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Content-Type", "multipart/form-data; boundary=b"),
    ("Content-Type", "application/json; charset=utf-16"),
    ("Content-Type", "\u{1}"),
    ("Content-Encoding", "gzip"),
    ("User-Agent", "NODEJS_SDK/1.0.0"),
    ("version", "3.2"),
    ("version", "2018-07-01"),
    ("If-Match", "*"),
    ("If-Match", "\"1\""),
    ("If-Match", "\"2\", W/\"1\""),
    ("If-Match", "é"),
    ("x-request-id", "r-1"),
    ("x-request-id", ""),
    ("x-request-id", "a\tb"),
    ("x-merchantid", "another"),
    ("x-merchant-id", ""),
    ("merchant-id", "é"),
    ("x-routing-id", "x"),
    ("X-Forwarded-For", "::1, nonsense"),
    ("Accept", "text/html;q=x"),
    ("Expect", "miracles"),
    ("Cookie", "\u{80}"),
];

/// What may be shown to be let in.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) key: String,
    pub(crate) token: String,
}

/// Changes a few places of a text.
pub(crate) fn spoiled(chance: &mut Chance, text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len() + 1);
        let end = (at + chance.below(12)).min(bytes.len());
        match chance.below(5) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, chance.pick(&NASTY).iter().copied())),
            2 => drop(bytes.splice(at..end, chance.pick(&NASTY).iter().copied())),
            3 => {
                let copy = bytes[at..end].to_vec();
                bytes.extend(copy);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(chance.below(256)).unwrap();
                }
            }
        }
    }
    bytes
}

/// A request whose head is HTTP, whatever else it is.
pub(crate) fn request(chance: &mut Chance, credentials: &Credentials) -> Call {
    let method = chance.pick(&METHODS);
    let mut target = String::from(chance.pick(&PATHS));
    if chance.below(4) == 0 {
        target.push_str(&encoded(chance.pick(&VALUES)));
    }
    if chance.below(6) == 0 {
        target = fitting(&spoiled(chance, target.as_bytes()));
    }
    if chance.below(3) == 0 {
        let query = fitting(&form(chance));
        target = format!("{target}?{}", query.trim_start_matches('/'));
    }
    let mut call = match chance.below(10) {
        0 => Call::new(method, &target),
        1 => Call::new(method, &target).bearer("tkn_0123456789abcdef0123456789abcdef"),
        2 => {
            let joint = if target.contains('?') { '&' } else { '?' };
            Call::new(method, format!("{target}{joint}client_auth_token={}", credentials.token))
        }
        3 | 4 => Call::new(method, &target).bearer(&credentials.token),
        _ => Call::new(method, &target).basic(&credentials.key),
    };
    for _ in 0..chance.below(4) {
        let (name, value) = chance.pick(&HEADERS);
        // What HTTP does not allow in a header is for the spoiled heads.
        let value: String = value.chars().filter(|c| !c.is_control() || *c == '\t').collect();
        call = call.header(name, value);
    }
    match chance.below(8) {
        0 => call.bytes(""),
        1 => {
            let whole = body(chance);
            let (first, rest) = whole.split_at(chance.below(whole.len() + 1));
            call.chunks([first, rest])
        }
        _ => call.bytes(body(chance)),
    }
}

fn body(chance: &mut Chance) -> Vec<u8> {
    let whole = match chance.below(5) {
        0 | 1 => form(chance),
        2 | 3 => json(chance),
        _ => chance.pick(&GOOD_BODIES).to_vec(),
    };
    if chance.below(3) == 0 { spoiled(chance, &whole) } else { whole }
}

fn form(chance: &mut Chance) -> Vec<u8> {
    let pairs: Vec<String> = (0..chance.below(8))
        .map(|_| {
            let (key, value) = (chance.pick(&KEYS), chance.pick(&VALUES));
            let value = if chance.below(8) == 0 { value.to_owned() } else { encoded(value) };
            format!("{key}={value}")
        })
        .collect();
    pairs.join("&").into_bytes()
}

fn json(chance: &mut Chance) -> Vec<u8> {
    let members: Vec<String> = (0..chance.below(8))
        .map(|_| format!("\"{}\":{}", chance.pick(&KEYS), json_value(chance, 3)))
        .collect();
    let space = chance.pick(&["", "", " ", "\r\n", "\u{feff}"]);
    format!("{space}{{{}}}{space}", members.join(",")).into_bytes()
}

fn json_value(chance: &mut Chance, depth: usize) -> String {
    match chance.below(8) {
        0 | 1 => chance.pick(&OTHER_VALUES).to_owned(),
        2 if depth > 0 => {
            let value = json_value(chance, depth - 1);
            format!("{{\"{}\":{value}}}", chance.pick(&KEYS))
        }
        3 if depth > 0 => format!("[{}]", json_value(chance, depth - 1)),
        _ => serde_json::to_string(chance.pick(&VALUES)).unwrap(),
    }
}

/// What of it can stand in a request's line.
fn fitting(bytes: &[u8]) -> String {
    let fits = |c: &char| c.is_ascii_graphic() && !"\"<>\\^`{|}#".contains(*c);
    let text: String = bytes.iter().map(|byte| char::from(*byte)).filter(fits).collect();
    format!("/{}", text.trim_start_matches('/'))
}
