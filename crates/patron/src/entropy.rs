//! Randomness as an argument.

/// A source of random bytes that nobody can guess.
///
/// Keys, nonces, tokens and ids come from here. The program's implementation is the operating
/// system's generator, in every mode.
pub trait Entropy: Send + Sync {
    /// Fills all of `bytes`. An implementation that cannot must abort the process rather than
    /// return: a predictable key is worse than no answer.
    fn fill(&self, bytes: &mut [u8]);
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
