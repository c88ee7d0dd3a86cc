//! API keys: what a merchant's server shows to be let in.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::entropy::{Entropy, random_bytes};
use crate::hex;
use crate::ids::{KeyNumber, MerchantNumber};
use crate::keys::Generation;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Read customers.
    CustomersRead,
    /// Create and update customers.
    CustomersWrite,
    /// Delete and erase customers.
    CustomersErase,
    /// Manage the merchant itself.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] =
        [Self::CustomersRead, Self::CustomersWrite, Self::CustomersErase, Self::Admin];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CustomersRead => "customers:read",
            Self::CustomersWrite => "customers:write",
            Self::CustomersErase => "customers:erase",
            Self::Admin => "admin",
        }
    }

    /// The scope with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::CustomersRead => 1,
            Self::CustomersWrite => 2,
            Self::CustomersErase => 4,
            Self::Admin => 8,
        }
    }
}

/// The scopes of a key: one at least, a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scopes(u8);

/// A list of scopes that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a scope; scopes are customers:read, customers:write, customers:erase and admin"
)]
pub struct NotAScope(pub String);

impl Scopes {
    /// These scopes. `None` when there is none among them.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Option<Self> {
        let bits = scopes.into_iter().fold(0, |bits, scope| bits | scope.bit());
        (bits != 0).then_some(Self(bits))
    }

    /// Whether `scope` is among them.
    pub const fn include(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Each of them, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.include(*scope))
    }
}

impl Default for Scopes {
    /// What a vendor's client library needs: read and write customers.
    fn default() -> Self {
        Self(Scope::CustomersRead.bit() | Scope::CustomersWrite.bit())
    }
}

impl FromStr for Scopes {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        let scopes = text
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|part| !part.is_empty())
            .map(|part| Scope::from_name(part).ok_or_else(|| NotAScope(part.to_owned())))
            .collect::<Result<Vec<_>, _>>()?;
        Self::of(scopes).ok_or_else(|| NotAScope(String::new()))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::name).collect();
        f.write_str(&names.join(","))
    }
}

/// The text of an API key: 32 upper-case hex digits. It is shown once and stored only as a hash.
#[derive(Clone)]
pub struct ApiKeyText(Zeroizing<String>);

impl ApiKeyText {
    /// A new key: 128 bits that nobody can guess.
    pub fn issue(entropy: &dyn Entropy) -> Self {
        let bytes = Zeroizing::new(random_bytes::<16>(entropy));
        let mut text = hex::encode(&*bytes);
        text.make_ascii_uppercase();
        Self(text)
    }

    /// Reads 32 hex digits, upper-case.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
        let fits = text.len() == 32 && text.bytes().all(hex);
        fits.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The key itself. Show it once, log it never.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// An API key as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The store's number of it.
    pub number: KeyNumber,
    /// Whose key it is.
    pub merchant: MerchantNumber,
    /// What its owner calls it.
    pub label: String,
    /// What it may do.
    pub scopes: Scopes,
    /// HMAC of its text.
    pub hash: [u8; 32],
    /// The generation of the pepper under which it is hashed.
    pub pepper_generation: Generation,
    /// When it was created.
    pub created: Timestamp,
    /// The first moment at which it no longer works.
    pub expires: Option<Timestamp>,
    /// The end of its grace, once it was rolled: the first moment at which only its successor works.
    pub grace_ends: Option<Timestamp>,
    /// When it was revoked. That is final, whatever the clock shows afterwards.
    pub revoked: Option<Timestamp>,
}

impl ApiKey {
    /// The first moment at which the key does not work any more, unless it is revoked before.
    pub fn end(&self) -> Option<Timestamp> {
        self.expires.into_iter().chain(self.grace_ends).min()
    }

    /// Whether the key works at `now`.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.end().is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::TestEntropy;

    #[test]
    fn keys_look_like_the_documented_ones() {
        let key = ApiKeyText::issue(&TestEntropy::new(3));
        assert!(ApiKeyText::parse(key.expose()).is_some());
        for bad in ["", &key.expose().to_lowercase(), &key.expose()[1..]] {
            assert!(ApiKeyText::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_key_ends_by_expiry_grace_or_revocation() {
        let at = |ms| Some(Timestamp::from_ms(ms));
        let check = |expires, grace_ends, revoked, expect: [bool; 3]| {
            let key = ApiKey {
                number: KeyNumber::new(1),
                merchant: MerchantNumber::new(1),
                label: String::new(),
                scopes: Scopes::default(),
                hash: [0; 32],
                pepper_generation: 1,
                created: Timestamp::from_ms(0),
                expires,
                grace_ends,
                revoked,
            };
            let works = [5, 10, 15].map(|ms| key.is_in_force(Timestamp::from_ms(ms)));
            assert_eq!(works, expect, "{key:?}");
        };
        check(None, None, None, [true, true, true]);
        check(at(10), None, None, [true, false, false]);
        check(None, at(10), None, [true, false, false]);
        check(at(15), at(10), None, [true, false, false]);
        // A clock that is set back does not bring a revoked key back.
        check(None, None, at(10), [false, false, false]);
    }

    #[test]
    fn scopes_are_read_and_written() {
        let scopes: Scopes = "customers:write, customers:read,customers:read".parse().unwrap();
        assert_eq!(scopes, Scopes::default());
        assert_eq!(scopes.to_string(), "customers:read,customers:write");
        assert!("customers:fly".parse::<Scopes>().is_err());
        assert!("".parse::<Scopes>().is_err());
    }
}
