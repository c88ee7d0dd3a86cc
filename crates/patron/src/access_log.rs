//! The access log: who looked at whom. A log of each merchant's own, apart from the customers' histories,
//! since a look changes no customer.

use crate::clock::Timestamp;
use crate::framing::Framed;
use crate::ids::{AccessId, CustomerNumber, MerchantNumber};

/// What somebody did who looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accessed {
    /// Opened one customer.
    Customer,
    /// Saw it in a list or among what a search found.
    List,
    /// Read its history.
    History,
    /// Took all that is held about it away.
    Export,
    /// Read the access log itself.
    AccessLog,
    /// Erased it. The history has no room for who that was.
    Erasure,
}

impl Accessed {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Customer, Self::List, Self::History, Self::Export, Self::AccessLog, Self::Erasure];

    /// Its number in the store. Never change one that was released.
    pub const fn code(self) -> u8 {
        match self {
            Self::Customer => 1,
            Self::List => 2,
            Self::History => 3,
            Self::Export => 4,
            Self::AccessLog => 5,
            Self::Erasure => 6,
        }
    }

    /// What has this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.code() == code)
    }

    /// Its name in our own interfaces.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer.read",
            Self::List => "customer.listed",
            Self::History => "history.read",
            Self::Export => "customer.exported",
            Self::AccessLog => "access-log.read",
            Self::Erasure => "customer.erased",
        }
    }
}

/// A look, as a store keeps it. What stands in clear says nothing about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedAccess {
    /// Whose customers were looked at.
    pub merchant: MerchantNumber,
    /// When.
    pub at: Timestamp,
    /// Its own random name.
    pub id: AccessId,
    /// What was done.
    pub accessed: Accessed,
    /// At whom; `None` where nobody was found, or where it is about the log itself.
    pub customer: Option<CustomerNumber>,
    /// What kind of caller it was: [`crate::actor::ActorKind::code`].
    pub actor_code: u8,
    /// Who of that kind: a key's or an operator's number.
    pub actor_number: i64,
    /// The client's address and the request's id, sealed under the merchant's key for this log.
    pub sealed: Vec<u8>,
}

impl SealedAccess {
    /// What the sealed part is bound to: everything that stands in clear.
    pub(crate) fn place(&self) -> Vec<u8> {
        let Self { merchant, at, id, accessed, customer, actor_code, actor_number, sealed: _ } =
            self;
        Framed::new("patron access 1")
            .unsigned(merchant.get().into())
            .number(at.as_ms())
            .bytes(id.as_bytes())
            .bytes(&[accessed.code(), *actor_code])
            .number(customer.map_or(0, CustomerNumber::get))
            .number(*actor_number)
            .finish()
    }
}

/// A place in a merchant's access log: newer entries come before it, older ones after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessPlace {
    /// When.
    pub at: Timestamp,
    /// Which of that moment.
    pub id: AccessId,
}

/// A look, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// When.
    pub at: Timestamp,
    /// Its own random name.
    pub id: AccessId,
    /// What was done.
    pub accessed: Accessed,
    /// At whom.
    pub customer: Option<CustomerNumber>,
    /// What kind of caller it was.
    pub actor_code: u8,
    /// Who of that kind.
    pub actor_number: i64,
    /// The client's address, where it was known.
    pub address: Option<String>,
    /// The request's id.
    pub request_id: String,
}
