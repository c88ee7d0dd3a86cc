//! Bodies: both formats, every way that clients write them, and everything that is wrong with some.

use patron_testkit::http::{Call, Connection, Reply};
use patron_testkit::server::Server;
use serde_json::{Value, json};

use crate::errors::{is_malformed, is_missing, is_refused, is_wrong_value};
use crate::stage::{LEAST, MOST, create, get, launch, post, post_json, read, server};

const NODE: &str = "NODEJS_SDK/1.0.0";
const JSON: &str = r#"{"object_reference_id":"jon@example.com","mobile_number":"99887766"}"#;
const FORM_TYPE: &str = "application/x-www-form-urlencoded";

fn create_call(server: &Server) -> Call {
    Call::post("/customers").basic(server.key())
}

/// Creates Jon on a new server by this call and checks that it is him.
#[track_caller]
fn creates_jon(call: impl FnOnce(Call) -> Call) {
    let server = server();
    let customer = call(create_call(&server)).send(&server).expect(200);
    assert_eq!(customer["object_reference_id"], "jon@example.com");
    assert_eq!(customer["mobile_number"], "99887766");
}

#[test]
fn forms_and_json_say_the_same() {
    let server = server();
    let mut from_form = create(&server, MOST);
    let text = r#"{"object_reference_id":"arya","mobile_number":"99887766",
        "email_address":"jon@winter.example","first_name":"Jon","last_name":"Snow",
        "mobile_country_code":"65"}"#;
    let from_json = post_json(&server, "/customers", text).expect(200);
    for differs in ["id", "object_reference_id", "date_created", "last_updated"] {
        from_form[differs] = from_json[differs].clone();
    }
    assert_eq!(from_form, from_json);
}

#[test]
fn a_body_that_starts_with_a_brace_is_json_whatever_is_said_of_it() {
    creates_jon(|call| call.bytes(JSON));
    creates_jon(|call| call.bytes(LEAST));
    creates_jon(|call| call.form(JSON));
    creates_jon(|call| call.json(LEAST));
    creates_jon(|call| call.header("Content-Type", "text/plain").bytes(JSON));
    creates_jon(|call| call.header("Content-Type", "nonsense").bytes(LEAST));
    creates_jon(|call| call.header("Content-Type", "").bytes(LEAST));
    creates_jon(|call| call.json(format!(" \r\n\t{JSON}\n")));
}

#[test]
fn a_charset_changes_nothing() {
    for charset in ["; charset=utf-8", ";charset=UTF-8", "; charset=\"utf-8\"", "; q=1; x=y"] {
        let form = format!("{FORM_TYPE}{charset}");
        creates_jon(|call| call.header("Content-Type", form).bytes(LEAST));
        let json = format!("application/json{charset}");
        creates_jon(|call| call.header("Content-Type", json).bytes(JSON));
    }
}

#[test]
fn chunks_are_put_together_wherever_they_are_cut() {
    let (a, b) = LEAST.split_at(30);
    creates_jon(|call| call.header("Content-Type", FORM_TYPE).chunks([a, b]));
    let (a, b) = JSON.split_at(20);
    creates_jon(|call| call.header("Content-Type", "application/json").chunks([a, b]));
    let single: Vec<String> = LEAST.chars().map(String::from).collect();
    creates_jon(|call| call.chunks(single));
}

#[test]
fn json_texts_are_decoded() {
    let server = server();
    let text = r#"{"object_reference_id":"\u006aon@example.com","mobile_number":"99887766"}"#;
    let customer = post_json(&server, "/customers", text).expect(200);
    assert_eq!(customer["object_reference_id"], "jon@example.com");
    let text = r#"{"object_reference_id":"\ud83d\ude00","mobile_number":"1"}"#;
    let customer = post_json(&server, "/customers", text).expect(200);
    assert_eq!(customer["object_reference_id"], "😀");
    let form = "object_reference_id=a%20b%2Bc+d%C3%A9&mobile_number=1";
    assert_eq!(create(&server, form)["object_reference_id"], "a b+c dé");
}

#[test]
fn what_cannot_be_read_is_malformed_and_changes_nothing() {
    let server = server();
    let bodies: [&[u8]; 20] = [
        b"{",
        b"{]",
        b"{\"object_reference_id\":\"r\",}",
        b"{\"object_reference_id\":\"r\" \"mobile_number\":\"1\"}",
        b"{\"object_reference_id\":\"r\",\"mobile_number\":\"1\"} x",
        b"{\"object_reference_id\":\"r\",\"mobile_number\":\"1\"}{}",
        b"{'object_reference_id':'r'}",
        b"{\"object_reference_id\":\"r\",\"mobile_number\":01}",
        b"{\"object_reference_id\":\"r\",\"mobile_number\":NaN}",
        b"{\"object_reference_id\":\"a\tb\",\"mobile_number\":\"1\"}",
        // Lone surrogates, in three places.
        b"{\"object_reference_id\":\"\\ud83d\",\"mobile_number\":\"1\"}",
        b"{\"object_reference_id\":\"\\ude00x\",\"mobile_number\":\"1\"}",
        b"{\"object_reference_id\":\"r\",\"mobile_number\":\"1\",\"x\":\"\\ud83d\"}",
        // What is not UTF-8.
        b"{\"object_reference_id\":\"\xff\",\"mobile_number\":\"1\"}",
        b"object_reference_id=\xff&mobile_number=1",
        b"object_reference_id=%FF&mobile_number=1",
        b"object_reference_id=r&mobile_number=1&%C3=x",
        // Percent signs that encode nothing.
        b"object_reference_id=%zz&mobile_number=1",
        b"object_reference_id=100%&mobile_number=1",
        b"object_reference_id=r&mobile_number=1&x=%a",
    ];
    for body in bodies {
        let reply = create_call(&server).bytes(body).send(&server);
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(reply.status, 400, "{shown}: {}", reply.text());
        is_malformed(&reply);
    }
    assert_eq!(get(&server, "/customers").expect(200)["total"], 0);
}

#[test]
fn json_that_is_no_object_says_nothing_or_is_malformed() {
    let server = server();
    let fields = ["object_reference_id", "mobile_number"];
    for body in ["", "   ", "\r\n"] {
        is_missing(&create_call(&server).json(body).send(&server), &fields);
    }
    for body in ["[]", "\"x\"", "[{}]"] {
        is_malformed(&create_call(&server).json(body).send(&server));
        // Without that type it is a form, if an odd one.
        is_missing(&create_call(&server).bytes(body).send(&server), &fields);
    }
}

#[test]
fn depth_does_no_harm() {
    let server = server();
    for (open, close) in [("[", "]"), ("{\"x\":", "}")] {
        for depth in [100, 10_000] {
            let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let body = format!("{{\"x\":{value}}}");
            is_missing(
                &post_json(&server, "/customers", &body),
                &["object_reference_id", "mobile_number"],
            );
            let body = format!("{{\"object_reference_id\":{value},\"mobile_number\":\"1\"}}");
            let reply = post_json(&server, "/customers", &body);
            is_wrong_value(&reply, &["object_reference_id"]);
            let broken = format!("{{\"x\":{}", open.repeat(depth));
            is_malformed(&post_json(&server, "/customers", &broken));
        }
    }
    assert_eq!(get(&server, "/customers").expect(200)["total"], 0);
}

#[test]
fn null_means_not_sent() {
    let server = server();
    let body = r#"{"object_reference_id":"r","mobile_number":null}"#;
    is_missing(&post_json(&server, "/customers", body), &["mobile_number"]);
    let body = r#"{"object_reference_id":"jon@example.com","mobile_number":"1","email_address":null,
        "first_name":null,"last_name":null,"mobile_country_code":null}"#;
    let customer = post_json(&server, "/customers", body).expect(200);
    assert_eq!(customer["mobile_country_code"], "91");
    assert_eq!(customer["first_name"], Value::Null);
}

#[test]
fn the_word_undefined_means_not_sent_from_the_node_library_only() {
    let server = server();
    let update = |agent: Option<&str>, form: &str| -> Reply {
        let call = Call::post("/customers/jon@example.com").basic(server.key()).form(form);
        let call = agent.iter().fold(call, |call, agent| call.header("User-Agent", *agent));
        call.send(&server)
    };
    let before = create(&server, MOST);
    let all = "mobile_number=undefined&email_address=undefined&first_name=undefined\
        &last_name=undefined&mobile_country_code=undefined";
    assert_eq!(update(Some(NODE), all).expect(200), before);
    assert_eq!(update(Some("NODEJS_SDK/2.3.4"), all).expect(200), before);
    for agent in [None, Some("curl/8"), Some("node"), Some("my NODEJS_SDK/1.0.0")] {
        let after = update(agent, "first_name=undefined").expect(200);
        assert_eq!(after["first_name"], "undefined", "{agent:?}");
    }
    is_wrong_value(&update(None, "mobile_number=undefined"), &["mobile_number"]);
    let creation = create_call(&server)
        .header("User-Agent", NODE)
        .form("object_reference_id=r&mobile_number=undefined");
    is_missing(&creation.send(&server), &["mobile_number"]);
    let creation = create_call(&server)
        .header("User-Agent", NODE)
        .form("object_reference_id=r&mobile_number=1&mobile_country_code=undefined");
    assert_eq!(creation.send(&server).expect(200)["mobile_country_code"], "91");
}

#[test]
fn a_known_key_that_appears_twice_is_wrong_and_an_unknown_one_is_not() {
    let server = server();
    for field in [
        "object_reference_id",
        "mobile_number",
        "email_address",
        "first_name",
        "last_name",
        "mobile_country_code",
    ] {
        // Even when both say the same.
        let form = format!("object_reference_id=r&mobile_number=1&{field}=1&{field}=1");
        is_wrong_value(&post(&server, "/customers", &form), &[field]);
        let rest = r#""object_reference_id":"r","mobile_number":"1""#;
        let body = format!(r#"{{{rest},"{field}":"1","{field}":"1"}}"#);
        is_wrong_value(&post_json(&server, "/customers", &body), &[field]);
    }
    create(&server, &format!("{LEAST}&x=1&x=2"));
    let body = r#"{"object_reference_id":"r","mobile_number":"1","x":1,"x":2}"#;
    post_json(&server, "/customers", body).expect(200);
}

#[test]
fn integers_become_their_digits() {
    let server = server();
    for (number, digits) in [
        "0",
        "99887766",
        "9007199254740993",
        "18446744073709551616",
        "123456789012345678901234567890",
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!(r#"{{"object_reference_id":{number},"mobile_number":{digits}}}"#);
        let customer = post_json(&server, "/customers", &body).expect(200);
        assert_eq!(customer["mobile_number"], digits);
        assert_eq!(customer["object_reference_id"], number.to_string());
    }
    // The digits are then judged like any text.
    let body = r#"{"object_reference_id":"r","mobile_number":-99887766}"#;
    is_wrong_value(&post_json(&server, "/customers", body), &["mobile_number"]);
}

#[test]
fn anything_else_that_is_not_text_is_a_wrong_value() {
    let server = server();
    for value in ["1.5", "1.0", "1e3", "1E3", "-0.1", "true", "false", "[]", "{}", "[\"1\"]"] {
        let body = format!(r#"{{"object_reference_id":"r","mobile_number":{value}}}"#);
        let reply = post_json(&server, "/customers", &body);
        assert_eq!(reply.status, 400, "{value}: {}", reply.text());
        is_wrong_value(&reply, &["mobile_number"]);
        let body =
            format!(r#"{{"object_reference_id":"r","mobile_number":"1","first_name":{value}}}"#);
        is_wrong_value(&post_json(&server, "/customers", &body), &["first_name"]);
        let body =
            format!(r#"{{"object_reference_id":"r{value}","mobile_number":"1","x":{value}}}"#)
                .replace("r[\"1\"]", "r");
        post_json(&server, "/customers", &body).expect(200);
    }
}

#[test]
fn sixty_four_kibibytes_are_the_limit() {
    let server = server();
    let filled = |size: usize| format!("{LEAST}&x={}", "y".repeat(size - LEAST.len() - 3));
    let exact = filled(64 * 1024);
    assert_eq!(exact.len(), 64 * 1024);
    create(&server, &exact);
    let over = filled(64 * 1024 + 1);
    is_refused(&post(&server, "/customers", &over), 413, "payload_too_large");
    let in_chunks = create_call(&server).chunks(over.as_bytes().chunks(1000));
    is_refused(&in_chunks.send(&server), 413, "payload_too_large");
    let huge = create_call(&server).form("x".repeat(900_000));
    is_refused(&huge.send(&server), 413, "payload_too_large");
    let update = Call::post("/customers/jon@example.com").basic(server.key()).form(&over);
    is_refused(&update.send(&server), 413, "payload_too_large");
}

#[test]
fn the_limit_is_a_setting() {
    let server = launch().with("--body-size-max").with("100").start();
    create(&server, LEAST);
    let over = format!("{LEAST}&x={}", "y".repeat(100));
    is_refused(&post(&server, "/customers", &over), 413, "payload_too_large");
}

#[test]
fn multipart_is_not_supported() {
    let server = server();
    let body =
        "--b\r\nContent-Disposition: form-data; name=\"mobile_number\"\r\n\r\n1\r\n--b--\r\n";
    for media_type in ["multipart/form-data; boundary=b", "Multipart/Mixed;boundary=b"] {
        let call = create_call(&server).header("Content-Type", media_type).bytes(body);
        is_refused(&call.send(&server), 415, "unsupported_media_type");
    }
}

#[test]
fn a_body_that_does_not_arrive_is_not_waited_for() {
    let server = launch().with("--body-timeout-ms").with("200").start();
    let call = create_call(&server).form(LEAST);
    let mut nothing = Connection::open(&server);
    nothing.send_head(&call);
    is_refused(&nothing.reply(), 408, "request_timeout");
    let mut half = Connection::open(&server);
    half.send_head(&call);
    half.write(&LEAST.as_bytes()[..10]);
    is_refused(&half.reply(), 408, "request_timeout");
    let mut chunks = Connection::open(&server);
    chunks.send_head(&create_call(&server).chunks([LEAST]));
    chunks.write(b"5\r\nobjec");
    is_refused(&chunks.reply(), 408, "request_timeout");
    assert_eq!(get(&server, "/customers").expect(200)["total"], 0);
}

#[test]
fn a_slow_body_is_taken_as_long_as_it_comes_in_time() {
    let server = server();
    let call = create_call(&server).form(LEAST);
    let mut connection = Connection::open(&server);
    connection.send_head(&call);
    for byte in call.body() {
        connection.write(&[byte]);
    }
    assert_eq!(connection.reply().expect(200), read(&server));
}

#[test]
fn a_body_that_breaks_off_changes_nothing() {
    let server = server();
    let mut connection = Connection::open(&server);
    connection.send_head(&create_call(&server).form(LEAST));
    connection.write(&LEAST.as_bytes()[..40]);
    drop(connection);
    assert_eq!(get(&server, "/customers").expect(200)["total"], 0);
}

#[test]
fn a_connection_can_be_used_again_after_every_answer() {
    let server = server();
    let mut connection = Connection::open(&server);
    let call = create_call(&server);
    assert_eq!(connection.send(&call.clone().form(LEAST)).status, 200);
    assert_eq!(connection.send(&call.clone().form(LEAST)).status, 400);
    assert_eq!(connection.send(&call.clone().json("{")).status, 400);
    assert_eq!(connection.send(&Call::post("/customers").form(LEAST)).status, 401);
    assert_eq!(connection.send(&Call::post("/nowhere").form(LEAST)).status, 404);
    assert_eq!(connection.send(&Call::new("PUT", "/customers").form(LEAST)).status, 405);
    let read = Call::get("/customers/jon@example.com").basic(server.key());
    assert_eq!(connection.send(&read).expect(200)["mobile_number"], json!("99887766"));
}

#[test]
fn a_client_may_ask_before_it_sends_the_body() {
    let server = server();
    let call = create_call(&server).header("Expect", "100-continue").form(LEAST);
    let mut connection = Connection::open(&server);
    connection.send_head(&call);
    assert_eq!(connection.interim(), 100);
    connection.write(&call.body());
    assert_eq!(connection.reply().status, 200);
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let mut marked = b"\xEF\xBB\xBF".to_vec();
    marked.extend_from_slice(JSON.as_bytes());
    creates_jon(|call| call.header("Content-Type", "application/json").bytes(marked));
}

#[test]
fn json_that_is_no_object_is_malformed() {
    let server = server();
    for value in ["null", "5", " true", "\"x\"", "[]", "[1,", "\"x"] {
        let call = create_call(&server).header("Content-Type", "application/json");
        is_malformed(&call.bytes(value).send(&server));
    }
    // A form under the wrong name is a form.
    let call = create_call(&server).header("Content-Type", "application/json");
    assert_eq!(call.bytes(LEAST).send(&server).status, 200);
}

#[test]
fn compressed_bodies_are_not_supported() {
    let server = server();
    for (name, value) in [
        ("Content-Encoding", "gzip"),
        ("Content-Encoding", "identity, br"),
        ("Transfer-Encoding", "gzip, chunked"),
    ] {
        let call = create_call(&server).header(name, value);
        let call = if name == "Transfer-Encoding" { call } else { call.form(LEAST) };
        let mut connection = Connection::open(&server);
        connection.send_head(&call);
        connection.write(if name == "Transfer-Encoding" { b"0\r\n\r\n" } else { LEAST.as_bytes() });
        is_refused(&connection.reply(), 415, "unsupported_media_type");
    }
    for (number, plain) in ["Identity", "", "identity,", ", identity"].into_iter().enumerate() {
        let form = format!("object_reference_id=r{number}&mobile_number=1");
        let call = create_call(&server).header("Content-Encoding", plain).form(form);
        assert_eq!(call.send(&server).status, 200, "{plain:?}");
    }
}

/// Nobody is invited to send what is refused anyway.
#[test]
fn a_body_that_is_refused_is_not_asked_for() {
    let server = server();
    let too_large = create_call(&server).header("Content-Length", "500000000");
    let uninvited = Call::post("/customers").header("Content-Length", "500000000");
    for (call, status) in [(too_large, 413), (uninvited, 401)] {
        let mut connection = Connection::open(&server);
        connection.send_head(&call.header("Expect", "100-continue"));
        let reply = connection.reply();
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("connection"), Some("close"), "so that nobody asks here again");
        assert!(connection.ends(), "what comes next could only be the body");
    }
}

#[test]
fn requests_sent_at_once_are_answered_in_their_order() {
    let server = server();
    let mut connection = Connection::open(&server);
    for number in 0..5 {
        let form = format!("object_reference_id=r{number}&mobile_number=1");
        let call = create_call(&server).form(form);
        connection.send_head(&call);
        connection.write(&call.body());
    }
    for number in 0..5 {
        let customer = connection.reply().expect(200);
        assert_eq!(customer["object_reference_id"], format!("r{number}"));
    }
}

#[test]
fn a_body_far_beyond_the_limit_is_answered_too() {
    let server = server();
    let huge = create_call(&server).form("x".repeat(8 * 1024 * 1024));
    is_refused(&huge.send(&server), 413, "payload_too_large");
}
