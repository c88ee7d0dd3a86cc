//! Who acts: every change names its actor.

use std::net::IpAddr;

use crate::ids::{CustomerNumber, KeyNumber, OperatorNumber};

/// What kind of caller acts. Stands in clear in the history, since it says nothing about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// A merchant's server, by an API key.
    ApiKey(KeyNumber),
    /// A customer's own device, by a client auth token of that customer.
    ClientToken(CustomerNumber),
    /// Whoever runs the program, by its management commands.
    Console,
    /// Patron itself: a background job.
    System,
    /// A person who looks after customers, in a session.
    Operator(OperatorNumber),
}

impl ActorKind {
    /// The kind's number in a history header. Never change one that was released.
    pub const fn code(self) -> u8 {
        match self {
            Self::ApiKey(_) => 1,
            Self::ClientToken(_) => 2,
            Self::Console => 3,
            Self::System => 4,
            Self::Operator(_) => 5,
        }
    }

    /// The name of the kind with this number, in our own interfaces.
    pub const fn name_of(code: u8) -> Option<&'static str> {
        match code {
            1 => Some("api-key"),
            2 => Some("client-token"),
            3 => Some("console"),
            4 => Some("system"),
            5 => Some("operator"),
            _ => None,
        }
    }

    /// Which one of its kind: the key's, the operator's or the customer's number, 0 where there is only one.
    pub const fn number(self) -> i64 {
        match self {
            Self::ApiKey(number) => number.get(),
            Self::ClientToken(number) => number.get(),
            Self::Operator(number) => number.get(),
            Self::Console | Self::System => 0,
        }
    }
}

/// Who acts, from where, in which request. All but the kind is sealed into the history.
#[derive(Debug, Clone)]
pub struct Actor {
    /// What kind of caller it is.
    pub kind: ActorKind,
    /// The client's address, where there is one and it could be determined.
    pub address: Option<IpAddr>,
    /// The request's id, one that names nobody: it outlives the customers that the request was about.
    pub request_id: String,
}
