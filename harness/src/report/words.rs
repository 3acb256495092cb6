//! Figures in words.

use crate::record::{Environment, StartedProcess};

/// Where nothing was observed, or too little for the figure.
pub(super) const NONE: &str = "–";

/// A figure with the ends of its interval, where it has one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) centre: f64,
    pub(super) ends: Option<(f64, f64)>,
}

/// How a figure is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Microseconds, as milliseconds without their unit.
    Ms,
    /// A plain number, with three digits that matter.
    Plain,
    /// With so many decimals.
    Digits(usize),
    /// A ratio.
    Ratio,
}

/// `5.60 [5.41–5.80]`: the ends with the digits of the centre.
pub(super) fn spread(figure: Option<Spread>, form: Form) -> String {
    let Some(Spread { centre, ends }) = figure else {
        return NONE.to_owned();
    };
    let (scale, digits, unit) = match form {
        Form::Ms => (1e-3, ms_digits(centre), ""),
        Form::Plain => (1.0, plain_digits(centre), ""),
        Form::Digits(digits) => (1.0, digits, ""),
        Form::Ratio => (1.0, ratio_digits(centre), " x"),
    };
    let plain = |value: f64| format!("{:.digits$}", value * scale);
    match ends {
        None => format!("{}{unit}", plain(centre)),
        Some((low, high)) => format!("{}{unit} [{}–{}]", plain(centre), plain(low), plain(high)),
    }
}

/// Microseconds as milliseconds, with the digits that matter; a dash where nothing was observed.
pub(super) fn ms(us: Option<f64>) -> String {
    us.map_or(NONE.to_owned(), |us| format!("{:.*}", ms_digits(us), us / 1e3))
}

fn ms_digits(us: f64) -> usize {
    match us {
        us if us < 9_950.0 => 2,
        us if us < 99_500.0 => 1,
        _ => 0,
    }
}

fn plain_digits(value: f64) -> usize {
    match value {
        value if value.fract() == 0.0 || value >= 99.5 => 0,
        value if value >= 9.95 => 1,
        _ => 2,
    }
}

fn ratio_digits(ratio: f64) -> usize {
    match ratio {
        ratio if ratio > 0.0 && ratio < 0.0995 => (2 - ratio.log10().ceil() as i32).clamp(3, 6) as usize,
        ratio if ratio < 9.95 => 2,
        ratio if ratio < 99.5 => 1,
        _ => 0,
    }
}

/// A number with `digits` decimals; a dash where nothing was observed.
pub(super) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or(NONE.to_owned(), |value| format!("{value:.digits$}"))
}

/// A figure in a unit that is not known, with three digits that matter; very large and small ones as powers of ten.
pub(super) fn own(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if value.fract() == 0.0 && size < 1e9 => format!("{value:.0}"),
        _ if (1e-4..1e9).contains(&size) => {
            let digits = 2 - size.log10().floor() as i32;
            format!("{value:.*}", usize::try_from(digits).unwrap_or(0))
        }
        _ => format!("{value:.2e}"),
    }
}

/// A fraction as a percentage.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        small if small > 0.0 && small < 0.1 => "< 0.1 %".to_owned(),
        percent => format!("{percent:.1} %"),
    }
}

/// A figure of a gate in the unit that the result gives it: `5.60 ms`, `5.76 x`, `0.4 %`, `1524`.
pub(super) fn value(value: f64, unit: &str) -> String {
    match unit {
        "us" => format!("{} ms", ms(Some(value))),
        "s" => format!("{value:.2} s"),
        "per_s" => format!("{value:.*}/s", plain_digits(value)),
        // A limit of 0.05 % has to be told from its figure of 0.06 %.
        "share" if value > 0.0 && value < 0.01 => format!("{:.2} %", value * 100.0),
        "share" => percent(value),
        "own" => own(value),
        "ratio" => format!("{value:.*} x", ratio_digits(value)),
        _ => format!("{value:.*}", plain_digits(value)),
    }
}

/// The same without its unit, for the ends of an interval.
pub(super) fn bare(figure: f64, unit: &str) -> String {
    let text = value(figure, unit);
    let text = text.strip_suffix("/s").unwrap_or(&text);
    text.split_once(' ').map_or(text, |(number, _)| number).to_owned()
}

/// `1 gate`, `5 gates`.
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The machine in one line.
pub(super) fn machine(environment: &Environment) -> String {
    let mut parts = vec![format!("{} cores", environment.cpus)];
    parts.extend(environment.cpu_model.clone());
    parts.extend(
        environment
            .memory_bytes
            .map(|bytes| format!("{:.0} GiB", bytes as f64 / f64::from(1 << 30))),
    );
    parts.push(environment.kernel.clone());
    parts.extend(environment.target.as_ref().map(|target| format!("target {target}")));
    if environment.is_pinned() {
        parts.push(format!(
            "generator on CPU {:?}, target on {:?}",
            environment.generator_cpus, environment.target_cpus
        ));
    }
    parts.join(", ")
}

/// A program that was started, as it would be typed, and where it listened.
pub(super) fn started(process: &StartedProcess) -> String {
    let quoted = |word: &String| match word.is_empty() || word.contains(|c: char| c.is_whitespace() || c == '\'') {
        true => format!("'{}'", word.replace('\'', "'\\''")),
        false => word.clone(),
    };
    let env = process.env.iter();
    let env = env.map(|(name, value)| format!("{name}={}", quoted(value)));
    let words: Vec<String> = env.chain(process.command.iter().map(quoted)).collect();
    format!("`{}`, at {}", words.join(" "), process.url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_matter_and_their_ends_the_same() {
        let interval = |centre, low, high| {
            Some(Spread {
                centre,
                ends: Some((low, high)),
            })
        };
        for (figure, form, shown) in [
            (interval(1998.2, 1989.6, 2006.4), Form::Plain, "1998 [1990–2006]"),
            (interval(15.04, 14.6, 15.48), Form::Plain, "15.0 [14.6–15.5]"),
            (interval(5_604.0, 5_411.0, 15_804.0), Form::Ms, "5.60 [5.41–15.80]"),
            (interval(5.42, 4.9, 6.01), Form::Ratio, "5.42 x [4.90–6.01]"),
            (
                Some(Spread {
                    centre: 12_300.0,
                    ends: None,
                }),
                Form::Ms,
                "12.3",
            ),
            (None, Form::Ms, "–"),
        ] {
            assert_eq!(spread(figure, form), shown);
        }
    }

    #[test]
    fn a_program_is_shown_as_it_would_be_typed() {
        let text = |text: &str| text.to_owned();
        let process = StartedProcess {
            command: vec![text("./shop"), text("--name"), text("the shop's")],
            env: [(text("KEY"), text("***")), (text("MODE"), text("fast"))].into(),
            url: text("http://127.0.0.1:4000"),
        };
        assert_eq!(
            started(&process),
            r"`KEY=*** MODE=fast ./shop --name 'the shop'\''s'`, at http://127.0.0.1:4000"
        );
    }

    #[test]
    fn a_gates_figure_has_its_unit_and_an_end_has_none() {
        for (figure, unit, shown, end) in [
            (5_604.0, "us", "5.60 ms", "5.60"),
            (0.4, "s", "0.40 s", "0.40"),
            (1_998.4, "per_s", "1998/s", "1998"),
            (0.0, "share", "0 %", "0"),
            (0.0006, "share", "0.06 %", "0.06"),
            (0.501, "share", "50.1 %", "50.1"),
            (1_524.0, "number", "1524", "1524"),
            (0.75, "number", "0.75", "0.75"),
            (0.012_34, "own", "0.0123", "0.0123"),
            (40.0, "own", "40", "40"),
            (-1_234.5, "own", "-1234", "-1234"),
            (1.5e12, "own", "1.50e12", "1.50e12"),
            (0.000_012, "own", "1.20e-5", "1.20e-5"),
            (11.54, "ratio", "11.5 x", "11.5"),
        ] {
            assert_eq!(
                (value(figure, unit).as_str(), bare(figure, unit).as_str()),
                (shown, end)
            );
        }
    }
}
