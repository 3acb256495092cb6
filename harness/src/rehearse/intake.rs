//! Everything that comes in while a cell runs, told to whoever listens.

use std::sync::mpsc::{Receiver, TryRecvError};

use super::error::RehearseError;
use super::guard::Watch;
use super::listeners::Listeners;
use super::script::Script;
use crate::clock::Clock;
use crate::drive::Message;
use crate::observe::Sample;
use crate::provision::Silence;
use crate::record::{CellEvent, ChangeResult, FaultResult, Interval, Outcome, RunEvent};

/// What comes in, and what of it has been told.
pub(super) struct Intake {
    /// Workers that have not said that they are done.
    pub(super) working: usize,
    pub(super) silence: Silence,
    /// `None` where the workload has no guard.
    watch: Option<Watch>,
    clock: Clock,
    reports: Receiver<Message>,
    samples: Receiver<Sample>,
    faults: Vec<Option<FaultResult>>,
    changes: Vec<Option<ChangeResult>>,
}

impl Intake {
    pub(super) fn new(
        workers: usize,
        clock: Clock,
        (reports, samples): (Receiver<Message>, Receiver<Sample>),
        watch: Option<Watch>,
    ) -> Self {
        Self {
            working: workers,
            silence: Silence::default(),
            watch,
            clock,
            reports,
            samples,
            faults: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Tells what was measured and observed.
    pub(super) fn tell_figures(&mut self, listeners: &mut Listeners) -> Result<(), RehearseError> {
        loop {
            match self.reports.try_recv() {
                Ok(Message::Interval(interval)) => {
                    if is_answered(&interval) {
                        self.silence.answered(self.clock.elapsed());
                    }
                    if let Some(watch) = &mut self.watch {
                        watch.take(&interval);
                    }
                    listeners.tell(&RunEvent::Interval(interval))?;
                }
                Ok(Message::Until { worker, ns }) => {
                    if let Some(watch) = &mut self.watch {
                        watch.until(worker, ns);
                    }
                }
                Ok(Message::Done) => self.working -= 1,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    // A worker that panicked sends no farewell.
                    self.working = 0;
                    break;
                }
            }
        }
        for sample in self.samples.try_iter() {
            listeners.tell(&RunEvent::Observed(Box::new(sample)))?;
        }
        for event in self.watch.iter_mut().flat_map(Watch::news) {
            listeners.tell(&RunEvent::Cell(Box::new(event)))?;
        }
        Ok(())
    }

    /// The load has ended: guards judge no more.
    pub(super) fn close_guards(&mut self) {
        self.watch.iter_mut().for_each(Watch::close);
    }

    /// Why the cell is to end, where a guard says so.
    pub(super) fn aborted(&self) -> Option<String> {
        self.watch.as_ref().and_then(Watch::aborted)
    }

    /// Tells how often each guard could be judged.
    pub(super) fn tell_counts(&self, listeners: &mut Listeners) -> Result<(), RehearseError> {
        if let Some(watch) = &self.watch {
            listeners.tell(&RunEvent::Cell(Box::new(CellEvent::Guards(watch.counts()))))?;
        }
        Ok(())
    }

    /// Tells what has changed of faults and changes.
    pub(super) fn tell_injections(&mut self, script: &Script, listeners: &mut Listeners) -> Result<(), RehearseError> {
        self.faults.resize(script.faults.len(), None);
        for (index, (told, fault)) in self.faults.iter_mut().zip(&script.faults).enumerate() {
            if told.as_ref() != Some(fault) {
                *told = Some(fault.clone());
                let fault = fault.clone();
                listeners.tell(&RunEvent::Cell(Box::new(CellEvent::Fault { index, fault })))?;
            }
        }
        self.changes.resize(script.changes.len(), None);
        for (index, (told, change)) in self.changes.iter_mut().zip(&script.changes).enumerate() {
            if told.as_ref() != Some(change) {
                *told = Some(change.clone());
                let change = change.clone();
                listeners.tell(&RunEvent::Cell(Box::new(CellEvent::Change { index, change })))?;
            }
        }
        Ok(())
    }
}

/// Whether the target answered anything.
fn is_answered(interval: &Interval) -> bool {
    let answers = Outcome::ALL.into_iter().filter(|outcome| outcome.is_answer());
    answers
        .into_iter()
        .any(|outcome| interval.series.iter().any(|series| series.count(outcome) > 0))
}
