//! Properties of the readers at the door: what was written comes back, and nothing that is sent breaks them.

use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::header::{AUTHORIZATION, HeaderName, IF_MATCH};
use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use patron::customer::Precondition;
use patron::merchant::contains;
use patron_testkit::effort::rounds;
use patron_testkit::entropy::OsEntropy;
use patron_testkit::shape;
use patron_wire::address::client_address;
use patron_wire::credentials::Credential;
use patron_wire::etag::{entity_tag, if_match};
use patron_wire::form;
use patron_wire::request_id::{X_REQUEST_ID, request_id};
use patron_wire_juspay::bodies::Presence;
use patron_wire_juspay::route::Route;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::fuzzed::{TARGETS, body};

/// Tries a property on made-up values, as often as a run has time for.
fn holds<S: Strategy>(values: S, property: impl Fn(S::Value)) {
    let cases = u32::try_from(rounds(4_000, 500_000)).unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&values, |value| {
        property(value);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// A text of any characters.
fn any_text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..20).prop_map(String::from_iter)
}

/// Text with some of its bytes percent-encoded: all that `plain` does not allow raw, and any that chance picks.
fn written(text: &str, picks: &[bool], plain: fn(u8) -> bool) -> String {
    let mut picks = picks.iter().cycle();
    text.bytes()
        .map(|byte| {
            if plain(byte) && !picks.next().copied().unwrap_or_default() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn plain_in_forms(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.*~@:/?!$'()".contains(&byte)
}

fn plain_in_paths(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.*~@:!$'()+,;=&".contains(&byte)
}

fn headers(name: HeaderName, values: &[String]) -> HeaderMap {
    values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
}

#[test]
fn what_is_said_in_a_form_or_in_json_is_understood() {
    let said = vec((0..body::FIELDS.len(), any_text()), 0..10);
    holds((said, vec(any::<bool>(), 1..40)), |(mut said, picks)| {
        said.sort();
        said.dedup_by_key(|(field, _)| *field);
        let named = said.iter().map(|(field, text)| (body::FIELDS[*field].text(), text.as_str()));
        let form: Vec<String> = named
            .clone()
            .map(|(key, text)| {
                let write = |text| written(text, &picks, plain_in_forms);
                format!("{}={}", write(key), write(text).replace("%20", "+"))
            })
            .collect();
        let json: Vec<String> = named
            .map(|(key, text)| {
                let units: String =
                    text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
                let whole = serde_json::to_string(text).unwrap();
                let value = if picks[0] { format!("\"{units}\"") } else { whole };
                format!(" \"{key}\" :\t{value}")
            })
            .collect();
        for sent in [form.join("&"), format!("{{{}}}", json.join(","))] {
            let read = body::read(&HeaderMap::new(), sent.as_bytes(), usize::MAX).unwrap();
            for (number, field) in body::FIELDS.into_iter().enumerate() {
                let expect = said.iter().find(|(field, _)| *field == number);
                let expect =
                    expect.map_or(Presence::Absent, |(_, text)| Presence::Text(text.clone()));
                assert_eq!(read.about(field), expect, "{sent}");
            }
        }
    });
}

#[test]
fn a_name_in_a_path_arrives_however_it_is_encoded() {
    let name = vec(any::<char>(), 1..20).prop_map(String::from_iter);
    holds((name, vec(any::<bool>(), 1..40)), |(name, picks)| {
        let sent = written(&name, &picks, plain_in_paths);
        let customer = Route::find(&format!("/customers/{sent}"));
        assert_eq!(customer, Route::Customer(Some(name.clone())), "{sent}");
        let ensured = Route::find(&format!("/v2/customers/{sent}"));
        assert_eq!(ensured, Route::EnsureCustomer(Some(name)), "{sent}");
    });
}

#[test]
fn the_pairs_of_a_query_come_back_in_their_order() {
    let pairs = vec((any_text(), any_text()), 0..8);
    holds((pairs, vec(any::<bool>(), 1..40)), |(pairs, picks)| {
        let write = |text: &str| written(text, &picks, plain_in_forms);
        let sent: Vec<String> =
            pairs.iter().map(|(key, text)| format!("{}={}", write(key), write(text))).collect();
        assert_eq!(form::parse(sent.join("&").as_bytes()), Ok(pairs));
    });
}

#[test]
fn basic_credentials_are_read_however_they_are_written() {
    let user = vec(any::<u8>(), 0..40).prop_map(|mut user| {
        user.retain(|byte| *byte != b':');
        user
    });
    let password = proptest::option::of(vec(any::<u8>(), 0..20));
    let style = (0..3_usize, any::<bool>(), 1..4_usize);
    holds((user, password, style), |(user, password, (scheme, is_padded, spaces))| {
        let mut pair = user.clone();
        if let Some(password) = &password {
            pair.push(b':');
            pair.extend_from_slice(password);
        }
        let encoder = if is_padded { &STANDARD } else { &STANDARD_NO_PAD };
        let scheme = ["Basic", "basic", "BASIC"][scheme];
        let value = format!("{scheme}{}{}", " ".repeat(spaces), encoder.encode(&pair));
        let is_empty = pair.is_empty();
        let read = Credential::from_headers(&headers(AUTHORIZATION, &[value]));
        // Nothing after the scheme is no credential.
        let expect = Credential::Basic { user, password };
        assert!(read == expect || (is_empty && read == Credential::Malformed));
    });
}

#[test]
fn versions_survive_if_match() {
    holds(vec(vec(any::<u64>(), 1..4), 1..4), |lines| {
        let sent: Vec<String> = lines
            .iter()
            .map(|line| {
                line.iter().map(|version| entity_tag(*version)).collect::<Vec<_>>().join(" , ")
            })
            .collect();
        let expect = Precondition::Versions(lines.concat());
        assert_eq!(if_match(&headers(IF_MATCH, &sent)), expect);
    });
}

#[test]
fn the_right_most_address_that_is_not_a_proxys_counts() {
    let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
    let proxy = prop_oneof![Just("10.1.2.3"), Just("2001:db8::7"), Just("::ffff:10.0.0.9")];
    let proxies = vec(proxy.prop_map(|text| text.parse::<IpAddr>().unwrap()), 0..4);
    let style = vec(0..3_usize, 1..6);
    let client = any::<IpAddr>();
    holds((client, proxies, style, any_text()), |(client, proxies, style, noise)| {
        if contains(&trusted, client) {
            return;
        }
        let mut styles = style.into_iter().cycle();
        let mut write = |address: &IpAddr| match (styles.next(), address) {
            (Some(1), _) => SocketAddr::new(*address, 4_711).to_string(),
            (Some(2), IpAddr::V6(_)) => format!("[{address}]"),
            _ => address.to_string(),
        };
        let noise: String = noise.chars().filter(|c| c.is_ascii_graphic()).collect();
        let mut line = vec![noise, write(&client)];
        line.extend(proxies.iter().map(&mut write));
        let name = HeaderName::from_static("x-forwarded-for");
        let whole = headers(name.clone(), &[line.join(" , ")]);
        let apart = headers(name, &line);
        let peer = "10.0.0.1".parse().unwrap();
        let expect = Some(client.to_canonical());
        assert_eq!(client_address(peer, &whole, &trusted), expect);
        assert_eq!(client_address(peer, &apart, &trusted), expect);
        // A stranger is not believed.
        assert_eq!(client_address(client, &whole, &trusted), expect);
    });
}

#[test]
fn a_request_id_is_the_clients_or_a_uuid() {
    let entropy = OsEntropy::new();
    holds(vec(any::<u8>(), 0..140), |sent| {
        let Ok(value) = HeaderValue::from_bytes(&sent) else {
            return;
        };
        let name = X_REQUEST_ID;
        let id = request_id(&[(name, value)].into_iter().collect(), &entropy);
        let fits =
            (1..=128).contains(&sent.len()) && sent.iter().all(|b| (b' '..=b'~').contains(b));
        assert!(if fits { id.as_bytes() == sent } else { shape::is_uuid(&id) }, "{sent:?}");
    });
}

/// Words that the readers know, between which chance puts anything.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let words = proptest::sample::select(vec![
        "mobile_number",
        "=",
        "&",
        "first_name",
        "{\"",
        "\":\"",
        "\",\"",
        "\"}",
        "null",
        "undefined",
        "%",
        "%4",
        "%C3%A9",
        "\\u00e9",
        "\\ud800",
        "options",
        ".get_client_auth_token",
        "true",
        "/customers",
        "/v2",
        "/",
        "Basic ",
        "Bearer ",
        "tkn_",
        "POST ",
        "GET ",
        "\n",
        "\n\n",
        "?count=",
        "10.0.0.1",
        ", ",
        "\"1\"",
        "*",
    ]);
    let word = words.prop_map(|word| word.as_bytes().to_vec());
    let piece = prop_oneof![4 => word, 1 => vec(any::<u8>(), 0..4)];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn nothing_that_is_sent_breaks_a_reader() {
    for (_, check) in TARGETS {
        holds((any::<u8>(), pieces()), |(variant, pieces)| {
            check(&pieces);
            check(&[&[variant], pieces.as_slice()].concat());
        });
    }
}
