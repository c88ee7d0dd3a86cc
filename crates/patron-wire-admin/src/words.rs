//! The words for where a customer stands, and for what happened to it.

use patron::history::Happened;
use patron::profile::{Status, Verification};

/// All statuses.
pub(crate) const STATUSES: [Status; 3] = [Status::Active, Status::Inactive, Status::Suspended];

/// All verification statuses.
pub(crate) const VERIFICATIONS: [Verification; 4] = [
    Verification::Unverified,
    Verification::Pending,
    Verification::Verified,
    Verification::Rejected,
];

/// All that can happen.
pub(crate) const HAPPENED: [Happened; 4] =
    [Happened::Created, Happened::Updated, Happened::Deleted, Happened::Erased];

/// The word for a status.
pub(crate) const fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Inactive => "inactive",
        Status::Suspended => "suspended",
    }
}

/// The word for a verification status.
pub(crate) const fn verification(verification: Verification) -> &'static str {
    match verification {
        Verification::Unverified => "unverified",
        Verification::Pending => "pending",
        Verification::Verified => "verified",
        Verification::Rejected => "rejected",
    }
}

/// The word for what happened.
pub(crate) const fn happened(happened: Happened) -> &'static str {
    match happened {
        Happened::Created => "created",
        Happened::Updated => "updated",
        Happened::Deleted => "deleted",
        Happened::Erased => "erased",
    }
}

/// The status with this word.
pub(crate) fn find_status(word: &str) -> Option<Status> {
    STATUSES.into_iter().find(|one| status(*one) == word)
}

/// The verification status with this word.
pub(crate) fn find_verification(word: &str) -> Option<Verification> {
    VERIFICATIONS.into_iter().find(|one| verification(*one) == word)
}
