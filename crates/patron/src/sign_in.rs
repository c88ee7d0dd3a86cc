//! Signing in: from an operator's address and password to a session, and from that to a caller.

use std::net::{IpAddr, Ipv6Addr};

use crate::access::{Admitted, Grants};
use crate::actor::ActorKind;
use crate::blind_index::normalised;
use crate::clock::Timestamp;
use crate::entropy::random_bytes;
use crate::error::{Error, Kind};
use crate::merchant::Standing;
use crate::operator::{Operator, SealedOperator, Sight};
use crate::password::{Busy, Password};
use crate::patron::{Failures, Patron};
use crate::principal::Principal;
use crate::session::{IssuedSession, SessionPurpose, SessionRecord, SessionText};

/// How often a wrong password may be tried for one address of mail from one network within [`WINDOW`].
pub(crate) const FAILURES_PER_BOTH_MAX: u32 = 10;

/// How often it may be tried for one address of mail from anywhere: more, so that nobody is locked out by ten
/// requests of somebody else's.
pub(crate) const FAILURES_PER_EMAIL_MAX: u32 = 100;

/// How often it may be tried from one network.
pub(crate) const FAILURES_PER_NETWORK_MAX: u32 = 50;

/// The time within which failures are counted.
pub(crate) const WINDOW: std::time::Duration = std::time::Duration::from_secs(600);

/// Whoever signs in, and the session that it has now.
pub struct SignIn {
    /// The operator.
    pub operator: Operator,
    /// The session.
    pub session: IssuedSession,
}

const REFUSED: Error = Error::new(Kind::Unauthenticated, "wrong address or password");

fn busy(_: Busy) -> Error {
    Error::new(Kind::Unavailable { retry_after_s: 1 }, "too many sign in at once")
}

/// The network of an address: whoever has one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

impl Failures {
    /// Counts an attempt at an operator from a network as a failure.
    fn attempt(
        &self,
        index: [u8; 32],
        network: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let heard = self.by_network.attempt(network, now);
        let heard = heard.and_then(|()| self.by_both.attempt((index, network), now));
        let heard = heard.and_then(|()| self.by_email.attempt(index, now));
        heard.map_err(|retry_after_s| {
            Error::new(Kind::RateLimited { retry_after_s }, "too many failures to sign in")
        })
    }

    /// It was none.
    fn forgive(&self, index: [u8; 32], network: Option<IpAddr>) {
        self.by_network.forgive(&network);
        self.by_both.forgive(&(index, network));
        self.by_email.forgive(&index);
    }
}

impl Patron {
    /// Signs an operator in.
    ///
    /// # Errors
    /// `Unauthenticated` when there is no such operator, the password is wrong, the operator is disabled or its
    /// merchant suspended, which nobody can tell apart, also not by the time it takes; `RateLimited` after too
    /// many failures; `Unavailable` when too many sign in at once or the store does not answer.
    pub async fn sign_in(
        &self,
        email: &str,
        password: Password,
        purpose: SessionPurpose,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<SignIn, Error> {
        let index = self.deployment.operator_email_index(&normalised(email));
        let network = address.map(network);
        self.failures.attempt(index, network, now)?;
        let found = self.store.find_operator_by_email(index).await?;
        let is_right = match &found {
            Some(operator) => self.passwords.verify(password, operator.password.clone()).await,
            // As long as for an operator that there is.
            None => self.passwords.hash(password, [0; 16]).await.map(|_| false),
        };
        let is_right = is_right.map_err(|error| {
            self.failures.forgive(index, network);
            busy(error)
        })?;
        let operator = found.filter(|_| is_right).ok_or(REFUSED)?;
        if !self.may_sign_in(&operator).await? {
            return Err(REFUSED);
        }
        self.failures.forgive(index, network);
        let session = self.open_session(&operator, purpose, now).await?;
        let operator = self.open_operator(operator).map_err(Error::internal)?;
        Ok(SignIn { operator, session })
    }

    async fn may_sign_in(&self, operator: &SealedOperator) -> Result<bool, Error> {
        if operator.disabled.is_some() {
            return Ok(false);
        }
        let Some(merchant) = operator.merchant else {
            return Ok(true);
        };
        let epoch = self.management_epoch().await?;
        let context = self.merchant_context(epoch, merchant).await?;
        Ok(context.is_some_and(|context| context.merchant.standing == Standing::Active))
    }

    async fn open_session(
        &self,
        operator: &SealedOperator,
        purpose: SessionPurpose,
        now: Timestamp,
    ) -> Result<IssuedSession, Error> {
        let text = SessionText::issue(&*self.entropy);
        let expires = now.after(self.sessions.lifetime(purpose));
        let record = SessionRecord {
            hash: text.hash(&self.deployment),
            operator: operator.number,
            credential: operator.credential,
            purpose,
            issued: now,
            expires,
        };
        self.store.open_session(record).await?;
        Ok(IssuedSession { text, expires })
    }

    /// Checks a session.
    ///
    /// # Errors
    /// `Expired` when it was in force and is no more; `Unauthenticated` when there is none, it is for another
    /// purpose, or its operator has changed since; `Unavailable` when the store cannot say.
    pub async fn authenticate_session(
        &self,
        text: &SessionText,
        purpose: SessionPurpose,
        now: Timestamp,
    ) -> Result<SignedIn<'_>, Error> {
        const NOT_IN_FORCE: Error =
            Error::new(Kind::Unauthenticated, "the session is not in force");
        let found = self.store.find_session(text.hash(&self.deployment)).await?;
        let session = found.filter(|session| session.purpose == purpose).ok_or(NOT_IN_FORCE)?;
        if now >= session.expires {
            return Err(Error::new(Kind::Expired, "the session has expired"));
        }
        let operator = self.store.find_operator(session.operator).await?.ok_or(NOT_IN_FORCE)?;
        if operator.credential != session.credential || !self.may_sign_in(&operator).await? {
            return Err(NOT_IN_FORCE);
        }
        Ok(SignedIn { patron: self, operator, session, now })
    }

    /// Opens what is kept of an operator.
    pub(crate) fn open_operator(
        &self,
        sealed: SealedOperator,
    ) -> Result<Operator, crate::seal::SealError> {
        crate::seal::open_operator(&self.deployment, sealed)
    }

    pub(crate) fn new_salt(&self) -> [u8; 16] {
        random_bytes(&*self.entropy)
    }
}

/// An operator with a session in force.
pub struct SignedIn<'a> {
    pub(crate) patron: &'a Patron,
    operator: SealedOperator,
    session: SessionRecord,
    now: Timestamp,
}

impl<'a> SignedIn<'a> {
    /// The operator itself.
    ///
    /// # Errors
    /// `Internal` when what is kept of it does not open.
    pub fn operator(&self) -> Result<Operator, Error> {
        self.patron.open_operator(self.operator.clone()).map_err(Error::internal)
    }

    /// When the session ends.
    pub const fn expires(&self) -> Timestamp {
        self.session.expires
    }

    /// Ends the session.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot write.
    pub async fn sign_out(self) -> Result<(), Error> {
        self.patron.store.close_session(self.session.hash).await?;
        Ok(())
    }

    /// The operator as a caller at a wire, within its merchant. The allow-list binds keys, not people.
    ///
    /// # Errors
    /// `Denied` for an operator of the deployment, who has no merchant of its own, and for one who sees
    /// masked values only, since wires have none.
    pub async fn admit(self, address: Option<IpAddr>) -> Result<Admitted<'a>, Error> {
        const NOT_HERE: Error = Error::new(Kind::Denied, "this operator may not do this here");
        let Self { patron, operator, session: _, now } = self;
        let merchant = operator.merchant.ok_or(NOT_HERE)?;
        if operator.role.sight() == Sight::Masked {
            return Err(NOT_HERE);
        }
        let epoch = patron.management_epoch().await?;
        let context = patron.merchant_context(epoch, merchant).await?.ok_or(NOT_HERE)?;
        let kind = ActorKind::Operator(operator.number);
        let grants = Grants::Role(operator.role);
        Ok(Admitted { patron, context, grants, kind, address, now })
    }

    /// The operator as a caller of the management interface.
    pub fn principal(self, address: Option<IpAddr>) -> Principal<'a> {
        let Self { patron, operator, session: _, now } = self;
        Principal::operator(patron, &operator, address, now)
    }
}
