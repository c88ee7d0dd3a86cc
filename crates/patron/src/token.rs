//! Client auth tokens: a customer's own device may read and update that customer for a short time.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::entropy::{Entropy, random_bytes};
use crate::hex;
use crate::ids::{CustomerNumber, MerchantNumber};
use crate::keys::DeploymentKeys;

/// How long and how often a token works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenPolicy {
    /// From its issue on.
    pub lifetime: Duration,
    /// Requests it is good for.
    pub uses_max: u32,
}

impl Default for TokenPolicy {
    /// 15 minutes, 30 uses.
    fn default() -> Self {
        Self { lifetime: Duration::from_secs(15 * 60), uses_max: 30 }
    }
}

/// A token's 128 bits: 32 for the merchant, enciphered so that nobody else can read it, and 96 random.
///
/// The merchant is inside so that a store that is spread over many servers knows where to look.
/// It is enciphered with a mask that depends on the random part, so that two tokens of one merchant
/// have nothing in common. The store keeps an HMAC of all 128 bits.
pub struct ClientToken(Zeroizing<[u8; 16]>);

impl ClientToken {
    const PREFIX: &str = "tkn_";

    /// A new token of this merchant.
    pub(crate) fn issue(
        entropy: &dyn Entropy,
        keys: &DeploymentKeys,
        merchant: MerchantNumber,
    ) -> Self {
        let random: [u8; 12] = random_bytes(entropy);
        let mut bytes = Zeroizing::new([0; 16]);
        let (head, tail) = bytes.split_at_mut(4);
        head.copy_from_slice(&masked(merchant.get().to_be_bytes(), keys.token_mask(&random)));
        tail.copy_from_slice(&random);
        Self(bytes)
    }

    /// Reads `tkn_` and 32 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(Self::PREFIX)?;
        let is_lower = !digits.bytes().any(|byte| byte.is_ascii_uppercase());
        hex::decode(digits).filter(|_| is_lower).map(Self)
    }

    /// `tkn_` and 32 lower-case hex digits. It is shown once.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(36));
        text.push_str(Self::PREFIX);
        text.push_str(&hex::encode(&*self.0));
        text
    }

    /// Which merchant's token it is, if it is one of ours; any number otherwise.
    pub(crate) fn merchant(&self, keys: &DeploymentKeys) -> MerchantNumber {
        let [a, b, c, d, random @ ..] = *self.0;
        MerchantNumber::new(u32::from_be_bytes(masked([a, b, c, d], keys.token_mask(&random))))
    }

    pub(crate) fn hash(&self, keys: &DeploymentKeys) -> [u8; 32] {
        keys.token_hash(&self.0)
    }
}

fn masked(bytes: [u8; 4], mask: [u8; 4]) -> [u8; 4] {
    (u32::from_be_bytes(bytes) ^ u32::from_be_bytes(mask)).to_be_bytes()
}

/// A token as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Whose customer it is for.
    pub merchant: MerchantNumber,
    /// HMAC of the token.
    pub hash: [u8; 32],
    /// The one customer it may read and update.
    pub customer: CustomerNumber,
    /// When it was issued.
    pub issued: Timestamp,
    /// The first moment at which it no longer works.
    pub expires: Timestamp,
    /// How many requests it is still good for.
    pub uses_left: u32,
}

/// Whether the caller asked for a client auth token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenWish {
    /// Yes: a new one.
    Wished,
    /// No.
    NotWished,
}

/// A token that was just issued.
pub struct IssuedToken {
    /// The token.
    pub token: ClientToken,
    /// The first moment at which it no longer works.
    pub expires: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::RootKey;
    use crate::keys::tests::TestEntropy;

    #[test]
    fn a_token_carries_its_merchant_and_hides_it() {
        let entropy = TestEntropy::new(5);
        let root = RootKey::new([7; 32]).unwrap();
        let keys =
            DeploymentKeys::unwrap(&root, &root.wrap_deployment_keys(&entropy).unwrap()).unwrap();
        let merchant = MerchantNumber::new(77);
        let one = ClientToken::issue(&entropy, &keys, merchant);
        let two = ClientToken::issue(&entropy, &keys, merchant);
        assert_eq!(one.to_text().len(), 36);
        assert_ne!(one.to_text()[..12], two.to_text()[..12], "the merchant shows");
        let read = ClientToken::parse(&two.to_text()).unwrap();
        assert_eq!(read.merchant(&keys), merchant);
        assert_eq!(read.hash(&keys), two.hash(&keys));
        assert_ne!(read.hash(&keys), one.hash(&keys));
    }

    #[test]
    fn only_the_documented_form_is_a_token() {
        let good = format!("tkn_{}", "0a".repeat(16));
        assert_eq!(*ClientToken::parse(&good).unwrap().to_text(), good);
        for bad in ["", "tkn_", "tkn_0a", &good.to_uppercase(), &good[1..], &format!("{good}0")] {
            assert!(ClientToken::parse(bad).is_none(), "{bad}");
        }
    }
}
