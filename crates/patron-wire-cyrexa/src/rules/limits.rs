//! How long and how many: what this wire allows in a request. Where the vendor names no limit, it is ours.

/// Characters in a name (the vendor's).
pub(crate) const NAME_LENGTH_MAX: usize = 100;
/// Characters in an email address (the vendor's).
pub(crate) const EMAIL_LENGTH_MAX: usize = 100;
/// Characters in an address, and in the parts of one when they are joined (the vendor's).
pub(crate) const ADDRESS_LENGTH_MAX: usize = 255;
/// Characters in a phone number (the vendor's).
pub(crate) const PHONE_LENGTH_MAX: usize = 20;
/// Characters in the merchant's reference (the vendor's).
pub(crate) const MEMBER_ID_LENGTH_MAX: usize = 50;
/// Characters in a region.
pub(crate) const REGION_LENGTH_MAX: usize = 100;
/// Characters in a language tag. RFC 5646 (section 4.4.1) wants room for 35.
pub(crate) const LANGUAGE_LENGTH_MAX: usize = 100;
/// The year before which nobody was born.
pub(crate) const BIRTH_YEAR_MIN: i16 = 1900;
/// Settings of notifications.
pub(crate) const NOTIFICATIONS_MAX: usize = 50;
/// Characters in the kind of a notification.
pub(crate) const NOTIFICATION_TYPE_LENGTH_MAX: usize = 50;
/// Preferences about subscriptions, and about payments.
pub(crate) const PREFERENCES_MAX: usize = 50;
/// Characters in the key of a preference.
pub(crate) const PREFERENCE_KEY_LENGTH_MAX: usize = 100;
/// Characters in the value of a preference.
pub(crate) const PREFERENCE_VALUE_LENGTH_MAX: usize = 500;
/// Consents, one for each purpose.
pub(crate) const CONSENTS_MAX: usize = 50;
/// Characters in the purpose of a consent.
pub(crate) const PURPOSE_LENGTH_MAX: usize = 50;
/// Characters in the version of the text that was consented to.
pub(crate) const CONSENT_VERSION_LENGTH_MAX: usize = 50;
/// Characters in each text of a know-your-customer check.
pub(crate) const KYC_TEXT_LENGTH_MAX: usize = 100;
/// Tax identifications.
pub(crate) const TAX_IDS_MAX: usize = 10;
/// Characters in the kind of a tax identification.
pub(crate) const TAX_TYPE_LENGTH_MAX: usize = 50;
/// Characters in a tax identification.
pub(crate) const TAX_VALUE_LENGTH_MAX: usize = 100;
/// The furthest page: further back, a list is too far to count through.
pub(crate) const PAGE_NUMBER_MAX: u32 = 100;
/// Customers on a page, at most.
pub(crate) const PAGE_SIZE_MAX: u32 = 100;
/// Customers on a page when nothing is said.
pub(crate) const PAGE_SIZE_DEFAULT: u32 = 20;
