//! Length-prefixed concatenation, so that two different lists never give the same bytes.

use crate::clock::Timestamp;

/// A byte string made of parts, each preceded by its length (u32, big-endian).
#[derive(Default)]
pub(crate) struct Framed(Vec<u8>);

impl Framed {
    /// Starts with the purpose, which keeps the uses of one key apart.
    pub(crate) fn new(purpose: &str) -> Self {
        let mut framed = Self(Vec::with_capacity(256));
        framed.push(purpose.as_bytes());
        framed
    }

    fn push(&mut self, part: &[u8]) {
        // Every part is far below 4 GiB: bodies are limited to 64 KiB long before.
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(part);
    }

    #[must_use]
    pub(crate) fn bytes(mut self, part: &[u8]) -> Self {
        self.push(part);
        self
    }

    #[must_use]
    pub(crate) fn number(mut self, part: i64) -> Self {
        self.push(&part.to_be_bytes());
        self
    }

    #[must_use]
    pub(crate) fn unsigned(mut self, part: u64) -> Self {
        self.push(&part.to_be_bytes());
        self
    }

    /// A part that may be absent; an absent one differs from an empty one.
    #[must_use]
    pub(crate) fn optional(self, part: Option<&[u8]>) -> Self {
        match part {
            Some(part) => self.unsigned(1).bytes(part),
            None => self.unsigned(0),
        }
    }

    #[must_use]
    pub(crate) fn moment(self, at: Option<Timestamp>) -> Self {
        self.optional(at.map(|at| at.as_ms().to_be_bytes()).as_ref().map(<[u8; 8]>::as_slice))
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_lists_never_collide() {
        let ab_c = Framed::new("x").bytes(b"ab").bytes(b"c").finish();
        let a_bc = Framed::new("x").bytes(b"a").bytes(b"bc").finish();
        assert_ne!(ab_c, a_bc);
        let none = Framed::new("x").optional(None).finish();
        let empty = Framed::new("x").optional(Some(b"")).finish();
        assert_ne!(none, empty);
    }
}
