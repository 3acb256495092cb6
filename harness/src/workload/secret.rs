//! Secrets: users and passwords in addresses, and variables that are likely to be one; used, and shown nowhere.
//!
//! A leaf, and pure.

use std::ops::Range;

/// What stands for what is not shown.
pub(crate) const HIDDEN: &str = "***";

/// Parts of names that secrets have.
const SECRETS: [&str; 10] = [
    "SECRET",
    "TOKEN",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "KEY",
    "AUTH",
    "PRIVATE",
    "COOKIE",
];

/// Whether a variable of an environment is likely a secret: by its name, or as a URL with a password in it.
pub(crate) fn looks_secret(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRETS.iter().any(|part| name.contains(part)) || has_password(value)
}

/// `scheme://user:password@host`.
fn has_password(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    user.is_some_and(|user| user.contains(':'))
}

/// An address without its user, such as `mysql://host/name`.
pub(super) fn without_user(address: &str) -> String {
    let mut text = address.to_owned();
    if let Some(user) = users(address).into_iter().next() {
        text.replace_range(user.start..=user.end, "");
    }
    text
}

/// Text with the users of all addresses in it hidden.
#[must_use]
pub fn masked(text: &str) -> String {
    let mut masked = text.to_owned();
    for user in users(text).into_iter().rev() {
        masked.replace_range(user, HIDDEN);
    }
    masked
}

/// The same with each sign hidden by itself, so that what follows stays in its column.
pub(super) fn masked_in_place(text: &str) -> String {
    let mut masked = text.to_owned();
    for user in users(text).into_iter().rev() {
        let stars = "*".repeat(text[user.clone()].chars().count());
        masked.replace_range(user, &stars);
    }
    masked
}

/// Where the users of addresses are: from behind `://` to before the last `@` of the word.
fn users(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, mark) in text.match_indices("://") {
        let start = at + mark.len();
        if found.last().is_some_and(|before| before.end > start) {
            continue;
        }
        let rest = &text[start..];
        let word = rest.split(|sign: char| sign.is_whitespace() || matches!(sign, '"' | '\''));
        let word = word.into_iter().next().unwrap_or_default();
        if let Some(end) = word.rfind('@') {
            found.push(start..start + end);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_is_meant_is_hidden_and_where_is_not() {
        for (text, without, hidden) in [
            ("mysql://u:p@h:3306/d", "mysql://h:3306/d", "mysql://***@h:3306/d"),
            ("mysql://u:{{env.P}}@h/d", "mysql://h/d", "mysql://***@h/d"),
            ("mysql://u:p@s@h", "mysql://h", "mysql://***@h"),
            ("http://h/metrics", "http://h/metrics", "http://h/metrics"),
            ("an@address", "an@address", "an@address"),
        ] {
            assert_eq!((without_user(text).as_str(), masked(text).as_str()), (without, hidden));
        }
        assert_eq!(
            masked("--set a=mysql://u:p@h --set 'b=mysql://v:q@i' c@d"),
            "--set a=mysql://***@h --set 'b=mysql://***@i' c@d"
        );
        assert_eq!(
            masked_in_place("  - \"mysql://u:pä@h\" # x"),
            "  - \"mysql://****@h\" # x"
        );
        assert_eq!(masked("[mysql://u:p@h,mysql://v:q@i]"), "[mysql://***@i]");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_none_keeps_its_password(text in any::<String>(), before in "[a-z ]{0,5}") {
            let _ = (masked(&text), masked_in_place(&text), without_user(&text));
            let shown = masked(&format!("{before}mysql://u:swordfish@h"));
            prop_assert!(!shown.contains("swordfish"), "{shown}");
        }
    }
}
