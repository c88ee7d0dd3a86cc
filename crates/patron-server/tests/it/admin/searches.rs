//! Looking for customers: by each term, by several, by state and by time, a page at a time.

use serde_json::{Value, json};

use super::{HOME, OTHER, Stage, is_wrong_in};
use crate::stage::{encoded, post, text};

const CUSTOMERS: &str = "/admin/v1/merchants/testaccount/customers";

/// The references of those that a query finds, in their order.
#[track_caller]
fn found(stage: &Stage, query: &str) -> Vec<String> {
    let page = stage.get(&stage.operator, &format!("{CUSTOMERS}?{query}")).expect(200);
    let items = page["items"].as_array().unwrap();
    assert_eq!(page["total"], json!({"count": items.len(), "isExact": true}), "{query}");
    assert_eq!(page["next"], Value::Null);
    items.iter().map(|one| text(&one["profile"], "reference").to_owned()).collect()
}

fn jon() -> Value {
    json!({
        "name": "Jon Snow", "email": "jon@winter.example", "phone": "+65 9988 7766",
        "memberId": "Crow-998", "status": "active", "verificationStatus": "verified",
    })
}

fn arya() -> Value {
    json!({
        "name": "Arya Snow", "email": "arya@winter.example", "phone": "99887766",
        "memberId": "no-one", "status": "suspended", "verificationStatus": "verified",
    })
}

#[test]
fn each_term_finds_whom_it_means_after_normalisation() {
    let stage = Stage::new();
    let jon_number = stage.customer(&jon());
    stage.customer(&arya());
    let id = stage.get(&stage.owner, &format!("{CUSTOMERS}/{jon_number}")).expect(200);
    let id = text(&id, "id");
    let jon = ["Crow-998"];
    for query in [
        "email=JON%40Winter.example".to_owned(),
        "email=%20jon%40winter.example".to_owned(),
        format!("email={}", encoded("ｊｏｎ@winter.example")),
        "reference=crow-998".to_owned(),
        "name=jon%20%20SNOW".to_owned(),
        "phone=%2B6599887766".to_owned(),
        "phone=0065-9988-7766".to_owned(),
        format!("phone={}", encoded("+６５ 9988 7766")),
        format!("id={id}"),
        format!("number={jon_number}"),
        "status=active".to_owned(),
        "status=active&verification=verified".to_owned(),
        format!("name=jon+snow&phone=%2B6599887766&number={jon_number}&id={id}"),
    ] {
        assert_eq!(found(&stage, &query), jon, "{query}");
    }
    // A number without a country code is the merchant's own country's too.
    assert_eq!(found(&stage, "phone=99887766"), ["no-one"]);
    assert_eq!(found(&stage, "verification=verified"), ["no-one", "Crow-998"]);
    assert_eq!(found(&stage, ""), ["no-one", "Crow-998"]);
    for query in [
        "email=jon%40winter".to_owned(),
        "name=Snow".to_owned(),
        format!("id={}", id.to_uppercase()),
        "status=active&verification=pending".to_owned(),
        "status=suspended&name=jon+snow".to_owned(),
        "number=4503599627370496".to_owned(),
    ] {
        assert_eq!(found(&stage, &query), Vec::<String>::new(), "{query}");
    }
}

#[test]
fn what_was_written_a_moment_ago_is_found() {
    let stage = Stage::new();
    let number = stage.customer(&jon());
    stage.update(number, &json!({"email": "snow@wall.example", "status": "inactive"}));
    assert_eq!(found(&stage, "email=snow%40wall.example&status=inactive").len(), 1);
    assert_eq!(found(&stage, "email=jon%40winter.example").len(), 0);
    assert_eq!(found(&stage, "status=active").len(), 0);
    let path = format!("{CUSTOMERS}/{number}");
    assert_eq!(stage.owner("DELETE", &path, &Value::Null).status, 204);
    assert_eq!(found(&stage, "status=inactive").len(), 0);
    // Another merchant finds none of them.
    let theirs = stage.get(&stage.other_owner, &format!("{OTHER}/customers")).expect(200);
    assert_eq!(theirs["total"], json!({"count": 0, "isExact": true}));
}

#[test]
fn a_range_of_time_has_its_beginning_and_not_its_end() {
    let stage = Stage::new();
    let created: Vec<String> = ["one", "two", "three"]
        .into_iter()
        .map(|reference| {
            let mut made = String::new();
            // Until the clock has moved on.
            patron_testkit::wait::soon("another moment", || {
                let form = format!("object_reference_id={reference}&mobile_number=1");
                post(&stage.server, &format!("/v2/customers/{reference}"), &form).expect(200);
                let path = format!("{CUSTOMERS}/{reference}");
                let found = stage.get(&stage.owner, &path).expect(200);
                made = text(&found, "createdAt").to_owned();
                let now =
                    stage.get(&stage.owner, &format!("{HOME}/access-log?limit=1")).expect(200);
                (text(&now["items"][0], "at") > made.as_str()).then_some(())
            });
            made
        })
        .collect();
    assert!(created.is_sorted_by(|one, next| one < next), "{created:?}");
    let [one, two, three] = [&created[0], &created[1], &created[2]];
    let from = |from: &str| found(&stage, &format!("createdFrom={from}"));
    assert_eq!(from(one), ["three", "two", "one"]);
    assert_eq!(from(three), ["three"]);
    assert_eq!(found(&stage, &format!("createdBefore={three}")), ["two", "one"]);
    assert_eq!(found(&stage, &format!("createdFrom={two}&createdBefore={three}")), ["two"]);
    assert_eq!(
        found(&stage, &format!("createdFrom={two}&createdBefore={two}")),
        Vec::<String>::new()
    );
    // The same moment, said elsewhere on the globe.
    let at: jiff::Timestamp = two.parse().unwrap();
    let there = at.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(2)));
    let there = there.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string();
    assert_eq!(from(&encoded(&there)), ["three", "two"]);
}

#[test]
fn pages_follow_each_other_newest_first() {
    let stage = Stage::new();
    for at in 0..7 {
        stage.customer(&json!({"name": "Jon", "email": "j@x", "memberId": format!("r{at}")}));
    }
    let mut walked = Vec::new();
    let mut query = "limit=3&email=j%40x".to_owned();
    loop {
        let page = stage.get(&stage.owner, &format!("{CUSTOMERS}?{query}")).expect(200);
        assert_eq!(page["total"], json!({"count": 7, "isExact": true}));
        let items = page["items"].as_array().unwrap();
        assert!((1..=3).contains(&items.len()));
        walked.extend(items.iter().map(|one| text(&one["profile"], "reference").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("limit=3&email=j%40x&cursor={next}");
    }
    assert_eq!(walked, ["r6", "r5", "r4", "r3", "r2", "r1", "r0"]);
    let page = stage.get(&stage.owner, CUSTOMERS).expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 7);
}

#[test]
fn a_query_that_is_wrong_is_told_where() {
    let stage = Stage::new();
    let long = "x".repeat(301);
    for (query, fields) in [
        ("limit=0", vec!["limit"]),
        ("limit=101", vec!["limit"]),
        ("limit=1e1", vec!["limit"]),
        ("limit=%20", vec!["limit"]),
        ("cursor=1", vec!["cursor"]),
        ("cursor=1.0", vec!["cursor"]),
        ("email=&name=", vec!["email", "name"]),
        (&format!("reference={long}"), vec!["reference"]),
        ("phone=%2B", vec!["phone"]),
        ("number=-1", vec!["number"]),
        ("number=9007199254740992", vec!["number"]),
        ("status=gone", vec!["status"]),
        ("verification=ACTIVE", vec!["verification"]),
        ("createdFrom=yesterday", vec!["createdFrom"]),
        ("createdBefore=2024-01-15T10:30:00", vec!["createdBefore"]),
        ("emial=jon%40x", vec!["emial"]),
        ("email=a&email=b", vec!["email"]),
        ("offset=5", vec!["offset"]),
    ] {
        is_wrong_in(&stage.get(&stage.owner, &format!("{CUSTOMERS}?{query}")), &fields);
    }
    for query in ["email=%zz", "email=%FF"] {
        let reply = stage.get(&stage.owner, &format!("{CUSTOMERS}?{query}"));
        super::is_problem(&reply, 400, "malformed");
    }
}
