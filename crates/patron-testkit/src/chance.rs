//! Chance that comes out the same every time, so that a failure can be looked at again.

#![expect(clippy::panic, reason = "a test that picks from nothing is wrong where it does")]

/// A generator of numbers that look random (xorshift64*). Not for secrets.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The same seed gives the same numbers. Zero is taken as one.
    pub const fn new(seed: u64) -> Self {
        Self(if seed == 0 { 1 } else { seed })
    }

    /// The next number, of 48 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// A number below `end`, or 0 when that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let next = usize::try_from(self.next()).unwrap_or(usize::MAX);
        next % end.max(1)
    }

    /// One of these.
    ///
    /// # Panics
    /// When there are none.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len());
        match from.get(at) {
            Some(picked) => *picked,
            None => panic!("nothing to pick from"),
        }
    }
}
