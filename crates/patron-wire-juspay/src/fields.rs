//! The vendor's names of what a request can say, in the order of its documents.

use patron::profile::Field;

/// A key of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldName {
    /// The merchant's reference.
    ObjectReferenceId,
    /// Mobile number.
    MobileNumber,
    /// Email address.
    EmailAddress,
    /// First name.
    FirstName,
    /// Last name.
    LastName,
    /// Country code of the mobile number.
    MobileCountryCode,
    /// Whether a client auth token is wished.
    GetClientAuthToken,
    /// Get-or-create: whether a customer that is there is updated.
    Update,
    /// List: how many.
    Count,
    /// List: from where on.
    Offset,
}

impl FieldName {
    /// All of them.
    pub(crate) const ALL: [Self; 10] = [
        Self::ObjectReferenceId,
        Self::MobileNumber,
        Self::EmailAddress,
        Self::FirstName,
        Self::LastName,
        Self::MobileCountryCode,
        Self::GetClientAuthToken,
        Self::Update,
        Self::Count,
        Self::Offset,
    ];

    /// The key as it stands in a request and in an error.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ObjectReferenceId => "object_reference_id",
            Self::MobileNumber => "mobile_number",
            Self::EmailAddress => "email_address",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::MobileCountryCode => "mobile_country_code",
            // One key with a dot in it, not an object.
            Self::GetClientAuthToken => "options.get_client_auth_token",
            Self::Update => "update",
            Self::Count => "count",
            Self::Offset => "offset",
        }
    }

    /// The vendor's name of a field of the core. `None` for fields that this vendor does not know,
    /// which none of its requests can get wrong.
    pub(crate) const fn of(field: Field) -> Option<Self> {
        match field {
            Field::Reference => Some(Self::ObjectReferenceId),
            Field::MobileNumber => Some(Self::MobileNumber),
            Field::Email => Some(Self::EmailAddress),
            Field::FirstName => Some(Self::FirstName),
            Field::LastName => Some(Self::LastName),
            Field::MobileCountryCode => Some(Self::MobileCountryCode),
            Field::FullName
            | Field::Phone
            | Field::BirthDate
            | Field::BillingAddress
            | Field::ShippingAddress
            | Field::Country
            | Field::Region
            | Field::Currency
            | Field::Language
            | Field::NotificationSettings
            | Field::CommunicationPreferences
            | Field::SubscriptionPreferences
            | Field::PaymentPreferences
            | Field::Status
            | Field::Verification
            | Field::Consents
            | Field::Kyc
            | Field::TaxIds
            | Field::Metadata
            | Field::PaymentFacts => None,
        }
    }
}
