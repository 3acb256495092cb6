//! Every notification is accounted for, by role, at every moment:
//!
//! `enqueued = delivered + dropped + unknown + queued + in flight`
//!
//! One lock holds all accounts, and each step moves a notification from one column to another under it, so a reader
//! never sees one between two columns. Dropping a notification's place in the accounts without saying what became of it
//! (a panic, a cancelled task) counts as unknown: it may have been sent.
//!
//! Rejected: a counter for each column. A page of metrics that reads them one after another is out of balance by
//! whatever moved in between, and a check that tolerates this finds no loss smaller than that.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::notification::Role;

/// Why a notification was dropped: it was certainly not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Its queue was full.
    Full,
    /// The breaker was open.
    Breaker,
    /// The budget allowed no further try.
    NoBudget,
    /// It could not be sent, and no try was left.
    Failed,
    /// The gateway's answer was an error, and no try was left or the answer said that none would help.
    Rejected,
    /// The server stopped before its turn.
    Stopped,
}

impl Reason {
    /// In the order of the variants.
    pub(crate) const NAMES: [&str; 6] = ["full", "breaker", "no_budget", "failed", "rejected", "stopped"];
}

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The gateway accepted it.
    Delivered,
    /// It was certainly not delivered.
    Dropped(Reason),
    /// It was sent, and there was no answer.
    Unknown,
}

/// The notifications of one role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) enqueued: u64,
    pub(crate) delivered: u64,
    /// In the order of [`Reason::NAMES`].
    pub(crate) dropped: [u64; Reason::NAMES.len()],
    pub(crate) unknown: u64,
    pub(crate) queued: u64,
    pub(crate) in_flight: u64,
    /// Tries to send one, the first of each included.
    pub(crate) attempts: u64,
    /// Tries after the first.
    pub(crate) retries: u64,
}

impl Account {
    pub(crate) fn is_balanced(&self) -> bool {
        let dropped: u64 = self.dropped.iter().sum();
        self.enqueued == self.delivered + dropped + self.unknown + self.queued + self.in_flight
    }
}

/// The accounts of all roles.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<[Account; Role::ALL.len()]>);

impl Ledger {
    pub(crate) fn accounts(&self) -> [Account; Role::ALL.len()] {
        *self.lock()
    }

    pub(super) fn enqueued(&self, role: Role, number: u64) {
        let mut accounts = self.lock();
        let account = &mut accounts[role as usize];
        account.enqueued += number;
        account.queued += number;
    }

    /// Dropped while it waited.
    pub(super) fn dropped(&self, role: Role, reason: Reason, number: u64) {
        let mut accounts = self.lock();
        let account = &mut accounts[role as usize];
        account.queued -= number;
        account.dropped[reason as usize] += number;
    }

    /// Its turn has come.
    pub(super) fn taken(self: &Arc<Self>, role: Role) -> InFlight {
        let mut accounts = self.lock();
        let account = &mut accounts[role as usize];
        account.queued -= 1;
        account.in_flight += 1;
        drop(accounts);
        InFlight {
            ledger: Arc::clone(self),
            role,
            fate: Fate::Unknown,
        }
    }

    pub(super) fn attempt(&self, role: Role, is_retry: bool) {
        let mut accounts = self.lock();
        let account = &mut accounts[role as usize];
        account.attempts += 1;
        account.retries += u64::from(is_retry);
    }

    fn lock(&self) -> MutexGuard<'_, [Account; Role::ALL.len()]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A notification in flight; dropped without [`InFlight::ended`], its fate is unknown.
#[derive(Debug)]
pub(super) struct InFlight {
    ledger: Arc<Ledger>,
    role: Role,
    fate: Fate,
}

impl InFlight {
    pub(super) fn ended(mut self, fate: Fate) {
        self.fate = fate;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut accounts = self.ledger.lock();
        let account = &mut accounts[self.role as usize];
        account.in_flight -= 1;
        match self.fate {
            Fate::Delivered => account.delivered += 1,
            Fate::Dropped(reason) => account.dropped[reason as usize] += 1,
            Fate::Unknown => account.unknown += 1,
        }
    }
}
