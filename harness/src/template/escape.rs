//! How a value is written where it stands.
//!
//! A leaf.

use std::fmt::{self, Formatter, Write as _};

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    /// In plain text, or in a header.
    Plain,
    /// In a URL or a form: everything but letters, digits and `-._~` is percent-encoded (RFC 3986, section 2.3).
    Url,
    /// Within a JSON string.
    JsonText,
    /// In the place of a JSON value.
    JsonValue,
}

/// Writes a value; `is_bare` says that it is a JSON value as it stands and needs no quotes there.
pub(super) fn write(f: &mut Formatter<'_>, text: &str, is_bare: bool, escape: Escape) -> fmt::Result {
    match escape {
        Escape::JsonText => json_text(f, text),
        Escape::JsonValue if !is_bare => {
            f.write_char('"')?;
            json_text(f, text)?;
            f.write_char('"')
        }
        Escape::Plain | Escape::JsonValue => f.write_str(text),
        Escape::Url => url(f, text),
    }
}

fn url(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => f.write_char(char::from(byte))?,
            _ => write!(f, "%{byte:02X}")?,
        }
    }
    Ok(())
}

fn json_text(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    for character in text.chars() {
        match character {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\u{0}'..='\u{1f}' => write!(f, "\\u{:04x}", u32::from(character))?,
            _ => f.write_char(character)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Written<'a>(&'a str, bool, Escape);

    impl fmt::Display for Written<'_> {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            write(f, self.0, self.1, self.2)
        }
    }

    #[test]
    fn a_value_is_written_as_its_place_wants_it() {
        for (text, is_bare, escape, written) in [
            ("a b/ü", false, Escape::Url, "a%20b%2F%C3%BC"),
            ("-._~", false, Escape::Url, "-._~"),
            ("a\"b", false, Escape::JsonText, "a\\\"b"),
            ("a\"b", false, Escape::JsonValue, "\"a\\\"b\""),
            ("17", true, Escape::JsonValue, "17"),
            ("17", false, Escape::JsonValue, "\"17\""),
            ("a b", false, Escape::Plain, "a b"),
        ] {
            assert_eq!(Written(text, is_bare, escape).to_string(), written);
        }
    }

    proptest! {
        #[test]
        fn json_reads_back_what_was_written(text in any::<String>()) {
            let written = Written(&text, false, Escape::JsonValue).to_string();
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }

        #[test]
        fn a_url_holds_nothing_that_would_end_it(text in any::<String>()) {
            let written = Written(&text, false, Escape::Url).to_string();
            prop_assert!(written.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#&=+\"".contains(&byte)), "{written}");
        }
    }
}
