//! `Pii<T>`: the one wrapper of personal data, with the one way out of it.

use std::fmt;

/// A value that says something about a person.
///
/// It has no `Display` and no `Serialize`, and its `Debug` says nothing, so that it cannot reach a
/// log line, an error text or a metric by accident. [`Pii::reveal`] is the only exit: searching for
/// that word lists every place where personal data leaves.
///
/// Guard: `privacy::personal_values_reach_nobody_but_their_owner` in the integration tests.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Pii<T>(T);

impl<T> Pii<T> {
    /// Wraps a personal value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Call it only where the value is answered to its owner or sealed.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// The value itself, by value.
    pub fn into_revealed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pii(…)")
    }
}

impl From<&str> for Pii<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_says_nothing() {
        assert_eq!(format!("{:?}", Some(Pii::from("jon@example.com"))), "Some(Pii(…))");
    }
}
