//! An address with perhaps a user and a password in it, which are used and never shown.
//!
//! A leaf.

use std::fmt::{self, Debug, Display, Formatter};

/// An address such as `mysql://user:password@host:3306/name`. Shown without user and query.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The address as it is used.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// With all that is in it.
    pub(super) fn whole(&self) -> &str {
        &self.0
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let shown = self.0.split(['?', '#']).next().unwrap_or_default();
        match shown.split_once("://") {
            Some((scheme, rest)) => {
                let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                write!(f, "{scheme}://{host}")
            }
            None => f.write_str(shown.rsplit('@').next().unwrap_or_default()),
        }
    }
}

impl Debug for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_password_and_query_are_used_and_not_shown() {
        for (whole, shown) in [
            ("mysql://u:p@h:3306/shop", "mysql://h:3306/shop"),
            ("mysql://u:p@ss@h/shop?ssl-mode=x", "mysql://h/shop"),
            ("http://h:9100/metrics?token=t", "http://h:9100/metrics"),
            ("u:p@h", "h"),
        ] {
            let address = Address::new(whole);
            assert_eq!((address.whole(), address.to_string().as_str()), (whole, shown));
            assert_eq!(format!("{address:?}"), shown);
        }
    }
}
