//! Queries all shards and the server at the same time; one that does not answer does not delay the others.
//!
//! Each source is a task that answers one question after another. An answer that comes too late for its sample goes
//! into the next one; a source that still owes an answer is not asked again. So a shard that stands still is `None`
//! in the samples, and the others stay in step. Memory is bounded: one question and one answer for each source.
//!
//! Rejected: a shorter patience. A shard under load needs half a second at times, and its waiters are what the
//! observer is there for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;

use super::page::Page;
use super::sample::{Cost, Sample};
use super::scrape::SeriesSample;
use super::watched::Watched;
use super::{gateway, metrics, shards};
use crate::clock::nanos;

/// Tasks that answer, and what they have answered.
pub(super) struct Sources {
    shards: Vec<Source<shards::Watch>>,
    server: Option<Source<()>>,
    gateway: Option<Source<()>>,
    pages: Vec<Periodic>,
    answers: Receiver<Answer>,
}

/// One task, and whether it owes an answer.
struct Source<T> {
    /// Whether counters are wanted.
    questions: Sender<bool>,
    is_busy: bool,
    /// Counters were wanted while it was busy.
    owes_counters: bool,
    task: JoinHandle<T>,
}

/// A page that is asked for as often as the workload says.
struct Periodic {
    source: Source<Page>,
    every: Duration,
    next: Duration,
}

enum Answer {
    Shard {
        index: usize,
        seen: Option<shards::ShardSample>,
        queries: u64,
        took: Duration,
    },
    Server(Option<Box<metrics::ServerSample>>),
    Gateway(Option<Box<gateway::GatewaySample>>),
    Page {
        index: usize,
        seen: BTreeMap<String, SeriesSample>,
    },
}

impl<T> Source<T> {
    fn new(questions: Sender<bool>, task: JoinHandle<T>) -> Self {
        Self {
            questions,
            is_busy: false,
            owes_counters: false,
            task,
        }
    }

    fn ask(&mut self, counters: bool) {
        let counters = counters || self.owes_counters;
        self.owes_counters = counters && self.is_busy;
        if !self.is_busy {
            // A task that is gone answers nothing, and is asked nothing any more.
            self.is_busy = true;
            let _ = self.questions.try_send(counters);
        }
    }
}

impl Sources {
    pub(super) fn start(watched: &Watched) -> Self {
        // Each source owes at most one answer, so none ever waits for room.
        let asked = &watched.asked;
        let pages: Vec<Page> = Page::all(asked).collect();
        let (answer, answers) = mpsc::channel(watched.databases() + pages.len() + 2);
        let ours = watched.shards.iter().map(|url| shards::Watch::new(url));
        let databases = ours
            .chain(asked.databases.iter().map(shards::Watch::foreign))
            .enumerate();
        let shards = databases.map(|(index, watch)| shard(index, watch, answer.clone()));
        let pages = pages.into_iter().enumerate().map(|(index, page)| Periodic {
            every: page.every(),
            next: Duration::ZERO,
            source: self::page(index, page, answer.clone()),
        });
        let server = watched.metrics_url.as_deref();
        let server = server.map(|url| metrics::Watch::new(url, metrics::parse));
        let gateway = watched.gateway_url.as_deref();
        let gateway = gateway.map(|url| metrics::Watch::new(url, gateway::parse));
        Self {
            shards: shards.collect(),
            server: server.map(|watch| program(watch, answer.clone(), Answer::Server)),
            gateway: gateway.map(|watch| program(watch, answer.clone(), Answer::Gateway)),
            pages: pages.collect(),
            answers,
        }
    }

    /// Asks every source that owes no answer: server and gateway only for counters, pages when they are due, or once
    /// more at the end.
    pub(super) fn ask(&mut self, counters: bool, now: Duration, is_last: bool) {
        for page in &mut self.pages {
            if now >= page.next || is_last {
                page.next += page.every;
                // One that was slow does not catch up.
                page.next = page.next.max(now);
                page.source.ask(true);
            }
        }
        self.shards.iter_mut().for_each(|shard| shard.ask(counters));
        let programs = self.server.iter_mut().chain(&mut self.gateway);
        for program in programs.filter(|program| counters || program.owes_counters) {
            program.ask(counters);
        }
    }

    /// Puts the answers into the sample until all have come, or `patience` is over.
    pub(super) async fn take(&mut self, patience: Duration, sample: &mut Sample, cost: &mut Cost) {
        let until = tokio::time::Instant::now() + patience;
        while self.is_anybody_busy() {
            match tokio::time::timeout_at(until, self.answers.recv()).await {
                Ok(Some(answer)) => self.note(answer, sample, cost),
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn is_anybody_busy(&self) -> bool {
        let is_page_owed = self.pages.iter().any(|page| page.source.is_busy);
        let mut programs = self.server.iter().chain(&self.gateway);
        is_page_owed || programs.any(|program| program.is_busy) || self.shards.iter().any(|shard| shard.is_busy)
    }

    fn note(&mut self, answer: Answer, sample: &mut Sample, cost: &mut Cost) {
        match answer {
            Answer::Shard {
                index,
                seen,
                queries,
                took,
            } => {
                self.shards[index].is_busy = false;
                cost.queries += queries;
                cost.query_time_ns += nanos(took);
                // Of two answers for the same sample, the one with counters says more.
                let said = sample.shards[index]
                    .as_ref()
                    .is_some_and(|said| said.counters.is_some());
                if seen.is_some() && !said {
                    sample.shards[index] = seen;
                }
            }
            Answer::Server(seen) => {
                if let Some(server) = &mut self.server {
                    server.is_busy = false;
                }
                if let Some(seen) = seen {
                    sample.server = Some(*seen);
                }
            }
            Answer::Gateway(seen) => {
                if let Some(gateway) = &mut self.gateway {
                    gateway.is_busy = false;
                }
                if let Some(seen) = seen {
                    sample.gateway = Some(*seen);
                }
            }
            Answer::Page { index, seen } => {
                self.pages[index].source.is_busy = false;
                sample.series.extend(seen);
            }
        }
    }

    /// Ends the tasks; returns what the databases' threads spent on answering, where that can be seen, and what could
    /// not be seen.
    pub(super) async fn end(self) -> (Option<Duration>, Vec<String>) {
        let mut notes = Vec::new();
        let pages: Vec<_> = self.pages.into_iter().map(|page| page.source.task).collect();
        for task in pages {
            notes.extend(task.await.map(|page| page.notes()).unwrap_or_default());
        }
        let tasks: Vec<_> = self.shards.into_iter().map(|shard| shard.task).collect();
        drop((self.server, self.gateway));
        let mut spent = Some(Duration::ZERO);
        for task in tasks {
            let watch = task.await.ok();
            notes.extend(watch.as_ref().map(shards::Watch::notes).unwrap_or_default());
            spent = spent
                .zip(watch.and_then(|watch| watch.database_cpu()))
                .map(|(sum, one)| sum + one);
        }
        (spent, notes)
    }
}

fn shard(index: usize, mut watch: shards::Watch, answer: Sender<Answer>) -> Source<shards::Watch> {
    let (ask, mut questions) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        while let Some(counters) = questions.recv().await {
            let begun = Instant::now();
            let (seen, queries) = watch.sample(counters).await;
            let took = begun.elapsed();
            let shard = Answer::Shard {
                index,
                seen,
                queries,
                took,
            };
            let _ = answer.send(shard).await;
        }
        watch
    });
    Source::new(ask, task)
}

fn page(index: usize, mut page: Page, answer: Sender<Answer>) -> Source<Page> {
    let (ask, mut questions) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        while questions.recv().await.is_some() {
            let seen = page.sample().await;
            let _ = answer.send(Answer::Page { index, seen }).await;
        }
        page
    });
    Source::new(ask, task)
}

/// One of the project's own programs, which gives its figures on a page.
fn program<T: Send + 'static>(
    mut watch: metrics::Watch<T>,
    answer: Sender<Answer>,
    answers: fn(Option<Box<T>>) -> Answer,
) -> Source<()> {
    let (ask, mut questions) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        while questions.recv().await.is_some() {
            let seen = watch.sample().await.map(Box::new);
            let _ = answer.send(answers(seen)).await;
        }
    });
    Source::new(ask, task)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use tokio::sync::mpsc::UnboundedReceiver;

    use super::*;

    /// A server that answers each question as soon as it is let.
    async fn metrics_server(mut let_go: UnboundedReceiver<()>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/metrics", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                let_go.recv().await.unwrap();
                let body = "hotchat_connections_accepted_total 7\n";
                let length = body.len();
                let text = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
                stream.write_all(text.as_bytes()).await.unwrap();
            }
        });
        url
    }

    #[tokio::test]
    async fn a_silent_source_delays_no_other_and_a_late_answer_comes_with_the_next_sample() {
        // A shard that accepts and says nothing, as one that was stopped.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shard = format!("mysql://u:p@{}/d", silent.local_addr().unwrap());
        let (let_go, held) = mpsc::unbounded_channel();
        let mut sources = Sources::start(&Watched {
            shards: vec![shard],
            metrics_url: Some(metrics_server(held).await),
            ..Watched::default()
        });
        let (mut first, mut second, mut cost) = (Sample::empty(0.0, 1), Sample::empty(0.1, 1), Cost::default());
        let begun = Instant::now();
        sources.ask(true, Duration::ZERO, false);
        sources.take(Duration::from_millis(50), &mut first, &mut cost).await;
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
        assert_eq!((&first.server, &first.shards[0]), (&None, &None));
        // A source that owes an answer is not asked.
        sources.ask(true, Duration::ZERO, false);
        let_go.send(()).unwrap();
        // Lasts until the query of the shard times out, after a second.
        sources.take(Duration::from_secs(30), &mut second, &mut cost).await;
        assert_eq!(
            second.server.as_ref().map(|server| server.connections_accepted),
            Some(7)
        );
        assert_eq!((second.shards[0].is_none(), cost.queries), (true, 2));
        // Counters that were wanted meanwhile come with the next answer.
        let_go.send(()).unwrap();
        sources.ask(false, Duration::ZERO, false);
        let mut third = Sample::empty(0.2, 1);
        sources.take(Duration::from_secs(30), &mut third, &mut cost).await;
        assert!(third.server.is_some());
        assert_eq!(cost.queries, 4, "the shard owes its counters too");
    }
}
