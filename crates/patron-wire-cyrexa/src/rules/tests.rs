//! The tests of the rules: each field's values, and what a request does to a stored customer.

use patron::profile::Address;

use super::*;

const NOW: Timestamp = Timestamp::from_ms(1_705_314_600_000);

fn rules() -> Rules {
    Rules { country_code: "91".to_owned(), now: NOW, speaker: Speaker::Merchant }
}

fn edited(stored: &Profile, body: &str) -> Result<ProfileEdit, Vec<FieldName>> {
    let said = Said::from_json(body.as_bytes()).unwrap();
    let rules = rules();
    let mut judge = Judge::default();
    let edit = Wanted::of(&said, &rules).judged(stored, &mut judge);
    if judge.wrong.is_empty() { Ok(edit) } else { Err(judge.wrong) }
}

/// The profile after a request about `stored`.
fn after(stored: &Profile, body: &str) -> Profile {
    stored.edited(&edited(stored, body).unwrap())
}

fn check(key: &str, good: &[&str], bad: &[&str]) {
    let nobody = Profile::default();
    for value in good {
        let body = format!(r#"{{"{key}":{value}}}"#);
        let after = edited(&nobody, &body).map(|edit| nobody.edited(&edit));
        assert!(after.is_ok_and(|after| after != nobody), "{body}");
    }
    for value in bad {
        let body = format!(r#"{{"{key}":{value}}}"#);
        let names: Vec<_> = edited(&nobody, &body).err().into_iter().flatten().collect();
        assert_eq!(names.iter().map(|name| name.text()).collect::<Vec<_>>(), [key], "{body}");
    }
}

fn text(length: usize) -> String {
    format!("\"{}\"", "é".repeat(length))
}

#[test]
fn texts_have_lengths_in_characters() {
    check("name", &["\"Jon\"", &text(100)], &["null", "\"\"", "\" \"", &text(101), "7", "[]"]);
    check("memberId", &["\"m\"", &text(50)], &[&text(51), "7"]);
    check("region", &["\"The North\"", &text(100)], &[&text(101), "{}"]);
    check("address", &["\"Winterfell\"", &text(255)], &[&text(256), "7", "[]"]);
}

#[test]
fn emails_are_mailboxes() {
    let of = |length: usize| format!("\"{}@{}.example\"", "l".repeat(64), "d".repeat(length - 73));
    check("email", &["\"jon@x\"", &of(100)], &["null", "\"\"", "\"jon\"", &of(101), "\"é@x\""]);
}

#[test]
fn phones_have_a_digit() {
    check(
        "phone",
        &["\"1\"", "\"+65 (99) 88-77.66\"", "\"12345678901234567890\""],
        &["\"\"", "\"+\"", "\"12a\"", "\"1/2\"", "\"123456789012345678901\"", "7", "\"٣\""],
    );
}

#[test]
fn codes_are_assigned() {
    check("country", &["\"DE\""], &["\"\"", "\"de\"", "\"XX\"", "7"]);
    check("defaultCurrency", &["\"EUR\""], &["\"\"", "\"eur\"", "\"ABC\""]);
    check(
        "language",
        &["\"de\"", "\"en-GB\"", "\"zh-Hant-TW\"", "\"x-private\""],
        &["\"\"", "\"english language\"", "\"de_DE\"", "\"-\""],
    );
}

#[test]
fn birth_dates_lie_between_1900_and_today() {
    check(
        "dateOfBirth",
        &["\"1900-01-01\"", "\"2000-02-29\"", "\"2024-01-15\""],
        &["\"1899-12-31\"", "\"2024-01-16\"", "\"2001-02-29\"", "\"1.1.1990\"", "19900101", "\"\""],
    );
}

#[test]
fn standings_have_words() {
    let words = ["\"active\"", "\"inactive\"", "\"suspended\""];
    check("status", &words, &["\"Active\"", "\"\"", "true"]);
    let words = ["\"unverified\"", "\"pending\"", "\"verified\"", "\"rejected\""];
    check("verificationStatus", &words, &["\"yes\"", "1"]);
}

#[test]
fn addresses_have_parts() {
    let long = format!(r#"{{"street":"{}","city":"x"}}"#, "s".repeat(252));
    let longer = format!(r#"{{"street":"{}","city":"x"}}"#, "s".repeat(253));
    for key in ["billingAddress", "shippingAddress", "address"] {
        check(
            key,
            &[r#"{"city":"Winterfell","country":"GB"}"#, r#"{"zipCode":"1","state":null}"#, &long],
            &[r#"{"country":"gb"}"#, r#"{"street":1}"#, &longer, "7"],
        );
    }
    check("billingAddress", &[], &["\"Winterfell\""]);
}

#[test]
fn lists_have_an_end_and_nothing_twice() {
    let notifications = |count: usize| {
        let one = |at| format!(r#"{{"notificationType":"n{at}","isEnabled":true}}"#);
        format!("[{}]", (0..count).map(one).collect::<Vec<_>>().join(","))
    };
    let twice =
        r#"[{"notificationType":"a","isEnabled":true},{"notificationType":"a","isEnabled":false}]"#;
    check(
        "notificationSettings",
        &["[]", &notifications(50)],
        &[&notifications(51), twice, r#"[{"notificationType":"","isEnabled":true}]"#],
    );
    let preferences = |count: usize| {
        let one = |at| format!(r#""k{at}":"v""#);
        format!("{{{}}}", (0..count).map(one).collect::<Vec<_>>().join(","))
    };
    for key in ["subscriptionPreferences", "paymentPreferences"] {
        check(key, &["{}", &preferences(50)], &[&preferences(51), r#"{"":"v"}"#, r#"{"k":1}"#]);
    }
    let consent = |purpose: &str| format!(r#"{{"purpose":"{purpose}","isGranted":true}}"#);
    check(
        "consents",
        &["[]", &format!("[{},{}]", consent("terms"), consent("data-processing"))],
        &[
            &format!("[{},{}]", consent("terms"), consent("terms")),
            &format!("[{}]", consent("two words")),
            &format!("[{}]", consent("")),
            &format!("[{}]", consent(&"p".repeat(51))),
        ],
    );
    let tax = r#"{"type":"eu_vat","value":"DE1","country":"DE"}"#;
    let taxes = |count: usize| format!("[{}]", vec![tax; count].join(","));
    check(
        "taxInformation",
        &["[]", &taxes(10)],
        &[&taxes(11), r#"[{"type":"eu_vat","value":""}]"#, &taxes(1).replace("DE\"", "de\"")],
    );
    check(
        "kyc",
        &["{}", r#"{"level":"full","checkedAt":"2024-01-15T10:30:00Z"}"#],
        &[r#"{"level":7}"#, r#"{"checkedAt":"today"}"#, "[]"],
    );
    check("communicationPreferences", &["{}", r#"{"sms":false}"#], &[r#"{"sms":0}"#, "[]"]);
}

#[test]
fn all_wrong_fields_are_named() {
    let wrong = edited(
        &Profile::default(),
        r#"{"taxInformation":7,"email":"x","name":null,"phone":"","id":"nonsense","unknown":1}"#,
    );
    let mut wrong = wrong.unwrap_err();
    wrong.sort_unstable();
    let expect = [FieldName::Name, FieldName::Email, FieldName::Phone, FieldName::TaxInformation];
    assert_eq!(wrong, expect);
}

/// Jon as another wire made him: longer than this vendor allows, in parts only.
fn of_another_wire() -> Profile {
    Profile {
        reference: Some(Pii::new("r".repeat(300))),
        first_name: Some("Jon".into()),
        last_name: Some(Pii::new("S".repeat(255))),
        email: Some("not a mailbox".into()),
        mobile_country_code: Some("91".into()),
        mobile_number: Some(Pii::new("9".repeat(300))),
        ..Profile::default()
    }
}

#[test]
fn what_is_answered_can_be_sent_back() {
    let stored = of_another_wire();
    let body = format!(
        r#"{{"name":"Jon {}","email":"not a mailbox","phone":"+91{}","memberId":"{}","address":null}}"#,
        "S".repeat(255),
        "9".repeat(300),
        "r".repeat(300)
    );
    assert_eq!(edited(&stored, &body), Ok(ProfileEdit::default()));
    let longer = body.replace("Jon", "Jo");
    assert_eq!(edited(&stored, &longer), Err(vec![FieldName::Name]));
}

#[test]
fn names_and_phones_reach_their_parts() {
    let jon = after(&Profile::default(), r#"{"name":" Jon  Snow ","phone":"+65 9988-7766"}"#);
    assert_eq!(jon.full_name, Some(" Jon  Snow ".into()));
    assert_eq!((&jon.first_name, &jon.last_name), (&Some("Jon".into()), &Some("Snow".into())));
    assert_eq!(jon.phone, Some("+65 9988-7766".into()));
    assert_eq!(jon.mobile_country_code, Some("65".into()));
    assert_eq!(jon.mobile_number, Some("99887766".into()));
    let arya = after(&jon, r#"{"name":"Arya","phone":null}"#);
    assert_eq!((&arya.first_name, &arya.last_name), (&Some("Arya".into()), &None));
    assert_eq!(
        (&arya.phone, &arya.mobile_country_code, &arya.mobile_number),
        (&None, &None, &None)
    );
}

#[test]
fn an_address_is_a_text_or_parts() {
    let part = |text: &str| Some(text.to_owned());
    let billing = |profile: &Profile| profile.billing_address.clone().map(Pii::into_revealed);
    let nobody = Profile::default();
    let parts = Address { city: part("Winterfell"), country: part("GB"), ..Address::default() };
    let in_parts = after(&nobody, r#"{"address":{"city":"Winterfell","country":"GB"}}"#);
    assert_eq!(billing(&in_parts), Some(parts.clone()));
    // As it is answered, it changes nothing; any other text clears the parts.
    let same =
        r#"{"address":"Winterfell, GB","billingAddress":{"city":"Winterfell","country":"GB"}}"#;
    assert_eq!(edited(&in_parts, same), Ok(ProfileEdit::default()));
    let text = after(&in_parts, r#"{"address":"The North"}"#);
    let whole = Address { text: part("The North"), ..Address::default() };
    assert_eq!(billing(&text), Some(whole.clone()));
    // Parts make an older text untrue, and both together are kept.
    let moved = after(&text, r#"{"billingAddress":{"city":"Winterfell","country":"GB"}}"#);
    assert_eq!(billing(&moved), Some(parts.clone()));
    let both = r#"{"address":"The North","billingAddress":{"city":"Winterfell","country":"GB"}}"#;
    let both = after(&nobody, both);
    assert_eq!(billing(&both), Some(Address { text: part("The North"), ..parts }));
    let without_parts = after(&both, r#"{"billingAddress":null}"#);
    assert_eq!(billing(&without_parts), Some(whole));
    for nothing in [r#"{"address":null}"#, r#"{"address":""}"#, r#"{"address":{}}"#] {
        assert_eq!(billing(&after(&both, nothing)), None, "{nothing}");
        assert_eq!(edited(&nobody, nothing).map(|edit| nobody.edited(&edit)), Ok(nobody.clone()));
    }
    let two = r#"{"address":{"city":"A"},"billingAddress":{"city":"B"}}"#;
    assert_eq!(edited(&nobody, two), Err(vec![FieldName::BillingAddress]));
}

#[test]
fn null_clears_what_is_optional() {
    let full = r#"{"memberId":"m","dateOfBirth":"1990-01-01","shippingAddress":{"city":"x"},
        "country":"DE","region":"r","defaultCurrency":"EUR","language":"de","status":"active",
        "verificationStatus":"pending","notificationSettings":[],"communicationPreferences":{},
        "subscriptionPreferences":{},"paymentPreferences":{},"consents":[],"kyc":{},
        "taxInformation":[],"phone":"1","address":"x","billingAddress":{"city":"y"}}"#;
    let stored = after(&Profile::default(), full);
    let keys = members_of(full);
    assert_eq!(keys.len(), 19);
    let nulls: Vec<_> = keys.iter().map(|key| format!("\"{key}\":null")).collect();
    let cleared = after(&stored, &format!("{{{}}}", nulls.join(",")));
    assert_eq!(cleared, Profile::default());
}

fn members_of(text: &str) -> Vec<String> {
    let members = patron_wire::json::members(text).unwrap();
    members.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn moments_are_compared_as_they_are_answered() {
    let at = Timestamp::from_ms(1_705_314_600_500);
    let stored = Profile {
        consents: Some(Pii::new(vec![Consent {
            purpose: "terms".to_owned(),
            is_granted: true,
            version: None,
            at,
        }])),
        kyc: Some(Pii::new(Kyc { checked_at: Some(at), ..Kyc::default() })),
        ..Profile::default()
    };
    let same = r#"{"consents":[{"purpose":"terms","isGranted":true,"at":"2024-01-15T10:30:00Z"}],
        "kyc":{"checkedAt":"2024-01-15T10:30:00Z"}}"#;
    assert_eq!(edited(&stored, same), Ok(ProfileEdit::default()));
    let without = r#"{"consents":[{"purpose":"terms","isGranted":true}]}"#;
    assert_eq!(edited(&stored, without), Ok(ProfileEdit::default()));
}

#[test]
fn a_device_does_not_change_what_its_merchant_says() {
    let stored = Profile { reference: Some("m-1".into()), ..Profile::default() };
    let denied = |body: &str| check_own_edit(&edited(&stored, body).unwrap()).is_err();
    for body in [
        r#"{"status":"active"}"#,
        r#"{"verificationStatus":"verified"}"#,
        r#"{"kyc":{}}"#,
        r#"{"taxInformation":[]}"#,
        r#"{"memberId":"m-2"}"#,
        r#"{"memberId":null}"#,
        r#"{"memberId":""}"#,
    ] {
        assert!(denied(body), "{body}");
    }
    assert!(!denied(r#"{"memberId":"m-1","status":null,"kyc":null,"name":"Jon","consents":[]}"#));
}

#[test]
fn the_body_may_name_its_own_customer_only() {
    let rules = rules();
    let other = |body: &str| {
        let said = Said::from_json(body.as_bytes()).unwrap();
        Wanted::of(&said, &rules).is_about_another(Some(7))
    };
    for own in ["{}", r#"{"id":7}"#, r#"{"id":"7"}"#, r#"{"id":null}"#] {
        assert!(!other(own), "{own}");
    }
    for bad in
        [r#"{"id":8}"#, r#"{"id":7.0}"#, r#"{"id":true}"#, r#"{"id":7,"id":7}"#, r#"{"id":{}}"#]
    {
        assert!(other(bad), "{bad}");
    }
}
