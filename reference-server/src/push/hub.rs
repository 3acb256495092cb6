//! The hub: which members listen to which chat.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hotchat_policy::{PushRule, Turn};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::time::Instant;

use super::chat::{Chat, Listener, Seat};
use super::frame::Frame;
use super::member::Member;
use super::outbox::Put;
use super::timetable::{Spread, Timetable};
use crate::metrics::PushMetrics;

/// Locks over all chats; a chat's pushes take one of them, briefly.
const SHARDS: usize = 64;

/// Members written to before yielding to other tasks: a quarter of a millisecond.
pub(super) const TURN: usize = 64;

/// Effect of one push on the members of a chat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// Members to whom it was written, or will be once their sockets have room.
    pub(crate) sent: u64,
    /// Members for whom the rule dropped it.
    pub(crate) dropped: u64,
}

/// Counts of one push, for the metrics.
#[derive(Default)]
struct Tally {
    written: u64,
    waiting: u64,
    dropped: u64,
    coalesced: u64,
}

/// All connected members.
pub(crate) struct Hub {
    shards: Box<[Mutex<HashMap<u64, Reserved>>]>,
    pub(super) timetable: Timetable,
    pub(super) metrics: PushMetrics,
    /// How long a member's connection may be unwritable.
    pub(super) behind: Duration,
    stopping: AtomicBool,
    rng: Mutex<Xoshiro256PlusPlus>,
}

/// A chat with the number of taken seats; removed at zero.
struct Reserved {
    chat: Arc<Chat>,
    seats: usize,
}

impl Hub {
    /// `seed` determines the members' turns when a rule drops pushes, and the times of trailing pushes.
    pub(crate) fn new(behind: Duration, metrics: PushMetrics, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            timetable: Timetable::new(Instant::now()),
            metrics,
            behind,
            stopping: AtomicBool::new(false),
            rng: Mutex::new(Xoshiro256PlusPlus::seed_from_u64(seed)),
        })
    }

    /// `user` takes a seat in each chat; pushes from now on reach the member once connected. `chats` has no duplicates.
    pub(crate) fn seat(self: &Arc<Self>, user: u64, chats: &[u64]) -> Seated {
        let seats = chats.iter().map(|&id| Seat::new(self.reserve(id))).collect();
        let mut rng = self.rng();
        let member = Member::new(user, seats, || Turn::drawn(&mut rng));
        for (seat, taken) in (0..).zip(&member.seats) {
            let member = Arc::clone(&member);
            taken.chat.add(Listener { member, seat });
        }
        if self.stopping.load(Ordering::SeqCst) {
            member.outbox().stop(); // connected after `stop` had visited all members
        }
        let hub = Arc::clone(self);
        Seated { hub, member }
    }

    /// The users who are online in a chat.
    pub(crate) fn online(&self, chat_id: u64) -> HashSet<u64> {
        self.find(chat_id).map(|chat| chat.users()).unwrap_or_default()
    }

    /// Pushes a chat's revision to its members, as `rule` allows. Yields to other tasks in between.
    pub(crate) async fn push(&self, chat_id: u64, revision: u64, rule: &PushRule) -> Pushed {
        let Some(chat) = self.find(chat_id) else {
            return Pushed::default();
        };
        let frame = Frame::new(chat_id, chat.raise(revision));
        let listeners = chat.listeners();
        // Every member's waiting time starts here, not at the end of the walk.
        let now = self.timetable.now();
        let mut tally = Tally::default();
        let mut behind = Vec::new();
        for some in listeners.chunks(TURN) {
            Self::offer(some, &frame, rule, &mut tally, &mut behind);
            tokio::task::yield_now().await;
        }
        if let Some(within) = rule.trailing() {
            let spread = Spread::new(within, behind.len(), listeners.len());
            self.promise(&behind, frame.revision, now, spread).await;
        }
        self.metrics.pushed(tally.written, tally.dropped, tally.coalesced);
        Pushed {
            sent: tally.written + tally.waiting,
            dropped: tally.dropped,
        }
    }

    /// `behind` collects members whose first push since their last one was dropped.
    fn offer<'a>(
        listeners: &'a [Listener],
        frame: &Frame,
        rule: &PushRule,
        tally: &mut Tally,
        behind: &mut Vec<&'a Listener>,
    ) {
        for listener in listeners {
            match listener.member.offer(listener.seat, frame, rule) {
                Put::Sent => tally.written += 1,
                Put::Waiting => tally.waiting += 1,
                Put::Coalesced => tally.coalesced += 1,
                Put::Dropped { first } => {
                    tally.dropped += 1;
                    behind.extend(first.then_some(listener));
                }
                Put::Gone => {}
            }
        }
    }

    /// Schedules trailing pushes for members who are behind.
    async fn promise(&self, behind: &[&Listener], revision: u64, now: Duration, spread: Spread) {
        let mut rng = self.rng();
        for some in behind.chunks(TURN) {
            let scheduled: Vec<_> = some
                .iter()
                .filter_map(|listener| {
                    let within = spread.delay(&mut rng);
                    let due = listener.member.promise(listener.seat, revision, now, within)?;
                    Some((due, *listener))
                })
                .collect();
            self.timetable.schedule(&scheduled);
            tokio::task::yield_now().await;
        }
    }

    /// Asks every connection to close.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for shard in &self.shards {
            let chats: Vec<_> = lock(shard)
                .values()
                .map(|reserved| Arc::clone(&reserved.chat))
                .collect();
            for listener in chats.iter().flat_map(|chat| chat.listeners()) {
                listener.member.outbox().stop();
            }
        }
    }

    pub(super) fn rng(&self) -> Xoshiro256PlusPlus {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        Xoshiro256PlusPlus::from_rng(&mut *rng)
    }

    fn shard(&self, chat_id: u64) -> MutexGuard<'_, HashMap<u64, Reserved>> {
        lock(&self.shards[usize::try_from(chat_id % SHARDS as u64).expect("less than SHARDS")])
    }

    fn find(&self, chat_id: u64) -> Option<Arc<Chat>> {
        self.shard(chat_id)
            .get(&chat_id)
            .map(|reserved| Arc::clone(&reserved.chat))
    }

    fn reserve(&self, chat_id: u64) -> Arc<Chat> {
        let mut shard = self.shard(chat_id);
        let reserved = shard.entry(chat_id).or_insert_with(|| Reserved {
            chat: Arc::new(Chat::new(chat_id)),
            seats: 0,
        });
        reserved.seats += 1;
        Arc::clone(&reserved.chat)
    }

    fn release(&self, chat_id: u64) {
        if let Entry::Occupied(mut reserved) = self.shard(chat_id).entry(chat_id) {
            reserved.get_mut().seats -= 1;
            if reserved.get().seats == 0 {
                reserved.remove();
            }
        }
    }
}

fn lock(shard: &Mutex<HashMap<u64, Reserved>>) -> MutexGuard<'_, HashMap<u64, Reserved>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A member's seats; given up when dropped.
pub(crate) struct Seated {
    pub(super) hub: Arc<Hub>,
    pub(super) member: Arc<Member>,
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.member.outbox().end();
        for seat in &self.member.seats {
            seat.chat.remove(seat);
            self.hub.release(seat.chat.id);
        }
    }
}
