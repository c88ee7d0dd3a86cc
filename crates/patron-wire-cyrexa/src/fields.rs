//! The vendor's names of what a request can say, in the order of its documents; ours follow.

use patron::profile::Field;

/// A key of a body, or of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldName {
    /// The customer's number: the server's.
    Id,
    /// The whole name.
    Name,
    /// Email address; of the operator who logs in; to look for.
    Email,
    /// The billing address as one text.
    Address,
    /// The whole phone number.
    Phone,
    /// The merchant's reference; to look for.
    MemberId,
    /// Date of birth.
    DateOfBirth,
    /// Billing address in parts.
    BillingAddress,
    /// Shipping address in parts.
    ShippingAddress,
    /// Country of residence.
    Country,
    /// Region of residence.
    Region,
    /// Preferred currency.
    DefaultCurrency,
    /// Preferred language.
    Language,
    /// Which notifications are wanted.
    NotificationSettings,
    /// By which channels the customer wants to be addressed.
    CommunicationPreferences,
    /// Active, inactive or suspended.
    Status,
    /// How far the identity is verified.
    VerificationStatus,
    /// Preferences about subscriptions.
    SubscriptionPreferences,
    /// Preferences about payments.
    PaymentPreferences,
    /// What was agreed to or refused.
    Consents,
    /// Know-your-customer check.
    Kyc,
    /// Tax identifications.
    TaxInformation,
    /// Login: the operator's password.
    Password,
    /// List: which page.
    PageNumber,
    /// List: customers on a page.
    PageSize,
}

impl FieldName {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::Id,
        Self::Name,
        Self::Email,
        Self::Address,
        Self::Phone,
        Self::MemberId,
        Self::DateOfBirth,
        Self::BillingAddress,
        Self::ShippingAddress,
        Self::Country,
        Self::Region,
        Self::DefaultCurrency,
        Self::Language,
        Self::NotificationSettings,
        Self::CommunicationPreferences,
        Self::Status,
        Self::VerificationStatus,
        Self::SubscriptionPreferences,
        Self::PaymentPreferences,
        Self::Consents,
        Self::Kyc,
        Self::TaxInformation,
        Self::Password,
        Self::PageNumber,
        Self::PageSize,
    ];

    /// The key as it stands in a request and in an error.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Email => "email",
            Self::Address => "address",
            Self::Phone => "phone",
            Self::MemberId => "memberId",
            Self::DateOfBirth => "dateOfBirth",
            Self::BillingAddress => "billingAddress",
            Self::ShippingAddress => "shippingAddress",
            Self::Country => "country",
            Self::Region => "region",
            Self::DefaultCurrency => "defaultCurrency",
            Self::Language => "language",
            Self::NotificationSettings => "notificationSettings",
            Self::CommunicationPreferences => "communicationPreferences",
            Self::Status => "status",
            Self::VerificationStatus => "verificationStatus",
            Self::SubscriptionPreferences => "subscriptionPreferences",
            Self::PaymentPreferences => "paymentPreferences",
            Self::Consents => "consents",
            Self::Kyc => "kyc",
            Self::TaxInformation => "taxInformation",
            Self::Password => "password",
            Self::PageNumber => "pageNumber",
            Self::PageSize => "pageSize",
        }
    }

    /// The field with this key.
    pub(crate) fn find(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.text() == key)
    }

    /// The vendor's name of a field of the core. `None` for fields that this vendor does not know,
    /// which none of its requests can get wrong.
    pub(crate) const fn of(field: Field) -> Option<Self> {
        match field {
            Field::Reference => Some(Self::MemberId),
            Field::FullName | Field::FirstName | Field::LastName => Some(Self::Name),
            Field::Email => Some(Self::Email),
            Field::Phone | Field::MobileNumber | Field::MobileCountryCode => Some(Self::Phone),
            Field::BirthDate => Some(Self::DateOfBirth),
            Field::BillingAddress => Some(Self::BillingAddress),
            Field::ShippingAddress => Some(Self::ShippingAddress),
            Field::Country => Some(Self::Country),
            Field::Region => Some(Self::Region),
            Field::Currency => Some(Self::DefaultCurrency),
            Field::Language => Some(Self::Language),
            Field::NotificationSettings => Some(Self::NotificationSettings),
            Field::CommunicationPreferences => Some(Self::CommunicationPreferences),
            Field::Status => Some(Self::Status),
            Field::Verification => Some(Self::VerificationStatus),
            Field::SubscriptionPreferences => Some(Self::SubscriptionPreferences),
            Field::PaymentPreferences => Some(Self::PaymentPreferences),
            Field::Consents => Some(Self::Consents),
            Field::Kyc => Some(Self::Kyc),
            Field::TaxIds => Some(Self::TaxInformation),
            Field::Metadata | Field::PaymentFacts => None,
        }
    }
}
