//! Valid names of chats and members, and ids in paths.

use serde::Deserialize;

use super::refusal::Refusal;

/// 1 to 64 characters, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let length = text.chars().count();
        if !(1..=64).contains(&length) {
            return Err("a name must have 1 to 64 characters");
        }
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err("a name must not contain control characters, or begin or end with a space");
        }
        Ok(Self(text))
    }
}

/// `{"name": …}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    pub(crate) name: Name,
}

/// An id in a path.
pub(crate) fn parse_id(text: &str) -> Result<u64, Refusal> {
    text.parse()
        .map_err(|_| Refusal::malformed(format!("`{text}` is not an id, expected a whole number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_in_characters() {
        for good in ["x", "ü".repeat(64).as_str(), "a b", "'); --", "日本"] {
            assert!(Name::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "x".repeat(65).as_str(), "a\nb", " a", "a ", "\0"] {
            assert!(Name::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
