//! That nothing is lost: of the accounts and queues under any history; `sockets` does the same over real ones.

mod sockets;

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use tokio::time::Instant;

use super::ledger::{Fate, InFlight, Ledger};
use super::notification::Notification;
use super::queue::Queue;
use super::*;
use crate::config::{Bounded, WhenFull};

/// Something that happens to a queue or to what was taken from it.
#[derive(Debug, Clone, Copy)]
enum Step {
    Enqueue(Role),
    Take,
    End(Fate),
    Lose,
}

fn step() -> impl Strategy<Value = Step> {
    let role = prop::sample::select(Role::ALL.to_vec());
    let fate = prop_oneof![
        Just(Fate::Delivered),
        Just(Fate::Unknown),
        Just(Fate::Dropped(Reason::Failed)),
        Just(Fate::Dropped(Reason::Breaker)),
    ];
    prop_oneof![
        4 => role.prop_map(Step::Enqueue),
        2 => Just(Step::Take),
        1 => fate.prop_map(Step::End),
        1 => Just(Step::Lose),
    ]
}

fn notification(role: Role, user_id: u64) -> Notification {
    Notification {
        role,
        chat_id: 1,
        user_id,
        revision: 1,
        enqueued: Instant::now(),
    }
}

proptest! {
    /// Whatever happens in whatever order, every account is balanced after each step, and says what is in the queue.
    #[test]
    fn every_notification_is_accounted_for(
        steps in prop::collection::vec(step(), 0..300),
        capacity in 1..20_usize,
        oldest in any::<bool>(),
    ) {
        let when_full = if oldest { WhenFull::DropOldest } else { WhenFull::DropNewest };
        let (ledger, mut queue) = (Arc::new(Ledger::default()), Queue::new(capacity, when_full));
        let mut flying = Vec::<InFlight>::new();
        let (mut offered, mut held) = (0, 0_u64);
        for step in steps {
            match step {
                Step::Enqueue(role) => {
                    offered += 1;
                    ledger.enqueued(role, 1);
                    match queue.push(notification(role, offered)) {
                        None => held += 1,
                        Some(lost) => {
                            prop_assert_eq!(held, capacity as u64, "something is dropped only for want of room");
                            prop_assert_eq!(lost.user_id == offered, !oldest);
                            ledger.dropped(lost.role, Reason::Full, 1);
                        }
                    }
                }
                Step::Take => {
                    if let Some(next) = queue.pop() {
                        held -= 1;
                        flying.push(ledger.taken(next.role));
                    }
                }
                Step::End(fate) => {
                    if let Some(one) = flying.pop() {
                        one.ended(fate);
                    }
                }
                Step::Lose => drop(flying.pop()),
            }
            let accounts = ledger.accounts();
            prop_assert!(accounts.iter().all(Account::is_balanced), "{accounts:?}");
            prop_assert_eq!(accounts.iter().map(|account| account.queued).sum::<u64>(), held);
            prop_assert_eq!(accounts.iter().map(|account| account.in_flight).sum::<u64>(), flying.len() as u64);
            prop_assert_eq!(accounts.iter().map(|account| account.enqueued).sum::<u64>(), offered);
        }
    }

    /// First in, first out; what is dropped comes from the end that is set.
    #[test]
    fn a_full_queue_keeps_one_end(number in 1..60_u64, capacity in 1..20_usize) {
        for when_full in [WhenFull::DropOldest, WhenFull::DropNewest] {
            let mut queue = Queue::new(capacity, when_full);
            let lost = (0..number).filter_map(|user| queue.push(notification(Role::Message, user))).count();
            let kept: Vec<u64> = std::iter::from_fn(|| queue.pop()).map(|one| one.user_id).collect();
            let room = number.min(capacity as u64);
            let expected: Vec<u64> = match when_full {
                WhenFull::DropOldest => (number - room..number).collect(),
                WhenFull::DropNewest => (0..room).collect(),
            };
            prop_assert_eq!(kept, expected);
            prop_assert_eq!(lost as u64, number - room);
        }
    }

    #[test]
    fn divided_connections_are_as_many_as_before(max in 3..1000_u32) {
        let connections = Connections::Max(serde_json::from_value::<Bounded<1, 100_000>>(json!(max)).unwrap());
        let shares: Vec<usize> = divided(connections, 3).map(Option::unwrap).collect();
        prop_assert_eq!(shares.iter().sum::<usize>(), max as usize);
        prop_assert!(shares[0] - shares[2] <= 1);
    }
}
