//! The names of customers' fields in this interface.

use patron::profile::Field;

/// The key under which a field stands in a profile.
pub(crate) const fn name(field: Field) -> &'static str {
    match field {
        Field::Reference => "reference",
        Field::FirstName => "firstName",
        Field::LastName => "lastName",
        Field::FullName => "fullName",
        Field::Email => "email",
        Field::MobileCountryCode => "mobileCountryCode",
        Field::MobileNumber => "mobileNumber",
        Field::Phone => "phone",
        Field::BirthDate => "birthDate",
        Field::BillingAddress => "billingAddress",
        Field::ShippingAddress => "shippingAddress",
        Field::Country => "country",
        Field::Region => "region",
        Field::Currency => "currency",
        Field::Language => "language",
        Field::NotificationSettings => "notificationSettings",
        Field::CommunicationPreferences => "communicationPreferences",
        Field::SubscriptionPreferences => "subscriptionPreferences",
        Field::PaymentPreferences => "paymentPreferences",
        Field::Status => "status",
        Field::Verification => "verification",
        Field::Consents => "consents",
        Field::Kyc => "kyc",
        Field::TaxIds => "taxIds",
        Field::Metadata => "metadata",
        Field::PaymentFacts => "paymentFacts",
    }
}
