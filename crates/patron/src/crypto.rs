//! The four primitives that sealing is made of, over aws-lc-rs. Nothing here knows a customer.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{digest, hkdf, hmac};
use zeroize::Zeroizing;

use crate::entropy::{Entropy, random_bytes};

/// A 256-bit key. Wiped when dropped.
pub(crate) type KeyBytes = Zeroizing<[u8; 32]>;

/// A fresh 256-bit key.
pub(crate) fn random_key(entropy: &dyn Entropy) -> KeyBytes {
    Zeroizing::new(random_bytes(entropy))
}

/// What was sealed does not open: another key, another place, or other bytes. It does not say which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed data does not open")]
pub struct DoesNotOpen;

/// Authenticated encryption under one key. A sealed text is nonce (12 bytes) ‖ ciphertext ‖ tag (16).
pub(crate) struct Cipher(LessSafeKey);

impl Cipher {
    /// AES-256-GCM: for data. Random nonces are safe for 2^32 messages; a customer's key, which
    /// seals two a change, never comes near.
    pub(crate) fn aes_gcm(key: &KeyBytes) -> Result<Self, DoesNotOpen> {
        Self::with(&aead::AES_256_GCM, key)
    }

    /// AES-256-GCM-SIV: for wrapping keys, where one key seals millions and a repeated nonce must
    /// not be fatal.
    pub(crate) fn aes_gcm_siv(key: &KeyBytes) -> Result<Self, DoesNotOpen> {
        Self::with(&aead::AES_256_GCM_SIV, key)
    }

    /// The only error of `UnboundKey::new` is a wrong length, which the type of `key` rules out.
    fn with(algorithm: &'static aead::Algorithm, key: &KeyBytes) -> Result<Self, DoesNotOpen> {
        let unbound = UnboundKey::new(algorithm, key.as_slice()).map_err(|_| DoesNotOpen)?;
        Ok(Self(LessSafeKey::new(unbound)))
    }

    /// Seals `plain`, bound to `place`: it opens only with the same bytes there.
    pub(crate) fn seal(
        &self,
        entropy: &dyn Entropy,
        place: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, DoesNotOpen> {
        let nonce: [u8; NONCE_LEN] = random_bytes(entropy);
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + 16);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let Some(body) = sealed.get_mut(NONCE_LEN..) else {
            return Err(DoesNotOpen);
        };
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), body)
            .map_err(|_| DoesNotOpen)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`Cipher::seal`] made for the same `place`.
    pub(crate) fn open(
        &self,
        place: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(DoesNotOpen)?;
        let mut plain = Zeroizing::new(body.to_vec());
        let length = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place), &mut plain)
            .map_err(|_| DoesNotOpen)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }
}

/// Keyed hashing under one key: HMAC-SHA-256.
pub(crate) struct Mac(hmac::Key);

impl Mac {
    pub(crate) fn new(key: &KeyBytes) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&self.0, message);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }
}

impl Mac {
    /// Whether `tag` is what [`Mac::sign`] makes of the message; how much of it fits cannot be told by the time.
    pub(crate) fn verify(&self, message: &[u8], tag: &[u8; 32]) -> bool {
        hmac::verify(&self.0, message, tag).is_ok()
    }
}

/// A key for one purpose, derived from another: HKDF-SHA-256 with the purpose as its info.
pub(crate) fn derive_key(from: &KeyBytes, purpose: &[u8]) -> Result<KeyBytes, DoesNotOpen> {
    let prk = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, from.as_slice());
    let info = [purpose];
    let okm = prk.expand(&info, hkdf::HKDF_SHA256).map_err(|_| DoesNotOpen)?;
    let mut key = Zeroizing::new([0; 32]);
    okm.fill(key.as_mut_slice()).map_err(|_| DoesNotOpen)?;
    Ok(key)
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}
