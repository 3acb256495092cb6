//! The cookies of one session (RFC 6265), as far as one server at one address needs it.
//!
//! Kept: what the server sets for its own paths, until `Max-Age` or `Expires` is over; `Secure` ones are sent over TLS
//! only. Left out: `Domain`, for there is one host, and `SameSite` and `HttpOnly`, for there are no pages. It starts
//! empty. A cookie of more than [`COOKIE_MAX`] bytes is not kept, and of more than [`COOKIES_MAX`] the oldest is
//! forgotten.
//!
//! Pure: time comes in.

use std::fmt::Write as _;

const SECOND_NS: u64 = 1_000_000_000;
/// Bytes of a cookie's name and value together.
const COOKIE_MAX: usize = 4096;
/// Cookies of a session.
const COOKIES_MAX: usize = 50;

/// The cookies that a session has.
#[derive(Debug, Default)]
pub(super) struct Jar {
    /// Those with longer paths come first, then those that were set first: the order in which they are sent.
    cookies: Vec<Cookie>,
    /// How many were set so far.
    born: u64,
}

#[derive(Debug)]
struct Cookie {
    name: Box<str>,
    value: Box<str>,
    path: Box<str>,
    is_secure: bool,
    until_ns: Option<u64>,
    /// Its number among those that were set.
    born: u64,
}

/// When something is set or sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// On the clock of the cell.
    pub(super) ns: u64,
    /// Seconds since 1970.
    pub(super) unix_s: i64,
}

/// Name and value of what a `Set-Cookie` sets.
pub(super) fn pair(set_cookie: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(set_cookie).ok()?;
    let (name, value) = text.split(';').next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_plain = !name.is_empty() && !text.contains(char::is_control);
    is_plain.then_some((name, value))
}

impl Jar {
    /// Takes in a `Set-Cookie` of the answer to a request for `path`, with or without its query.
    pub(super) fn take(&mut self, set_cookie: &[u8], path: &str, moment: Moment) {
        let Some((name, value)) = pair(set_cookie).filter(|(name, value)| name.len() + value.len() <= COOKIE_MAX)
        else {
            return;
        };
        let attributes = Attributes::of(set_cookie, moment);
        let path = attributes.path.unwrap_or_else(|| default_path(path));
        let is_it = |cookie: &Cookie| *cookie.name == *name && *cookie.path == *path;
        let place = self.cookies.iter().position(is_it);
        if attributes.until_ns.is_some_and(|until_ns| until_ns <= moment.ns) {
            place.map(|place| self.cookies.remove(place));
            return;
        }
        let cookie = Cookie {
            name: name.into(),
            value: value.into(),
            path: path.into(),
            is_secure: attributes.is_secure,
            until_ns: attributes.until_ns,
            born: place.map_or(self.born, |place| self.cookies[place].born),
        };
        match place {
            Some(place) => self.cookies[place] = cookie,
            None => self.put(cookie),
        }
    }

    fn put(&mut self, cookie: Cookie) {
        self.born += 1;
        if self.cookies.len() == COOKIES_MAX {
            let all = self.cookies.iter().enumerate();
            let oldest = all.min_by_key(|(_, cookie)| cookie.born).map(|(place, _)| place);
            oldest.map(|place| self.cookies.remove(place));
        }
        let before = |other: &Cookie| other.path.len() >= cookie.path.len();
        let place = self.cookies.partition_point(before);
        self.cookies.insert(place, cookie);
    }

    /// Writes the value of the `Cookie` of a request for `path` at `now_ns` in place of what is in `to`: nothing where
    /// no cookie is for it.
    pub(super) fn write(&self, path: &str, is_secure: bool, now_ns: u64, to: &mut String) {
        to.clear();
        let path = without_query(path);
        let is_for = |cookie: &&Cookie| {
            is_below(path, &cookie.path)
                && (is_secure || !cookie.is_secure)
                && cookie.until_ns.is_none_or(|until_ns| now_ns < until_ns)
        };
        for Cookie { name, value, .. } in self.cookies.iter().filter(is_for) {
            let between = if to.is_empty() { "" } else { "; " };
            write!(to, "{between}{name}={value}").expect("writing to memory cannot fail");
        }
    }
}

/// What a `Set-Cookie` says besides name and value.
#[derive(Debug, Default)]
struct Attributes<'a> {
    path: Option<&'a str>,
    is_secure: bool,
    until_ns: Option<u64>,
}

impl<'a> Attributes<'a> {
    fn of(set_cookie: &'a [u8], moment: Moment) -> Self {
        let text = std::str::from_utf8(set_cookie).unwrap_or_default();
        let (mut all, mut max_age_s, mut expires_s) = (Self::default(), None, None);
        for attribute in text.split(';').skip(1) {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "path" => all.path = Some(value).filter(|path| path.starts_with('/')),
                "secure" => all.is_secure = true,
                "max-age" => max_age_s = seconds(value).or(max_age_s),
                "expires" => {
                    let left_s = unix_s(value).map(|at_s| at_s.saturating_sub(moment.unix_s));
                    expires_s = left_s.or(expires_s);
                }
                _ => {}
            }
        }
        // The age goes before the date.
        all.until_ns = max_age_s.or(expires_s).map(|left_s| {
            let left_ns = left_s.max(0).unsigned_abs().saturating_mul(SECOND_NS);
            moment.ns.saturating_add(left_ns)
        });
        all
    }
}

fn seconds(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // Of digits alone only too many cannot be read.
    is_number.then(|| text.parse().unwrap_or(if digits == text { i64::MAX } else { 0 }))
}

/// A date of HTTP in seconds since 1970; also one with hyphens, as old servers write it.
fn unix_s(date: &str) -> Option<i64> {
    let (_, date) = date.split_once(',')?;
    let parsed = jiff::fmt::rfc2822::parse(&date.trim().replace('-', " ")).ok()?;
    Some(parsed.timestamp().as_second())
}

fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or(path)
}

/// RFC 6265, section 5.1.4: the folder of what was asked for.
fn default_path(path: &str) -> &str {
    match without_query(path).rfind('/') {
        None | Some(0) => "/",
        Some(end) => &path[..end],
    }
}

/// RFC 6265, section 5.1.4.
fn is_below(path: &str, of_cookie: &str) -> bool {
    let rest = path.strip_prefix(of_cookie);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || of_cookie.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Moment = Moment {
        ns: 10 * SECOND_NS,
        unix_s: 1_700_000_000,
    };

    fn jar(path: &str, set: &[&str]) -> Jar {
        let mut jar = Jar::default();
        for line in set {
            jar.take(line.as_bytes(), path, NOW);
        }
        jar
    }

    fn sent(jar: &Jar, path: &str, now_ns: u64) -> String {
        let mut sent = "old".to_owned();
        jar.write(path, false, now_ns, &mut sent);
        sent
    }

    #[test]
    fn cookies_are_sent_to_their_paths_the_longest_first() {
        let set = ["a=1; Path=/", "b = 2 ;path=/shop", "c=3", "d=4; Path=shop; HttpOnly"];
        let jar = jar("/shop/cart?x=/y/z", &set);
        for (path, cookies) in [
            ("/", "a=1"),
            ("/shop", "b=2; c=3; d=4; a=1"),
            ("/shop/cart/7?q=1", "b=2; c=3; d=4; a=1"),
            ("/shopping", "a=1"),
        ] {
            assert_eq!(sent(&jar, path, NOW.ns), cookies, "{path}");
        }
    }

    #[test]
    fn a_cookie_is_replaced_deleted_and_runs_out() {
        for (set, cookies) in [
            (&["a=1", "b=2", "a=3"][..], "a=3; b=2"),
            (&["a=1", "a=; Max-Age=0"], ""),
            (&["a=1", "a=; Max-Age=-5"], ""),
            (&["a=1; Max-Age=99999999999999999999"], "a=1"),
            (&["a=1; Max-Age=soon"], "a=1"),
            (&["a=1", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], ""),
            (&["a=1", "a=; expires=Thu, 01-Jan-1970 00:00:00 GMT"], ""),
            (&["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=9"], "a=1"),
            (&["a=1; Expires=Fri, 01 Jan 2100 00:00:00 GMT"], "a=1"),
            (&["a=1; Expires=whenever"], "a=1"),
            (&["a=1; Path=/x", "a=; Max-Age=0"], ""),
            (&["a", "=1", "a\u{7f}=1", "; b=2"], ""),
            (&["a=b=c; Secure; Secure=no", "d="], "d="),
        ] {
            assert_eq!(sent(&jar("/", set), "/", NOW.ns), cookies, "{set:?}");
        }
        let jar = jar("/", &["a=1; Max-Age=3"]);
        assert_eq!(sent(&jar, "/", NOW.ns + 3 * SECOND_NS - 1), "a=1");
        assert_eq!(sent(&jar, "/", NOW.ns + 3 * SECOND_NS), "");
    }

    #[test]
    fn secure_cookies_are_sent_over_tls() {
        let mut sent = String::new();
        jar("/", &["a=1; Secure"]).write("/", true, NOW.ns, &mut sent);
        assert_eq!(sent, "a=1");
    }

    #[test]
    fn a_jar_has_room_for_so_much_and_forgets_the_oldest() {
        let long = format!("a={}", "x".repeat(COOKIE_MAX));
        assert_eq!(sent(&jar("/", &[&long]), "/", NOW.ns), "");
        let many: Vec<String> = (0..=COOKIES_MAX).map(|number| format!("c{number}=1")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let sent = sent(&jar("/", &many), "/", NOW.ns);
        assert_eq!(sent.split("; ").count(), COOKIES_MAX);
        assert!(sent.starts_with("c1=1; ") && sent.ends_with("; c50=1"), "{sent}");
    }

    proptest! {
        #[test]
        fn whatever_is_set_the_header_stays_one_line_and_the_jar_small(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..70),
            path in "/[a-z/?]{0,9}",
        ) {
            let mut jar = Jar::default();
            for line in &lines {
                jar.take(line, &path, NOW);
            }
            prop_assert!(jar.cookies.len() <= COOKIES_MAX);
            prop_assert!(!sent(&jar, &path, NOW.ns).contains(char::is_control));
        }
    }
}
