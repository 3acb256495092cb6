//! What a workload wants of a target that somebody else started and cannot have: told before the run.

use super::error::ProvisionError;
use super::external::External;
use super::settings::BorrowedSettings;
use crate::workload::{Settings, Variant, Workload};

const GIVE_ADMIN: &str = "give its address as --target-admin and its token as BMT_TARGET_ADMIN_TOKEN";

/// Why the settings of the variants could not be tried on the target.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The target does not take the settings of a variant: the workload does not fit it.
    #[error(
        "the target does not take the settings of variant `{variant}`: {reason}; start it with them (for variants that differ in what \
         cannot change while it runs, once for each, with --variant), or run without --target"
    )]
    Refused {
        /// The variant's name.
        variant: String,
        /// What the target answered.
        reason: ProvisionError,
    },
    /// The target does not answer, or could not be put back as it was.
    #[error(transparent)]
    Lost(#[from] ProvisionError),
}

/// Refuses variants that differ in what bmt would start, which it does not: they would be run as if they differed.
/// Only `variants` are looked at; all if empty.
///
/// # Errors
/// With what to do about it.
pub fn check_commands(workload: &Workload, variants: &[String]) -> Result<(), String> {
    let chosen = workload.file.variants.iter();
    let mut chosen = chosen.filter(|variant| variants.is_empty() || variants.contains(&variant.name));
    let Some(first) = chosen.next() else {
        return Ok(());
    };
    match chosen.find(|other| (&other.command, &other.env) != (&first.command, &first.env)) {
        None => Ok(()),
        Some(other) => Err(format!(
            "variants `{}` and `{}` differ in `command` or `env`, and --target is one server; start it as one of them says, and \
             run that one with --variant, or run without --target",
            first.name, other.name
        )),
    }
}

/// Refuses what needs the target's admin API where none is given: changes of settings, and variants with settings of
/// their own, which would otherwise run as if they differed. Only `variants` are looked at; all if empty.
///
/// # Errors
/// With each problem on a line of its own, and what to do about it.
pub fn check_external(workload: &Workload, external: &External, variants: &[String]) -> Result<(), String> {
    if external.admin.is_some() {
        return Ok(());
    }
    let mut problems = Vec::new();
    let base = &workload.file.target.settings;
    for variant in chosen(workload, variants) {
        if variant.settings != *base {
            let name = &variant.name;
            let keys = own_keys(base, &variant.settings).join(", ");
            problems.push(format!(
                "variant `{name}` has settings of its own ({keys}), which cannot be applied without the target's admin API; {GIVE_ADMIN}, or \
                 start the target with them and leave them out of the workload, such as with --set 'variants=[{{name: {name}}}]'"
            ));
        }
        let mut changes = workload.changes.iter();
        let own = changes.find(|change| change.variants.contains(&variant.name));
        if let Some(change) = own {
            problems.push(format!(
                "variant `{}` changes settings at {:.1} s, which cannot be done without the target's admin API; {GIVE_ADMIN}, or leave \
                 `changes` out with --set 'changes=[]'",
                variant.name,
                change.at.as_secs_f64()
            ));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}

/// Applies the settings of each variant to the target and puts the original ones back, so that a refusal comes before
/// the first cell. Only `variants` are looked at; all if empty. Without an admin API nothing happens.
///
/// # Errors
/// When the target refuses, or does not answer.
pub async fn check_settings(
    workload: &Workload,
    external: &External,
    variants: &[String],
) -> Result<(), SettingsError> {
    for variant in chosen(workload, variants) {
        let Some(mut borrowed) = BorrowedSettings::read(external).await? else {
            return Ok(());
        };
        let applied = borrowed.apply(&variant.settings).await;
        borrowed.give_back().await?;
        applied.map_err(|reason| SettingsError::Refused {
            variant: variant.name.clone(),
            reason,
        })?;
    }
    Ok(())
}

fn chosen<'a>(workload: &'a Workload, variants: &'a [String]) -> impl Iterator<Item = &'a Variant> {
    let all = workload.variants.iter();
    all.filter(|variant| variants.is_empty() || variants.contains(&variant.name))
}

/// The settings in which a variant differs from the base.
fn own_keys<'a>(base: &Settings, own: &'a Settings) -> Vec<&'a str> {
    let differ = own.iter().filter(|(key, value)| base.get(*key) != Some(value));
    differ.map(|(key, _)| key.as_str()).collect()
}

#[cfg(test)]
mod tests;
