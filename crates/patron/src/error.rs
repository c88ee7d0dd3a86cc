//! The core's error: what the caller can do about it, one public sentence, and a source for the log.

use std::error::Error as StdError;
use std::fmt;

use crate::profile::Field;
use crate::store::{StoreError, Unique};

type Source = Box<dyn StdError + Send + Sync>;

/// What the caller can do about an error. A new kind needs a caller that would act differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// These fields hold values that are not allowed: correct them. In the wire's order, never empty.
    Invalid(Vec<Field>),
    /// No credential, or one that is not in force: get another.
    Unauthenticated,
    /// The credential was in force and has expired: sign in again.
    Expired,
    /// The credential does not reach this far: ask the merchant for a wider one.
    Denied,
    /// The client's address is not on the merchant's allow-list.
    AddressRefused,
    /// There is no such thing, or it is not this merchant's, which nobody can tell apart.
    NotFound,
    /// The merchant has one with this reference (or name) already.
    AlreadyExists,
    /// The thing changed since the caller last read it (`If-Match`): read it again.
    Stale,
    /// Too many requests of this kind: the same request is heard again in `retry_after_s` seconds.
    RateLimited {
        /// Seconds until a retry makes sense, at least 1.
        retry_after_s: u32,
    },
    /// The same request succeeds later; `retry_after_s` seconds are a good guess.
    Unavailable {
        /// Seconds until a retry makes sense, at least 1.
        retry_after_s: u32,
    },
    /// A bug of ours or broken data: nothing the caller can do.
    Internal,
}

/// An error of the core. `Display` shows the public sentence only; the chain is for the log.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    public: &'static str,
    source: Option<Source>,
}

impl Error {
    /// An error that carries nothing to log. `public` is a constant, so that no value gets into it.
    pub const fn new(kind: Kind, public: &'static str) -> Self {
        Self { kind, public, source: None }
    }

    /// Adds what the log should say.
    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// A bug of ours or broken data.
    pub fn internal(source: impl Into<Source>) -> Self {
        Self::new(Kind::Internal, "internal error").because(source)
    }

    /// The customer is unknown here.
    pub const fn customer_not_found() -> Self {
        Self::new(Kind::NotFound, "customer not found")
    }

    /// Wrong values in these fields.
    pub const fn invalid(fields: Vec<Field>) -> Self {
        Self::new(Kind::Invalid(fields), "wrong value in a field")
    }

    /// What the caller can do about it.
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.public)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| {
            let source: &(dyn StdError + 'static) = &**source;
            source
        })
    }
}

impl From<StoreError> for Error {
    /// A store's answer where the caller has no better reading of it.
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Duplicate(
                Unique::CustomerReference
                | Unique::MerchantId
                | Unique::ApiKey
                | Unique::OperatorEmail,
            ) => Kind::AlreadyExists,
            // What we choose ourselves, and chose twice.
            StoreError::Duplicate(
                Unique::CustomerId
                | Unique::CustomerNumber
                | Unique::ClientToken
                | Unique::Session
                | Unique::Installation,
            ) => Kind::Internal,
            StoreError::Stale => Kind::Stale,
            StoreError::Missing => Kind::NotFound,
            StoreError::Unavailable(_) => Kind::Unavailable { retry_after_s: 1 },
            StoreError::Corrupt { .. } => Kind::Internal,
        };
        let public = match kind {
            Kind::AlreadyExists => "already exists",
            Kind::Stale => "changed meanwhile",
            Kind::NotFound => "not found",
            Kind::Unavailable { .. } => "the store is not available",
            Kind::Invalid(_)
            | Kind::Unauthenticated
            | Kind::Expired
            | Kind::Denied
            | Kind::AddressRefused
            | Kind::RateLimited { .. } => "refused",
            Kind::Internal => "internal error",
        };
        Self::new(kind, public).because(error)
    }
}
