//! What an answer has to be like.
//!
//! A leaf.

use serde_json::Value as Json;

/// What an answer has to be like to count as a success.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Check {
    /// The statuses that are right; any from 200 to 299 where there are none.
    pub status: Vec<u16>,
    /// What its headers have to be like.
    pub headers: Vec<HeaderCheck>,
    /// How many bytes its body has to have at least, and may have at most.
    pub size: (Option<u64>, Option<u64>),
    /// What its body has to be like.
    pub body: Vec<BodyCheck>,
}

/// What a header has to be like: one of those of its name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderCheck {
    /// Its name, in lower case.
    pub name: String,
    /// What its value has to be like.
    pub must: HeaderMust,
}

/// What the value of a header has to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderMust {
    /// It is there.
    Exist,
    /// It is this.
    Equal(String),
    /// It has this text in it.
    Contain(String),
}

impl HeaderCheck {
    /// Whether a value of the header is as it has to be.
    pub(crate) fn holds(&self, value: &[u8]) -> bool {
        match &self.must {
            HeaderMust::Exist => true,
            HeaderMust::Equal(text) => value == text.as_bytes(),
            HeaderMust::Contain(text) => memchr::memmem::find(value, text.as_bytes()).is_some(),
        }
    }
}

/// What a body has to be like.
#[derive(Debug, Clone, PartialEq)]
pub enum BodyCheck {
    /// It has this text in it.
    Contains(String),
    /// It is JSON, and the value at a pointer (RFC 6901) is like that.
    Json {
        /// Such as `/items/0/price`.
        pointer: String,
        /// What the value has to be like.
        must: Must,
    },
}

/// What a value has to be like.
#[derive(Debug, Clone, PartialEq)]
pub enum Must {
    /// It is there, and not null.
    Exist,
    /// It is this.
    Equal(Json),
    /// It is a number above this.
    BeAbove(f64),
    /// It is a number below this.
    BeBelow(f64),
}

impl Check {
    /// Whether the status is one of those that are asked for; `None` where none is.
    pub(crate) fn has_right_status(&self, status: u16) -> Option<bool> {
        (!self.status.is_empty()).then(|| self.status.contains(&status))
    }

    /// Whether more than the status has to be read.
    pub(crate) fn reads_answer(&self) -> bool {
        self.reads_body() || !self.headers.is_empty()
    }

    /// Whether the body has to be read.
    pub(crate) fn reads_body(&self) -> bool {
        !self.body.is_empty() || self.size != (None, None)
    }

    /// Whether the body is as it has to be.
    pub(crate) fn has_right_body(&self, body: &[u8]) -> bool {
        let (least, most) = self.size;
        let bytes = body.len() as u64;
        if least.is_some_and(|least| bytes < least) || most.is_some_and(|most| bytes > most) {
            return false;
        }
        let is_json = |check: &BodyCheck| matches!(check, BodyCheck::Json { .. });
        let json = match self.body.iter().any(is_json) {
            true => serde_json::from_slice::<Json>(body).ok(),
            false => None,
        };
        self.body.iter().all(|check| match check {
            BodyCheck::Contains(text) => memchr::memmem::find(body, text.as_bytes()).is_some(),
            BodyCheck::Json { pointer, must } => {
                let value = json.as_ref().and_then(|json| json.pointer(pointer));
                value.is_some_and(|value| must.holds(value))
            }
        })
    }
}

impl Must {
    fn holds(&self, value: &Json) -> bool {
        match self {
            Self::Exist => !value.is_null(),
            Self::Equal(wanted) => value == wanted || is_same_float(value, wanted),
            Self::BeAbove(limit) => value.as_f64().is_some_and(|number| number > *limit),
            Self::BeBelow(limit) => value.as_f64().is_some_and(|number| number < *limit),
        }
    }
}

/// Whether both are the same number, one of them written as a fraction: `1` and `1.0`.
fn is_same_float(one: &Json, other: &Json) -> bool {
    (one.is_f64() || other.is_f64()) && one.as_f64().is_some_and(|number| Some(number) == other.as_f64())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(pointer: &str, must: Must) -> Check {
        let pointer = pointer.to_owned();
        Check {
            body: vec![BodyCheck::Json { pointer, must }],
            ..Check::default()
        }
    }

    #[test]
    fn a_body_is_looked_into() {
        let body = br#"{"items":[{"price":4.5,"name":"tea","left":null}],"count":1}"#;
        for (check, holds) in [
            (at("/items/0/price", Must::BeAbove(4.4)), true),
            (at("/items/0/price", Must::BeAbove(4.5)), false),
            (at("/items/0/price", Must::BeBelow(4.6)), true),
            (at("/items/0/name", Must::BeBelow(4.6)), false),
            (at("/items/0/name", Must::Equal(json!("tea"))), true),
            (at("/count", Must::Equal(json!(1.0))), true),
            (at("/count", Must::Equal(json!("1"))), false),
            (at("/count", Must::Equal(json!(2))), false),
            (at("/items/0/name", Must::Exist), true),
            (at("/items/0/left", Must::Exist), false),
            (at("/items/0/left", Must::Equal(Json::Null)), true),
            (at("/items/1", Must::Exist), false),
            (at("", Must::Exist), true),
        ] {
            assert_eq!(check.has_right_body(body), holds, "{check:?}");
            assert!(!check.has_right_body(b"<html>"), "no JSON: {check:?}");
        }
    }

    #[test]
    fn every_check_has_to_hold() {
        let mut check = at("/a", Must::Exist);
        check.body.push(BodyCheck::Contains("b".to_owned()));
        assert!(check.has_right_body(br#"{"a":"b"}"#));
        assert!(!check.has_right_body(br#"{"a":"c"}"#));
        assert!(!check.has_right_body(br#"{"b":1}"#));
        assert!(Check::default().has_right_body(b""));
    }

    #[test]
    fn a_header_and_the_size_of_a_body_are_looked_at() {
        for (must, value, holds) in [
            (HeaderMust::Exist, "", true),
            (HeaderMust::Equal("a/b".to_owned()), "a/b", true),
            (HeaderMust::Equal("a/b".to_owned()), "a/b; c", false),
            (HeaderMust::Contain("a/b".to_owned()), "a/b; c", true),
            (HeaderMust::Contain("a/b".to_owned()), "a/c", false),
        ] {
            let name = "x".to_owned();
            let check = HeaderCheck { name, must };
            assert_eq!(check.holds(value.as_bytes()), holds, "{check:?}");
        }
        for (size, holds) in [
            ((None, None), true),
            ((Some(3), Some(3)), true),
            ((Some(4), None), false),
            ((None, Some(2)), false),
        ] {
            let check = Check {
                size,
                ..Check::default()
            };
            assert_eq!(check.has_right_body(b"abc"), holds, "{size:?}");
        }
    }

    #[test]
    fn a_status_is_judged_where_one_is_asked_for() {
        let check = Check {
            status: vec![201, 404],
            ..Check::default()
        };
        assert_eq!(check.has_right_status(404), Some(true));
        assert_eq!(check.has_right_status(200), Some(false));
        assert_eq!(Check::default().has_right_status(200), None);
    }
}
