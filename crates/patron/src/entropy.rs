//! Randomness as an argument.

use std::sync::{Mutex, PoisonError};

use zeroize::{Zeroize as _, Zeroizing};

/// A source of random bytes that nobody can guess.
///
/// Keys, nonces, tokens and ids come from here. The program's implementation is the operating
/// system's generator, in every mode.
pub trait Entropy: Send + Sync {
    /// Fills all of `bytes`. An implementation that cannot must abort the process rather than
    /// return: a predictable key is worse than no answer.
    fn fill(&self, bytes: &mut [u8]);
}

/// How many bytes a command draws: enough for a new customer's id, key, nonces and change.
const DRAWN: usize = 160;

/// Random bytes for one command, drawn from the source at once, since asking takes longer than most
/// of what they are for. Bytes that were given are wiped here, and what is left is when the command
/// ends: nothing is kept that a copy of the machine would give out again.
pub(crate) struct Drawn<'a> {
    source: &'a dyn Entropy,
    left: Mutex<Left>,
}

struct Left {
    bytes: Zeroizing<[u8; DRAWN]>,
    used: usize,
}

impl<'a> Drawn<'a> {
    pub(crate) fn from(source: &'a dyn Entropy) -> Self {
        let bytes = Zeroizing::new(random_bytes(source));
        Self { source, left: Mutex::new(Left { bytes, used: 0 }) }
    }
}

impl Entropy for Drawn<'_> {
    fn fill(&self, bytes: &mut [u8]) {
        // A panic while the lock was held leaves bytes that nobody was given.
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let Left { bytes: drawn, used } = &mut *left;
        let end = used.saturating_add(bytes.len());
        match drawn.get_mut(*used..end) {
            Some(fresh) => {
                bytes.copy_from_slice(fresh);
                fresh.zeroize();
                *used = end;
            }
            None => self.source.fill(bytes),
        }
    }
}

/// `N` fresh random bytes.
pub fn random_bytes<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// `len` characters, each uniformly one of `alphabet`, by rejection sampling (no modulo bias).
pub(crate) fn random_text(entropy: &dyn Entropy, alphabet: &[u8], len: usize) -> String {
    let size = alphabet.len().min(256);
    if size == 0 {
        return String::new();
    }
    let limit = 256 - 256 % size;
    let mut text = String::with_capacity(len);
    let mut pool = [0_u8; 32];
    while text.len() < len {
        entropy.fill(&mut pool);
        for byte in pool {
            let byte = usize::from(byte);
            if byte < limit
                && text.len() < len
                && let Some(c) = alphabet.get(byte % size)
            {
                text.push(char::from(*c));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::keys::tests::TestEntropy;

    #[test]
    fn drawn_bytes_are_given_once_and_then_come_from_the_source() {
        let source = TestEntropy::new(1);
        let drawn = Drawn::from(&source);
        let mut seen = HashSet::new();
        for _ in 0..DRAWN {
            assert!(seen.insert(random_bytes::<16>(&drawn)));
        }
        let left = drawn.left.lock().unwrap();
        assert_eq!(left.used, DRAWN);
        assert_eq!(*left.bytes, [0; DRAWN], "what was given is wiped");
    }

    #[test]
    fn more_than_was_drawn_comes_from_the_source_whole() {
        let source = TestEntropy::new(1);
        let drawn = Drawn::from(&source);
        let large: [u8; DRAWN + 1] = random_bytes(&drawn);
        assert_ne!(large, [0; DRAWN + 1]);
        assert_eq!(drawn.left.lock().unwrap().used, 0);
    }
}
