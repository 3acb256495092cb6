//! Caller tokens: `<user_id>.<expiry>.<HMAC-SHA256 over both, hex>`.
//!
//! A leaf.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Signs tokens for any user.
#[derive(Clone)]
pub struct Signer {
    keyed: Hmac<Sha256>,
    expiry: u64,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer(expiry {})", self.expiry)
    }
}

impl Signer {
    /// Tokens under `secret` that expire at `expiry` (Unix seconds).
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    #[must_use]
    pub fn new(secret: &str, expiry: u64) -> Self {
        let keyed = Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
        Self { keyed, expiry }
    }

    /// The value of an `Authorization` header for `user`.
    #[must_use]
    pub fn bearer(&self, user: u64) -> String {
        let mut text = format!("Bearer {user}.{}", self.expiry);
        let mut mac = self.keyed.clone();
        mac.update(&text.as_bytes()["Bearer ".len()..]);
        text.push('.');
        for byte in mac.finalize().into_bytes() {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_matches_a_signature_computed_elsewhere() {
        // printf '42.1893456000' | openssl dgst -sha256 -hmac secret
        assert_eq!(
            Signer::new("secret", 1_893_456_000).bearer(42),
            concat!(
                "Bearer 42.1893456000.",
                "114cdf9de4fe27522349b1842c0e18a84052ad58dce54f4753abe14df3ca9a8c"
            )
        );
    }
}
