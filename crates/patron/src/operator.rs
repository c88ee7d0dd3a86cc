//! Operators: the people who look after customers. Each belongs to one merchant, or to the deployment.

use std::fmt;

use crate::api_key::Scope;
use crate::clock::Timestamp;
use crate::ids::{MerchantNumber, OperatorNumber};
use crate::pii::Pii;

/// What an operator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything within the merchant: erase, and manage keys, allow-lists and operators. An owner of the
    /// deployment may do it for every merchant.
    Owner,
    /// Read and update customers.
    Operator,
    /// Read, with values masked.
    Auditor,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Operator, Self::Auditor];

    /// Its number in the store. Never change one that was released.
    pub const fn code(self) -> u8 {
        match self {
            Self::Owner => 1,
            Self::Operator => 2,
            Self::Auditor => 3,
        }
    }

    /// The role with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }

    /// The role with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether it does what a key with this scope may do.
    pub const fn includes(self, scope: Scope) -> bool {
        match (self, scope) {
            (Self::Owner, _) | (_, Scope::CustomersRead) => true,
            (Self::Operator, Scope::CustomersWrite) => true,
            (Self::Operator, Scope::CustomersErase | Scope::Admin)
            | (Self::Auditor, Scope::CustomersWrite | Scope::CustomersErase | Scope::Admin) => {
                false
            }
        }
    }

    /// How much it sees of a customer.
    pub const fn sight(self) -> Sight {
        match self {
            Self::Owner | Self::Operator => Sight::Clear,
            Self::Auditor => Sight::Masked,
        }
    }
}

/// How much a caller sees of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Everything.
    Clear,
    /// Enough to recognise a value that one knows, and not enough to learn one.
    Masked,
}

/// An operator as a store keeps it. Its `Debug` shows nothing that helps to guess the password.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedOperator {
    /// The store's number of it, from 1, over all merchants.
    pub number: OperatorNumber,
    /// Whose operator it is; `None` for the deployment's.
    pub merchant: Option<MerchantNumber>,
    /// What it may do.
    pub role: Role,
    /// When it was created.
    pub created: Timestamp,
    /// Since when it may not sign in.
    pub disabled: Option<Timestamp>,
    /// One more with every change.
    pub revision: u64,
    /// The revision that last changed the password, the role or whether it may sign in: sessions that were
    /// opened before that are over.
    pub credential: u64,
    /// A keyed hash of the email address, normalised. Unique over all operators.
    pub email_index: [u8; 32],
    /// Email address and name, sealed under the deployment's key.
    pub sealed: Vec<u8>,
    /// The password, as an argon2id string in the PHC format.
    pub password: String,
}

impl fmt::Debug for SealedOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            number,
            merchant,
            role,
            created: _,
            disabled,
            revision,
            credential: _,
            email_index: _,
            sealed: _,
            password: _,
        } = self;
        f.debug_struct("SealedOperator")
            .field("number", number)
            .field("merchant", merchant)
            .field("role", role)
            .field("disabled", disabled)
            .field("revision", revision)
            .finish_non_exhaustive()
    }
}

/// An operator, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The store's number of it.
    pub number: OperatorNumber,
    /// Whose operator it is; `None` for the deployment's.
    pub merchant: Option<MerchantNumber>,
    /// What it may do.
    pub role: Role,
    /// When it was created.
    pub created: Timestamp,
    /// Since when it may not sign in.
    pub disabled: Option<Timestamp>,
    /// One more with every change.
    pub revision: u64,
    /// Its email address, by which it signs in.
    pub email: Pii<String>,
    /// Its name for people.
    pub name: Pii<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_includes_what_it_says() {
        let includes = |role: Role| Scope::ALL.map(|scope| role.includes(scope));
        assert_eq!(includes(Role::Owner), [true, true, true, true]);
        assert_eq!(includes(Role::Operator), [true, true, false, false]);
        assert_eq!(includes(Role::Auditor), [true, false, false, false]);
        for role in Role::ALL {
            assert_eq!(Role::from_code(role.code()), Some(role));
            assert_eq!(Role::from_name(role.name()), Some(role));
        }
    }
}
