//! How far each fault reached.

use crate::analyze::blast::{self, NoFigure};
use crate::analyze::figure::{by_block, median_over_blocks};
use crate::metric::Metric;
use crate::record::{Blast, Cell, Run, ShardBlast};
use crate::report::shown::{first_cell, variants};
use crate::report::table::{Kind, Table};
use crate::report::words::{NONE, ms, number, percent};

/// One row for each variant, fault and shard; `None` where nothing was broken.
pub(super) fn blast_radius(run: &Run) -> Option<Table> {
    let rows = variants(run).into_iter().flat_map(|variant| variant_rows(run, variant));
    let blocks = if run.header.workload.blocks > 1 {
        " · of several blocks the median, and what is lost in all of them"
    } else {
        ""
    };
    Table::new("Blast radius, before the fault → during it")
        .legend(format!(
            "p99: response time of ok answers in ms, and how many times that before · not ok: rejected, failed or unsent · fails fast: \
             seconds into the fault from which on calls to the sick shard are answered within 100 ms, whatever the answer · recovered: seconds \
             after its end until the shard is as before · lost: acknowledged writes of the whole cell that are not there{blocks}"
        ))
        .columns(Kind::Key, ["variant", "fault", "shard"])
        .columns(Kind::Figure, ["", "p99", "times", "not ok", "fails fast", "recovered", "lost"])
        .rows(rows)
        .unless_empty()
}

fn variant_rows(run: &Run, variant: &str) -> Vec<Vec<String>> {
    let faults = first_cell(run, variant).map_or(&[][..], |cell| &cell.faults);
    let rows = faults.iter().enumerate().flat_map(|(index, fault)| {
        let name = format!("{} {}", index + 1, fault.kind);
        let reached = Reached { run, variant, index };
        let figures = reached.rows(&fault.blast).into_iter();
        figures.map(move |figures| [vec![variant.to_owned(), name.clone()], figures].concat())
    });
    rows.collect()
}

/// One fault of one variant, in all blocks.
struct Reached<'a> {
    run: &'a Run,
    variant: &'a str,
    index: usize,
}

impl Reached<'_> {
    /// What belongs to the fault as a whole is told once: beside the sick shard, or beside the first.
    fn rows(&self, first: &Blast) -> Vec<Vec<String>> {
        let has_sick = first.shards.iter().any(|shard| shard.sick);
        let whole = vec![
            match has_sick {
                true => self.seconds(Metric::FailFastS),
                false => NONE.to_owned(),
            },
            self.seconds(Metric::RecoveredS),
            self.lost(),
        ];
        if first.shards.is_empty() {
            return vec![[vec![NONE.to_owned(); 5], whole].concat()];
        }
        let told_beside = first.shards.iter().position(|shard| shard.sick).unwrap_or(0);
        let shards = first.shards.iter().enumerate();
        shards
            .map(|(place, shard)| {
                let whole = if place == told_beside {
                    whole.clone()
                } else {
                    vec![String::new(); 3]
                };
                [self.shard(place, shard), whole].concat()
            })
            .collect()
    }

    fn shard(&self, place: usize, first: &ShardBlast) -> Vec<String> {
        let median = |value: &dyn Fn(&ShardBlast) -> Option<f64>| {
            median_over_blocks(self.run, self.variant, |cell| {
                value(cell.faults.get(self.index)?.blast.shards.get(place)?)
            })
        };
        let least = Metric::BlastP99Ratio.min_samples();
        let us =
            |value: fn(&ShardBlast, u64) -> Option<u64>| ms(median(&|shard| value(shard, least).map(|us| us as f64)));
        let part = |value: fn(&ShardBlast) -> Option<f64>| median(&value).map_or(NONE.to_owned(), percent);
        let state = match (first.sick, first.sick_of_another) {
            (true, _) => "SICK",
            (false, true) => "sick of another",
            (false, false) => "",
        };
        vec![
            first.shard.to_string(),
            state.to_owned(),
            format!("{} → {}", us(ShardBlast::p99_before), us(ShardBlast::p99_during)),
            median(&|shard| shard.p99_ratio(least)).map_or(NONE.to_owned(), |ratio| format!("{ratio:.1} x")),
            format!(
                "{} → {}",
                part(|shard| shard.error_rate_before),
                part(|shard| shard.error_rate_during)
            ),
        ]
    }

    /// The median, or in how many blocks it never came about.
    fn seconds(&self, metric: Metric) -> String {
        let fault = |cell: &'_ Cell| cell.faults.get(self.index).cloned();
        let value = |cell: &Cell| blast::figure(&fault(cell)?, metric);
        let never = by_block(self.run, self.variant, |cell| {
            let never = matches!(blast::why_none(&fault(cell)?, metric), Some(NoFigure::Bad(_)));
            Some(f64::from(u8::from(never)))
        });
        let blocks = never.len();
        let never = never.into_values().flatten().filter(|never| *never > 0.0).count();
        let word = match metric {
            Metric::RecoveredS => "not in the run",
            _ => "never",
        };
        match never {
            0 => median_over_blocks(self.run, self.variant, value).map_or(NONE.to_owned(), |s| format!("{s:.1} s")),
            _ if never == blocks => word.to_owned(),
            _ => format!("{word}: {never} of {blocks}"),
        }
    }

    /// Of all blocks: a write that is lost in one of them is lost.
    fn lost(&self) -> String {
        let lost = by_block(self.run, self.variant, |cell| {
            cell.faults
                .get(self.index)?
                .blast
                .acknowledged_lost
                .map(|lost| lost as f64)
        });
        number(lost.into_values().sum::<Option<f64>>(), 0)
    }
}
