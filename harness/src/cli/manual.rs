//! `bmt completions` and `bmt man`: what is made of the command line itself.

use clap::CommandFactory as _;

use super::args::Arguments;
use super::exit::Exit;
use super::output::print;

/// Prints what a shell needs to complete commands.
pub(super) fn completions(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "bmt", &mut script);
    print(&String::from_utf8(script)?)?;
    Ok(Exit::Done)
}

/// Prints a manual page: of bmt, or of one of its commands.
pub(super) fn page(command: Option<&str>) -> anyhow::Result<Exit> {
    let mut all = Arguments::command();
    all.build();
    let wanted = match command {
        None => Some(all.clone()),
        Some(name) => all.find_subcommand(name).cloned(),
    };
    let Some(wanted) = wanted else {
        let names = all.get_subcommands().map(|command| command.get_name().to_owned());
        eprintln!(
            "bmt: there is no command `{}`; the commands are: {}",
            command.unwrap_or_default(),
            names.collect::<Vec<_>>().join(", ")
        );
        return Ok(Exit::Usage);
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(wanted).render(&mut page)?;
    print(&String::from_utf8(page)?)?;
    Ok(Exit::Done)
}
