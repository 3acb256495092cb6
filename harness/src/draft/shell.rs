//! Splits a command line into words, as a POSIX shell does, and `$'…'` as bash does. Nothing is expanded.
//!
//! A leaf but for its errors.

use std::iter::Peekable;
use std::str::Chars;

use super::error::DraftError;

/// The words of a command.
///
/// # Errors
/// When a quote is not closed, or the command goes on with something that is not its own.
pub(super) fn words(text: &str) -> Result<Vec<String>, DraftError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\\' => match rest.next() {
                Some('\n') => {}
                // A line end of Windows.
                Some('\r') => drop(rest.next_if_eq(&'\n')),
                Some(next) => word.get_or_insert_default().push(next),
                None => {}
            },
            '\'' => single(&mut rest, word.get_or_insert_default())?,
            '"' => double(&mut rest, word.get_or_insert_default())?,
            '$' if rest.next_if_eq(&'\'').is_some() => dollar(&mut rest, word.get_or_insert_default())?,
            '|' | ';' | '&' | '<' | '>' | '`' => return Err(not_curls(character)),
            '(' | ')' if word.is_none() => return Err(not_curls(character)),
            '#' if word.is_none() => while rest.next().is_some_and(|next| next != '\n') {},
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    Ok(words)
}

fn not_curls(sign: char) -> DraftError {
    DraftError::new(
        format!("there is a `{sign}` outside of quotes, at which the shell would end the command"),
        "put the address in quotes where it is a part of that, or leave it out with all that follows",
    )
}

fn unclosed(quote: &str) -> DraftError {
    DraftError::new(
        format!("the quote {quote} is not closed"),
        "give the whole command as one argument, for instance --curl \"$(cat command.txt)\"",
    )
}

fn single(rest: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), DraftError> {
    loop {
        match rest.next() {
            Some('\'') => return Ok(()),
            Some(character) => word.push(character),
            None => return Err(unclosed("'")),
        }
    }
}

fn double(rest: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), DraftError> {
    loop {
        match rest.next() {
            Some('"') => return Ok(()),
            Some('\\') => match rest.next() {
                Some('\n') => {}
                Some(next @ ('"' | '\\' | '$' | '`')) => word.push(next),
                Some(next) => word.extend(['\\', next]),
                None => return Err(unclosed("\"")),
            },
            Some(character) => word.push(character),
            None => return Err(unclosed("\"")),
        }
    }
}

/// `$'…'`, with the escapes of C.
fn dollar(rest: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), DraftError> {
    loop {
        let character = rest.next().ok_or_else(|| unclosed("$'"))?;
        match character {
            '\'' => return Ok(()),
            '\\' => {}
            _ => {
                word.push(character);
                continue;
            }
        }
        match rest.next().ok_or_else(|| unclosed("$'"))? {
            'n' => word.push('\n'),
            't' => word.push('\t'),
            'r' => word.push('\r'),
            'a' => word.push('\u{7}'),
            'b' => word.push('\u{8}'),
            'e' => word.push('\u{1b}'),
            'f' => word.push('\u{c}'),
            'v' => word.push('\u{b}'),
            'x' => numbered(rest, 16, 2, word),
            'u' => numbered(rest, 16, 4, word),
            'U' => numbered(rest, 16, 8, word),
            '0' => numbered(rest, 8, 3, word),
            next @ ('\\' | '\'' | '"' | '?') => word.push(next),
            next => word.extend(['\\', next]),
        }
    }
}

/// The character with the number that comes next.
fn numbered(rest: &mut Peekable<Chars<'_>>, radix: u32, digits_max: usize, word: &mut String) {
    let mut number: u32 = 0;
    for _ in 0..digits_max {
        let Some(digit) = rest.peek().and_then(|next| next.to_digit(radix)) else {
            break;
        };
        number = number.wrapping_mul(radix).wrapping_add(digit);
        rest.next();
    }
    word.push(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_are_those_of_a_shell() {
        for (text, split) in [
            ("", vec![]),
            ("a  b\n", vec!["a", "b"]),
            ("a \\\n  b\\ c \\\r\n d", vec!["a", "b c", "d"]),
            ("'a b'c '' \"\"", vec!["a bc", "", ""]),
            ("\"a\\\"b\\n$X\"", vec!["a\"b\\n$X"]),
            ("$'it\\'s\\n\\x41\\u00e9' $X", vec!["it's\nAé", "$X"]),
            ("'it'\\''s' # a comment", vec!["it's"]),
            ("a#b", vec!["a#b"]),
        ] {
            assert_eq!(words(text).unwrap(), split, "{text}");
        }
    }

    #[test]
    fn what_is_no_command_is_told() {
        for (text, told) in [
            ("'a", "the quote ' is not closed"),
            ("\"a\\", "the quote \" is not closed"),
            ("$'a\\", "the quote $' is not closed"),
            ("curl http://h/?a=1&b=2", "there is a `&` outside of quotes"),
            ("curl http://h | jq .", "there is a `|` outside of quotes"),
        ] {
            let error = words(text).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), signs in "[$'\"\\\\xu0-9a\n ]{0,40}") {
            let _ = (words(&text), words(&signs));
        }
    }
}
