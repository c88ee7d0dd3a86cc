//! Randomness for tests: the operating system's, as in the program itself.

use aws_lc_rs::rand::SecureRandom;
use patron::entropy::Entropy;

/// The operating system's generator of random bytes.
#[expect(clippy::disallowed_types, reason = "this is the generator that tests are given")]
pub struct OsEntropy(aws_lc_rs::rand::SystemRandom);

impl OsEntropy {
    /// The generator.
    #[expect(clippy::disallowed_types, reason = "this is the generator that tests are given")]
    pub fn new() -> Self {
        Self(aws_lc_rs::rand::SystemRandom::new())
    }
}

impl Default for OsEntropy {
    fn default() -> Self {
        Self::new()
    }
}

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if self.0.fill(bytes).is_err() {
            std::process::abort();
        }
    }
}
