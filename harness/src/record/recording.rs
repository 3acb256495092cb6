//! The run directory: written as results come, so that a run that ends in any way keeps what it had; and read again.
//!
//! ```text
//! recording.json                       RunHeader
//! ending.json                          Ending
//! cells/<variant>-<block>/
//!     cell.json                        CellHeader
//!     intervals.jsonl                  Interval, one a line
//!     observed.jsonl                   Sample, one a line
//!     events.jsonl                     CellEvent, one a line
//! run.json  report.md                  made of the above
//! ```
//!
//! A line that was cut short, as the last one of a run that was killed, is left out; any other line that cannot be read
//! is an error.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{RecordingError, io_error, malformed};
use super::event::{RunEvent, Subscriber};
use super::{CellEvent, CellHeader, Ending, Interval, RECORDING_SCHEMA, Run, RunHeader};
use crate::observe::Sample as Observation;

const RECORDING: &str = "recording.json";
const ENDING: &str = "ending.json";
const CELL: &str = "cell.json";
const INTERVALS: &str = "intervals.jsonl";
const OBSERVED: &str = "observed.jsonl";
const EVENTS: &str = "events.jsonl";

/// `recording.json` as it is written.
#[derive(Serialize, Deserialize)]
struct Headed<T> {
    schema: String,
    #[serde(flatten)]
    header: T,
}

/// Writes a run directory as the run goes on.
#[derive(Debug)]
pub struct RunWriter {
    path: PathBuf,
    cell: Option<CellWriter>,
}

#[derive(Debug)]
struct CellWriter {
    path: PathBuf,
    intervals: BufWriter<File>,
    observed: BufWriter<File>,
    events: BufWriter<File>,
}

impl RunWriter {
    /// Makes `<out>/<UTC time>-<workload>-<6 hex>/`.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn create(out: &Path, started: jiff::Timestamp, workload: &str, tag: u32) -> Result<Self, RecordingError> {
        let name = format!(
            "{}-{workload}-{:06x}",
            started.strftime("%Y%m%dT%H%M%SZ"),
            tag & 0xff_ffff
        );
        let path = out.join(name);
        fs::create_dir_all(path.join("cells")).map_err(io_error("create", &path))?;
        Ok(Self { path, cell: None })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a cell's files are; made if need be, since logs go there before the cell begins.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn cell_directory(&self, name: &str) -> Result<PathBuf, RecordingError> {
        let path = self.path.join("cells").join(name);
        fs::create_dir_all(&path).map_err(io_error("create", &path))?;
        Ok(path)
    }

    /// Writes a file of the run by rename, so that a reader sees the old one or the new one, whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), RecordingError> {
        write_whole(&self.path.join(name), text)
    }
}

/// Writes `run.json` below `directory` by rename.
///
/// # Errors
/// When it cannot be written.
pub fn write_run(directory: &Path, run: &Run) -> Result<(), RecordingError> {
    write_whole(&directory.join("run.json"), &pretty(run, directory)?)
}

fn pretty(value: &impl Serialize, path: &Path) -> Result<String, RecordingError> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| io_error("write", path)(error.into()))?;
    text.push('\n');
    Ok(text)
}

fn write_whole(whole: &Path, text: &str) -> Result<(), RecordingError> {
    // A run and a report of it may write the same file at the same time.
    let mut part = whole.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    fs::write(&part, text).map_err(io_error("write", &part))?;
    fs::rename(&part, whole).map_err(io_error("write", whole))
}

impl CellWriter {
    fn create(path: PathBuf, header: &CellHeader) -> Result<Self, RecordingError> {
        let open = |name: &str| {
            let file = path.join(name);
            File::create(&file)
                .map(BufWriter::new)
                .map_err(io_error("create", &file))
        };
        let (intervals, observed, events) = (open(INTERVALS)?, open(OBSERVED)?, open(EVENTS)?);
        // Last: a cell that has this file has the others.
        write_whole(&path.join(CELL), &pretty(header, &path)?)?;
        Ok(Self {
            path,
            intervals,
            observed,
            events,
        })
    }
}

fn write_line(file: &mut BufWriter<File>, path: &Path, value: &impl Serialize) -> Result<(), RecordingError> {
    let written = serde_json::to_writer(&mut *file, value).map_err(std::io::Error::from);
    written
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.flush())
        .map_err(io_error("write", path))
}

impl Subscriber for RunWriter {
    fn take(&mut self, event: &RunEvent) -> Result<(), RecordingError> {
        match event {
            RunEvent::RunBegan(header) => {
                let headed = Headed {
                    schema: RECORDING_SCHEMA.to_owned(),
                    header: header.as_ref(),
                };
                self.write(RECORDING, &pretty(&headed, &self.path)?)?;
            }
            RunEvent::CellBegan(header) => {
                let path = self.cell_directory(&header.directory)?;
                self.cell = Some(CellWriter::create(path, header)?);
            }
            RunEvent::Ending(ending) => self.write(ENDING, &pretty(ending, &self.path)?)?,
            RunEvent::RunEnded(run) => write_run(&self.path, run)?,
            RunEvent::Interval(_) | RunEvent::Observed(_) | RunEvent::Cell(_) => {}
        }
        let Some(cell) = &mut self.cell else { return Ok(()) };
        match event {
            RunEvent::Interval(interval) => write_line(&mut cell.intervals, &cell.path, interval),
            RunEvent::Observed(sample) => write_line(&mut cell.observed, &cell.path, sample),
            RunEvent::Cell(event) => write_line(&mut cell.events, &cell.path, event),
            RunEvent::RunBegan(_) | RunEvent::CellBegan(_) | RunEvent::Ending(_) | RunEvent::RunEnded(_) => Ok(()),
        }
    }
}

/// A recording on disk.
#[derive(Debug)]
pub struct Recording {
    /// What was fixed before the run began.
    pub header: RunHeader,
    directory: PathBuf,
    cells: Vec<PathBuf>,
}

impl Recording {
    /// Opens the recording in a run directory.
    ///
    /// # Errors
    /// When there is none, or it is of another version.
    pub fn open(directory: &Path) -> Result<Self, RecordingError> {
        let file = directory.join(RECORDING);
        let text = fs::read_to_string(&file).map_err(|error| {
            let problem = format!("{error}; expected a run directory written by `bmt run`, with its {RECORDING}");
            malformed(&file, problem)
        })?;
        let Headed { schema, header } = serde_json::from_str::<Headed<RunHeader>>(&text)
            .map_err(|error| malformed(&file, format!("{error}; this bmt reads schema {RECORDING_SCHEMA}")))?;
        if schema != RECORDING_SCHEMA {
            return Err(malformed(
                &file,
                format!("its schema is {schema}, and this bmt reads {RECORDING_SCHEMA}"),
            ));
        }
        let folder = directory.join("cells");
        let entries = fs::read_dir(&folder).map_err(io_error("read", &folder))?;
        let cells = entries
            .flatten()
            .map(|entry| entry.path())
            // A cell whose target never came up has logs and nothing else.
            .filter(|path| path.join(CELL).is_file());
        Ok(Self {
            header,
            directory: directory.to_owned(),
            cells: cells.collect(),
        })
    }

    /// The header of each cell that was begun, in the order in which they ran, with the place of its files.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn cells(&self) -> Result<Vec<(CellHeader, PathBuf)>, RecordingError> {
        let read = |path: &PathBuf| {
            let file = path.join(CELL);
            let text = fs::read_to_string(&file).map_err(io_error("read", &file))?;
            let header: CellHeader = serde_json::from_str(&text).map_err(|error| malformed(&file, error))?;
            Ok((header, path.clone()))
        };
        let mut cells = self
            .cells
            .iter()
            .map(read)
            .collect::<Result<Vec<_>, RecordingError>>()?;
        cells.sort_by_key(|(header, _)| header.number);
        Ok(cells)
    }

    /// How the run ended; `None` of one that goes on, or ended without a word.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn ending(&self) -> Result<Option<Ending>, RecordingError> {
        let file = self.directory.join(ENDING);
        match fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| malformed(&file, error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", &file)(error)),
        }
    }

    /// Plays a cell's recording to `to`, as it happened.
    ///
    /// # Errors
    /// When a file cannot be read, or `to` fails.
    pub fn play(&self, cell: &Path, to: &mut dyn Subscriber) -> Result<(), RecordingError> {
        lines::<Interval>(&cell.join(INTERVALS), |line| {
            to.take(&RunEvent::Interval(Box::new(line)))
        })?;
        lines::<Observation>(&cell.join(OBSERVED), |line| {
            to.take(&RunEvent::Observed(Box::new(line)))
        })?;
        lines::<CellEvent>(&cell.join(EVENTS), |line| to.take(&RunEvent::Cell(Box::new(line))))
    }
}

fn lines<T: DeserializeOwned>(
    file: &Path,
    mut take: impl FnMut(T) -> Result<(), RecordingError>,
) -> Result<(), RecordingError> {
    let mut reader = BufReader::new(File::open(file).map_err(io_error("read", file))?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(io_error("read", file))? == 0 {
            break;
        }
        match serde_json::from_slice(&line) {
            Ok(value) => take(value)?,
            // Whoever wrote it was killed in the middle of the line.
            Err(_) if !line.ends_with(b"\n") => break,
            Err(error) => {
                let problem = format!("line {number}: {error}; the file was changed, or is of another version of bmt");
                return Err(malformed(file, problem));
            }
        }
    }
    Ok(())
}

/// Reads a `run.json`, or the one in a run directory; `.gz` is read as well.
///
/// # Errors
/// When there is none, or it is of another version.
pub fn read_run(path: &Path) -> Result<Run, RecordingError> {
    use std::io::Read as _;
    let candidates = if path.is_dir() {
        vec![path.join("run.json"), path.join("run.json.gz")]
    } else {
        vec![path.to_owned()]
    };
    let file = candidates.iter().find(|file| file.is_file()).unwrap_or(&candidates[0]);
    let bytes = fs::read(file).map_err(io_error("read", file))?;
    let mut text = String::new();
    let read = if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text)
    } else {
        (&bytes[..]).read_to_string(&mut text)
    };
    read.map_err(io_error("read", file))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| malformed(file, error))?;
    match value["schema"].as_str() {
        Some(super::RUN_SCHEMA) => serde_json::from_value(value).map_err(|error| malformed(file, error)),
        Some(other) => Err(malformed(
            file,
            format!(
                "its schema is {other}, and this bmt reads {}; make the run again, or read it with the bmt that wrote it",
                super::RUN_SCHEMA
            ),
        )),
        None => Err(malformed(file, "it has no schema, so it is not the result of a run")),
    }
}
