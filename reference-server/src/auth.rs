//! Caller tokens: `<user_id>.<expiry>.<hex HMAC-SHA256 over "<user_id>.<expiry>">`, expiry in Unix seconds.
//!
//! Tokens are signed, not stored: during a join storm the server must not need a lookup to identify a caller. The MAC
//! is checked (in constant time) before anything else in the token is trusted. The clock comes in as an argument.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A user, by the id in a verified token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UserId(pub(crate) u64);

/// Why a token was not accepted; the text becomes part of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the Authorization header is missing or not of the form `Bearer <user_id>.<expiry>.<hmac>`")]
    Malformed,
    #[error("the token's signature does not match; check the secret")]
    Forged,
    #[error("the token has expired; get a new one")]
    Expired,
}

/// Verifies tokens; cloned per check, so the key is hashed only once.
#[derive(Clone)]
pub(crate) struct TokenKey(Hmac<Sha256>);

impl TokenKey {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length"))
    }

    /// The user of a token that is genuine and has not expired at `now` (Unix seconds).
    pub(crate) fn verify(&self, token: &str, now: u64) -> Result<UserId, TokenError> {
        let parts = Parts::of(token)?;
        let expected = self.0.clone().chain_update(parts.claims);
        expected.verify_slice(&parts.mac).map_err(|_| TokenError::Forged)?;
        parts.user_at(now)
    }
}

/// The user that a token names, if it can be genuine at `now` (Unix seconds). The signature is not checked: whoever
/// calls may say anything here, and must be believed nothing but an order of importance.
pub(crate) fn claimed_user(token: &str, now: u64) -> Option<UserId> {
    Parts::of(token).and_then(|parts| parts.user_at(now)).ok()
}

/// A token taken apart; nothing in it is trusted.
struct Parts<'a> {
    claims: &'a str,
    user: &'a str,
    expiry: &'a str,
    mac: [u8; 32],
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Result<Self, TokenError> {
        let (claims, hex) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (user, expiry) = claims.split_once('.').ok_or(TokenError::Malformed)?;
        let mut mac = [0_u8; 32];
        hex::decode_to_slice(hex, &mut mac).map_err(|_| TokenError::Malformed)?;
        Ok(Self {
            claims,
            user,
            expiry,
            mac,
        })
    }

    fn user_at(&self, now: u64) -> Result<UserId, TokenError> {
        let user = self.user.parse().map_err(|_| TokenError::Malformed)?;
        let expiry: u64 = self.expiry.parse().map_err(|_| TokenError::Malformed)?;
        if expiry <= now {
            Err(TokenError::Expired)
        } else {
            Ok(UserId(user))
        }
    }
}

/// A fixed bearer token, compared in constant time.
#[derive(Clone)]
pub(crate) struct FixedToken {
    key: Hmac<Sha256>,
    expected: Vec<u8>,
}

impl FixedToken {
    pub(crate) fn new(token: &[u8]) -> Self {
        let key = Hmac::new_from_slice(b"fixed").expect("HMAC takes a key of any length");
        let expected = key.clone().chain_update(token).finalize().into_bytes().to_vec();
        Self { key, expected }
    }

    pub(crate) fn matches(&self, token: &str) -> bool {
        self.key
            .clone()
            .chain_update(token)
            .verify_slice(&self.expected)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(claims: &str) -> String {
        let mac = TokenKey::new(b"secret").0.chain_update(claims).finalize().into_bytes();
        format!("{claims}.{}", hex::encode(mac))
    }

    #[test]
    fn a_genuine_token_names_its_user_until_it_expires() {
        let key = TokenKey::new(b"secret");
        let token = sign("7.100");
        assert_eq!(key.verify(&token, 99), Ok(UserId(7)));
        assert_eq!(key.verify(&token, 100), Err(TokenError::Expired));
        // A known answer, computed with: printf 7.100 | openssl dgst -sha256 -hmac secret
        assert_eq!(
            token,
            "7.100.6cdd90f2e01101506dc518d29b18c173366d7f431b9a427488ba498420990671"
        );
    }

    #[test]
    fn a_token_is_not_trusted_before_its_signature_is_checked() {
        let key = TokenKey::new(b"secret");
        let token = sign("7.100");
        let table = [
            (token.replacen("7.", "8.", 1), TokenError::Forged),
            (token.replacen(".100.", ".900.", 1), TokenError::Forged),
            (token[..token.len() - 2].to_owned(), TokenError::Malformed),
            (token.replace('.', "_"), TokenError::Malformed),
            (sign("x.100"), TokenError::Malformed),
            (sign("7"), TokenError::Malformed),
            (String::new(), TokenError::Malformed),
        ];
        for (token, error) in table {
            assert_eq!(key.verify(&token, 0), Err(error), "{token}");
        }
        assert_eq!(TokenKey::new(b"other").verify(&token, 0), Err(TokenError::Forged));
    }

    #[test]
    fn a_fixed_token_matches_itself_only() {
        let token = FixedToken::new(b"admin-token");
        assert!(token.matches("admin-token"));
        assert!(!token.matches("admin-toke") && !token.matches("") && !token.matches("admin-token "));
    }
}
