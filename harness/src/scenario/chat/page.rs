//! What the server's answers to members say.
//!
//! Pure: knows the text of messages and nothing of members or connections.

use std::borrow::Cow;

use serde::Deserialize;

use super::wire;

/// A page of events.
#[derive(Debug, Deserialize)]
pub(super) struct Page<'a> {
    #[serde(borrow)]
    pub(super) events: Vec<Event<'a>>,
    pub(super) revision: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    pub(super) revision: u64,
    #[serde(borrow)]
    body: Cow<'a, str>,
}

impl Event<'_> {
    /// When it was meant to be sent; `None` of an event that another client sent.
    pub(super) fn intended_ns(&self) -> Option<u64> {
        wire::intended_ns(&self.body)
    }
}

/// How many revisions between `have` and the end of the page are not in it, or not in order.
pub(super) fn skipped(have: u64, page: &Page<'_>) -> u64 {
    let mut expected = have + 1;
    let mut skipped = 0;
    for event in &page.events {
        skipped += event.revision.abs_diff(expected);
        expected = event.revision + 1;
    }
    skipped + page.revision.abs_diff(expected - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page<'_> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_message_says_when_it_was_meant_to_be_sent() {
        let text = format!(
            r#"{{"events":[{{"revision":3,"kind":"message","user_id":7,"body":"{}"}},
                {{"revision":4,"kind":"read","user_id":7,"body":"a \"quoted\" word"}}],"revision":4}}"#,
            wire::message(12_345_678_901)
        );
        let page = page(&text);
        assert_eq!(page.events[0].intended_ns(), Some(12_345_678_901));
        assert_eq!(page.events[1].intended_ns(), None);
    }

    #[test]
    fn a_revision_that_is_passed_over_is_counted() {
        let three =
            r#"{"events":[{"revision":3,"body":""},{"revision":4,"body":""},{"revision":5,"body":""}],"revision":5}"#;
        assert_eq!(skipped(2, &page(three)), 0);
        assert_eq!(skipped(1, &page(three)), 1);
        let gap = r#"{"events":[{"revision":3,"body":""},{"revision":5,"body":""}],"revision":5}"#;
        assert_eq!(skipped(2, &page(gap)), 1);
        assert_eq!(skipped(2, &page(r#"{"events":[],"revision":2}"#)), 0);
        assert_eq!(
            skipped(2, &page(r#"{"events":[],"revision":9}"#)),
            7,
            "a cursor that runs ahead loses what it jumps over"
        );
    }
}
