//! The run directory: written as results come, so that an interrupted run keeps what it had.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::{Calls, Durations, Interval, Journeys, Outcome, RUN_SCHEMA, Run};

/// A directory for one run.
#[derive(Debug, Clone)]
pub struct RunDirectory {
    path: PathBuf,
}

/// A directory for one cell, and its open files.
#[derive(Debug)]
pub struct CellDirectory {
    path: PathBuf,
    intervals: BufWriter<File>,
    observed: BufWriter<File>,
}

/// Why a run directory could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The system refused.
    #[error("cannot {action} {path}: {source}; {remedy}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// The file is not a run of this version.
    #[error("cannot read {path}: {problem}; it should be a run directory written by `bmt run`, schema {RUN_SCHEMA}")]
    NotARun {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> DirectoryError {
    let path = path.display().to_string();
    move |source| {
        let remedy = match source.kind() {
            std::io::ErrorKind::StorageFull => "free some disk space, or name another place with --out",
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                "name a place you may write to with --out"
            }
            _ => "check the path, or name another with --out",
        };
        DirectoryError::Io {
            action,
            path,
            source,
            remedy,
        }
    }
}

impl RunDirectory {
    /// Makes `<out>/<UTC time>-<workload>-<6 hex>/`.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn create(out: &Path, started: jiff::Timestamp, workload: &str, tag: u32) -> Result<Self, DirectoryError> {
        let name = format!(
            "{}-{workload}-{:06x}",
            started.strftime("%Y%m%dT%H%M%SZ"),
            tag & 0xff_ffff
        );
        let path = out.join(name);
        fs::create_dir_all(path.join("cells")).map_err(io_error("create", &path))?;
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes `cells/<variant>-<n>/` and opens its files.
    ///
    /// # Errors
    /// When the directory or its files cannot be made.
    pub fn cell(&self, variant: &str, repetition: u32) -> Result<CellDirectory, DirectoryError> {
        let path = self
            .path
            .join("cells")
            .join(format!("{}-{repetition}", directory_name(variant)));
        fs::create_dir_all(&path).map_err(io_error("create", &path))?;
        let open = |name: &str| {
            let file = path.join(name);
            File::create(&file)
                .map(BufWriter::new)
                .map_err(io_error("create", &file))
        };
        Ok(CellDirectory {
            intervals: open("intervals.jsonl")?,
            observed: open("observed.jsonl")?,
            path,
        })
    }

    /// Writes `run.json` by rename, so that a reader sees the old one or the new one, whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_run(&self, run: &Run) -> Result<(), DirectoryError> {
        let mut text =
            serde_json::to_string_pretty(run).map_err(|error| io_error("write", &self.path)(error.into()))?;
        text.push('\n');
        self.write("run.json", &text)
    }

    /// Writes a file of the run by rename.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), DirectoryError> {
        let part = self.path.join(format!("{name}.part"));
        fs::write(&part, text).map_err(io_error("write", &part))?;
        let whole = self.path.join(name);
        fs::rename(&part, &whole).map_err(io_error("write", &whole))
    }

    /// Reads the run that `path`, a run directory or its `run.json`, holds.
    ///
    /// # Errors
    /// When there is none, or it is of another version.
    pub fn read(path: &Path) -> Result<Run, DirectoryError> {
        let file = if path.is_dir() {
            path.join("run.json")
        } else {
            path.to_owned()
        };
        let not_a_run = |problem: String| DirectoryError::NotARun {
            path: file.display().to_string(),
            problem,
        };
        let text = fs::read_to_string(&file).map_err(|error| not_a_run(error.to_string()))?;
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| not_a_run(error.to_string()))?;
        match value["schema"].as_str() {
            Some(RUN_SCHEMA) => serde_json::from_value(value).map_err(|error| not_a_run(error.to_string())),
            Some(other) => Err(not_a_run(format!("its schema is {other}"))),
            None => Err(not_a_run("it has no schema".to_owned())),
        }
    }
}

impl CellDirectory {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one merged second: a line of counts, and a line for each lane and outcome with its histograms.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_interval(
        &mut self,
        interval: &Interval,
        phase: &str,
        lanes: &[LaneName],
    ) -> Result<(), DirectoryError> {
        let head = json!({
            "second": interval.second,
            "phase": phase,
            "schedule_lag_us": { "p99": interval.schedule_lag.quantile_us(0.99), "max": interval.schedule_lag.max_us() },
            "worker_cpu": interval.worker_cpu.share(),
            "connections": { "opened": interval.connections.opened, "closed": interval.connections.closed, "failed": interval.connections.failed, "open_max": interval.connections.open_max },
        });
        self.line(&head)?;
        if let Some(following) = &interval.following {
            let line = json!({
                "second": interval.second,
                "phase": phase,
                "pushes_received": following.pushes,
                "freshness_hdr": following.freshness.encoded(),
                "revisions_skipped": following.skipped,
                "stale_members": following.stale.map(|(_, members)| members),
                "online": following.sockets.open_max,
                "connected": following.sockets.opened,
                "disconnected": following.sockets.closed,
                "connect_failed": following.sockets.failed,
            });
            self.line(&line)?;
        }
        for (shard, tenths) in interval.shards.iter().enumerate() {
            self.line(&shard_line(interval.second, phase, shard, tenths.tenths()))?;
        }
        for (name, lane) in lanes.iter().zip(&interval.lanes).filter(|(_, lane)| !lane.is_empty()) {
            let outcomes: serde_json::Map<String, serde_json::Value> = Outcome::ALL
                .into_iter()
                .filter_map(|outcome| {
                    let times = lane.times(outcome)?;
                    let value = json!({
                        "count": times.response.count(),
                        "response_hdr": times.response.encoded(),
                        "service_hdr": times.service.encoded(),
                    });
                    Some((outcome.name().to_owned(), value))
                })
                .collect();
            let line = json!({
                "second": interval.second,
                "phase": phase,
                "operation": name.operation,
                "placement": name.placement,
                "scheduled": lane.scheduled,
                "unsent": lane.unsent,
                "cut_off": lane.cut_off,
                "retries": lane.retries,
                "ok_answered": lane.ok_answered.values().sum::<u64>(),
                "outcomes": outcomes,
                "journeys": lane.journeys.as_deref().map(journeys),
            });
            self.line(&line)?;
        }
        self.intervals.flush().map_err(io_error("write", &self.path))
    }

    fn line(&mut self, value: &serde_json::Value) -> Result<(), DirectoryError> {
        writeln!(self.intervals, "{value}").map_err(io_error("write", &self.path))
    }

    /// Appends one sample of what the target says of itself.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_observed(&mut self, sample: &impl Serialize) -> Result<(), DirectoryError> {
        let text = serde_json::to_string(sample).map_err(|error| io_error("write", &self.path)(error.into()))?;
        writeln!(self.observed, "{text}")
            .and_then(|()| self.observed.flush())
            .map_err(io_error("write", &self.path))
    }
}

/// The calls to one shard in one second: counts by tenths, and the times of all `ok` answers.
fn shard_line(second: u64, phase: &str, shard: usize, tenths: &[Calls]) -> serde_json::Value {
    let mut ok = Durations::default();
    for us in tenths.iter().flat_map(|calls| &calls.ok_us) {
        ok.record_ns(u64::from(*us) * 1000);
    }
    let counts = |count: fn(&Calls) -> u64| tenths.iter().map(count).collect::<Vec<_>>();
    json!({
        "second": second,
        "phase": phase,
        "shard": shard,
        "requests_by_tenth": counts(|calls| calls.all.into()),
        "not_ok_by_tenth": counts(Calls::not_ok),
        "prompt_by_tenth": counts(|calls| calls.prompt.into()),
        "ok_response_hdr": ok.encoded(),
    })
}

/// The journeys that ended in one second.
fn journeys(ended: &Journeys) -> serde_json::Value {
    json!({
        "succeeded": ended.until_done.count(),
        "gave_up": ended.gave_up,
        "cut_off": ended.cut_off,
        "attempts": ended.attempts,
        "until_done_hdr": ended.until_done.encoded(),
    })
}

/// A variant's name as part of a path.
#[must_use]
pub fn directory_name(variant: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    variant.chars().map(plain).collect()
}

/// How results name a lane.
#[derive(Debug, Clone)]
pub struct LaneName {
    /// Name of the traffic entry.
    pub operation: String,
    /// Where its chats live.
    pub placement: Option<crate::workload::Placement>,
}
