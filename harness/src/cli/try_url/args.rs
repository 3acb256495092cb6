//! The command line of `bmt try`.

#![expect(
    clippy::doc_markdown,
    reason = "the doc comments here are printed as help, where backticks would show"
)]

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::address::Address;
use crate::cli::output::Format;
use crate::workload::{Rate, Span};

const EXAMPLES: &str = "Examples:
  bmt try http://127.0.0.1:8080/
  bmt try http://127.0.0.1:8080/orders --rate 200/s --body '{\"item\":7}' --header 'Idempotency-Key: {{uuid}}'
  bmt try https://staging.example/ --rate 5k/s --jump 20x --header 'Authorization: Bearer {{env.TOKEN}}' --yes

Exit codes: 0 the jump is no worse than the ramp; 99 it is, or more than 1 % of the requests failed; 122 too few answers
to say; 120 the figures speak of this machine and not of the target; 121 the target cannot be reached; 2 wrong command line.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Try {
    /// What is asked for: http://HOST[:PORT]/PATH?QUERY, or https
    #[arg(value_parser = Address::parse)]
    pub(super) url: Address,
    /// The rate that the ramp climbs to and that the jump begins with
    #[arg(long, value_name = "RATE", default_value = "1000/s", value_parser = rate)]
    pub(super) rate: Rate,
    /// How many times everyday load that is
    #[arg(long, value_name = "TIMES", default_value = "10x", value_parser = jump)]
    pub(super) jump: f64,
    /// Length of each phase: two steps of the ramp, everyday load, the jump
    #[arg(long = "for", value_name = "TIME", default_value = "8s", value_parser = length)]
    pub(super) hold: Span,
    /// HTTP method; POST where there is a body, else GET
    #[arg(long, value_enum, ignore_case = true, value_name = "METHOD")]
    pub(super) method: Option<Verb>,
    /// Header to send; may be given several times. {{uuid}}, {{now}} and {{env.NAME}} stand for values, here and in URL
    /// and body; what comes as {{env.NAME}} is in no result
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(super) headers: Vec<(String, String)>,
    /// Body to send: a text, or the bytes of a file
    #[arg(long, value_name = "TEXT|@FILE")]
    pub(super) body: Option<String>,
    /// Connections that may be open at once
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(super) connections: u32,
    /// Which HTTP is spoken; auto: over TLS what the target chooses
    #[arg(long, value_enum, default_value_t = Version::One, value_name = "VERSION")]
    pub(super) http: Version,
    /// Trust any certificate
    #[arg(long)]
    pub(super) insecure: bool,
    /// Write the workload to this file, to keep it and to change it
    #[arg(long, value_name = "FILE")]
    pub(super) save: Option<PathBuf>,
    /// Put load on a machine other than this one: it is mine, or its owner agrees
    #[arg(long)]
    pub(super) yes: bool,
    /// Directory in which the run directory is made
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub(super) out: PathBuf,
    /// What is printed on standard output
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub(super) format: Format,
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(super) enum Verb {
    Get,
    Head,
    Options,
    Post,
    Put,
    Patch,
    Delete,
}

/// Which HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Version {
    #[value(name = "1.1")]
    One,
    #[value(name = "2")]
    Two,
    #[value(name = "auto")]
    Auto,
}

fn rate(text: &str) -> Result<Rate, String> {
    let rate: Rate = text.parse()?;
    if rate.0 < 0.1 {
        return Err("it offers next to nothing; expected a rate such as 1000/s".to_owned());
    }
    Ok(rate)
}

fn jump(text: &str) -> Result<f64, String> {
    let times = text.strip_suffix('x').unwrap_or(text).parse::<f64>().ok();
    let fits = times.filter(|times| (1.0..=1000.0).contains(times) && *times > 1.0);
    fits.ok_or_else(|| "expected how many times everyday load, above 1 and at most 1000, such as 10x".to_owned())
}

fn length(text: &str) -> Result<Span, String> {
    let span: Span = text.parse()?;
    let fits = (1.0..=3600.0).contains(&span.0.as_secs_f64());
    fits.then_some(span)
        .ok_or_else(|| "expected 1s to 1h, such as 8s".to_owned())
}

fn header(text: &str) -> Result<(String, String), String> {
    let named = text.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
    match named {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected a name, a colon and a value, such as 'Accept: application/json'".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_offered_is_told_with_an_example() {
        for text in ["0/s", "1000", "fast", "1e9/s"] {
            assert!(rate(text).unwrap_err().contains("/s"), "{text}");
        }
        for text in ["1x", "0", "-3x", "NaNx", "infx", "ten", "5000x"] {
            assert!(jump(text).unwrap_err().contains("such as 10x"), "{text}");
        }
        for text in ["0s", "999ms", "2h", "long"] {
            assert!(length(text).unwrap_err().contains("such as"), "{text}");
        }
        assert_eq!((jump("10x"), jump("2.5")), (Ok(10.0), Ok(2.5)));
    }

    #[test]
    fn a_header_is_a_name_and_a_value() {
        assert_eq!(header("A: b: c "), Ok(("A".to_owned(), "b: c".to_owned())));
        assert_eq!(header("A:"), Ok(("A".to_owned(), String::new())));
        assert!(header("no colon").is_err() && header(": v").is_err());
    }
}
