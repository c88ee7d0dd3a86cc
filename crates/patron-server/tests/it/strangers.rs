//! What is another merchant's looks like what is not there, also by the time that it takes.

use std::time::Duration;

use patron::clock::Timestamp;
use patron::error::Kind;
use patron::ids::CustomerNumber;
use patron::locator::Locator;
use patron::token::TokenWish;
use patron_testkit::http::Call;
use patron_testkit::wait::Since;

use crate::data::Data;
use crate::inside::{patron, wait};
use crate::stage::{create_merchant, launch, text};

/// How often each is asked for, one after the other.
const ASKED: usize = 600;

/// The time in the middle.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

/// Without HTTP in between, opening a customer that is found would more than double the time.
#[test]
fn the_time_taken_does_not_tell_whether_another_merchant_has_it() {
    let mut server = launch().start();
    let other = create_merchant(&server, "other", &[]);
    let create = |key: &str, reference: String| {
        let form = format!("object_reference_id={reference}&mobile_number=1&first_name=Jon");
        Call::post("/customers").basic(key).form(form).send(&server).expect(200)
    };
    for number in 0..20 {
        create(server.key(), format!("mine{number}"));
    }
    let id = text(&create(&other, "theirs".to_owned()), "id").to_owned();
    let key = server.key().to_owned();
    assert!(server.terminate().success());
    let data = Data::of(server.launch());
    let now = Timestamp::from_ms(data.number("SELECT max(created_ms) AS last FROM customer"));
    let number = |number| Locator::Number(CustomerNumber::new(number).unwrap());
    let theirs = data.number("SELECT max(number) AS number FROM customer");
    let questions = [
        (Locator::IdOrReference(&id), Locator::IdOrReference("cst_aaaaaaaaaaaaaaaa")),
        (Locator::Reference("theirs"), Locator::Reference("nobody")),
        (number(theirs), number(theirs + 1_000)),
    ];
    let patron = patron(server.launch(), now);
    wait(async {
        let caller = patron.authenticate_key(key.as_bytes(), now).await.unwrap();
        let reader = caller.admit(None).unwrap().customer_reader("test").unwrap();
        for (theirs, nobodys) in questions {
            let mut times = [Vec::new(), Vec::new()];
            for _ in 0..ASKED {
                for (locator, times) in [theirs, nobodys].into_iter().zip(&mut times) {
                    let since = Since::now();
                    let answer = reader.find(locator, TokenWish::NotWished).await;
                    times.push(since.elapsed());
                    assert_eq!(*answer.err().unwrap().kind(), Kind::NotFound);
                }
            }
            let [theirs_s, nobodys_s] = times.map(median);
            let ratio = theirs_s / nobodys_s;
            assert!((0.67..1.5).contains(&ratio), "{theirs:?}: {theirs_s} s, {nobodys_s} s");
        }
    });
}
