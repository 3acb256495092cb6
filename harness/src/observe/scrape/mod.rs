//! Named series of somebody's `/metrics` in the Prometheus text format.
//!
//! ```text
//! mod.rs       Watch: asks for the page, within bounds
//! tally.rs     what a named series came to, page by page
//! selector.rs  which lines are meant
//! text.rs      the format
//! wanted.rs    which page, and what of it
//! ```
//!
//! A page that does not come, comes late, or is not a page is no sample, and never the reason for a run to fail.

mod selector;
mod tally;
mod text;
mod wanted;

use std::collections::BTreeMap;
use std::time::Duration;

pub use selector::Selector;
pub use tally::{HistogramSample, SeriesSample};
pub use wanted::Scrape;

use tally::Tally;

/// A page that does not come within this time is none.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes that a page may have.
const BYTES_MAX: usize = 8 << 20;

/// Asks for one page, again and again.
pub(super) struct Watch {
    scrape: Scrape,
    client: reqwest::Client,
    tallies: Vec<Tally>,
    asked: u64,
    /// How often there was no page, and why the last time.
    failed: u64,
    problem: String,
}

impl Watch {
    pub(super) fn new(scrape: &Scrape) -> Self {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap_or_default();
        let tallies = scrape.series.iter();
        Self {
            tallies: tallies.map(|(_, selector)| Tally::new(selector.clone())).collect(),
            scrape: scrape.clone(),
            client,
            asked: 0,
            failed: 0,
            problem: String::new(),
        }
    }

    /// How often it wants to be asked.
    pub(super) fn every(&self) -> Duration {
        self.scrape.every
    }

    /// The series that the page has now; none where there is no page.
    pub(super) async fn sample(&mut self) -> BTreeMap<String, SeriesSample> {
        self.asked += 1;
        let page = match self.page().await {
            Ok(page) => page,
            Err(problem) => {
                self.failed += 1;
                self.problem = problem;
                return BTreeMap::new();
            }
        };
        let series = self.scrape.series.iter().zip(&mut self.tallies);
        series
            .filter_map(|((name, _), tally)| Some((name.clone(), tally.take(&page)?)))
            .collect()
    }

    async fn page(&self) -> Result<String, String> {
        let words = |error: &reqwest::Error| match () {
            () if error.is_timeout() => format!("no answer within {PATIENCE:?}"),
            () if error.is_connect() => "nobody accepts a connection there".to_owned(),
            () => "the answer broke off, or is not HTTP".to_owned(),
        };
        let answer = self.client.get(self.scrape.url.whole()).send().await;
        let mut answer = answer.map_err(|error| words(&error))?;
        if !answer.status().is_success() {
            return Err(format!("the answer was {}", answer.status().as_u16()));
        }
        let mut page = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| words(&error))? {
            if page.len() + chunk.len() > BYTES_MAX {
                return Err(format!("the page has more than {} MiB", BYTES_MAX >> 20));
            }
            page.extend_from_slice(&chunk);
        }
        Ok(String::from_utf8_lossy(&page).into_owned())
    }

    /// What could not be seen, in words.
    pub(super) fn notes(&self) -> Vec<String> {
        let url = &self.scrape.url;
        let mut notes = Vec::new();
        if self.failed > 0 {
            notes.push(format!(
                "observe.prometheus: {} of {} scrapes of {url} came to nothing: {}",
                self.failed, self.asked, self.problem
            ));
        }
        if self.failed == self.asked {
            return notes;
        }
        for ((name, selector), tally) in self.scrape.series.iter().zip(&self.tallies) {
            if !tally.was_seen {
                notes.push(format!(
                    "observe.prometheus: nothing on {url} matches {selector}, so the series `{name}` is unknown"
                ));
            }
            if tally.is_full {
                notes.push(format!(
                    "observe.prometheus: too many lines on {url} match {selector}, so the series `{name}` lacks some"
                ));
            }
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::observe::address::Address;

    /// A server that gives each connection the next answer.
    async fn answering(answers: Vec<Vec<u8>>) -> Watch {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://user:secret@{}/metrics", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                // Whoever has read enough goes away.
                let _ = stream.write_all(&answer).await;
            }
        });
        Watch::new(&Scrape {
            url: Address::new(url),
            every: Duration::from_secs(1),
            series: vec![
                ("a".to_owned(), Selector::read("a").unwrap()),
                ("b".to_owned(), Selector::read("b").unwrap()),
            ],
        })
    }

    fn answer(status: &str, body: &[u8]) -> Vec<u8> {
        let head = format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\nlocation: /elsewhere\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    #[tokio::test]
    async fn a_page_that_is_none_is_told_and_the_next_one_is_read() {
        let mut watch = answering(vec![
            answer("302 Found", b""),
            b"nonsense\r\n\r\n".to_vec(),
            answer("200 OK", &vec![b'\n'; BYTES_MAX + 1]),
            answer("200 OK", b"a 1\n\xff\xfe\nb_c 2\n"),
        ])
        .await;
        for told in ["the answer was 302", "is not HTTP", "more than 8 MiB"] {
            assert_eq!(watch.sample().await, BTreeMap::new());
            let notes = watch.notes();
            assert!(notes.len() == 1 && notes[0].contains(told), "{notes:?}");
            assert!(!notes[0].contains("secret"), "{notes:?}");
        }
        let seen = watch.sample().await;
        assert_eq!(seen, BTreeMap::from([("a".to_owned(), SeriesSample::Gauge(1.0))]));
        let notes = watch.notes();
        assert!(notes[0].contains("3 of 4 scrapes"), "{notes:?}");
        assert!(
            notes[1].ends_with("matches b, so the series `b` is unknown"),
            "{notes:?}"
        );
    }
}
