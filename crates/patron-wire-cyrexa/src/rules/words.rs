//! The vendor's words for where a customer stands.

use patron::profile::{Status, Verification};

/// All words for a status.
pub(crate) const STATUSES: [Status; 3] = [Status::Active, Status::Inactive, Status::Suspended];

/// All words for a verification status.
pub(crate) const VERIFICATIONS: [Verification; 4] = [
    Verification::Unverified,
    Verification::Pending,
    Verification::Verified,
    Verification::Rejected,
];

/// The word for a status.
pub(crate) const fn of_status(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Inactive => "inactive",
        Status::Suspended => "suspended",
    }
}

/// The word for a verification status.
pub(crate) const fn of_verification(verification: Verification) -> &'static str {
    match verification {
        Verification::Unverified => "unverified",
        Verification::Pending => "pending",
        Verification::Verified => "verified",
        Verification::Rejected => "rejected",
    }
}

/// The status with this word.
pub(crate) fn status(word: &str) -> Option<Status> {
    STATUSES.into_iter().find(|status| of_status(*status) == word)
}

/// The verification status with this word.
pub(crate) fn verification(word: &str) -> Option<Verification> {
    VERIFICATIONS.into_iter().find(|verification| of_verification(*verification) == word)
}
