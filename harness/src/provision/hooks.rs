//! What is done before and after the load of a cell: requests that are sent once, and commands that are run to their
//! end.
//!
//! Before the load the first failure is the end. After it everything is done, whatever fails, for that is where things
//! are put back. What a command leaves running ends with the cell.

use std::path::Path;
use std::time::Duration;

use bmt_sandbox::{Sandbox, Stream, Streams};

use super::client::client;
use super::command::command;
use super::error::ProvisionError;
use super::process::innermost;
use super::target::Target;
use crate::arrival::Arrival;
use crate::template::{Ask, Body, Captured, RequestTemplate, Sources, Values};
use crate::transport::Http;
use crate::workload::{Deed, Hook, Program, Variables};

/// Bytes of an answer that are read.
const BODY_MAX: usize = 4 << 20;
/// Characters of an answer that are quoted.
const QUOTED_MAX: usize = 200;
/// How long a command that takes too long may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// The hooks of one cell. What their commands started ends with it.
#[derive(Debug)]
pub struct Hooks<'a> {
    /// The environment of commands, besides what they inherit.
    pub env: &'a Variables,
    /// Seed of the block.
    pub seed: u64,
    /// Directory of the logs of commands, such as `before-1.log`.
    pub logs: &'a Path,
    /// CPUs that commands are started on; anywhere if empty.
    pub cpus: &'a [usize],
    /// Where commands are started, once there is one.
    sandbox: Option<Sandbox>,
}

impl<'a> Hooks<'a> {
    /// Nothing done yet.
    #[must_use]
    pub fn new(env: &'a Variables, seed: u64, logs: &'a Path, cpus: &'a [usize]) -> Self {
        Self {
            env,
            seed,
            logs,
            cpus,
            sandbox: None,
        }
    }

    /// Does one after the other.
    ///
    /// # Errors
    /// With the first that failed; those behind it are not done.
    pub async fn before(&mut self, target: &Target, hooks: &[Hook]) -> Result<(), ProvisionError> {
        for (hook, number) in hooks.iter().zip(1..) {
            self.hook(target, ("before", number), hook).await?;
        }
        Ok(())
    }

    /// Does all of them; of a target that is `lost` only the commands.
    ///
    /// # Errors
    /// With the first that failed.
    pub async fn after(&mut self, target: &Target, hooks: &[Hook], is_lost: bool) -> Result<(), ProvisionError> {
        let mut done = Ok(());
        for (hook, number) in hooks.iter().zip(1..) {
            if is_lost && matches!(hook.deed, Deed::Request(_)) {
                continue;
            }
            done = done.and(self.hook(target, ("after", number), hook).await);
        }
        done
    }

    async fn hook(
        &mut self,
        target: &Target,
        (when, number): (&'static str, usize),
        hook: &Hook,
    ) -> Result<(), ProvisionError> {
        let (what, done) = match &hook.deed {
            Deed::Request(ask) => {
                let arrival = Arrival {
                    intended_ns: 0,
                    flow: usize::from(when == "after"),
                    ordinal: number as u64,
                    item: 0,
                    host: 0,
                };
                let request = Once {
                    ask,
                    seed: self.seed,
                    arrival,
                };
                (request.shown(), request.done(target, hook.within).await)
            }
            Deed::Command(program) => {
                let port = target.port();
                let shown = program.shown(port.unwrap_or_default()).join(" ");
                let log = format!("{when}-{number}.log");
                (shown, self.run(port, program, &log, hook.within).await)
            }
        };
        done.map_err(|reason| ProvisionError::Hook {
            hook: format!("target.{when}.{}: `{what}`", number - 1),
            reason,
        })
    }

    /// Runs a command to its end.
    async fn run(&mut self, port: Option<u16>, program: &Program, log: &str, within: Duration) -> Result<(), String> {
        let told = |error: bmt_sandbox::SandboxError| error.to_string();
        let takes_port = program.takes_port() || self.env.values().any(|variable| variable.text.takes_port());
        if takes_port && port.is_none() {
            return Err("{{port}} is the target's port, and a Unix socket has none".to_owned());
        }
        let sandbox = match &mut self.sandbox {
            Some(sandbox) => sandbox,
            none => none.insert(Sandbox::on_cpus(self.cpus).map_err(told)?),
        };
        let log = Stream::File(self.logs.join(log));
        let streams = Streams {
            stdout: log.clone(),
            stderr: log,
        };
        let command = command(program, self.env, port.unwrap_or_default(), sandbox.dir());
        let mut child = sandbox.spawn("hook", command, &streams).map_err(told)?;
        match child.wait(within).await.map_err(told)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("it ended with {status}; {}", child.log_end())),
            None => {
                // What does not stop in time is killed.
                let _ = child.terminate(STOP_WITHIN).await;
                Err(format!("it did not end within {within:?}; {}", child.log_end()))
            }
        }
    }
}

/// A request that is sent once.
struct Once<'a> {
    ask: &'a Ask,
    seed: u64,
    arrival: Arrival,
}

impl Once<'_> {
    fn values<'b>(&'b self, sources: &'b Sources, hides_secrets: bool) -> Values<'b> {
        Values {
            sources,
            seed: self.seed,
            arrival: &self.arrival,
            hides_secrets,
            captured: Captured::NOTHING,
        }
    }

    /// Method and path for people.
    fn shown(&self) -> String {
        let RequestTemplate { method, path, .. } = &self.ask.request;
        let sources = Sources::default();
        format!("{} {}", method.as_str(), path.with(self.values(&sources, true)))
    }

    async fn done(&self, target: &Target, within: Duration) -> Result<(), String> {
        match tokio::time::timeout(within, self.sent(target)).await {
            Ok(done) => done,
            Err(_) => Err(format!("it was not answered within {within:?}")),
        }
    }

    async fn sent(&self, target: &Target) -> Result<(), String> {
        if target.tls.is_some() || target.http == Http::Two {
            return Err(
                "requests of hooks are sent in HTTP/1.1 without TLS; have a command send it, such as curl".to_owned(),
            );
        }
        let told = |error: reqwest::Error| innermost(&error);
        let client = client(target.endpoint.socket())
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(told)?;
        let sources = Sources::default();
        let values = self.values(&sources, false);
        let Ask { request, check } = self.ask;
        let method: reqwest::Method = request.method.as_str().parse().expect("each of ours is a method");
        let url = format!("{}{}", target.base(), request.path.with(values));
        let mut asked = client.request(method, url);
        for (name, value) in &request.headers {
            asked = asked.header(name, value.with(values).to_string());
        }
        asked = match &request.body {
            Some(Body::Template(body)) => asked.body(body.with(values).to_string()),
            Some(Body::Bytes(bytes)) => asked.body(bytes.to_vec()),
            None => asked,
        };
        let mut answer = asked.send().await.map_err(told)?;
        let status = answer.status();
        let has_right_headers = check.headers.iter().all(|header| {
            let values = answer.headers().get_all(&header.name);
            values.iter().any(|value| header.holds(value.as_bytes()))
        });
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(told)? {
            body.extend_from_slice(&chunk);
            if body.len() > BODY_MAX {
                return Err(format!(
                    "it was answered {status} with more than {} MiB",
                    BODY_MAX >> 20
                ));
            }
        }
        let is_right = check.has_right_status(status.as_u16()).unwrap_or(status.is_success());
        match is_right && has_right_headers && check.has_right_body(&body) {
            true => Ok(()),
            false => Err(format!("it was answered {status}, {}", quoted(&body))),
        }
    }
}

/// The first characters of a body.
fn quoted(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let first: String = text.trim().chars().take(QUOTED_MAX).collect();
    match first.is_empty() {
        true => "with nothing in it".to_owned(),
        false => format!("beginning with {first:?}"),
    }
}
