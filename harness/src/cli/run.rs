//! `bmt run`.

use std::path::Path;

use anyhow::{Context as _, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::args::{self, Format};
use super::exit::Exit;
use super::output::{print, rejected};
use crate::provision::{
    Admin, External, ProvisionError, SettingsError, check_commands, check_external, check_settings,
};
use crate::rehearse::{self, Interrupt, Options, Outcome, Pin};
use crate::report;
use crate::transport::Http;
use crate::workload::{self, HIDDEN, Overrides, TargetUrl, Workload, looks_secret, masked};

/// Runs a workload and prints the result on standard output.
pub(super) fn run(arguments: &args::Run) -> anyhow::Result<Exit> {
    let mut set = arguments.set.clone();
    set.extend(arguments.seed.map(|seed| format!("seed={seed}")));
    let overrides = Overrides {
        quick: arguments.quick,
        set,
        foreign: arguments.target.is_some(),
        blocks: arguments.blocks,
        refuses_commands: !arguments.allow_commands,
        allow_files: arguments.allow_files,
    };
    let workload = match workload::load(&arguments.workload, &overrides) {
        Ok(workload) => workload,
        Err(error) => return Ok(rejected(&error)),
    };
    let wanted: Vec<String> = arguments.variants.iter().chain(&arguments.aa).cloned().collect();
    if let Some(unknown) = unknown_variant(&workload, &wanted) {
        eprintln!(
            "bmt: there is no variant `{unknown}`; the workload has: {}",
            names(&workload).join(", ")
        );
        return Ok(Exit::WorkloadInvalid);
    }
    let options = match options(arguments) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("bmt: {error:#}");
            return Ok(Exit::Usage);
        }
    };
    if let Some(target) = options.target.as_ref().filter(|_| workload.file.has_command()) {
        eprintln!("bmt: --target is driven, {}; `command` is not started", target.url);
    }
    if let Some(pin) = &options.pin {
        pin_here(&pin.generator)?;
    }
    let outcome = match perform(&workload, &options)? {
        Ok(outcome) => outcome,
        Err(exit) => return Ok(exit),
    };
    match arguments.format {
        Format::Text => print(&report::terminal(&outcome.run))?,
        Format::Json => print(&format!("{}\n", serde_json::to_string_pretty(&outcome.run)?))?,
    }
    eprintln!("report: {}", outcome.directory.join("report.md").display());
    Ok(outcome.run.verdict.into())
}

/// Runs what fits, and tells what does not.
pub(super) fn perform(workload: &Workload, options: &Options) -> anyhow::Result<Result<Outcome, Exit>> {
    if let Err(problem) = check_limits(workload) {
        eprintln!("bmt: {problem}");
        return Ok(Err(Exit::TargetLost));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let interrupt = Interrupt::listen(Exit::Interrupted as i32)?;
        if let Err(refused) = fits(workload, options).await {
            return Ok(Err(refused));
        }
        anyhow::Ok(Ok(rehearse::rehearse(workload, options, &interrupt).await?))
    })?;
    Ok(match outcome {
        Ok(outcome) => {
            if let Some(lost) = &outcome.lost {
                eprintln!("bmt: {lost}");
            }
            Ok(outcome)
        }
        Err((exit, problem)) => {
            eprintln!("bmt: {problem}");
            Err(exit)
        }
    })
}

fn names(workload: &Workload) -> Vec<&str> {
    workload.variants.iter().map(|variant| variant.name.as_str()).collect()
}

fn unknown_variant<'a>(workload: &Workload, wanted: &'a [String]) -> Option<&'a String> {
    wanted.iter().find(|name| !names(workload).contains(&name.as_str()))
}

fn options(arguments: &args::Run) -> anyhow::Result<Options> {
    let secret = |name: &str| std::env::var(name).unwrap_or_default();
    let admin = arguments.target_admin.as_ref().map(|url| {
        let admin = Admin::parse(url, secret("BMT_TARGET_ADMIN_TOKEN"));
        admin.map_err(|problem| anyhow::anyhow!("--target-admin: {problem}"))
    });
    let target = arguments.target.as_ref().map(|url| TargetUrl::parse(url));
    let target = target
        .transpose()
        .map_err(|problem| anyhow::anyhow!("--target: {problem}"))?;
    let admin = admin.transpose()?;
    let target = target.map(|target| External {
        admin,
        secret: secret("BMT_TARGET_SECRET"),
        ..External::new(target)
    });
    Ok(Options {
        workload: arguments.workload.clone(),
        out: arguments.out.clone(),
        aa: arguments.aa.clone(),
        variants: arguments.variants.clone(),
        target,
        target_secret: secret("BMT_TARGET_SECRET"),
        pin: arguments.pin.as_deref().map(pin).transpose()?,
        command: masked(&command_line()),
    })
}

/// Refuses a workload that wants what its targets cannot have. A target that does not answer is left to the run, whose
/// record says so.
async fn fits(workload: &Workload, options: &Options) -> Result<(), (Exit, String)> {
    let mut foreign = Vec::new();
    for variant in rehearse::variants(workload, options) {
        match options.external(&variant) {
            Some(external) => foreign.push((variant.name, external)),
            None if variant.launch.is_some() || variant.reach.http == Http::One => {}
            None => {
                let problem = format!(
                    "variant `{}` is spoken to in HTTP/2, and the reference server speaks HTTP/1.1; give the address of another as \
                     target.url or --target",
                    variant.name
                );
                return Err((Exit::WorkloadInvalid, problem));
            }
        }
    }
    let own_url =
        |(_, external): &(String, External)| options.target.as_ref().is_some_and(|given| given.url != external.url);
    if let Some((name, _)) = foreign.iter().find(|foreign| own_url(foreign)) {
        let problem = format!("variant `{name}` says itself where its target is; leave --target or its `url` out");
        return Err((Exit::WorkloadInvalid, problem));
    }
    let names: Vec<String> = foreign.iter().map(|(name, _)| name.clone()).collect();
    let Some((_, target)) = foreign.first() else {
        return Ok(());
    };
    if options.target.is_some() {
        check_commands(workload, &names).map_err(|problem| (Exit::WorkloadInvalid, problem))?;
    }
    check_external(workload, target, &names).map_err(|problems| (Exit::WorkloadInvalid, problems))?;
    match check_settings(workload, target, &names).await {
        Ok(()) | Err(SettingsError::Lost(ProvisionError::Unreachable { .. })) => Ok(()),
        Err(refused @ SettingsError::Refused { .. }) => Err((Exit::WorkloadInvalid, refused.to_string())),
        Err(SettingsError::Lost(lost)) => Err((Exit::TargetLost, lost.to_string())),
    }
}

/// The command line as a shell takes it, with the program's short name, and without secrets that `--set` gives
/// commands.
pub(super) fn command_line() -> String {
    let mut words = std::env::args();
    let program = words.next().unwrap_or_default();
    let program = Path::new(&program)
        .file_name()
        .map_or("bmt".to_owned(), |name| name.to_string_lossy().into_owned());
    std::iter::once(program)
        .chain(words.map(|word| quoted(&without_secret(word))))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word as a shell takes it: in quotes where it would make anything else of it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-._/:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A word of the command line, without the value where it sets a variable that looks like a secret, or a whole
/// environment.
fn without_secret(word: String) -> String {
    let (flag, set) = match word.strip_prefix("--set=") {
        Some(set) => ("--set=", set),
        None => ("", word.as_str()),
    };
    let Some((path, value)) = set.split_once('=') else {
        return word;
    };
    let mut keys = path.rsplit('.');
    let is_secret = match (keys.next(), keys.next()) {
        (Some("env"), Some(_)) => true,
        (Some(name), Some("env")) => looks_secret(name, value),
        _ => false,
    };
    match is_secret {
        true => format!("{flag}{path}={HIDDEN}"),
        false => word,
    }
}

/// `1`, `0,2` or `2-3`: the generator's CPUs; the target gets the others.
fn pin(text: &str) -> anyhow::Result<Pin> {
    let allowed = rustix::thread::sched_getaffinity(None).context("cannot read which CPUs this process may use")?;
    let all: Vec<usize> = (0..rustix::thread::CpuSet::MAX_CPU)
        .filter(|cpu| allowed.is_set(*cpu))
        .collect();
    let mut generator = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| {
            text.trim()
                .parse::<usize>()
                .with_context(|| format!("--pin {text}: expected CPU numbers such as 1, 0,2 or 2-3"))
        };
        generator.extend(number(first)?..=number(last)?);
    }
    let target: Vec<usize> = all.iter().copied().filter(|cpu| !generator.contains(cpu)).collect();
    if let Some(missing) = generator.iter().find(|cpu| !all.contains(cpu)) {
        bail!("--pin: CPU {missing} is not one of those that this process may use, {all:?}");
    }
    if generator.is_empty() || target.is_empty() {
        bail!("--pin: of the CPUs {all:?} the generator and the target need at least one each");
    }
    Ok(Pin { generator, target })
}

/// Keeps this thread, and those that it starts, on the generator's CPUs.
fn pin_here(cpus: &[usize]) -> anyhow::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    cpus.iter().for_each(|cpu| set.set(*cpu));
    rustix::thread::sched_setaffinity(None, &set).context("cannot pin the generator")
}

/// Every connection is a file, here and in the server that inherits the limit; running out of them in mid-run would
/// look like a failing server. Raises the limit as far as this process may.
fn check_limits(workload: &Workload) -> Result<(), String> {
    let (connections, online) = (workload.generator().connections, workload.online());
    // The server opens its database connections besides, and both need some for themselves.
    let needed = u64::from(connections) + u64::from(online) + 1000;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|files| files >= needed) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(needed),
        maximum: limit.maximum,
    };
    if limit.maximum.is_none_or(|files| files >= needed) && setrlimit(Resource::Nofile, raised).is_ok() {
        return Ok(());
    }
    let files = limit.maximum.or(limit.current).unwrap_or(0);
    let members = match online {
        0 => String::new(),
        online => format!(" and {online} connections are held"),
    };
    Err(format!(
        "generator.connections is {connections}{members}, which takes {needed} open files, but this process may open only {files}; \
         raise the hard limit (`ulimit -Hn {needed}` as root, LimitNOFILE= of a service, --ulimit nofile={needed} of a container), \
         or lower generator.connections{}",
        if online > 0 { " or the connections held" } else { "" }
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_are_set_are_not_recorded() {
        for (word, recorded) in [
            ("target.env.MODE=safe", "target.env.MODE=safe"),
            ("target.env.API_TOKEN=x", "target.env.API_TOKEN=***"),
            ("--set=variants.a.env.PASSWORD=x=y", "--set=variants.a.env.PASSWORD=***"),
            ("target.env={A: b}", "target.env=***"),
            ("profile.target=500/s", "profile.target=500/s"),
            ("results/token=1", "results/token=1"),
        ] {
            assert_eq!(without_secret(word.to_owned()), recorded);
        }
    }

    #[test]
    fn a_word_is_quoted_where_a_shell_would_make_something_else_of_it() {
        for (word, shown) in [
            ("--rate", "--rate"),
            ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/a"),
            ("http://h/?a=1&b=2", "'http://h/?a=1&b=2'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }

    #[test]
    fn pinning_needs_cpus_that_exist_and_leaves_some_to_the_target() {
        assert!(pin("999").unwrap_err().to_string().contains("999"));
        assert!(pin("one").unwrap_err().to_string().contains("such as"));
        let all = std::thread::available_parallelism().unwrap().get();
        assert!(pin(&format!("0-{}", all - 1)).is_err());
    }
}
