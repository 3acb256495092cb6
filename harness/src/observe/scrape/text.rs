//! The Prometheus text format, line by line: `name{label="value"} 1.5 1700000000`, and `# TYPE name counter`.
//!
//! Only what is asked for is read: names, labels, values and types. Time stamps and exemplars are left out. A line that
//! cannot be read is no line, for a page of somebody else's program is not ours to judge.
//!
//! A leaf, and pure. Bytes come from the network, so nothing here may panic.

use std::collections::BTreeMap;

/// A line with a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) labels: BTreeMap<&'a str, String>,
    pub(super) value: f64,
}

/// `name`, its labels, and what follows them.
pub(super) type Named<'a> = (&'a str, BTreeMap<&'a str, String>, &'a str);

/// Reads a line with a value; `None` of anything else, and of what is not a number.
pub(super) fn line(text: &str) -> Option<Line<'_>> {
    let (name, labels, rest) = named(text.trim_start()).ok()?;
    let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    (!value.is_nan()).then_some(Line { name, labels, value })
}

/// Reads `# TYPE name kind`.
pub(super) fn kind(text: &str) -> Option<(&str, &str)> {
    let mut words = text.strip_prefix('#')?.split_ascii_whitespace();
    (words.next()? == "TYPE").then_some((words.next()?, words.next()?))
}

/// Reads a name and its labels, and says where it cannot: at which byte, and what was expected there.
pub(super) fn named(text: &str) -> Result<Named<'_>, (usize, &'static str)> {
    let (name, mut rest) = text.split_at(span(text, |byte| byte == b':'));
    let at = |rest: &str| text.len() - rest.len();
    if name.is_empty() {
        return Err((0, "a name of letters, digits, _ and :"));
    }
    let mut labels = BTreeMap::new();
    rest = rest.trim_start();
    let Some(inner) = rest.strip_prefix('{') else {
        return Ok((name, labels, rest));
    };
    rest = inner.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((name, labels, after));
        }
        let (label, after) = rest.split_at(span(rest, |_| false));
        if label.is_empty() {
            return Err((at(rest), "the name of a label, or }"));
        }
        rest = after.trim_start();
        let Some(after) = rest.strip_prefix('=') else {
            return Err((at(rest), "= behind the name of a label"));
        };
        rest = after.trim_start();
        let Some(after) = rest.strip_prefix('"') else {
            return Err((at(rest), "a value in double quotes; only exact matches are known"));
        };
        let Some((value, after)) = quoted(after) else {
            return Err((at(rest), "a value whose quotes are closed"));
        };
        labels.insert(label, value);
        rest = after.trim_start();
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
        } else if !rest.starts_with('}') {
            return Err((at(rest), ", or }"));
        }
    }
}

/// How long a name at the beginning is: it does not begin with a digit.
fn span(text: &str, also: fn(u8) -> bool) -> usize {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return 0;
    }
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || also(byte);
    text.bytes().take_while(|byte| is_part(*byte)).count()
}

/// A value behind its opening quote, and what follows its closing one.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match signs.next()?.1 {
                'n' => value.push('\n'),
                escaped @ ('\\' | '"') => value.push(escaped),
                other => {
                    value.push('\\');
                    value.push(other);
                }
            },
            sign => value.push(sign),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(labels: &[(&'static str, &str)]) -> BTreeMap<&'static str, String> {
        let labels = labels.iter();
        labels.map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    #[test]
    fn a_line_is_read_with_its_labels_and_without_what_follows_its_value() {
        for (text, name, expected, value) in [
            ("up 1", "up", &[][..], 1.0),
            ("  a:b_c\t-1.5e3 1700000000000", "a:b_c", &[], -1500.0),
            (
                "x_total{ code = \"200\" , path=\"/a,\\\"b\\\"\\\\\\n\", } 7",
                "x_total",
                &[("code", "200"), ("path", "/a,\"b\"\\\n")],
                7.0,
            ),
            (
                "h_bucket{le=\"+Inf\"} 3 # {trace=\"x\"} 0.5",
                "h_bucket",
                &[("le", "+Inf")],
                3.0,
            ),
            ("y{} +Inf", "y", &[], f64::INFINITY),
            ("z{a=\"\\d\"} 0", "z", &[("a", "\\d")], 0.0),
        ] {
            let labels = labels(expected);
            assert_eq!(line(text), Some(Line { name, labels, value }), "{text}");
        }
    }

    #[test]
    fn what_is_no_line_is_none() {
        for text in [
            "",
            "# HELP a b",
            "up",
            "up NaN",
            "up x",
            "1up 1",
            "a{b=\"c} 1",
            "a{b=c} 1",
            "a{b\"c\"} 1",
            "a{b=\"c\" d=\"e\"} 1",
            "<html>",
        ] {
            assert_eq!(line(text), None, "{text}");
        }
    }

    #[test]
    fn a_type_is_read() {
        assert_eq!(kind("# TYPE a_total counter"), Some(("a_total", "counter")));
        assert_eq!(kind("#TYPE b gauge"), Some(("b", "gauge")));
        for text in ["# HELP a counter", "# TYPE a", "a 1", "#"] {
            assert_eq!(kind(text), None, "{text}");
        }
    }

    fn written(name: &str, labels: &BTreeMap<String, String>, value: f64) -> String {
        let escaped = |text: &str| {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"");
            text.replace('\n', "\\n")
        };
        let labels = labels.iter();
        let labels = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
        format!("{name}{{{}}} {value}", labels.collect::<Vec<_>>().join(","))
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,9}",
            labels in prop::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,5}", any::<String>(), 0..4),
            value in any::<f64>().prop_filter("a number", |value| !value.is_nan()),
        ) {
            let text = written(&name, &labels, value);
            let labels = labels.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            let expected = Line { name: &name, labels, value };
            prop_assert_eq!(line(&text), Some(expected));
        }

        #[test]
        fn no_text_panics(text in any::<String>(), noise in "[a-z{}=\",\\\\ 0-9#\n]{0,40}") {
            for text in [&text, &noise] {
                let _ = (line(text), kind(text), named(text));
            }
        }
    }
}
