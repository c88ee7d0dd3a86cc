//! Words of this interface as types of its documents. They are never made: what is answered are texts.

use patron_wire::Setting;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ObjectBuilder, Schema, SchemaType, Type,
};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::words;

/// Makes a type of documents out of a list of words.
macro_rules! words_as_schema {
    ($( $(#[$doc:meta])* $name:ident = $about:literal $words:expr; )+) => {
        $(
            $(#[$doc])*
            pub(crate) enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    ObjectBuilder::new()
                        .schema_type(SchemaType::Type(Type::String))
                        .description(Some($about))
                        .enum_values(Some($words))
                        .into()
                }
            }

            impl ToSchema for $name {}
        )+
    };
}

words_as_schema! {
    /// A customer's status.
    Status = "Where a customer stands with the merchant. It is data: nothing is refused because of it."
        words::STATUSES.map(words::status);
    /// A customer's verification status.
    Verification = "How far a customer's identity is verified."
        words::VERIFICATIONS.map(words::verification);
    /// What happened to a customer.
    Happened = "What happened to a customer."
        words::HAPPENED.map(words::happened);
    /// A scope.
    Scope = "What a key may do."
        patron::api_key::Scope::ALL.map(patron::api_key::Scope::name);
    /// A role.
    Role = "What an operator may do: an owner everything, an operator read and update customers, an auditor \
            read them masked."
        patron::operator::Role::ALL.map(patron::operator::Role::name);
    /// Whether a merchant's keys work.
    Standing = "Whether a merchant's keys work."
        [patron::merchant::Standing::Active, patron::merchant::Standing::Suspended]
            .map(patron::merchant::Standing::name);
    /// A kind of caller.
    ActorKind = "What kind of caller it was."
        (1..=u8::MAX).map_while(patron::actor::ActorKind::name_of);
    /// What somebody did who looked.
    Accessed = "What somebody did who looked."
        patron::access_log::Accessed::ALL.map(patron::access_log::Accessed::name);
}

/// Any JSON value.
pub(crate) enum AnyValue {}

impl PartialSchema for AnyValue {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::AnyValue)
            .description(Some("The value of a field, as it stands in a profile."))
            .into()
    }
}

impl ToSchema for AnyValue {}

/// A customer's number.
pub(crate) enum CustomerNumber {}

impl PartialSchema for CustomerNumber {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::Integer))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .description(Some("A customer's number, unique within its merchant."))
            .minimum(Some(1))
            .maximum(Some(9_007_199_254_740_991_i64))
            .into()
    }
}

impl ToSchema for CustomerNumber {}

/// The wires' settings. What there is, is known where the wires are: see [`of_settings`].
pub(crate) enum WiresSettings {}

impl PartialSchema for WiresSettings {
    fn schema() -> RefOr<Schema> {
        of_settings(&[])
    }
}

impl ToSchema for WiresSettings {}

/// What these settings take; `null` unsets one.
pub(crate) fn of_settings(offered: &[Setting]) -> RefOr<Schema> {
    let mut object = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Object))
        .description(Some("The wires' settings by their names; null unsets one."))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    for Setting { name, values, about } in offered {
        let words = values.iter().map(|word| Some(*word)).chain([None]);
        let value = ObjectBuilder::new()
            .schema_type(SchemaType::Array(vec![Type::String, Type::Null]))
            .description(Some(*about))
            .enum_values(Some(words));
        object = object.property(*name, value);
    }
    object.into()
}

/// An address, or a range of addresses.
pub(crate) enum NetworkAddress {}

impl PartialSchema for NetworkAddress {
    fn schema() -> RefOr<Schema> {
        const BYTE: &str = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
        let text = || ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        let format = |format| text().format(Some(SchemaFormat::KnownFormat(format)));
        let v4 = format!("^({BYTE}\\.){{3}}{BYTE}/(3[0-2]|[12]?[0-9])$");
        let v6 = format!("^({})/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$", v6_pattern());
        AnyOfBuilder::new()
            .description(Some("An address, or a range such as 203.0.113.0/24."))
            .item(format(KnownFormat::Ipv4))
            .item(format(KnownFormat::Ipv6))
            .item(text().pattern(Some(v4)))
            .item(text().pattern(Some(v6)))
            .into()
    }
}

impl ToSchema for NetworkAddress {}

/// An address of IPv6 (RFC 4291, section 2.2): eight groups, or fewer of them around two colons.
fn v6_pattern() -> String {
    const GROUP: &str = "[0-9a-fA-F]{1,4}";
    let around = (1..=6).map(|after| {
        let before = 7 - after;
        format!("({GROUP}:){{1,{before}}}(:{GROUP}){{1,{after}}}")
    });
    let ends = [
        format!("({GROUP}:){{7}}{GROUP}"),
        format!("({GROUP}:){{1,7}}:"),
        format!(":(:{GROUP}){{1,7}}"),
        "::".to_owned(),
    ];
    around.chain(ends).collect::<Vec<_>>().join("|")
}
