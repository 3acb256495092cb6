//! A label of a line in the Prometheus text format.

/// The value of the label `name` among `labels`, which are what stands behind the opening brace; `None` where there is
/// none. Values with escapes are not needed here: those that are read are words.
pub(super) fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = labels;
    loop {
        let (key, after) = rest.split_once("=\"")?;
        let (value, after) = after.split_once('"')?;
        if key.trim_start_matches([',', ' ']) == name {
            return Some(value);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_found_by_its_whole_name_in_whichever_order() {
        let labels = "reason=\"full\",role=\"message\", le=\"+Inf\"}";
        for (name, value) in [
            ("role", Some("message")),
            ("reason", Some("full")),
            ("le", Some("+Inf")),
            ("e", None),
            ("full", None),
        ] {
            assert_eq!(label(labels, name), value, "{name}");
        }
        assert_eq!(label("", "role"), None);
        assert_eq!(label("role=\"cut", "role"), None);
    }
}
