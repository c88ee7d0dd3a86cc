//! Clerks: looking at customers through the management interface. The access log tells of every look, before
//! it is answered.

use crate::access_log::{Access, AccessPlace, Accessed, SealedAccess};
use crate::actor::ActorKind;
use crate::customer::Customer;
use crate::desk::Desk;
use crate::error::{Error, Kind};
use crate::history::{EntryHeader, SealedEntry};
use crate::ids::{AccessId, CustomerNumber};
use crate::locator::Locator;
use crate::mask;
use crate::operator::Sight;
use crate::profile::Field;
use crate::seal::{self, OpenedEntry, SealedCustomer};
use crate::search::{Cursor, PageFrom, SearchQuery, Total};
use crate::token::{ClientToken, TokenRecord};

/// The right to look at a merchant's customers, of which the access log tells.
pub struct Clerk<'a> {
    pub(crate) desk: Desk<'a>,
    pub(crate) sight: Sight,
    pub(crate) may_read_log: bool,
}

/// A customer as a clerk sees it.
#[derive(Debug)]
pub struct Shown {
    /// The customer, its values masked where the clerk sees no more.
    pub customer: Box<Customer>,
    /// How much of it is shown.
    pub sight: Sight,
    /// The fields that have a value, no part of which is shown.
    pub hidden: Vec<Field>,
}

/// A page of customers as a clerk sees them.
#[derive(Debug)]
pub struct ShownPage {
    /// The customers, newest first.
    pub customers: Vec<Shown>,
    /// How many there are in all.
    pub total: Total,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// An entry of a history as a clerk sees it.
#[derive(Debug)]
pub struct ShownEntry {
    /// What stands in clear.
    pub header: EntryHeader,
    /// Old and new values and who it was; `None` once the customer is erased.
    pub opened: Option<OpenedEntry>,
}

/// A page of a history, newest first.
#[derive(Debug)]
pub struct HistoryPage {
    /// The entries.
    pub entries: Vec<ShownEntry>,
    /// Go on with versions below this one; `None` at the end.
    pub next: Option<u64>,
}

/// A page of an access log, newest first.
#[derive(Debug)]
pub struct AccessPage {
    /// The entries.
    pub accesses: Vec<Access>,
    /// Go on after this one; `None` at the end.
    pub next: Option<AccessPlace>,
}

/// Everything that is held about one person.
#[derive(Debug)]
pub struct Export {
    /// The customer.
    pub customer: Box<Customer>,
    /// A page of its history, newest first.
    pub history: HistoryPage,
    /// A page of who has looked at it, newest first.
    pub accesses: AccessPage,
}

/// The most entries of a page of a history or an access log.
pub const ENTRIES_MAX: u32 = 500;

/// How many bytes of sealed entries a page of a history has at most, beyond its first entry.
const PAGE_SIZE_MAX: usize = 2 * 1024 * 1024;

/// How many entries are read at once.
const ENTRIES_AT_ONCE: u32 = 32;

/// The most customers of a page.
pub const CUSTOMERS_MAX: u32 = 100;

impl Clerk<'_> {
    /// The customer with this number or id, deleted or not.
    ///
    /// # Errors
    /// `NotFound` when this merchant has no such customer, or it is erased.
    pub async fn find(&self, locator: Locator<'_>) -> Result<Shown, Error> {
        let found = self.find_kept(locator).await?;
        self.desk.log_access(Accessed::Customer, &[Some(found.number)]).await?;
        Ok(self.shown(found))
    }

    async fn find_kept(&self, locator: Locator<'_>) -> Result<Box<Customer>, Error> {
        let found = self.desk.find_kept(locator).await?;
        Ok(found.ok_or_else(Error::customer_not_found)?.customer)
    }

    /// A page of at most [`CUSTOMERS_MAX`] of the customers that the query finds, newest first.
    ///
    /// # Errors
    /// `RateLimited` when somebody who sees masked values only looks for values too often, since whoever finds a
    /// value by guessing has learned it; `Unavailable` when the store cannot answer.
    pub async fn search(
        &self,
        query: &SearchQuery,
        from: PageFrom,
        limit: u32,
    ) -> Result<ShownPage, Error> {
        if self.sight == Sight::Masked && query.is_about_values() {
            let by = ActorKind::number(self.desk.actor.kind);
            self.desk.patron.failures.guesses.attempt(by, self.desk.now).map_err(
                |retry_after_s| {
                    let public = "too many searches for values by who sees masked ones only";
                    Error::new(Kind::RateLimited { retry_after_s }, public)
                },
            )?;
        }
        let page = self.desk.search(query, from, limit.min(CUSTOMERS_MAX)).await?;
        let mut seen: Vec<_> = page.customers.iter().map(|one| Some(one.number)).collect();
        if seen.is_empty() {
            seen.push(None);
        }
        self.desk.log_access(Accessed::List, &seen).await?;
        let customers = page.customers.into_iter().map(|one| self.shown(Box::new(one))).collect();
        Ok(ShownPage { customers, total: page.total, next: page.next })
    }

    /// A page of a customer's history: of versions below `before`, newest first. An erased customer, whom only
    /// its number still names, has a history without values.
    ///
    /// # Errors
    /// `NotFound` when this merchant has no such customer.
    pub async fn history(
        &self,
        locator: Locator<'_>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<HistoryPage, Error> {
        let row = self.desk.find_kept_row(locator).await?;
        let number = match (&row, locator) {
            (Some(row), _) => row.number,
            (None, Locator::Number(number)) => {
                let erased = self.desk.store().find_erased(self.desk.merchant(), number).await?;
                erased.ok_or_else(Error::customer_not_found)?.number
            }
            (None, Locator::IdOrReference(_) | Locator::Reference(_)) => {
                return Err(Error::customer_not_found());
            }
        };
        self.desk.log_access(Accessed::History, &[Some(number)]).await?;
        self.history_page(row.as_ref(), number, before, limit).await
    }

    async fn history_page(
        &self,
        row: Option<&SealedCustomer>,
        number: CustomerNumber,
        before: Option<u64>,
        limit: u32,
    ) -> Result<HistoryPage, Error> {
        let limit = usize::try_from(limit.clamp(1, ENTRIES_MAX)).unwrap_or(usize::MAX);
        let merchant = self.desk.merchant();
        let (mut entries, mut size, mut before) = (Vec::new(), 0_usize, before);
        // A few at a time, so that no more is held than the page is allowed to be large.
        while entries.len() < limit && size < PAGE_SIZE_MAX {
            let found =
                self.desk.store().list_entries(merchant, number, before, ENTRIES_AT_ONCE).await?;
            let is_end = u32::try_from(found.len()).is_ok_and(|length| length < ENTRIES_AT_ONCE);
            let found_all = found.len();
            for (place, entry) in found.into_iter().enumerate() {
                size = size.saturating_add(entry.sealed.as_ref().map_or(0, Vec::len));
                before = Some(entry.header.version);
                entries.push(self.shown_entry(row, entry)?);
                let is_last = is_end && place.saturating_add(1) == found_all;
                if entries.len() == limit || size >= PAGE_SIZE_MAX || is_last {
                    let next = before.filter(|version| !is_last && *version > 1);
                    return Ok(HistoryPage { entries, next });
                }
            }
            if is_end {
                break;
            }
        }
        Ok(HistoryPage { entries, next: None })
    }

    fn shown_entry(
        &self,
        row: Option<&SealedCustomer>,
        entry: SealedEntry,
    ) -> Result<ShownEntry, Error> {
        let opened = match row {
            Some(row) => seal::open_entry(self.desk.keys(), &row.key, &entry),
            None => Ok(None),
        };
        let opened = opened.map_err(Error::internal)?;
        let opened = opened.map(|opened| match self.sight {
            Sight::Clear => opened,
            Sight::Masked => {
                let OpenedEntry { before, after, actor_number, address: _, request_id, reason: _ } =
                    opened;
                let (before, after) = (mask::masked(&before).0, mask::masked(&after).0);
                let (address, reason) = (None, None);
                OpenedEntry { before, after, actor_number, address, request_id, reason }
            }
        });
        Ok(ShownEntry { header: entry.header, opened })
    }

    /// Everything that is held about one person: the customer as it is, a page of at most [`ENTRIES_MAX`] of its
    /// history (of versions below `before`), and of who has looked at it.
    ///
    /// # Errors
    /// `NotFound` when this merchant has no such customer; `Denied` for who sees masked values only.
    pub async fn export(
        &self,
        locator: Locator<'_>,
        before: Option<u64>,
        after: Option<AccessPlace>,
    ) -> Result<Export, Error> {
        if self.sight == Sight::Masked {
            return Err(Error::new(Kind::Denied, "an auditor may not take customers away"));
        }
        let opened = self.desk.find_kept(locator).await?.ok_or_else(Error::customer_not_found)?;
        let number = opened.customer.number;
        self.desk.log_access(Accessed::Export, &[Some(number)]).await?;
        let history = self.history_page(Some(opened.row()), number, before, ENTRIES_MAX).await?;
        let mut accesses = self.desk.accesses(Some(number), after, ENTRIES_MAX).await?;
        if !self.may_read_log {
            // The person is told that somebody looked, and when. Who it was is for those who keep the log.
            for access in &mut accesses.accesses {
                (access.address, access.request_id) = (None, String::new());
                access.actor_number = 0;
            }
        }
        Ok(Export { customer: opened.customer, history, accesses })
    }

    /// A page of the merchant's access log, newest first.
    ///
    /// # Errors
    /// `Denied` for who may neither manage the merchant nor audit it.
    pub async fn access_log(
        &self,
        customer: Option<CustomerNumber>,
        after: Option<AccessPlace>,
        limit: u32,
    ) -> Result<AccessPage, Error> {
        if !self.may_read_log {
            return Err(Error::new(Kind::Denied, "the access log is for owners and auditors"));
        }
        self.desk.log_access(Accessed::AccessLog, &[customer]).await?;
        let mut page = self.desk.accesses(customer, after, limit.clamp(1, ENTRIES_MAX)).await?;
        if self.sight == Sight::Masked {
            page.accesses.iter_mut().for_each(|access| access.address = None);
        }
        Ok(page)
    }

    /// What is known of a client auth token of this merchant, without using it. `None` when it is not in force.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot answer.
    pub async fn introspect(&self, token: &ClientToken) -> Result<Option<TokenRecord>, Error> {
        let desk = &self.desk;
        let hash = token.hash(&desk.patron.deployment);
        let found = desk.store().find_token(desk.merchant(), hash).await?;
        Ok(found.filter(|record| desk.now < record.expires && record.uses_left > 0))
    }

    fn shown(&self, customer: Box<Customer>) -> Shown {
        match self.sight {
            Sight::Clear => Shown { customer, sight: Sight::Clear, hidden: Vec::new() },
            Sight::Masked => {
                let (profile, hidden) = mask::masked(&customer.profile);
                let customer = Box::new(Customer { profile, ..*customer });
                Shown { customer, sight: Sight::Masked, hidden }
            }
        }
    }
}

impl Desk<'_> {
    /// Writes down that a person looks at customers over a wire. Keys are not written down, since they are
    /// machines that look all the time.
    pub(crate) async fn log_person(
        &self,
        accessed: Accessed,
        customers: impl FnOnce() -> Vec<Option<CustomerNumber>>,
    ) -> Result<(), Error> {
        match self.actor.kind {
            ActorKind::Operator(_) => {
                let mut customers = customers();
                if customers.is_empty() {
                    customers.push(None);
                }
                self.log_access(accessed, &customers).await
            }
            ActorKind::ApiKey(_)
            | ActorKind::ClientToken(_)
            | ActorKind::Console
            | ActorKind::System => Ok(()),
        }
    }

    /// Writes down who looks at whom.
    pub(crate) async fn log_access(
        &self,
        accessed: Accessed,
        customers: &[Option<CustomerNumber>],
    ) -> Result<(), Error> {
        let sealed = customers.iter().map(|customer| self.seal_access(accessed, *customer));
        let sealed = sealed.collect::<Result<_, _>>().map_err(Error::internal)?;
        Ok(self.store().log_accesses(sealed).await?)
    }

    fn seal_access(
        &self,
        accessed: Accessed,
        customer: Option<CustomerNumber>,
    ) -> Result<SealedAccess, seal::SealError> {
        let access = SealedAccess {
            merchant: self.merchant(),
            at: self.now,
            id: AccessId::issue(self.patron.next_access(), &*self.patron.entropy),
            accessed,
            customer,
            actor_code: self.actor.kind.code(),
            actor_number: ActorKind::number(self.actor.kind),
            sealed: Vec::new(),
        };
        seal::seal_access(self.keys(), &*self.patron.entropy, &self.actor, access)
    }

    async fn accesses(
        &self,
        customer: Option<CustomerNumber>,
        after: Option<AccessPlace>,
        limit: u32,
    ) -> Result<AccessPage, Error> {
        let wanted = limit.saturating_add(1);
        let mut found =
            self.store().list_accesses(self.merchant(), customer, after, wanted).await?;
        let is_end = u32::try_from(found.len()).is_ok_and(|length| length <= limit);
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let last = found.last().map(|access| AccessPlace { at: access.at, id: access.id });
        let accesses = found.into_iter().map(|access| seal::open_access(self.keys(), access));
        let accesses = accesses.collect::<Result<_, _>>().map_err(Error::internal)?;
        Ok(AccessPage { accesses, next: last.filter(|_| !is_end) })
    }
}
