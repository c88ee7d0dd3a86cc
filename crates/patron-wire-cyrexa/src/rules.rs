//! What the vendor allows in each field, and what a request's values do to a customer.

mod addresses;
mod allowed;
pub(crate) mod limits;
mod values;
pub(crate) mod words;

use patron::clock::Timestamp;
use patron::customer::Customer;
use patron::edit::Edit;
use patron::error::{Error, Kind};
use patron::merchant::Merchant;
use patron::pii::Pii;
use patron::profile::{Consent, Field, Kyc, Profile, ProfileEdit};
use patron_wire::json::Json;

use crate::bodies::{Presence, Said};
use crate::correspondence;
use crate::errors::WrongFields;
use crate::fields::FieldName;

/// Whose word a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// The merchant's side.
    Merchant,
    /// A customer's own device.
    Device,
}

/// What binds a request beside its own words.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    country_code: String,
    now: Timestamp,
    speaker: Speaker,
}

impl Rules {
    /// The rules for a request of this speaker's to this merchant that arrived then.
    pub(crate) fn of(merchant: &Merchant, speaker: Speaker, now: Timestamp) -> Self {
        Self { country_code: merchant.settings.country_code.as_str().to_owned(), now, speaker }
    }
}

/// What a request says about a customer, read but not yet judged.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    said: &'a Said,
    rules: &'a Rules,
}

/// Collects the fields that are wrong, so that all are reported.
#[derive(Default)]
struct Judge {
    wrong: Vec<FieldName>,
}

impl Judge {
    /// What a value does to a field that is answered as `old`: nothing when it is the same, whatever wire
    /// brought it, since limits bind what a request says and not what is stored.
    fn field<T: PartialEq>(
        &mut self,
        field: FieldName,
        said: &Presence,
        old: Option<T>,
        read: impl FnOnce(&Json) -> Option<T>,
        is_allowed: impl FnOnce(&T) -> bool,
    ) -> Edit<T> {
        let value = match said {
            Presence::Absent => return Edit::Keep,
            Presence::Null if old.is_none() => return Edit::Keep,
            Presence::Null => return Edit::Clear,
            Presence::Value(value) => read(value),
            Presence::Wrong => None,
        };
        match value {
            Some(value) if old.as_ref() == Some(&value) => Edit::Keep,
            Some(value) if is_allowed(&value) => Edit::Set(value),
            Some(_) | None => {
                self.wrong.push(field);
                Edit::Keep
            }
        }
    }

    /// As [`Judge::field`], for a field that every customer of this vendor has: it is not cleared.
    fn required(
        &mut self,
        field: FieldName,
        said: &Presence,
        old: Option<String>,
        is_allowed: impl FnOnce(&str) -> bool,
    ) -> Edit<String> {
        if *said == Presence::Null {
            self.wrong.push(field);
            return Edit::Keep;
        }
        self.field(field, said, old, values::text, |text| is_allowed(text))
    }
}

fn sealed<T>(edit: Edit<T>) -> Edit<Pii<T>> {
    match edit {
        Edit::Keep => Edit::Keep,
        Edit::Clear => Edit::Clear,
        Edit::Set(value) => Edit::Set(Pii::new(value)),
    }
}

/// An empty text says of a free text what `null` says: forms send it for what was left blank.
fn blank_is_null(said: &Presence) -> &Presence {
    match said.text() {
        Some("") => &Presence::Null,
        Some(_) | None => said,
    }
}

fn of<T: Clone>(value: &Option<Pii<T>>) -> Option<T> {
    value.as_ref().map(|value| value.reveal().clone())
}

/// A whole name, and the parts of it that other wires know.
struct NameEdits {
    full: Edit<Pii<String>>,
    first: Edit<Pii<String>>,
    last: Edit<Pii<String>>,
}

impl NameEdits {
    fn of(edit: Edit<String>) -> Self {
        let Edit::Set(name) = edit else {
            return Self { full: Edit::Keep, first: Edit::Keep, last: Edit::Keep };
        };
        let (first, last) = correspondence::split_name(&name);
        let part = |part: Option<&str>| part.map_or(Edit::Clear, |part| Edit::Set(part.into()));
        Self { first: part(first), last: part(last), full: Edit::Set(Pii::new(name)) }
    }
}

/// A whole phone number, and the parts of it that other wires know.
struct PhoneEdits {
    whole: Edit<Pii<String>>,
    code: Edit<Pii<String>>,
    number: Edit<Pii<String>>,
}

impl PhoneEdits {
    fn of(edit: Edit<String>, rules: &Rules) -> Self {
        match edit {
            Edit::Keep => Self { whole: Edit::Keep, code: Edit::Keep, number: Edit::Keep },
            Edit::Clear => Self { whole: Edit::Clear, code: Edit::Clear, number: Edit::Clear },
            Edit::Set(phone) => {
                let (code, number) = correspondence::split_phone(&phone, &rules.country_code);
                Self {
                    code: Edit::Set(Pii::new(code)),
                    number: Edit::Set(Pii::new(number)),
                    whole: Edit::Set(Pii::new(phone)),
                }
            }
        }
    }
}

impl<'a> Wanted<'a> {
    pub(crate) const fn of(said: &'a Said, rules: &'a Rules) -> Self {
        Self { said, rules }
    }

    /// The fields that a creation cannot do without and that were not sent.
    pub(crate) fn missing(&self) -> Vec<FieldName> {
        let is_missing = |field: &FieldName| {
            matches!(self.said.about(*field), Presence::Absent | Presence::Null)
        };
        [FieldName::Name, FieldName::Email].into_iter().filter(is_missing).collect()
    }

    /// Whether the body names another customer than the path.
    pub(crate) fn is_about_another(&self, number: Option<i64>) -> bool {
        let said = match self.said.about(FieldName::Id) {
            Presence::Absent | Presence::Null => return false,
            Presence::Value(Json::Number(id) | Json::Text(id)) => id.parse().ok(),
            Presence::Value(Json::Null | Json::Bool(_) | Json::List(_) | Json::Object(_))
            | Presence::Wrong => None,
        };
        said.is_none() || said != number
    }

    /// The profile of a new customer.
    ///
    /// # Errors
    /// `Invalid` with all wrong fields.
    pub(crate) fn new_profile(&self) -> Result<Profile, Error> {
        Ok(Profile::default().edited(&self.edit(None)?))
    }

    /// What the request does to `stored` (or to nothing).
    ///
    /// # Errors
    /// `Invalid` with all wrong fields, in the vendor's order.
    pub(crate) fn edit(&self, stored: Option<&Customer>) -> Result<ProfileEdit, Error> {
        let nobody = Profile::default();
        let stored = stored.map_or(&nobody, |customer| &customer.profile);
        let mut judge = Judge::default();
        let edit = self.judged(stored, &mut judge);
        let mut wrong = judge.wrong;
        if wrong.is_empty() {
            return Ok(edit);
        }
        wrong.sort_unstable();
        let fields = wrong.iter().filter_map(|name| field_of(*name)).collect();
        Err(Error::invalid(fields).because(WrongFields(wrong)))
    }

    fn judged(&self, stored: &Profile, judge: &mut Judge) -> ProfileEdit {
        let owned = |text: Option<std::borrow::Cow<'_, str>>| text.map(|text| text.into_owned());
        let said = |field| self.said.about(field);
        let old = owned(correspondence::name(stored));
        let name = judge.required(FieldName::Name, said(FieldName::Name), old, allowed::name);
        let old = of(&stored.email);
        let email = judge.required(FieldName::Email, said(FieldName::Email), old, allowed::email);
        let old = owned(correspondence::phone(stored));
        let phone =
            judge.field(FieldName::Phone, said(FieldName::Phone), old, values::text, |text| {
                allowed::phone(text)
            });
        let NameEdits { full, first, last } = NameEdits::of(name);
        let PhoneEdits { whole, code, number } = PhoneEdits::of(phone, self.rules);
        ProfileEdit {
            full_name: full,
            first_name: first,
            last_name: last,
            email: sealed(email),
            phone: whole,
            mobile_country_code: code,
            mobile_number: number,
            reference: self.free_text(judge, FieldName::MemberId, &stored.reference, |text| {
                allowed::free_text(text, limits::MEMBER_ID_LENGTH_MAX)
            }),
            billing_address: self.billing_address(judge, stored),
            shipping_address: self.shipping_address(judge, stored),
            ..self.judged_ours(stored, judge)
        }
    }

    /// The fields that the vendor's page names without a key.
    fn judged_ours(&self, stored: &Profile, judge: &mut Judge) -> ProfileEdit {
        let rules = self.rules;
        let region = |text: &str| allowed::free_text(text, limits::REGION_LENGTH_MAX);
        ProfileEdit {
            birth_date: sealed(judge.field(
                FieldName::DateOfBirth,
                self.said.about(FieldName::DateOfBirth),
                of(&stored.birth_date),
                values::date,
                |date| allowed::birth_date(*date, rules.now),
            )),
            country: self.text(judge, FieldName::Country, &stored.country, allowed::country),
            region: self.free_text(judge, FieldName::Region, &stored.region, region),
            currency: self.text(
                judge,
                FieldName::DefaultCurrency,
                &stored.currency,
                allowed::currency,
            ),
            language: self.text(judge, FieldName::Language, &stored.language, allowed::language),
            status: judge.field(
                FieldName::Status,
                self.said.about(FieldName::Status),
                stored.status,
                |value| words::status(&values::text(value)?),
                |_| true,
            ),
            verification: judge.field(
                FieldName::VerificationStatus,
                self.said.about(FieldName::VerificationStatus),
                stored.verification,
                |value| words::verification(&values::text(value)?),
                |_| true,
            ),
            ..self.judged_lists(stored, judge)
        }
    }

    /// The fields that hold more than one thing. Each is replaced whole.
    fn judged_lists(&self, stored: &Profile, judge: &mut Judge) -> ProfileEdit {
        let said = |field| self.said.about(field);
        let consents = of(&stored.consents).map(answered_consents);
        let before = consents.clone();
        let mut preferences = |field, old| {
            sealed(judge.field(field, said(field), of(old), values::preferences, |all| {
                allowed::preferences(all)
            }))
        };
        let subscription_preferences =
            preferences(FieldName::SubscriptionPreferences, &stored.subscription_preferences);
        let payment_preferences =
            preferences(FieldName::PaymentPreferences, &stored.payment_preferences);
        ProfileEdit {
            subscription_preferences,
            payment_preferences,
            notification_settings: sealed(judge.field(
                FieldName::NotificationSettings,
                said(FieldName::NotificationSettings),
                of(&stored.notification_settings),
                values::notifications,
                |all| allowed::notifications(all),
            )),
            communication_preferences: sealed(judge.field(
                FieldName::CommunicationPreferences,
                said(FieldName::CommunicationPreferences),
                of(&stored.communication_preferences),
                values::communication,
                |_| true,
            )),
            consents: sealed(judge.field(
                FieldName::Consents,
                said(FieldName::Consents),
                consents,
                |value| {
                    let Rules { country_code: _, now, speaker } = self.rules;
                    values::consents(value, before.as_ref(), *speaker, *now)
                },
                |all| allowed::consents(all),
            )),
            kyc: sealed(judge.field(
                FieldName::Kyc,
                said(FieldName::Kyc),
                of(&stored.kyc).map(answered_kyc),
                values::kyc,
                allowed::kyc,
            )),
            tax_ids: sealed(judge.field(
                FieldName::TaxInformation,
                said(FieldName::TaxInformation),
                of(&stored.tax_ids),
                values::tax_ids,
                |all| allowed::tax_ids(all),
            )),
            // The vendor has no keys for these.
            ..ProfileEdit::default()
        }
    }

    fn text(
        &self,
        judge: &mut Judge,
        field: FieldName,
        old: &Option<Pii<String>>,
        is_allowed: impl FnOnce(&str) -> bool,
    ) -> Edit<Pii<String>> {
        let said = self.said.about(field);
        sealed(judge.field(field, said, of(old), values::text, |text| is_allowed(text)))
    }

    fn free_text(
        &self,
        judge: &mut Judge,
        field: FieldName,
        old: &Option<Pii<String>>,
        is_allowed: impl FnOnce(&str) -> bool,
    ) -> Edit<Pii<String>> {
        let said = blank_is_null(self.said.about(field));
        sealed(judge.field(field, said, of(old), values::text, |text| is_allowed(text)))
    }
}

/// Consents as they are answered, in whole seconds.
fn answered_consents(consents: Vec<Consent>) -> Vec<Consent> {
    let answered = |one: Consent| Consent { at: values::whole_seconds(one.at), ..one };
    consents.into_iter().map(answered).collect()
}

/// A check as it is answered, in whole seconds.
fn answered_kyc(kyc: Kyc) -> Kyc {
    Kyc {
        checked_at: kyc.checked_at.map(values::whole_seconds),
        expires_at: kyc.expires_at.map(values::whole_seconds),
        ..kyc
    }
}

/// The field of the core that stands behind a wrong key.
const fn field_of(name: FieldName) -> Option<Field> {
    match name {
        FieldName::Name => Some(Field::FullName),
        FieldName::Email => Some(Field::Email),
        FieldName::Address | FieldName::BillingAddress => Some(Field::BillingAddress),
        FieldName::Phone => Some(Field::Phone),
        FieldName::MemberId => Some(Field::Reference),
        FieldName::DateOfBirth => Some(Field::BirthDate),
        FieldName::ShippingAddress => Some(Field::ShippingAddress),
        FieldName::Country => Some(Field::Country),
        FieldName::Region => Some(Field::Region),
        FieldName::DefaultCurrency => Some(Field::Currency),
        FieldName::Language => Some(Field::Language),
        FieldName::NotificationSettings => Some(Field::NotificationSettings),
        FieldName::CommunicationPreferences => Some(Field::CommunicationPreferences),
        FieldName::Status => Some(Field::Status),
        FieldName::VerificationStatus => Some(Field::Verification),
        FieldName::SubscriptionPreferences => Some(Field::SubscriptionPreferences),
        FieldName::PaymentPreferences => Some(Field::PaymentPreferences),
        FieldName::Consents => Some(Field::Consents),
        FieldName::Kyc => Some(Field::Kyc),
        FieldName::TaxInformation => Some(Field::TaxIds),
        FieldName::Id | FieldName::Password | FieldName::PageNumber | FieldName::PageSize => None,
    }
}

/// Refuses what a customer's own device may not change: how the merchant names the customer, and how it
/// says that the customer stands. Whoever could choose a reference could be found in another's place, and
/// learn from what is taken which there are.
///
/// # Errors
/// `Denied` when the edit touches one of these.
pub(crate) fn check_own_edit(edit: &ProfileEdit) -> Result<(), Error> {
    let is_kept = edit.reference == Edit::Keep
        && edit.status == Edit::Keep
        && edit.verification == Edit::Keep
        && edit.kyc == Edit::Keep
        && edit.tax_ids == Edit::Keep;
    if is_kept {
        return Ok(());
    }
    Err(Error::new(Kind::Denied, "a client auth token does not change what the merchant says"))
}

/// A number in a query: digits within `range`, or `default` when it is not sent.
pub(crate) fn bounded(
    said: &Said,
    field: FieldName,
    default: u32,
    range: std::ops::RangeInclusive<u32>,
) -> Result<u32, FieldName> {
    match said.about(field) {
        Presence::Absent => Ok(default),
        presence @ (Presence::Null | Presence::Value(_) | Presence::Wrong) => {
            let text = presence.text().unwrap_or_default();
            let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = if is_digits { text.parse().ok() } else { None };
            number.filter(|number| range.contains(number)).ok_or(field)
        }
    }
}

#[cfg(test)]
mod tests;
