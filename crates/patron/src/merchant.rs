//! Merchants: whose customers they are, and the settings that bind their requests.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use crate::clock::Timestamp;
use crate::ids::{MerchantId, MerchantNumber};

/// A merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merchant {
    /// The store's number of it.
    pub number: MerchantNumber,
    /// Its name on the wire.
    pub id: MerchantId,
    /// Its name for people.
    pub name: String,
    /// Whether its keys work.
    pub standing: Standing,
    /// When it was created.
    pub created: Timestamp,
    /// One more with every change, so that two changes at once cannot overwrite each other.
    pub revision: u64,
    /// What it has set.
    pub settings: Settings,
}

/// Whether a merchant's keys work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They do.
    Active,
    /// They do not, until the merchant is active again. Nothing is lost.
    Suspended,
}

impl Standing {
    /// Its number in the store. Never change one that was released.
    pub const fn code(self) -> u8 {
        match self {
            Self::Active => 1,
            Self::Suspended => 2,
        }
    }

    /// The standing with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Active),
            2 => Some(Self::Suspended),
            _ => None,
        }
    }

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

/// What a merchant can set. The core's own settings have types; each wire's are texts under
/// `<wire>.<name>`, which that wire checks and reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// From where its API keys may be used; empty is "from anywhere".
    pub allow_list: AllowList,
    /// Country code of a mobile number that comes without one: digits.
    pub country_code: CountryCode,
    /// When its customers are erased by themselves.
    pub retention: Retention,
    /// The wires' settings, by their full names.
    pub wires: BTreeMap<String, String>,
}

/// The names under which the core's own settings are kept. Never change one that was released.
mod names {
    pub(super) const ALLOW_LIST: &str = "core.allow_list";
    pub(super) const COUNTRY_CODE: &str = "core.country_code";
    pub(super) const DELETED: &str = "core.erase_deleted_after_days";
    pub(super) const INACTIVE: &str = "core.erase_inactive_after_days";
}

/// A setting that is kept and cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadableSetting;

impl Settings {
    /// What a store keeps: a name and a text for each setting that is set.
    pub fn to_rows(&self) -> Vec<(String, String)> {
        let Self { allow_list, country_code, retention, wires } = self;
        let Retention { after_deletion, after_last_change } = retention;
        let days = |name: &str, days: &Option<Days>| {
            days.map(|days| (name.to_owned(), days.get().to_string()))
        };
        let mut rows = vec![
            (names::ALLOW_LIST.to_owned(), allow_list.to_text()),
            (names::COUNTRY_CODE.to_owned(), country_code.as_str().to_owned()),
        ];
        rows.extend(days(names::DELETED, after_deletion));
        rows.extend(days(names::INACTIVE, after_last_change));
        rows.extend(wires.iter().map(|(name, value)| (name.clone(), value.clone())));
        rows
    }

    /// Puts a setting that a store kept among the others.
    ///
    /// # Errors
    /// When the value is not one that [`Settings::to_rows`] writes.
    pub fn read_row(&mut self, name: String, value: String) -> Result<(), UnreadableSetting> {
        match name.as_str() {
            names::ALLOW_LIST => {
                self.allow_list = AllowList::parse(&value).map_err(|_| UnreadableSetting)?;
            }
            names::COUNTRY_CODE => {
                self.country_code = CountryCode::parse(&value).ok_or(UnreadableSetting)?;
            }
            names::DELETED => self.retention.after_deletion = Some(read_days(&value)?),
            names::INACTIVE => self.retention.after_last_change = Some(read_days(&value)?),
            _ => {
                self.wires.insert(name, value);
            }
        }
        Ok(())
    }
}

fn read_days(text: &str) -> Result<Days, UnreadableSetting> {
    text.parse().ok().and_then(Days::new).ok_or(UnreadableSetting)
}

/// When a merchant's customers are erased by themselves; `None` is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// So long after they were deleted.
    pub after_deletion: Option<Days>,
    /// So long after something last changed about them, deleted or not.
    pub after_last_change: Option<Days>,
}

impl Retention {
    /// Whether a customer's time is over at `now`.
    pub fn is_over(&self, age: &crate::store::CustomerAge, now: Timestamp) -> bool {
        let ends = [
            self.after_deletion.zip(age.deleted),
            self.after_last_change.map(|days| (days, age.updated)),
        ];
        ends.into_iter().flatten().any(|(days, since)| now >= since.after(days.as_duration()))
    }

    /// Whether anybody is ever erased.
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }
}

/// A number of days: 1 to 36,500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(u16);

impl Days {
    /// The largest number of days: a hundred years.
    pub const MAX: u16 = 36_500;

    /// Accepts 1 to [`Days::MAX`].
    pub fn new(days: u16) -> Option<Self> {
        (1..=Self::MAX).contains(&days).then_some(Self(days))
    }

    /// The number itself.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The same as a span of time.
    pub fn as_duration(self) -> std::time::Duration {
        std::time::Duration::from_secs(u64::from(self.0).saturating_mul(86_400))
    }
}

/// A telephone country code: 1 to 4 digits. Out of the box it is India's, `91`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountryCode(String);

impl CountryCode {
    /// Accepts 1 to 4 digits.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| Self(text.to_owned()))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for CountryCode {
    fn default() -> Self {
        Self("91".to_owned())
    }
}

/// Addresses from which a merchant's keys may be used: single ones and CIDR ranges of both families.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowList(Vec<IpNet>);

/// A text that is neither an address nor a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an IP address nor a range such as 203.0.113.0/24")]
pub struct NotAnAddress(pub String);

impl AllowList {
    /// Reads a list separated by commas or white space. Nothing between them is an empty list.
    ///
    /// # Errors
    /// The first part that is neither an address nor a range.
    pub fn parse(text: &str) -> Result<Self, NotAnAddress> {
        text.split(|c: char| c == ',' || c.is_whitespace())
            .filter(|part| !part.is_empty())
            .map(parse_range)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether the list is switched off.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a client with this address is admitted. A list that is switched on refuses a client
    /// whose address could not be determined.
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        self.is_empty() || address.is_some_and(|address| contains(&self.0, address))
    }

    /// The list as text that [`AllowList::parse`] reads.
    pub fn to_text(&self) -> String {
        let parts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        parts.join(",")
    }
}

/// Reads an address or a range; a mapped IPv4 address (`::ffff:a.b.c.d`) becomes the IPv4 one.
///
/// # Errors
/// A text that is neither.
pub fn parse_range(text: &str) -> Result<IpNet, NotAnAddress> {
    let no = || NotAnAddress(text.to_owned());
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    match text.parse::<IpNet>().map_err(|_| no())? {
        IpNet::V6(range) if range.prefix_len() >= 96 && is_mapped(range.addr()) => {
            let address = IpAddr::V6(range.addr()).to_canonical();
            IpNet::new(address, range.prefix_len() - 96)
                .map(|range| range.trunc())
                .map_err(|_| no())
        }
        range @ (IpNet::V4(_) | IpNet::V6(_)) => Ok(range.trunc()),
    }
}

fn is_mapped(address: Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_some()
}

/// Whether one of `ranges` holds `address`, `::ffff:a.b.c.d` being the same as `a.b.c.d`.
pub fn contains(ranges: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    ranges.iter().any(|range| range.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str, address: &str, expect: bool) {
        let list = AllowList::parse(list).unwrap();
        assert_eq!(list.admits(Some(address.parse().unwrap())), expect, "{list:?} {address}");
    }

    #[test]
    fn settings_are_read_as_they_are_written() {
        let set = Settings {
            allow_list: AllowList::parse("203.0.113.7").unwrap(),
            country_code: CountryCode::parse("65").unwrap(),
            retention: Retention {
                after_deletion: Days::new(30),
                after_last_change: Days::new(900),
            },
            wires: BTreeMap::from([("wire.name".to_owned(), "value".to_owned())]),
        };
        for settings in [set, Settings::default()] {
            let mut read = Settings::default();
            for (name, value) in settings.to_rows() {
                read.read_row(name, value).unwrap();
            }
            assert_eq!(read, settings);
        }
        let mut read = Settings::default();
        for (name, value) in
            [(names::DELETED, "0"), (names::INACTIVE, "x"), (names::COUNTRY_CODE, "")]
        {
            assert_eq!(read.read_row(name.to_owned(), value.to_owned()), Err(UnreadableSetting));
        }
    }

    #[test]
    fn a_customers_time_is_over_by_deletion_or_by_silence() {
        let day = 86_400_000;
        let number = crate::ids::CustomerNumber::new(1).unwrap();
        let check = |after: [u16; 2],
                     updated: i64,
                     deleted: Option<i64>,
                     now: i64,
                     expect: bool| {
            let [after_deletion, after_last_change] = after.map(Days::new);
            let retention = Retention { after_deletion, after_last_change };
            let age = crate::store::CustomerAge {
                number,
                updated: Timestamp::from_ms(updated * day),
                deleted: deleted.map(|deleted| Timestamp::from_ms(deleted * day)),
            };
            assert_eq!(retention.is_over(&age, Timestamp::from_ms(now * day)), expect, "{age:?}");
        };
        check([0, 0], 1, Some(1), 9_999, false);
        check([30, 0], 1, None, 9_999, false);
        check([30, 0], 1, Some(1), 30, false);
        check([30, 0], 1, Some(1), 31, true);
        check([0, 30], 1, None, 30, false);
        check([0, 30], 1, None, 31, true);
        check([0, 30], 2, Some(2), 31, false);
    }

    #[test]
    fn lists_hold_addresses_and_ranges_of_both_families() {
        check("", "198.51.100.1", true);
        check("203.0.113.7", "203.0.113.7", true);
        check("203.0.113.7", "203.0.113.8", false);
        check("203.0.113.0/24, 2001:db8::/32", "203.0.113.200", true);
        check("203.0.113.99/24", "203.0.113.200", true);
        check("203.0.113.0/24, 2001:db8::/32", "2001:db8::1", true);
        check("203.0.113.0/24", "2001:db8::1", false);
        check("203.0.113.0/24", "::ffff:203.0.113.9", true);
        check("::ffff:203.0.113.9", "203.0.113.9", true);
        check("::ffff:203.0.113.0/120", "203.0.113.9", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("::/0", "203.0.113.9", false);
    }

    #[test]
    fn a_list_that_is_on_refuses_the_unknown() {
        assert!(AllowList::parse("").unwrap().admits(None));
        assert!(!AllowList::parse("0.0.0.0/0").unwrap().admits(None));
    }

    #[test]
    fn a_list_is_written_as_it_is_read() {
        let list = AllowList::parse("203.0.113.7 2001:db8::/32").unwrap();
        assert_eq!(AllowList::parse(&list.to_text()).unwrap(), list);
        assert!(AllowList::parse("203.0.113.7,nonsense").is_err());
        assert!(AllowList::parse("203.0.113.7/33").is_err());
    }
}
