//! A value: where it comes from, and how it is written.

use std::collections::BTreeSet;
use std::fmt::{self, Debug, Display, Formatter};
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::error::TemplateError;
use super::escape::{self, Escape};
use super::parse::{Expression, Reference, is_name};
use super::source::{Rows, Sources};
use super::table::Cell;
use crate::arrival::{Arrival, mixed};

const UUID: &str = "uuid";
const NOW: &str = "now";
const ENVIRONMENT: &str = "env";
const TEXT: &str = "text";
const HMAC: &str = "hmac_sha256";
/// Names that a source cannot have.
pub(crate) const RESERVED: [&str; 5] = [UUID, NOW, ENVIRONMENT, TEXT, HMAC];

/// Keeps UUIDs apart from all else that follows from the same seed.
const UUIDS: u64 = 0x7575_6964;

/// What stands for a secret where it is not to be seen.
const HIDDEN: &str = "***";

/// What values follow from.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// All sources of the workload.
    pub sources: &'a Sources,
    /// Seed of the block.
    pub seed: u64,
    /// Whose values they are.
    pub arrival: &'a Arrival,
    /// Whether what comes from the environment is not to be seen.
    pub hides_secrets: bool,
    /// What its session has captured so far.
    pub captured: Captured<'a>,
}

/// What a session has captured, by slot.
#[derive(Debug, Clone, Copy)]
pub enum Captured<'a> {
    /// The values.
    Values(&'a [Option<Cell>]),
    /// Only the names, for people: `<token>`.
    Names(&'a [String]),
}

impl Captured<'_> {
    /// Nothing.
    pub const NOTHING: Self = Self::Values(&[]);
}

/// A value, its names looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Number { source: usize },
    Cell { source: usize, column: usize },
    Uuid,
    Now,
    Quoted(String),
    Secret(Secret),
    Captured { slot: usize },
    Text(Box<Self>),
    Hmac { key: Box<Self>, of: Box<Self> },
}

/// A variable of the environment.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret {
    name: String,
    text: String,
}

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {HIDDEN}", self.name)
    }
}

impl Value {
    /// Looks up all names.
    pub(super) fn compile(of: &Expression, sources: &Sources) -> Result<Self, TemplateError> {
        match of {
            Expression::Quoted(text) => Ok(Self::Quoted(text.clone())),
            Expression::Reference(of) => Self::named(of, sources),
            Expression::Call { function, arguments } => {
                let arguments = arguments.iter().map(|argument| Self::compile(argument, sources));
                Self::call(function, arguments.collect::<Result<_, _>>()?)
            }
        }
    }

    fn call(function: &str, arguments: Vec<Self>) -> Result<Self, TemplateError> {
        let count = arguments.len();
        let wrong = |form: &str| {
            let plural = if count == 1 { "" } else { "s" };
            TemplateError::new(format!("`{function}` is given {count} value{plural}"), form)
        };
        let mut arguments = arguments.into_iter().map(Box::new);
        match (function, arguments.next(), arguments.next(), arguments.next()) {
            (TEXT, Some(of), None, None) => Ok(Self::Text(of)),
            (TEXT, ..) => Err(wrong("{{text(VALUE)}}")),
            (HMAC, Some(key), Some(of), None) => Ok(Self::Hmac { key, of }),
            (HMAC, ..) => Err(wrong("{{hmac_sha256(KEY, TEXT)}}")),
            _ => Err(TemplateError::unknown(
                "function",
                function,
                vec![TEXT.to_owned(), HMAC.to_owned()],
            )),
        }
    }

    fn named(of: &Reference, sources: &Sources) -> Result<Self, TemplateError> {
        let Reference { name, column } = of;
        match (name.as_str(), column) {
            (UUID, None) => return Ok(Self::Uuid),
            (NOW, None) => return Ok(Self::Now),
            (ENVIRONMENT, Some(name)) => return Self::of_environment(name),
            _ => {}
        }
        if let Some(slot) = sources.slot(name) {
            return match column {
                None => Ok(Self::Captured { slot }),
                Some(column) => Err(TemplateError::new(
                    format!("`{name}.{column}`: `{name}` is captured from an answer and has no columns"),
                    format!("{{{{{name}}}}}"),
                )),
            };
        }
        if let Some(place) = sources.captured_later(name) {
            return Err(TemplateError::new(
                format!("`{name}` is captured {place}, and not known before"),
                known(sources).join(", "),
            ));
        }
        let Some((source, found)) = sources.find(name) else {
            return Err(TemplateError {
                is_told: sources.is_broken(name),
                ..TemplateError::unknown("value", name, known(sources))
            });
        };
        match (found.rows(), column) {
            (Rows::Range(_), None) => Ok(Self::Number { source }),
            (Rows::Range(_), Some(column)) => Err(TemplateError::new(
                format!("`{name}.{column}`: `{name}` is a range of numbers and has no columns"),
                format!("{{{{{name}}}}}"),
            )),
            (Rows::Table(table), None) => Err(TemplateError::new(
                format!("`{name}` has columns, and it is not said which is meant"),
                one_of_columns(name, table.columns()),
            )),
            (Rows::Table(table), Some(column)) => match table.columns().iter().position(|known| known == column) {
                Some(column) => Ok(Self::Cell { source, column }),
                None => Err(TemplateError::unknown(
                    &format!("column in `{name}` called"),
                    column,
                    table.columns().to_vec(),
                )),
            },
        }
    }

    fn of_environment(name: &str) -> Result<Self, TemplateError> {
        match std::env::var(name) {
            Ok(text) => Ok(Self::Secret(Secret {
                name: name.to_owned(),
                text,
            })),
            Err(_) => Err(TemplateError::new(
                format!("there is no `{name}` in the environment"),
                "a variable that is set where bmt is started",
            )),
        }
    }

    /// Writes the value of an arrival.
    pub(super) fn write(&self, f: &mut Formatter<'_>, values: &Values<'_>, escape: Escape) -> fmt::Result {
        let pick = |source| values.sources.pick(source, values.seed, values.arrival);
        match self {
            Self::Uuid if escape == Escape::JsonValue => write!(f, "\"{}\"", values.uuid()),
            Self::Uuid => write!(f, "{}", values.uuid()),
            Self::Now => write!(f, "{}", now_ms()),
            Self::Number { source } => match pick(*source) {
                (Rows::Range(range), row) => write!(f, "{}", range.number(row)),
                (Rows::Table(_), _) => unreachable!("a number comes from a range"),
            },
            Self::Cell { source, column } => match pick(*source) {
                (Rows::Table(table), row) => {
                    let cell = table.cell(usize::try_from(row).expect("a table has so many rows"), *column);
                    escape::write(f, &cell.text, cell.is_bare, escape)
                }
                (Rows::Range(_), _) => unreachable!("a cell comes from a table"),
            },
            Self::Quoted(text) => escape::write(f, text, false, escape),
            Self::Secret(_) if values.hides_secrets => escape::write(f, HIDDEN, false, escape),
            Self::Secret(secret) => escape::write(f, &secret.text, false, escape),
            Self::Captured { slot } => match values.captured {
                Captured::Names(names) => write!(f, "<{}>", names.get(*slot).map_or("", String::as_str)),
                Captured::Values(captured) => {
                    let cell = captured.get(*slot).and_then(Option::as_ref);
                    cell.map_or(Ok(()), |cell| escape::write(f, &cell.text, cell.is_bare, escape))
                }
            },
            Self::Text(of) => escape::write(f, &of.plain(values), false, escape),
            Self::Hmac { .. } if values.hides_secrets => escape::write(f, HIDDEN, false, escape),
            Self::Hmac { key, of } => escape::write(f, &hmac(&key.plain(values), &of.plain(values)), false, escape),
        }
    }

    /// What it is for every arrival; `None` where that differs.
    pub(super) fn fixed(&self) -> Option<&str> {
        match self {
            Self::Quoted(text) => Some(text),
            Self::Secret(secret) => Some(&secret.text),
            Self::Text(of) => of.fixed(),
            _ => None,
        }
    }

    fn plain(&self, values: &Values<'_>) -> String {
        Plain { value: self, values }.to_string()
    }

    /// The first line end or other control sign among all that it can be.
    pub(super) fn control_sign(&self, sources: &Sources) -> Option<String> {
        match self {
            // What is captured is not known yet; it is judged when it is.
            Self::Number { .. } | Self::Uuid | Self::Now | Self::Hmac { .. } | Self::Captured { .. } => None,
            Self::Text(of) => of.control_sign(sources),
            Self::Quoted(text) => text
                .contains(char::is_control)
                .then(|| with_control_sign("a text in quotes")),
            Self::Secret(secret) => {
                let has_one = secret.text.contains(char::is_control);
                has_one.then(|| with_control_sign(&format!("`env.{}`", secret.name)))
            }
            Self::Cell { source, column } => {
                let (name, table) = sources.table(*source)?;
                let mut cells = table.column(*column);
                let row = cells.position(|cell| cell.text.contains(char::is_control))?;
                let column = &table.columns()[*column];
                Some(with_control_sign(&format!("`{name}.{column}` in row {}", row + 1)))
            }
        }
    }

    /// Whether it is, or is as a text, what was captured in a slot.
    pub(super) fn shows_slot(&self, wanted: usize) -> bool {
        match self {
            Self::Captured { slot } => *slot == wanted,
            Self::Text(of) => of.shows_slot(wanted),
            _ => false,
        }
    }

    /// Adds the names of the sources that it comes from.
    pub(super) fn note_sources<'a>(&self, sources: &'a Sources, names: &mut BTreeSet<&'a str>) {
        match self {
            Self::Number { source } | Self::Cell { source, .. } => {
                names.insert(sources.name(*source));
            }
            Self::Text(of) => of.note_sources(sources, names),
            Self::Hmac { key, of } => {
                key.note_sources(sources, names);
                of.note_sources(sources, names);
            }
            Self::Uuid | Self::Now | Self::Quoted(_) | Self::Secret(_) | Self::Captured { .. } => {}
        }
    }
}

/// Names of all values that there are.
fn known(sources: &Sources) -> Vec<String> {
    let others = [UUID, NOW, "env.NAME"].map(str::to_owned);
    sources.names().map(str::to_owned).chain(others).collect()
}

fn with_control_sign(what: &str) -> String {
    format!("{what} has a line end or another control sign")
}

fn one_of_columns(name: &str, columns: &[String]) -> String {
    let forms = columns.iter().map(|column| match is_name(column) {
        true => format!("{{{{{name}.{column}}}}}"),
        false => format!("{{{{{name}.\"{column}\"}}}}"),
    });
    forms.collect::<Vec<_>>().join(", ")
}

struct Plain<'a> {
    value: &'a Value,
    values: &'a Values<'a>,
}

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.value.write(f, self.values, Escape::Plain)
    }
}

/// Milliseconds since 1970, when the request is written.
fn now_ms() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis())
}

/// HMAC-SHA256 (RFC 2104), in hexadecimal.
fn hmac(key: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Values<'_> {
    /// The arrival's UUID, the same wherever it stands: version 4 in form (RFC 9562), and made from the seed.
    fn uuid(&self) -> Uuid {
        let of_entry = mixed(self.seed ^ UUIDS, self.arrival.flow as u64 + 1);
        let high = mixed(of_entry, self.arrival.ordinal);
        let low = mixed(high, UUIDS);
        Uuid { high, low }
    }
}

struct Uuid {
    high: u64,
    low: u64,
}

impl Display for Uuid {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (high, low) = (self.high, self.low);
        let variant = 0x8000 | ((low >> 48) & 0x3fff);
        write!(
            f,
            "{:08x}-{:04x}-4{:03x}-{variant:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low & 0xffff_ffff_ffff
        )
    }
}
