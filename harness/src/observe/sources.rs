//! The shards and the server, asked at the same time: one that does not answer keeps nobody else waiting.
//!
//! Each source is a task that answers one question after another. An answer that comes too late for its sample goes into the next one; a source
//! that still owes an answer is not asked again. So a shard that stands still is `None` in the samples, and the others stay in step.
//!
//! Rejected: a patience so short that nobody waits long. A shard under load needs half a second at times, and its waiters are
//! what the observer is there for.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;

use super::{Cost, Sample, Watched, metrics, shards};

/// Tasks that answer, and what they have answered.
pub(super) struct Sources {
    shards: Vec<Source<shards::Watch>>,
    server: Option<Source<()>>,
    answers: UnboundedReceiver<Answer>,
}

/// One task, and whether it owes an answer.
struct Source<T> {
    /// Whether counters are wanted.
    questions: UnboundedSender<bool>,
    is_busy: bool,
    /// Counters were wanted while it was busy.
    owes_counters: bool,
    task: JoinHandle<T>,
}

enum Answer {
    Shard {
        index: usize,
        seen: Option<shards::ShardSample>,
        queries: u64,
        took: Duration,
    },
    Server(Option<metrics::ServerSample>),
}

impl<T> Source<T> {
    fn new(questions: UnboundedSender<bool>, task: JoinHandle<T>) -> Self {
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
            let _ = self.questions.send(counters);
        }
    }
}

impl Sources {
    pub(super) fn start(watched: &Watched) -> Self {
        let (answer, answers) = mpsc::unbounded_channel();
        let shards = watched.shards.iter().enumerate();
        let shards = shards.map(|(index, url)| shard(index, shards::Watch::new(url), answer.clone()));
        let server = watched.metrics_url.as_deref().map(metrics::Watch::new);
        Self {
            shards: shards.collect(),
            server: server.map(|watch| self::server(watch, answer.clone())),
            answers,
        }
    }

    /// Asks whoever owes no answer; the server only for counters.
    pub(super) fn ask(&mut self, counters: bool) {
        self.shards.iter_mut().for_each(|shard| shard.ask(counters));
        if let Some(server) = self.server.as_mut().filter(|server| counters || server.owes_counters) {
            server.ask(counters);
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
        self.shards.iter().any(|shard| shard.is_busy) || self.server.as_ref().is_some_and(|server| server.is_busy)
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
                cost.query_time += took;
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
                sample.server = seen.or(sample.server.take());
            }
        }
    }

    /// Ends the tasks; returns what the shards' threads spent on answering, where that can be seen.
    pub(super) async fn end(self) -> Option<Duration> {
        let tasks: Vec<_> = self.shards.into_iter().map(|shard| shard.task).collect();
        drop(self.server);
        let mut spent = Some(Duration::ZERO);
        for task in tasks {
            let watch = task.await.ok();
            spent = spent
                .zip(watch.and_then(|watch| watch.database_cpu()))
                .map(|(sum, one)| sum + one);
        }
        spent
    }
}

fn shard(index: usize, mut watch: shards::Watch, answer: UnboundedSender<Answer>) -> Source<shards::Watch> {
    let (ask, mut questions) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        while let Some(counters) = questions.recv().await {
            let begun = Instant::now();
            let (seen, queries) = watch.sample(counters).await;
            let took = begun.elapsed();
            let _ = answer.send(Answer::Shard {
                index,
                seen,
                queries,
                took,
            });
        }
        watch
    });
    Source::new(ask, task)
}

fn server(mut watch: metrics::Watch, answer: UnboundedSender<Answer>) -> Source<()> {
    let (ask, mut questions) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        while questions.recv().await.is_some() {
            let _ = answer.send(Answer::Server(watch.sample().await));
        }
    });
    Source::new(ask, task)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::observe::Processes;

    fn empty(shards: usize) -> Sample {
        Sample {
            at_s: 0.0,
            shards: vec![None; shards],
            server: None,
            processes: BTreeMap::new(),
        }
    }

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
    async fn who_does_not_answer_keeps_nobody_waiting_and_a_late_answer_comes_with_the_next_sample() {
        // A shard that accepts and says nothing, as one that was stopped.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shard = format!("mysql://u:p@{}/d", silent.local_addr().unwrap());
        let (let_go, held) = mpsc::unbounded_channel();
        let mut sources = Sources::start(&Watched {
            shards: vec![shard],
            metrics_url: Some(metrics_server(held).await),
            processes: Processes::default(),
        });
        let (mut first, mut second, mut cost) = (empty(1), empty(1), Cost::default());
        let begun = Instant::now();
        sources.ask(true);
        sources.take(Duration::from_millis(50), &mut first, &mut cost).await;
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
        assert_eq!((&first.server, &first.shards[0]), (&None, &None));
        // Nobody is asked while owing an answer.
        sources.ask(true);
        let_go.send(()).unwrap();
        // Until the shard is given up, after a second.
        sources.take(Duration::from_secs(30), &mut second, &mut cost).await;
        assert_eq!(
            second.server.as_ref().map(|server| server.connections_accepted),
            Some(7)
        );
        assert_eq!((second.shards[0].is_none(), cost.queries), (true, 2));
        // Counters that were wanted meanwhile are made up for.
        let_go.send(()).unwrap();
        sources.ask(false);
        let mut third = empty(1);
        sources.take(Duration::from_secs(30), &mut third, &mut cost).await;
        assert!(third.server.is_some());
        assert_eq!(cost.queries, 4, "the shard owes its counters too");
    }
}
