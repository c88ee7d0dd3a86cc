//! What is known about a customer: one list of fields, from which everything else follows.
//!
//! A new field is one line in `profile_fields!` below and one line in each place that then fails
//! to compile: the sealed record (`records.rs`), and every wire's conversion.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::edit::Edit;
use crate::pii::Pii;

/// A postal address. Parts are as the merchant gave them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The whole address as one text, when it was given as one.
    pub text: Option<String>,
    /// Street and house number.
    pub street: Option<String>,
    /// City or town.
    pub city: Option<String>,
    /// State, province or region.
    pub state: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// Country.
    pub country: Option<String>,
}

/// One kind of notification, switched on or off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationSetting {
    /// The merchant's name for the kind.
    pub notification: String,
    /// Whether the customer wants it.
    pub is_enabled: bool,
}

/// By which channels the customer wants to be addressed; unset means never asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommunicationPreferences {
    /// Email.
    pub email: Option<bool>,
    /// Text messages.
    pub sms: Option<bool>,
    /// Push notifications.
    pub push: Option<bool>,
    /// Letters.
    pub post: Option<bool>,
}

/// What the customer agreed to or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// What it is about: `terms`, `privacy`, `marketing`, …
    pub purpose: String,
    /// Agreed or refused.
    pub is_granted: bool,
    /// The version of the text that was shown.
    pub version: Option<String>,
    /// When the customer said so.
    pub at: Timestamp,
}

/// The result of a know-your-customer check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kyc {
    /// The level that was reached.
    pub level: Option<String>,
    /// Who checked.
    pub provider: Option<String>,
    /// The provider's own reference.
    pub reference: Option<String>,
    /// When it was checked.
    pub checked_at: Option<Timestamp>,
    /// Until when it holds.
    pub expires_at: Option<Timestamp>,
}

/// A tax identification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaxId {
    /// Its kind, such as `eu_vat`.
    pub kind: String,
    /// The number.
    pub value: String,
    /// The country that issued it, ISO 3166-1 alpha-2.
    pub country: Option<String>,
}

/// Facts that the payment side owns and reports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PaymentFacts {
    /// Whether a payment request was ever made for the customer.
    pub has_payment_requests: bool,
    /// The sum of all deposits, as a decimal number such as `120.50`.
    pub total_deposits: String,
}

/// Where a customer stands with the merchant. It is data: nothing is refused because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// In use.
    Active,
    /// Not in use.
    Inactive,
    /// Held by the merchant.
    Suspended,
}

impl Status {
    /// Its number in the store. Never change one that was released. 0 is "unset".
    pub const fn code(self) -> u8 {
        match self {
            Self::Active => 1,
            Self::Inactive => 2,
            Self::Suspended => 3,
        }
    }

    /// The status with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Active),
            2 => Some(Self::Inactive),
            3 => Some(Self::Suspended),
            _ => None,
        }
    }
}

/// How far the merchant has verified who the customer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// Not at all.
    Unverified,
    /// Being verified.
    Pending,
    /// Verified.
    Verified,
    /// Verification was refused.
    Rejected,
}

impl Verification {
    /// Its number in the store. Never change one that was released. 0 is "unset".
    pub const fn code(self) -> u8 {
        match self {
            Self::Unverified => 1,
            Self::Pending => 2,
            Self::Verified => 3,
            Self::Rejected => 4,
        }
    }

    /// The verification status with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Unverified),
            2 => Some(Self::Pending),
            3 => Some(Self::Verified),
            4 => Some(Self::Rejected),
            _ => None,
        }
    }
}

/// Makes `Profile`, `ProfileEdit` and `Field` from one list, so that none can be forgotten in any.
macro_rules! profile_fields {
    ($( $(#[$doc:meta])* $name:ident: $type:ty => $variant:ident = $code:literal, )+) => {
        /// What is known about a customer. `None` is "unset"; wires show it as `null` or not at all.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct Profile { $( $(#[$doc])* pub $name: Option<$type>, )+ }

        /// A partial update: for each field keep, clear or set.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct ProfileEdit { $( $(#[$doc])* pub $name: Edit<$type>, )+ }

        /// The name of a field of the profile, without its value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field { $( $(#[$doc])* $variant, )+ }

        impl Field {
            /// All fields, in the order of the profile.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// The field's number in stored history. Never change one that was released.
            pub const fn code(self) -> u8 {
                match self { $( Self::$variant => $code, )+ }
            }

            /// The field with this number.
            pub fn from_code(code: u8) -> Option<Self> {
                match code { $( $code => Some(Self::$variant), )+ _ => None }
            }

            /// The field's name in our own interfaces.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => stringify!($name), )+ }
            }
        }

        impl Profile {
            /// The profile after `edit`.
            #[must_use]
            pub fn edited(&self, edit: &ProfileEdit) -> Self {
                Self { $( $name: edit.$name.applied_to(self.$name.as_ref()), )+ }
            }

            /// The fields in which `self` and `other` differ.
            pub fn changed_fields(&self, other: &Self) -> Vec<Field> {
                let mut changed = Vec::new();
                $( if self.$name != other.$name { changed.push(Field::$variant); } )+
                changed
            }

            /// A profile that has only these fields of this one.
            #[must_use]
            pub fn only(&self, fields: &[Field]) -> Self {
                Self {
                    $( $name: self.$name.clone().filter(|_| fields.contains(&Field::$variant)), )+
                }
            }
        }
    };
}

profile_fields! {
    /// The merchant's own reference of the customer; unique per merchant, compared exactly.
    reference: Pii<String> => Reference = 1,
    /// First name.
    first_name: Pii<String> => FirstName = 2,
    /// Last name.
    last_name: Pii<String> => LastName = 3,
    /// The whole name, as given, where it was given whole.
    full_name: Pii<String> => FullName = 4,
    /// Email address.
    email: Pii<String> => Email = 5,
    /// Country code of the mobile number: digits, without `+`.
    mobile_country_code: Pii<String> => MobileCountryCode = 6,
    /// Mobile number, as given.
    mobile_number: Pii<String> => MobileNumber = 7,
    /// The whole phone number, as given, where it was given whole.
    phone: Pii<String> => Phone = 8,
    /// Date of birth.
    birth_date: Pii<jiff::civil::Date> => BirthDate = 9,
    /// Billing address.
    billing_address: Pii<Address> => BillingAddress = 10,
    /// Shipping address.
    shipping_address: Pii<Address> => ShippingAddress = 11,
    /// Country of residence, ISO 3166-1 alpha-2.
    country: Pii<String> => Country = 12,
    /// Region of residence, free text.
    region: Pii<String> => Region = 13,
    /// Preferred currency, ISO 4217.
    currency: Pii<String> => Currency = 14,
    /// Preferred language, BCP 47.
    language: Pii<String> => Language = 15,
    /// Which notifications are wanted.
    notification_settings: Pii<Vec<NotificationSetting>> => NotificationSettings = 16,
    /// By which channels the customer wants to be addressed.
    communication_preferences: Pii<CommunicationPreferences> => CommunicationPreferences = 17,
    /// Preferences about subscriptions.
    subscription_preferences: Pii<BTreeMap<String, String>> => SubscriptionPreferences = 18,
    /// Preferences about payments.
    payment_preferences: Pii<BTreeMap<String, String>> => PaymentPreferences = 19,
    /// Where the customer stands with the merchant.
    status: Status => Status = 20,
    /// How far the customer's identity is verified.
    verification: Verification => Verification = 21,
    /// What the customer agreed to or refused.
    consents: Pii<Vec<Consent>> => Consents = 22,
    /// Know-your-customer check.
    kyc: Pii<Kyc> => Kyc = 23,
    /// Tax identifications.
    tax_ids: Pii<Vec<TaxId>> => TaxIds = 24,
    /// The merchant's own keys and values: at most 50 keys of 40 characters, values of 500.
    metadata: Pii<BTreeMap<String, String>> => Metadata = 25,
    /// Facts that the payment side owns.
    payment_facts: Pii<PaymentFacts> => PaymentFacts = 26,
}

/// Limits that hold for every wire, because the core promises them to the store. Wires have their
/// own, narrower ones.
pub mod limits {
    /// Characters in a reference.
    pub const REFERENCE_LENGTH_MAX: usize = 300;
    /// Keys in the metadata.
    pub const METADATA_KEYS_MAX: usize = 50;
    /// Characters in a key of the metadata.
    pub const METADATA_KEY_LENGTH_MAX: usize = 40;
    /// Characters in a value of the metadata.
    pub const METADATA_VALUE_LENGTH_MAX: usize = 500;
}

impl Profile {
    /// The fields that break a rule that holds for every customer, whichever wire it comes by.
    pub fn broken_rules(&self) -> Vec<Field> {
        let mut broken = Vec::new();
        if let Some(reference) = &self.reference {
            let length = reference.reveal().chars().count();
            if !(1..=limits::REFERENCE_LENGTH_MAX).contains(&length) {
                broken.push(Field::Reference);
            }
        }
        if let Some(metadata) = &self.metadata {
            let metadata = metadata.reveal();
            let fits = metadata.len() <= limits::METADATA_KEYS_MAX
                && metadata.iter().all(|(key, value)| {
                    (1..=limits::METADATA_KEY_LENGTH_MAX).contains(&key.chars().count())
                        && value.chars().count() <= limits::METADATA_VALUE_LENGTH_MAX
                });
            if !fits {
                broken.push(Field::Metadata);
            }
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_reversible() {
        for field in Field::ALL {
            assert_eq!(Field::from_code(field.code()), Some(*field));
        }
        let codes: std::collections::BTreeSet<_> = Field::ALL.iter().map(|f| f.code()).collect();
        assert_eq!(codes.len(), Field::ALL.len());
    }

    #[test]
    fn an_edit_keeps_clears_and_sets() {
        let before = Profile {
            first_name: Some("Jon".into()),
            last_name: Some("Snow".into()),
            email: Some("jon@example.com".into()),
            ..Profile::default()
        };
        let edit = ProfileEdit {
            last_name: Edit::Clear,
            email: Edit::Set("snow@example.com".into()),
            ..ProfileEdit::default()
        };
        let after = before.edited(&edit);
        assert_eq!(after.first_name, before.first_name);
        assert_eq!(after.last_name, None);
        assert_eq!(after.email, Some("snow@example.com".into()));
        assert_eq!(before.changed_fields(&after), [Field::LastName, Field::Email]);
        assert_eq!(before.only(&[Field::LastName]).last_name, Some("Snow".into()));
        assert_eq!(before.only(&[Field::LastName]).email, None);
    }

    #[test]
    fn rules_of_every_wire_are_checked() {
        let profile = Profile {
            reference: Some(Pii::new("ü".repeat(301))),
            metadata: Some(Pii::new(BTreeMap::from([("k".repeat(41), String::new())]))),
            ..Profile::default()
        };
        assert_eq!(profile.broken_rules(), [Field::Reference, Field::Metadata]);
        let profile = Profile { reference: Some(Pii::new("ü".repeat(300))), ..Profile::default() };
        assert_eq!(profile.broken_rules(), []);
    }
}
