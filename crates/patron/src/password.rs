//! Operators' passwords: what one may be, and how it is kept (argon2id).

use std::pin::Pin;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

/// The fewest characters of a password (NIST SP 800-63B asks for 8 where a second factor is used, 15 where
/// none is; OWASP's middle is 12).
pub const LENGTH_MIN: usize = 12;

/// The most characters of a password, so that hashing one has a bound.
pub const LENGTH_MAX: usize = 256;

/// A password as somebody typed it. Wiped when dropped, and shown nowhere.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// A password to check. Any text of at most [`LENGTH_MAX`] characters may be one.
    pub fn typed(text: &str) -> Option<Self> {
        (text.chars().count() <= LENGTH_MAX).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// A password to set: at least [`LENGTH_MIN`] characters.
    pub fn chosen(text: &str) -> Option<Self> {
        Self::typed(text).filter(|_| text.chars().count() >= LENGTH_MIN)
    }
}

/// Hashing did not happen: too many others wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// The future of a hash.
pub type PasswordFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Busy>> + Send + 'a>>;

/// Where passwords are hashed: each takes tens of milliseconds and 19 MiB, which must keep nobody else
/// waiting. Implementations call [`hash`] and [`verify`] somewhere apart.
pub trait Passwords: Send + Sync {
    /// [`hash`], elsewhere.
    fn hash(&self, password: Password, salt: [u8; 16]) -> PasswordFuture<'_, String>;

    /// [`verify`], elsewhere.
    fn verify(&self, password: Password, kept: String) -> PasswordFuture<'_, bool>;
}

/// OWASP's recommendation for argon2id: 19 MiB, two passes, one lane.
fn argon2id() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// The password as it is kept: an argon2id string in the PHC format.
///
/// # Panics
/// Never: the parameters and the length of the salt are constants that argon2 accepts. An empty string,
/// which no password verifies against, stands in for what cannot happen.
pub fn hash(password: &Password, salt: [u8; 16]) -> String {
    let salt = SaltString::encode_b64(&salt);
    let hashed = salt.and_then(|salt| {
        argon2id().hash_password(password.0.as_bytes(), &salt).map(|hash| hash.to_string())
    });
    hashed.unwrap_or_default()
}

/// Whether this is the password that was kept so. What would take more memory or time than a hash of ours is
/// none of ours, and is not tried.
pub fn verify(password: &Password, kept: &str) -> bool {
    PasswordHash::new(kept).is_ok_and(|kept| {
        let is_ours = Params::try_from(&kept).is_ok_and(|params| {
            params.m_cost() <= Params::DEFAULT_M_COST
                && params.t_cost() <= Params::DEFAULT_T_COST
                && params.p_cost() <= Params::DEFAULT_P_COST
        });
        is_ours && argon2id().verify_password(password.0.as_bytes(), &kept).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_verifies_against_its_own_hash_only() {
        let chosen = Password::chosen("correct horse battery").unwrap();
        let kept = hash(&chosen, [7; 16]);
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(verify(&chosen, &kept));
        assert!(!verify(&Password::typed("correct horse batterx").unwrap(), &kept));
        assert!(!verify(&chosen, "") && !verify(&chosen, "$argon2id$"));
        let costly = kept.replace("m=19456", "m=4194304");
        assert!(!verify(&chosen, &costly), "four GiB are not spent on it");
        assert_ne!(hash(&chosen, [8; 16]), kept);
    }

    #[test]
    fn a_password_to_set_has_a_length() {
        assert!(Password::chosen("elevencharc").is_none());
        assert!(Password::chosen("twelve chars").is_some());
        assert!(Password::chosen(&"ü".repeat(LENGTH_MAX)).is_some());
        assert!(Password::chosen(&"x".repeat(LENGTH_MAX + 1)).is_none());
        assert!(Password::typed("").is_some());
    }
}
