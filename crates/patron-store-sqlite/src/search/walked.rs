//! The indexes that a search can walk, and the statements that do: each names its index, so that no plan is left to chance.

/// The index that is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walked {
    List,
    Reference,
    Email,
    Phone,
    Name,
    Status,
    Verification,
}

/// The statements that walk an index.
pub(super) struct Statements {
    /// Places, newest first.
    pub(super) page: &'static str,
    /// How many there are, up to a limit.
    pub(super) count: &'static str,
    /// How many have the term of this index, whatever the others say, up to a limit.
    pub(super) width: &'static str,
}

/// Parameters: 1 merchant, 2 to 7 the terms, 8 created from, 9 and 10 before which place, 11 limit, 12 offset.
macro_rules! statements {
    ($index:literal, $term:literal, $($other:ident)*) => {
        Statements {
            page: concat!(
                "SELECT c.created_ms, c.number", walk!($index, $term, $($other)*),
                " ORDER BY c.created_ms DESC, c.number DESC LIMIT ?11 OFFSET ?12"
            ),
            count: concat!(
                "SELECT count(*) FROM (SELECT 1", walk!($index, $term, $($other)*), " LIMIT ?11 OFFSET ?12)"
            ),
            width: concat!("SELECT count(*) FROM (SELECT 1", walk!($index, $term,), " LIMIT ?11 OFFSET ?12)"),
        }
    };
}

macro_rules! walk {
    ($index:literal, $term:literal, $($other:ident)*) => {
        concat!(
            " FROM customer AS c INDEXED BY ", $index,
            " WHERE c.merchant = ?1", $term, " AND c.deleted_ms IS NULL",
            " AND c.created_ms >= ?8 AND (c.created_ms, c.number) < (?9, ?10)",
            $(also!($other)),*
        )
    };
}

/// A term that must hold as well, if it is set.
macro_rules! also {
    (reference) => {
        also!("customer_by_reference", "o.reference_search = ?2", "?2")
    };
    (email) => {
        also!("customer_by_email", "o.email_search = ?3", "?3")
    };
    (phone) => {
        also!("customer_by_phone", "o.phone_search = ?4", "?4")
    };
    (name) => {
        also!("customer_by_name", "o.name_search = ?5", "?5")
    };
    (status) => {
        also!("customer_by_status", "o.status = ?6 AND o.status <> 0", "?6")
    };
    (verification) => {
        also!("customer_by_verification", "o.verification = ?7 AND o.verification <> 0", "?7")
    };
    ($index:literal, $term:literal, $value:literal) => {
        concat!(
            " AND (",
            $value,
            " IS NULL OR EXISTS (SELECT 1 FROM customer AS o INDEXED BY ",
            $index,
            " WHERE o.merchant = ?1 AND ",
            $term,
            " AND o.created_ms = c.created_ms",
            " AND o.number = c.number AND o.deleted_ms IS NULL))"
        )
    };
}

const LIST: Statements = statements!("customer_list", "",);
const REFERENCE: Statements = statements!(
    "customer_by_reference", " AND c.reference_search = ?2",
    email phone name status verification
);
const EMAIL: Statements = statements!(
    "customer_by_email", " AND c.email_search = ?3",
    reference phone name status verification
);
const PHONE: Statements = statements!(
    "customer_by_phone", " AND c.phone_search = ?4",
    reference email name status verification
);
const NAME: Statements = statements!(
    "customer_by_name", " AND c.name_search = ?5",
    reference email phone status verification
);
const STATUS: Statements = statements!(
    "customer_by_status", " AND c.status = ?6 AND c.status <> 0",
    reference email phone name verification
);
const VERIFICATION: Statements = statements!(
    "customer_by_verification", " AND c.verification = ?7 AND c.verification <> 0",
    reference email phone name status
);

impl Walked {
    /// How it is walked.
    pub(super) const fn statements(self) -> &'static Statements {
        match self {
            Self::List => &LIST,
            Self::Reference => &REFERENCE,
            Self::Email => &EMAIL,
            Self::Phone => &PHONE,
            Self::Name => &NAME,
            Self::Status => &STATUS,
            Self::Verification => &VERIFICATION,
        }
    }
}
