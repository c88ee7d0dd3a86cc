//! Encodings: bytes that are no text, texts that are no names, numbers that no number holds.

use patron_testkit::http::{Call, Reply};
use patron_testkit::server::SANDBOX_KEY;

use crate::errors::{is_malformed, is_unknown_customer, is_wrong_value};
use crate::stage::{encoded, get, post, post_json, server, text};
use crate::unharmed::{Unharmed, is_within_the_contract, nothing_broke};

const JON: &str = "/customers/jon@example.com";

/// Fields with a set of characters, and something good for each.
const FIELDS: [(&str, &str); 5] = [
    ("mobile_number", "1"),
    ("email_address", "a@b"),
    ("first_name", "A"),
    ("last_name", "A"),
    ("mobile_country_code", "1"),
];

/// Controls, and what hides or turns around the text beside it.
fn invisible() -> Vec<char> {
    let controls = ('\0'..=' ').chain('\u{7f}'..='\u{a0}');
    let marks = "\u{ad}\u{61c}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\
        \u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\u{fff9}\u{fffd}\u{fffe}\u{ffff}\u{e0001}\u{10ffff}";
    controls.chain(marks.chars()).collect()
}

fn send_raw(stage: &Unharmed, target: &str, kind: &str, body: &[u8]) -> Reply {
    let call = Call::post(target).basic(SANDBOX_KEY).header("Content-Type", kind);
    call.bytes(body).send(stage.server())
}

#[test]
fn what_cannot_be_seen_is_wrong_in_every_field() {
    let stage = Unharmed::start();
    for c in invisible() {
        let values = [format!("{c}"), format!("A{c}1"), format!("a@b{c}")];
        for (number, (field, _)) in FIELDS.into_iter().enumerate() {
            let value = &values[(number + 1) % values.len()];
            let reply = post(stage.server(), JON, &format!("{field}={}", encoded(value)));
            is_wrong_value(&reply, &[field]);
            let escaped: String =
                value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let reply = post_json(stage.server(), JON, &format!("{{\"{field}\":\"{escaped}\"}}"));
            is_wrong_value(&reply, &[field]);
        }
    }
    let all: Vec<&str> = FIELDS.iter().map(|(field, _)| *field).collect();
    let form: Vec<String> = all.iter().map(|field| format!("{field}=%00")).collect();
    for target in ["/v2/customers/new", JON] {
        is_wrong_value(&post(stage.server(), target, &form.join("&")), &all);
    }
    stage.holds();
}

/// The contract gives references no set of characters, so what is sent is what is stored.
#[test]
fn a_reference_is_kept_character_for_character() {
    let mut server = server();
    for (number, c) in invisible().into_iter().enumerate() {
        let reference = format!("r{number}{c}");
        let form = format!("object_reference_id={}&mobile_number=1", encoded(&reference));
        let created = post(&server, "/customers", &form).expect(200);
        assert_eq!(text(&created, "object_reference_id"), reference);
        let target = format!("/customers/{}", encoded(&reference));
        assert_eq!(get(&server, &target).expect(200)["id"], created["id"], "{reference:?}");
    }
    // Without the last character they are others.
    is_unknown_customer(&get(&server, "/customers/r0"));
    assert!(server.terminate().success());
    nothing_broke(&server);
}

/// Bytes that look like UTF-8 and are not: surrogates, overlong forms, beyond the last character, cut off.
const NOT_UTF_8: [&[u8]; 14] = [
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\xbd\xed\xb8\x80",
    b"\xc0\x80",
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfe\xff",
    b"\x80",
    b"\xc3",
    b"\xe2\x82",
    b"\xf0\x9f\x98",
];

#[test]
fn bytes_that_are_no_text_are_malformed_wherever_they_stand() {
    let stage = Unharmed::start();
    for bytes in NOT_UTF_8 {
        let percent: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        let forms = [
            [b"first_name=".as_slice(), bytes, b"&last_name=x"].concat(),
            [bytes, b"=x"].concat(),
            format!("first_name={percent}").into_bytes(),
            format!("{percent}=x").into_bytes(),
            [b"{\"first_name\":\"".as_slice(), bytes, b"\"}"].concat(),
            [b"{\"".as_slice(), bytes, b"\":1}"].concat(),
        ];
        for body in forms {
            is_malformed(&send_raw(&stage, JON, "", &body));
        }
        is_unknown_customer(&get(stage.server(), &format!("/customers/{percent}")));
        is_malformed(&get(stage.server(), &format!("{JON}?x={percent}")));
        is_wrong_value(
            &post(stage.server(), &format!("/v2/customers/{percent}"), "mobile_number=1"),
            &["object_reference_id"],
        );
    }
    stage.holds();
}

#[test]
fn lone_surrogates_are_no_text() {
    let stage = Unharmed::start();
    for escape in
        ["\\ud800", "\\udfff", "\\ude00\\ud83d", "\\ud83d\\ud83d", "\\ud83dx", "\\ud83d\\n"]
    {
        for body in [
            format!("{{\"first_name\":\"{escape}\"}}"),
            format!("{{\"{escape}\":1}}"),
            format!("{{\"options\":{{\"{escape}\":true}}}}"),
            format!("{{\"options\":{{\"x\":\"{escape}\"}}}}"),
        ] {
            is_malformed(&post_json(stage.server(), JON, &body));
        }
    }
    stage.holds();
}

#[test]
fn other_encodings_are_not_guessed() {
    let stage = Unharmed::start();
    let text = r#"{"first_name":"Aegon"}"#;
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let wide: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    let gzip = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let latin = b"first_name=J\xF6n".to_vec();
    for kind in
        ["application/json; charset=utf-16", "application/json", "text/html; charset=latin1"]
    {
        for body in [
            [b"\xff\xfe".as_slice(), &little].concat(),
            [b"\xfe\xff".as_slice(), &big].concat(),
            little.clone(),
            [b"\xff\xfe\0\0".as_slice(), &wide].concat(),
            gzip.to_vec(),
            latin.clone(),
        ] {
            is_malformed(&send_raw(&stage, JON, kind, &body));
        }
        // Zeros first: a form, whose one key nobody knows.
        is_within_the_contract(&send_raw(&stage, JON, kind, &big), "UTF-16 without a mark");
    }
    stage.holds();
}

#[test]
fn numbers_that_no_number_holds_are_judged_by_their_digits() {
    let stage = Unharmed::start();
    let long = "9".repeat(1_000);
    let field = ["mobile_number"];
    for number in
        ["1e999", "-1e999", "1E-999", "1e99999999999", "-0", "-0.0", &long, &format!("-{long}")]
    {
        let body = format!("{{\"mobile_number\":{number}}}");
        is_wrong_value(&post_json(stage.server(), JON, &body), &field);
        let ignored = format!("{{\"x\":[{number},{{\"y\":{number}}}]}}");
        assert_eq!(post_json(stage.server(), JON, &ignored).status, 200, "{number}");
    }
    for bad in ["1e", "+1", "01", ".5", "5.", "0x10", "Infinity", "NaN", "1_000", "１"] {
        is_malformed(&post_json(stage.server(), JON, &format!("{{\"mobile_number\":{bad}}}")));
    }
    for (count, offset) in
        [(long.as_str(), "0"), ("1e1", "0"), ("-1", "0"), ("１", "0"), ("1", &long)]
    {
        let target = format!("/customers?count={}&offset={offset}", encoded(count));
        let wrong = if count == "1" { "offset" } else { "count" };
        is_wrong_value(&get(stage.server(), &target), &[wrong]);
    }
    stage.holds();
}

#[test]
fn credentials_that_are_none_are_refused() {
    let stage = Unharmed::start();
    let long = "A".repeat(15_000);
    for credential in [
        "",
        " ",
        "Basic",
        "Basic ",
        "Basic =",
        "Basic ====",
        "Basic \u{e9}",
        "Basic AAAA AAAA",
        "Basic MEYxRTJEM0M0QjVBNjk3ODg3OTZBNUI0QzNEMkUxRjA6, Basic x",
        "Bearer",
        "Bearer ",
        "Bearer tkn_",
        "Bearer tkn_0123456789ABCDEF0123456789ABCDEF",
        "bearer null",
        "Digest x",
        "Basic AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        &format!("Basic {long}"),
        &long,
    ] {
        for target in ["/customers", JON] {
            let reply = Call::get(target).header("Authorization", credential).send(stage.server());
            crate::errors::is_denied(&reply);
        }
    }
    stage.holds();
}
