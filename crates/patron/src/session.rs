//! Sessions: what an operator has once it has signed in.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::entropy::{Entropy, random_bytes};
use crate::hex;
use crate::ids::OperatorNumber;
use crate::keys::DeploymentKeys;

/// What a session is for. One that was opened for one thing does nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionPurpose {
    /// Our own management interface.
    Admin,
    /// Customers, over a vendor's wire.
    Wire,
}

impl SessionPurpose {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Admin, Self::Wire];

    /// Its number in the store. Never change one that was released.
    pub const fn code(self) -> u8 {
        match self {
            Self::Admin => 1,
            Self::Wire => 2,
        }
    }

    /// The purpose with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.code() == code)
    }
}

/// How long sessions live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// Those of the management interface.
    pub admin: Duration,
    /// Those of the wires.
    pub wire: Duration,
}

impl SessionPolicy {
    /// How long the longest of them lives.
    pub fn longest(&self) -> Duration {
        self.admin.max(self.wire)
    }

    /// How long a session for this purpose lives.
    pub const fn lifetime(&self, purpose: SessionPurpose) -> Duration {
        match purpose {
            SessionPurpose::Admin => self.admin,
            SessionPurpose::Wire => self.wire,
        }
    }
}

impl Default for SessionPolicy {
    /// Half a day, and an hour.
    fn default() -> Self {
        Self { admin: Duration::from_secs(12 * 3_600), wire: Duration::from_secs(3_600) }
    }
}

/// A session's text: `ses_` and 256 random bits as hex digits. It is shown once and stored as a hash only.
pub struct SessionText(Zeroizing<[u8; 32]>);

impl SessionText {
    const PREFIX: &str = "ses_";

    pub(crate) fn issue(entropy: &dyn Entropy) -> Self {
        Self(Zeroizing::new(random_bytes(entropy)))
    }

    /// Reads `ses_` and 64 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(Self::PREFIX)?;
        let is_lower = !digits.bytes().any(|byte| byte.is_ascii_uppercase());
        hex::decode(digits).filter(|_| is_lower).map(Self)
    }

    /// `ses_` and 64 lower-case hex digits. It is shown once.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(68));
        text.push_str(Self::PREFIX);
        text.push_str(&hex::encode(&*self.0));
        text
    }

    pub(crate) fn hash(&self, keys: &DeploymentKeys) -> [u8; 32] {
        keys.session_hash(&self.0)
    }
}

/// A session as a store keeps it. Its `Debug` does not show the hash, by which it is found.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// HMAC of its text.
    pub hash: [u8; 32],
    /// Whose it is.
    pub operator: OperatorNumber,
    /// The operator's [`crate::operator::SealedOperator::credential`] when it was opened.
    pub credential: u64,
    /// What it is for.
    pub purpose: SessionPurpose,
    /// When it was opened.
    pub issued: Timestamp,
    /// The first moment at which it no longer works.
    pub expires: Timestamp,
}

impl fmt::Debug for SessionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hash: _, operator, credential: _, purpose, issued, expires } = self;
        f.debug_struct("SessionRecord")
            .field("operator", operator)
            .field("purpose", purpose)
            .field("issued", issued)
            .field("expires", expires)
            .finish_non_exhaustive()
    }
}

/// A session that was just opened.
pub struct IssuedSession {
    /// Its text.
    pub text: SessionText,
    /// The first moment at which it no longer works.
    pub expires: Timestamp,
}
