//! `bmt init`: writes a first workload from what there is.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::args;
use super::exit::Exit;
use super::output::print;
use crate::draft::{self, DraftError, Drafted, Found, Made};
use crate::workload::{self, Overrides};

/// Bytes of a file that is read as a whole. A log is read line by line, so its length has no bound.
const HAR_MAX: u64 = 512 << 20;
const OPENAPI_MAX: u64 = 32 << 20;
const NAME_MAX: usize = 60;

/// Drafts a workload, has it judged as `bmt check` would, and prints it or writes it.
pub(super) fn init(init: &args::Init) -> anyhow::Result<Exit> {
    let drafted = match drafted(init) {
        Ok(drafted) => drafted,
        Err(problem) => {
            eprintln!("bmt: {problem}");
            return Ok(Exit::Usage);
        }
    };
    let Some(out) = &init.out else {
        judge(Path::new("workload.yaml"), &drafted)?;
        print(&drafted.text)?;
        return Ok(Exit::Done);
    };
    match written(out, &drafted, init.force) {
        Ok(files) => judge(out, &drafted).and_then(|()| Ok(print(&told(out, &drafted, &files))?))?,
        Err((file, error)) => {
            let next = match error.kind() {
                io::ErrorKind::AlreadyExists => "--force writes over it",
                _ => "name another place with --out",
            };
            eprintln!("bmt: cannot write {}: {error}; {next}", file.display());
            return Ok(Exit::Usage);
        }
    }
    Ok(Exit::Done)
}

fn drafted(init: &args::Init) -> Result<Drafted, String> {
    let (found, source, option) = found(init)?;
    let name = name(init)?;
    let (shown, in_command) = match &source {
        Some(file) => {
            let shown = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
            (shown.into_owned(), for_shell(file))
        }
        None => ("a command of curl".to_owned(), "'curl …'".to_owned()),
    };
    let mut command = format!("bmt init {option} {in_command}");
    let out = init.out.as_deref().map(for_shell);
    if let Some(out) = &out {
        command.push_str(&format!(" --out {out}"));
    }
    if let Some(name) = &init.name {
        command.push_str(&format!(" --name {name}"));
    }
    let made = Made {
        name: &name,
        source: &shown,
        command: &command,
        file: out.as_deref(),
    };
    Ok(draft::write(&found, &made))
}

/// What the source tells, the file that it is, and the option that named it.
fn found(init: &args::Init) -> Result<(Found, Option<PathBuf>, &'static str), String> {
    let of_file = |file: &Path, error: DraftError| match error.line {
        Some(line) => format!("{}:{line}: {error}", file.display()),
        None => format!("{}: {error}", file.display()),
    };
    if let Some(file) = &init.har {
        let bytes = bytes(file, HAR_MAX)?;
        let found = draft::from_har(&bytes).map_err(|error| of_file(file, error))?;
        return Ok((found, Some(file.clone()), "--har"));
    }
    if let Some(file) = &init.access_log {
        let log = BufReader::with_capacity(1 << 16, open(file)?);
        let found = draft::from_access_log(log).map_err(|error| of_file(file, error))?;
        return Ok((found, Some(file.clone()), "--access-log"));
    }
    if let Some(file) = &init.openapi {
        let text = String::from_utf8(bytes(file, OPENAPI_MAX)?)
            .map_err(|_| format!("{}: is not UTF-8; expected a text of JSON or YAML", file.display()))?;
        let found = draft::from_openapi(&text).map_err(|error| of_file(file, error))?;
        return Ok((found, Some(file.clone()), "--openapi"));
    }
    let command = init.curl.as_deref().unwrap_or_default();
    let found = draft::from_curl(command).map_err(|error| format!("--curl: {error}"))?;
    Ok((found, None, "--curl"))
}

fn open(file: &Path) -> Result<File, String> {
    File::open(file).map_err(|error| format!("cannot read {}: {error}; name a file that is there", file.display()))
}

fn bytes(file: &Path, max: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = open(file)?.take(max + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot read {}: {error}; name a file", file.display()))?;
    if bytes.len() as u64 > max {
        let mib = max >> 20;
        return Err(format!(
            "{} is longer than {mib} MiB; record or keep less of it",
            file.display()
        ));
    }
    Ok(bytes)
}

/// The workload's name: as given, or that of the file that is written or read.
fn name(init: &args::Init) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if let Some(name) = &init.name {
        let is_name =
            !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(is_plain) && !name.starts_with('-');
        let problem = || {
            format!(
                "--name: `{name}` cannot be a workload's name; lower-case letters, digits and hyphens, at most {NAME_MAX}"
            )
        };
        return is_name.then(|| name.clone()).ok_or_else(problem);
    }
    let file = [&init.out, &init.har, &init.access_log, &init.openapi]
        .into_iter()
        .flatten()
        .next();
    let stem = file
        .and_then(|file| file.file_stem())
        .unwrap_or_default()
        .to_string_lossy();
    let plain = stem
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if is_plain(c) { c } else { '-' });
    let plain: String = plain.take(NAME_MAX).collect();
    Ok(match plain.trim_matches('-') {
        "" => "draft".to_owned(),
        name => name.to_owned(),
    })
}

/// A path as it stands in a command.
fn for_shell(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "/._-+".contains(c));
    match is_plain {
        true => text.into_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// Writes the workload and the files beside it, none of them over another one; the places of the files.
fn written(out: &Path, drafted: &Drafted, force: bool) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let beside = |name: &String| out.with_file_name(name);
    let files: Vec<PathBuf> = drafted.files.iter().map(|(name, _)| beside(name)).collect();
    // All are looked at before the first is written.
    if let Some(there) = files
        .iter()
        .chain([&out.to_owned()])
        .find(|file| !force && file.symlink_metadata().is_ok())
    {
        return Err((there.clone(), io::ErrorKind::AlreadyExists.into()));
    }
    let write = |file: &Path, content: &[u8]| {
        let mut options = fs::OpenOptions::new();
        match force {
            true => options.write(true).create(true).truncate(true),
            false => options.write(true).create_new(true),
        };
        let written = options.open(file).and_then(|mut file| file.write_all(content));
        written.map_err(|error| (file.to_owned(), error))
    };
    for (file, (_, content)) in files.iter().zip(&drafted.files) {
        write(file, content)?;
    }
    write(out, drafted.text.as_bytes())?;
    Ok(files)
}

/// A draft that is not valid is a mistake of this program.
fn judge(file: &Path, drafted: &Drafted) -> anyhow::Result<()> {
    let judged = workload::parse(&file.display().to_string(), &drafted.text, &Overrides::default());
    judged.map(drop).map_err(|mistakes| {
        anyhow::anyhow!("the workload that was made of it is not valid, which is a mistake of bmt: {mistakes}")
    })
}

fn told(out: &Path, drafted: &Drafted, files: &[PathBuf]) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let Drafted { entries, open, .. } = drafted;
    let mut told = format!(
        "{}: {entries} request{}, {open} place{} to fill in\n",
        out.display(),
        plural(*entries),
        plural(*open)
    );
    for (file, (_, content)) in files.iter().zip(&drafted.files) {
        let values = content.iter().filter(|byte| **byte == b'\n').count() - 1;
        told.push_str(&format!("{}: {values} value{}\n", file.display(), plural(values)));
    }
    told.push_str(&format!("next: bmt check {} --show 5\n", for_shell(out)));
    told
}
