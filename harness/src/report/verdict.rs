//! The verdict in one line, with what a reader must not miss beside it.

use super::shown::{self, failed_share, rejected_share};
use super::words::{counted, percent};
use crate::analyze::bystanders::{self, Harm};
use crate::analyze::figure::{median_over_blocks, phase};
use crate::analyze::validity::marked;
use crate::record::{Answer, GateResult, GateSnapshot, OperationResult, Run, Verdict};

/// Part of the headline operation from which on it is told.
const TOLD_FROM: f64 = 0.001;

/// Part of an operation that ended in some way.
type Share = fn(&OperationResult) -> f64;

/// `PASSED: all 5 gates hold (4 bystanders degraded; 5.7 % of hot_join rejected)`.
pub(super) fn verdict(run: &Run) -> String {
    let told = beside(run);
    let line = decided(run);
    if told.is_empty() {
        line
    } else {
        format!("{line} ({})", told.join("; "))
    }
}

/// Every reason, the one that decided first.
pub(super) fn reasons(run: &Run) -> &[String] {
    &run.reasons
}

fn decided(run: &Run) -> String {
    let count = |gates: &[GateResult], answer: Answer| gates.iter().filter(|gate| gate.answer == answer).count();
    let failed = count(&run.gates, Answer::Fail);
    let unmet = count(&run.expectations, Answer::Fail);
    let open = count(&run.gates, Answer::Inconclusive) + count(&run.expectations, Answer::Inconclusive);
    let of_gates = counted(run.gates.len(), "gate");
    let of_expectations = counted(run.expectations.len(), "expectation");
    let met = match run.expectations.len() {
        0 => String::new(),
        1 => ", and the expectation is met".to_owned(),
        all => format!(", and all {all} expectations are met"),
    };
    let is = |count: usize| if count == 1 { "is" } else { "are" };
    match run.verdict {
        Verdict::Passed => match run.gates.len() {
            0 => format!("DONE: no gate was judged{met}"),
            1 => format!("PASSED: the gate holds{met}"),
            all => format!("PASSED: all {all} gates hold{met}"),
        },
        Verdict::Failed if failed == 0 => "FAILED: notifications do not add up".to_owned(),
        Verdict::Failed => format!(
            "FAILED: {failed} of {of_gates} {} not hold",
            if failed == 1 { "does" } else { "do" }
        ),
        Verdict::Unconvincing => format!(
            "UNCONVINCING: {unmet} of {of_expectations} {} not met, so the run does not show what it is there to show",
            is(unmet)
        ),
        Verdict::Inconclusive => format!(
            "INCONCLUSIVE: the measurements do not decide {open} of {}",
            counted(run.gates.len() + run.expectations.len(), "judgement")
        ),
        Verdict::Invalid => "INVALID: figures speak of the load generator, and say nothing about the target".to_owned(),
        Verdict::Guarded => format!(
            "GUARDED: {} lowered or ended the load, so not all of it was offered",
            if acts(run) == 1 { "a guard" } else { "guards" }
        ),
        Verdict::Interrupted => "INTERRUPTED: the result is partial".to_owned(),
        Verdict::Unfinished => "UNFINISHED: the result is partial".to_owned(),
        Verdict::TargetLost => {
            "TARGET LOST: what was driven, or something it needs, went away or never came up".to_owned()
        }
    }
}

/// How often guards acted.
fn acts(run: &Run) -> usize {
    run.cells.iter().map(|cell| cell.guards.len()).sum()
}

/// The variants whose harm the line tells: those that a gate judges, for they are to ship; all where none is judged.
fn judged_variants(run: &Run) -> Vec<&str> {
    let all = shown::variants(run);
    let is_judged = |variant: &&str| run.gates.iter().any(|gate| gate.variant == **variant);
    let judged: Vec<&str> = all.iter().copied().filter(is_judged).collect();
    if judged.is_empty() { all } else { judged }
}

/// Gates and expectations on variants that were not run, limit by limit.
fn unjudged(run: &Run) -> usize {
    let workload = &run.header.workload;
    let conditions = workload.gates.iter().chain(&workload.expectations);
    let of = |gate: &GateSnapshot| {
        let left_out = gate.variants.iter().filter(|name| !workload.variants.contains(name));
        left_out.count() * gate.phases.len() * gate.bounds.len()
    };
    conditions.map(of).sum()
}

fn beside(run: &Run) -> Vec<String> {
    let variants = judged_variants(run);
    let named = run.header.workload.variants.len() > 1;
    let under = |variant: &str| {
        if named {
            format!(" under {variant}")
        } else {
            String::new()
        }
    };
    let mut told = Vec::new();
    let unjudged = unjudged(run);
    if unjudged > 0 {
        let all = unjudged + run.gates.len() + run.expectations.len();
        told.push(format!("--variant left {unjudged} of {all} judgements out"));
    }
    let degraded: Vec<(usize, &str)> = variants
        .iter()
        .map(|variant| {
            let all = bystanders::of_variant(run, variant);
            let degraded = all.iter().filter(|bystander| bystander.harm == Harm::Degraded).count();
            (degraded, *variant)
        })
        .filter(|(degraded, _)| *degraded > 0)
        .collect();
    if let Some((first, variant)) = degraded.first() {
        let mut text = format!("{} degraded{}", counted(*first, "bystander"), under(variant));
        for (more, variant) in &degraded[1..] {
            text.push_str(&format!(", {more}{}", under(variant)));
        }
        told.push(text);
    }
    for (word, share) in [("rejected", rejected_share as Share), ("failed", failed_share)] {
        told.extend(
            worst(run, &variants, share).map(|(share, operation, variant)| {
                format!("{} of {operation} {word}{}", percent(share), under(variant))
            }),
        );
    }
    let aside = run.set_aside.len();
    if aside > 0 {
        let all = counted(aside + run.blocks().count(), "block");
        told.push(format!("{aside} of {all} set aside"));
    }
    let disturbed = disturbed_cells(run);
    if disturbed > 0 {
        told.push(format!("other programs disturbed {}", counted(disturbed, "cell")));
    }
    let marked = marked_figures(run);
    if marked > 0 {
        told.push(format!("{} marked *", counted(marked, "figure")));
    }
    told
}

/// The variant in which the largest part of the headline operation ended so.
fn worst<'a>(run: &'a Run, variants: &[&'a str], share: Share) -> Option<(f64, &'a str, &'a str)> {
    let (shown_phase, entry) = shown::headline(run)?;
    let shares = variants.iter().filter_map(|variant| {
        let of_cell = median_over_blocks(run, variant, |cell| {
            phase(cell, &shown_phase.name)?.operations.get(&entry.name).map(share)
        });
        Some((of_cell?, *variant))
    });
    let (share, variant) = shares.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (share > TOLD_FROM).then_some((share, entry.name.as_str(), variant))
}

/// Cells in whose headline phase others used much of the machine.
fn disturbed_cells(run: &Run) -> usize {
    let Some((shown_phase, _)) = shown::headline(run) else {
        return 0;
    };
    let variants = shown::variants(run).into_iter();
    variants
        .map(|variant| shown::disturbed(run, variant, &shown_phase.name).len())
        .sum()
}

/// Figures of the headline operation, one a variant and quantile, that are marked in some block.
fn marked_figures(run: &Run) -> usize {
    let Some((shown_phase, entry)) = shown::headline(run) else {
        return 0;
    };
    let of_variant = |variant: &str| {
        let cells = run.cells.iter().filter(|cell| cell.header.variant == variant);
        let operations: Vec<&OperationResult> = cells
            .filter_map(|cell| phase(cell, &shown_phase.name)?.operations.get(&entry.name))
            .collect();
        let quantiles = shown::QUANTILES.iter();
        let any = |quantile| operations.iter().any(|operation| marked(operation, quantile).is_some());
        quantiles.filter(|quantile| any(quantile.of)).count()
    };
    shown::variants(run).into_iter().map(of_variant).sum()
}
