//! Limits: each one at its limit and one beyond it, and what costs more than its size says.

use patron_testkit::http::{Call, Reply, basic};
use patron_testkit::server::SANDBOX_KEY;

use crate::errors::{is_malformed, is_missing, is_refused, is_unknown_customer, is_wrong_value};
use crate::stage::{get, launch, post_json};
use crate::unharmed::{Unharmed, is_within_the_contract, processor_time};

/// The most bytes and lines of a head.
const HEAD_SIZE_MAX: usize = 16 * 1024;
const HEADER_LINES_MAX: usize = 100;

const JON: &str = "/customers/jon@example.com";

/// A head of exactly this size, filled up by `fill`, which is given a number of bytes.
fn head_of(size: usize, fill: impl Fn(usize) -> String) -> String {
    let short = fill(0);
    let head = fill(size - short.len());
    assert_eq!(head.len(), size);
    head
}

fn request(target: &str, more: &str) -> String {
    let key = basic(SANDBOX_KEY);
    format!("GET {target} HTTP/1.1\r\nHost: h\r\nAuthorization: {key}\r\n{more}\r\n")
}

/// The answer to bytes, the last thing on their connection.
fn only(replies: Vec<Reply>) -> Reply {
    assert_eq!(replies.len(), 1, "{replies:?}");
    replies.into_iter().next().unwrap()
}

#[test]
fn a_head_has_sixteen_kibibytes() {
    let stage = Unharmed::start();
    let path = |size: usize| request(&format!("/customers/{}", "x".repeat(size + 1)), "");
    let query = |size: usize| request(&format!("/customers/nobody?x={}", "x".repeat(size)), "");
    let value = |size: usize| request("/customers/nobody", &format!("X: {}\r\n", "x".repeat(size)));
    let name = |size: usize| request("/customers/nobody", &format!("X{}: x\r\n", "x".repeat(size)));
    let fills: [&dyn Fn(usize) -> String; 4] = [&path, &query, &value, &name];
    for (number, fill) in fills.into_iter().enumerate() {
        let exact = head_of(HEAD_SIZE_MAX, fill);
        is_unknown_customer(&only(stage.exchange(exact.as_bytes())));
        let over = head_of(HEAD_SIZE_MAX + 1, fill);
        let reply = only(stage.exchange(over.as_bytes()));
        assert_eq!((reply.status, reply.body.len()), (431, 0), "{number}: {reply:?}");
        // Nor is the end of a head waited for that is too long already.
        let endless = head_of(4 * HEAD_SIZE_MAX, fill);
        let reply = only(stage.exchange(&endless.as_bytes()[..endless.len() - 4]));
        assert_eq!((reply.status, reply.body.len()), (431, 0), "{number}: {reply:?}");
    }
    stage.holds();
}

#[test]
fn a_head_has_a_hundred_lines() {
    let stage = Unharmed::start();
    // Two lines are in every request here.
    let more =
        |lines: usize| -> String { (0..lines - 2).map(|n| format!("X-{n}: x\r\n")).collect() };
    let same = |lines: usize| "X: x\r\n".repeat(lines - 2);
    let fills: [&dyn Fn(usize) -> String; 2] = [&more, &same];
    for fill in fills {
        let exact = request("/customers/nobody", &fill(HEADER_LINES_MAX));
        is_unknown_customer(&only(stage.exchange(exact.as_bytes())));
        for lines in [HEADER_LINES_MAX + 1, 2_000] {
            let over = request("/customers/nobody", &fill(lines));
            let reply = only(stage.exchange(over.as_bytes()));
            assert_eq!((reply.status, reply.body.len()), (431, 0), "{lines}: {reply:?}");
        }
    }
    stage.holds();
}

#[test]
fn trailers_are_bounded_too() {
    let stage = Unharmed::start();
    let key = basic(SANDBOX_KEY);
    let head = format!("POST {JON} HTTP/1.1\r\nHost: h\r\nAuthorization: {key}\r\n");
    for trailers in ["X: x\r\n".repeat(2_000), format!("X: {}\r\n", "x".repeat(64 * 1024))] {
        let chunks = format!("10\r\nfirst_name=Aegon\r\n0\r\n{trailers}\r\n");
        let sent = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}");
        is_malformed(&only(stage.exchange(sent.as_bytes())));
    }
    let extension = "x".repeat(64 * 1024);
    let chunks = format!("10;{extension}\r\nfirst_name=Aegon\r\n0\r\n\r\n");
    let sent = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}");
    is_malformed(&only(stage.exchange(sent.as_bytes())));
    stage.holds();
}

#[test]
fn ten_thousand_keys_are_read_or_too_large() {
    let small = Unharmed::start();
    let large = Unharmed::of(&launch().with("--body-size-max").with("1048576"));
    let form: String = (0..10_000).map(|n| format!("k{n}=x&")).collect();
    let members: Vec<String> = (0..10_000).map(|n| format!("\"k{n}\":1")).collect();
    let json = format!("{{{}}}", members.join(","));
    let same = "x&".repeat(10_000);
    let known = "first_name=Aegon&".repeat(10_000);
    let fields = ["object_reference_id", "mobile_number"];
    for body in [&form, &json] {
        assert!(body.len() > 64 * 1024);
        let call = Call::post("/customers").basic(SANDBOX_KEY).bytes(body);
        is_refused(&call.send(small.server()), 413, "payload_too_large");
        is_missing(&call.send(large.server()), &fields);
    }
    let call = Call::post("/customers").basic(SANDBOX_KEY).bytes(&same);
    is_missing(&call.send(small.server()), &fields);
    let call = Call::post(JON).basic(SANDBOX_KEY).bytes(&known);
    is_wrong_value(&call.send(large.server()), &["first_name"]);
    // As many keys in a query do not fit into a head.
    let reply = get(small.server(), &format!("{JON}?{}", "x&".repeat(5_000)));
    assert_eq!(reply.status, 200);
    small.holds();
    large.holds();
}

#[test]
fn a_million_levels_are_read_or_too_large() {
    let small = Unharmed::start();
    let large = Unharmed::of(&launch().with("--body-size-max").with("16777216"));
    for (open, close) in [("[", "]"), ("{\"x\":", "}")] {
        for depth in [127, 128, 129, 1_000_000] {
            let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let ignored = format!("{{\"x\":{value}}}");
            let wrong = format!("{{\"first_name\":{value}}}");
            let options = format!("{{\"options\":{{\"get_client_auth_token\":{value}}}}}");
            let broken = format!("{{\"x\":{}", open.repeat(depth));
            let ask = |body: &str| post_json(large.server(), JON, body);
            assert_eq!(ask(&ignored).status, 200);
            is_wrong_value(&ask(&wrong), &["first_name"]);
            assert_eq!(ask(&options).status, 200);
            is_malformed(&ask(&broken));
            if depth > 100_000 {
                is_refused(&post_json(small.server(), JON, &ignored), 413, "payload_too_large");
            }
        }
    }
    small.holds();
    large.holds();
}

#[test]
fn huge_values_are_wrong_values() {
    let stage = Unharmed::start();
    let huge = "9".repeat(60_000);
    for field in
        ["mobile_number", "email_address", "first_name", "last_name", "mobile_country_code"]
    {
        let form = Call::post(JON).basic(SANDBOX_KEY).form(format!("{field}={huge}"));
        is_wrong_value(&form.send(stage.server()), &[field]);
        let json = post_json(stage.server(), JON, &format!("{{\"{field}\":{huge}}}"));
        is_wrong_value(&json, &[field]);
    }
    let form = format!("object_reference_id={huge}&mobile_number=1");
    let reply = Call::post("/customers").basic(SANDBOX_KEY).form(form).send(stage.server());
    is_wrong_value(&reply, &["object_reference_id"]);
    stage.holds();
}

/// How long the server's processors are at some requests with this body, in hundredths of a second. Unlike the
/// time until an answer comes, it does not depend on what else the machine is at.
fn cost(stage: &Unharmed, body: &str) -> u64 {
    let call = Call::post(JON).basic(SANDBOX_KEY).bytes(body);
    let before = processor_time(stage.server());
    for _ in 0..6 {
        is_within_the_contract(&call.send(stage.server()), "a costly body");
    }
    processor_time(stage.server()) - before
}

/// What takes time in proportion to its size takes four times as long when it is four times as long; what takes
/// it in proportion to the square, sixteen times.
#[test]
fn no_body_costs_more_than_its_size() {
    let stage = Unharmed::of(&launch().with("--body-size-max").with("16777216"));
    let object = |member: &str, times: usize| format!("{{{}\"z\":1}}", member.repeat(times));
    let attacks: [(&str, &dyn Fn(usize) -> String); 9] = [
        ("escapes", &|n| format!("first_name={}", "%41".repeat(n / 3))),
        ("bad at the end", &|n| format!("x={}%", "%41".repeat(n / 3))),
        ("pluses", &|n| format!("x={}", "+".repeat(n))),
        ("pairs", &|n| "first_name=A&".repeat(n / 13)),
        ("separators", &|n| "&".repeat(n)),
        ("members", &|n| object("\"first_name\":1,", n / 15)),
        ("options", &|n| object("\"options\":{},", n / 13)),
        ("JSON escapes", &|n| format!("{{\"first_name\":\"{}\"}}", "\\u0041".repeat(n / 6))),
        ("depth", &|n| format!("{{\"x\":{}", "[".repeat(n))),
    ];
    for (name, attack) in attacks {
        let small = cost(&stage, &attack(512 * 1024));
        let large = cost(&stage, &attack(2 * 1024 * 1024));
        assert!(large < small * 9 + 20, "{name}: {small} became {large}");
    }
    stage.holds();
}
