//! The schemas of clients: as they are answered, and as requests may write them.

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, KnownFormat, ObjectBuilder, Ref, Schema, SchemaFormat, Type,
};

use super::shapes::{self, maybe, object, of};
use crate::codes::{COUNTRIES, CURRENCIES};
use crate::fields::FieldName;
use crate::rules::{limits, words};

/// The names of the lists of codes.
const COUNTRY: &str = "Country";
const CURRENCY: &str = "Currency";

/// The keys of the vendor's schema that are the server's own.
pub(super) const OWN: [&str; 7] =
    ["id", "ownerId", "userId", "ownerName", "hasPaymentRequests", "totalDeposits", "createDate"];

/// The fields of the vendor's schema that requests write.
const DOCUMENTED: [FieldName; 5] =
    [FieldName::Name, FieldName::Email, FieldName::Address, FieldName::Phone, FieldName::MemberId];

/// The fields that the vendor's page names without a key.
const OURS: [FieldName; 15] = [
    FieldName::DateOfBirth,
    FieldName::BillingAddress,
    FieldName::ShippingAddress,
    FieldName::Country,
    FieldName::Region,
    FieldName::DefaultCurrency,
    FieldName::Language,
    FieldName::NotificationSettings,
    FieldName::CommunicationPreferences,
    FieldName::Status,
    FieldName::VerificationStatus,
    FieldName::SubscriptionPreferences,
    FieldName::PaymentPreferences,
    FieldName::Consents,
    FieldName::Kyc,
];

/// The last of them, which has a list of its own.
const TAX: FieldName = FieldName::TaxInformation;

/// A customer as it is answered. Limits bind what a request says, so that there are none here.
pub(super) fn answered() -> Schema {
    let text = || RefOr::from(Schema::from(maybe(Type::String).build()));
    let mut client = object([
        ("id", shapes::number().into()),
        ("ownerId", shapes::of(Type::Integer).build().into()),
        ("userId", maybe(Type::Integer).build().into()),
        ("ownerName", shapes::text().into()),
        ("name", text()),
        ("email", text()),
        ("address", text()),
        ("phone", text()),
        ("memberId", text()),
        ("hasPaymentRequests", of(Type::Boolean).build().into()),
        ("totalDeposits", maybe(Type::Number).build().into()),
        ("createDate", shapes::moment().into()),
    ]);
    for name in OWN.into_iter().chain(DOCUMENTED.map(FieldName::text)) {
        client = client.required(name);
    }
    for field in OURS.into_iter().chain([TAX]) {
        client = client.property(field.text(), shown(field));
    }
    shapes::closed(client)
}

/// One of our fields as it is answered, once it is set.
fn shown(field: FieldName) -> Schema {
    let flag = || Schema::from(of(Type::Boolean).build());
    match field {
        FieldName::DateOfBirth => date(of(Type::String)),
        FieldName::Status => one_of(of(Type::String), words::STATUSES.map(words::of_status)),
        FieldName::VerificationStatus => {
            one_of(of(Type::String), words::VERIFICATIONS.map(words::of_verification))
        }
        FieldName::BillingAddress | FieldName::ShippingAddress => {
            shapes::closed(parts(shapes::text, shapes::text()))
        }
        FieldName::SubscriptionPreferences | FieldName::PaymentPreferences => {
            texts_by_key(shapes::text()).build().into()
        }
        FieldName::NotificationSettings => {
            let one =
                object([("notificationType", shapes::text().into()), ("isEnabled", flag().into())]);
            shapes::list(shapes::all_required(one), None).build().into()
        }
        FieldName::CommunicationPreferences => shapes::closed(channels(flag)),
        FieldName::Consents => {
            let one = consent(shapes::text(), shapes::text(), shapes::moment());
            let one = one.required("purpose").required("isGranted").required("at");
            shapes::list(shapes::closed(one), None).build().into()
        }
        FieldName::Kyc => shapes::closed(check(shapes::text, shapes::moment)),
        FieldName::TaxInformation => {
            let one = tax(shapes::text(), shapes::text(), shapes::text());
            shapes::list(shapes::closed(one), None).build().into()
        }
        FieldName::Id
        | FieldName::Name
        | FieldName::Email
        | FieldName::Address
        | FieldName::Phone
        | FieldName::MemberId
        | FieldName::Country
        | FieldName::Region
        | FieldName::DefaultCurrency
        | FieldName::Language
        | FieldName::Password
        | FieldName::PageNumber
        | FieldName::PageSize => shapes::text(),
    }
}

/// What creates a customer.
pub(super) fn created() -> Schema {
    let needed = [FieldName::Name.text(), FieldName::Email.text()];
    needed.into_iter().fold(written(), ObjectBuilder::required).build().into()
}

/// What changes a customer.
pub(super) fn changed() -> Schema {
    written().build().into()
}

/// All that a request may say about a customer. Whatever else it says, also in the server's own keys, is
/// passed over.
fn written() -> ObjectBuilder {
    let fields = DOCUMENTED.into_iter().chain(OURS).chain([TAX]);
    let mut client =
        fields.fold(of(Type::Object), |client, field| client.property(field.text(), said(field)));
    for name in OWN {
        client = client.property(name, shapes::anything());
    }
    client
}

/// A field as a request may write it.
fn said(field: FieldName) -> Schema {
    let short = |most: usize| Schema::from(maybe(Type::String).max_length(Some(most)).build());
    match field {
        FieldName::Name => {
            let name =
                of(Type::String).min_length(Some(1)).max_length(Some(limits::NAME_LENGTH_MAX));
            name.pattern(Some(r"\S")).build().into()
        }
        FieldName::Email => {
            let format = SchemaFormat::Custom("email".to_owned());
            let email = of(Type::String).max_length(Some(limits::EMAIL_LENGTH_MAX));
            email.format(Some(format)).build().into()
        }
        FieldName::Address => {
            let text = of(Type::String).max_length(Some(limits::ADDRESS_LENGTH_MAX)).build();
            let null = of(Type::Null).build();
            AnyOfBuilder::new().item(text).item(written_parts()).item(null).build().into()
        }
        FieldName::Phone => {
            let phone = maybe(Type::String).max_length(Some(limits::PHONE_LENGTH_MAX));
            phone.pattern(Some("^[-+0-9 ().]*[0-9][-+0-9 ().]*$")).build().into()
        }
        FieldName::MemberId => short(limits::MEMBER_ID_LENGTH_MAX),
        FieldName::Region => short(limits::REGION_LENGTH_MAX),
        FieldName::Language => {
            let tag = maybe(Type::String).max_length(Some(limits::LANGUAGE_LENGTH_MAX));
            tag.pattern(Some(LANGUAGE_TAG)).build().into()
        }
        FieldName::DateOfBirth => date(maybe(Type::String)),
        FieldName::BillingAddress | FieldName::ShippingAddress => shapes::or_null(written_parts()),
        FieldName::Country => code(COUNTRY),
        FieldName::DefaultCurrency => code(CURRENCY),
        FieldName::Status => or_null_among(words::STATUSES.map(words::of_status).into_iter()),
        FieldName::VerificationStatus => {
            or_null_among(words::VERIFICATIONS.map(words::of_verification).into_iter())
        }
        FieldName::NotificationSettings
        | FieldName::CommunicationPreferences
        | FieldName::SubscriptionPreferences
        | FieldName::PaymentPreferences
        | FieldName::Consents
        | FieldName::Kyc
        | FieldName::TaxInformation => shapes::or_null(said_of_many(field)),
        FieldName::Id | FieldName::Password | FieldName::PageNumber | FieldName::PageSize => {
            shapes::anything()
        }
    }
}

/// A field that holds more than one thing, as a request may write it.
fn said_of_many(field: FieldName) -> Schema {
    let flag = || Schema::from(maybe(Type::Boolean).build());
    let some = |most: usize| of(Type::String).min_length(Some(1)).max_length(Some(most));
    let short = |most: usize| Schema::from(maybe(Type::String).max_length(Some(most)).build());
    match field {
        FieldName::CommunicationPreferences => channels(flag).build().into(),
        FieldName::NotificationSettings => {
            let one = object([
                ("notificationType", some(limits::NOTIFICATION_TYPE_LENGTH_MAX).build().into()),
                ("isEnabled", of(Type::Boolean).build().into()),
            ]);
            let one = one.required("notificationType").required("isEnabled").build();
            shapes::list(one.into(), Some(limits::NOTIFICATIONS_MAX))
                .unique_items(true)
                .build()
                .into()
        }
        FieldName::Consents => {
            let purpose = some(limits::PURPOSE_LENGTH_MAX).pattern(Some("^[-A-Za-z0-9_.:]+$"));
            let version = short(limits::CONSENT_VERSION_LENGTH_MAX);
            let about = "Not later than the request. With a client auth token it is passed over: the same \
                         consent as before keeps its moment, any other is given when the request arrives.";
            let at = maybe_moment().description(Some(about)).build();
            let one = consent(purpose.build().into(), version, at.into());
            let one = one.required("purpose").required("isGranted").build();
            shapes::list(one.into(), Some(limits::CONSENTS_MAX)).unique_items(true).build().into()
        }
        FieldName::Kyc => {
            check(|| short(limits::KYC_TEXT_LENGTH_MAX), moment_or_null).build().into()
        }
        FieldName::TaxInformation => {
            let kind = some(limits::TAX_TYPE_LENGTH_MAX).build();
            let value = some(limits::TAX_VALUE_LENGTH_MAX).build();
            let one = tax(kind.into(), value.into(), code(COUNTRY)).build();
            shapes::list(one.into(), Some(limits::TAX_IDS_MAX)).build().into()
        }
        FieldName::Id
        | FieldName::Name
        | FieldName::Email
        | FieldName::Address
        | FieldName::Phone
        | FieldName::MemberId
        | FieldName::DateOfBirth
        | FieldName::BillingAddress
        | FieldName::ShippingAddress
        | FieldName::Country
        | FieldName::Region
        | FieldName::DefaultCurrency
        | FieldName::Language
        | FieldName::Status
        | FieldName::VerificationStatus
        | FieldName::SubscriptionPreferences
        | FieldName::PaymentPreferences
        | FieldName::Password
        | FieldName::PageNumber
        | FieldName::PageSize => {
            let value = of(Type::String).max_length(Some(limits::PREFERENCE_VALUE_LENGTH_MAX));
            let key = some(limits::PREFERENCE_KEY_LENGTH_MAX).build();
            let texts = texts_by_key(value.build().into()).property_names(Some(Schema::from(key)));
            texts.max_properties(Some(limits::PREFERENCES_MAX)).build().into()
        }
    }
}

/// A page of customers.
pub(super) fn page(client: Ref) -> Schema {
    let clients = utoipa::openapi::schema::ArrayBuilder::new()
        .items(client)
        .max_items(usize::try_from(limits::PAGE_SIZE_MAX).ok());
    let count = || RefOr::from(Schema::from(of(Type::Integer).minimum(Some(0_u32)).build()));
    shapes::all_required(object([
        ("customers", Schema::from(clients.build()).into()),
        ("pageNumber", count()),
        ("pageSize", count()),
        ("total", count()),
    ]))
}

/// A day that there is, of this century or the last; which days lie in the future no pattern can say.
const DAY: &str = "^(?:(?:19|20)[0-9]{2}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])\
                   |(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))\
                   |(?:(?:19|20)(?:0[48]|[2468][048]|[13579][26])|2000)-02-29)$";

/// A well-formed tag (RFC 5646, section 2.1), but for the few that are older than its grammar.
const LANGUAGE_TAG: &str = "^(?:(?:[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})(?:-[A-Za-z]{4})?\
                            (?:-(?:[A-Za-z]{2}|[0-9]{3}))?(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*\
                            (?:-[0-9A-WYZa-wyz](?:-[A-Za-z0-9]{2,8})+)*(?:-[Xx](?:-[A-Za-z0-9]{1,8})+)?\
                            |[Xx](?:-[A-Za-z0-9]{1,8})+)$";

fn date(text: ObjectBuilder) -> Schema {
    let format = SchemaFormat::KnownFormat(KnownFormat::Date);
    text.format(Some(format)).pattern(Some(DAY)).build().into()
}

/// A moment (RFC 3339) on a day that there is.
const MOMENT: &str = "^(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])\
                      |(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))\
                      |(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)\
                      [Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?\
                      (?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$";

fn maybe_moment() -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    maybe(Type::String).format(Some(format)).pattern(Some(MOMENT))
}

fn moment_or_null() -> Schema {
    maybe_moment().build().into()
}

fn one_of<const N: usize>(text: ObjectBuilder, words: [&str; N]) -> Schema {
    text.enum_values(Some(words.map(Value::from))).build().into()
}

fn or_null_among<'a>(words: impl Iterator<Item = &'a str>) -> Schema {
    let values: Vec<Value> = words.map(Value::from).chain([Value::Null]).collect();
    maybe(Type::String).enum_values(Some(values)).build().into()
}

/// One of the codes that stand in the document under this name, or none.
fn code(name: &str) -> Schema {
    let null = of(Type::Null).build();
    AnyOfBuilder::new().item(Ref::from_schema_name(name)).item(null).build().into()
}

/// The lists of codes, each under its name.
pub(super) fn codes() -> [(&'static str, Schema); 2] {
    [(COUNTRY, COUNTRIES), (CURRENCY, CURRENCIES)].map(|(name, codes)| {
        let codes = codes.split(' ').map(Value::from);
        (name, of(Type::String).enum_values(Some(codes)).build().into())
    })
}

fn parts(part: impl Fn() -> Schema, country: Schema) -> ObjectBuilder {
    object([
        ("street", part().into()),
        ("city", part().into()),
        ("state", part().into()),
        ("zipCode", part().into()),
        ("country", country.into()),
    ])
}

/// The parts of an address as a request may write them: joined, they are as long as an address may be.
fn written_parts() -> Schema {
    let most = limits::ADDRESS_LENGTH_MAX;
    let part = || Schema::from(maybe(Type::String).max_length(Some(most)).build());
    let about = format!("At most {most} characters in all, a comma and a space between each two");
    parts(part, code(COUNTRY)).description(Some(about)).build().into()
}

fn texts_by_key(value: Schema) -> ObjectBuilder {
    of(Type::Object).additional_properties(Some(AdditionalProperties::from(RefOr::from(value))))
}

fn channels(flag: impl Fn() -> Schema) -> ObjectBuilder {
    object(["email", "sms", "push", "post"].map(|channel| (channel, flag().into())))
}

fn consent(purpose: Schema, version: Schema, at: Schema) -> ObjectBuilder {
    object([
        ("purpose", purpose.into()),
        ("isGranted", of(Type::Boolean).build().into()),
        ("version", version.into()),
        ("at", at.into()),
    ])
}

fn check(text: impl Fn() -> Schema, moment: impl Fn() -> Schema) -> ObjectBuilder {
    object([
        ("level", text().into()),
        ("provider", text().into()),
        ("reference", text().into()),
        ("checkedAt", moment().into()),
        ("expiresAt", moment().into()),
    ])
}

fn tax(kind: Schema, value: Schema, country: Schema) -> ObjectBuilder {
    let one = object([("type", kind.into()), ("value", value.into()), ("country", country.into())]);
    one.required("type").required("value")
}
