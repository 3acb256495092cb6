//! The push component, by phase and by second: its connections, and what became of notifications.

use std::collections::BTreeMap;

use super::axis::{Axis, Count};
use super::growth::{Reading, grown, grown_count, raise};
use super::phases::Phases;
use super::series::quantile;
use crate::observe::{NotifySample, RoleSample, Timed};
use crate::record::{Delay, Notifications, PushConnections, RoleNotifications, samples_min};

/// What the component said, folded as it comes. A phase that no stretch between two readings overlaps has nothing.
#[derive(Debug)]
pub(super) struct NotifyFold {
    totals: Vec<NotifyTotals>,
    axis: Axis,
    last: Option<Reading<NotifySample>>,
}

#[derive(Debug, Clone, Default)]
struct NotifyTotals {
    is_observed: bool,
    opened: f64,
    closed: f64,
    failed: f64,
    open_end: Option<u64>,
    open_max: Option<u64>,
    tcp: Spent,
    tls: Spent,
    requests: Spent,
    delay: Spent,
    /// By upper bound in microseconds, cumulative.
    delays: BTreeMap<u64, f64>,
    roles: BTreeMap<String, RoleTotals>,
    attempts: f64,
    retries: f64,
    breaker_opened: f64,
    breakers_open_max: Option<u64>,
    waiting_max: Option<u64>,
    events_failed: f64,
}

#[derive(Debug, Clone, Default)]
struct RoleTotals {
    enqueued: f64,
    delivered: f64,
    dropped: BTreeMap<String, f64>,
    unknown: f64,
    waiting_max: Option<u64>,
}

/// How often something was done, and how long that took together.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    count: f64,
    s: f64,
}

impl NotifyFold {
    pub(super) fn new(phases: usize) -> Self {
        Self {
            totals: vec![NotifyTotals::default(); phases],
            axis: Axis::default(),
            last: None,
        }
    }

    pub(super) fn take(&mut self, phases: &Phases, at_s: f64, now: &NotifySample) {
        self.axis.look(at_s, now.open);
        if let Some(phase) = phases.at(at_s) {
            self.totals[phase].gauges(now);
        }
        let value = now.clone();
        let Some(before) = self.last.replace(Reading { at_s, value }) else {
            return;
        };
        for overlap in phases.overlaps(before.at_s, at_s) {
            self.totals[overlap.phase].counters(&before.value, now, overlap.part);
        }
        for (count, by) in [
            (Count::Opened, grown_count(before.value.opened, now.opened)),
            (Count::Failed, grown_count(before.value.failed, now.failed)),
            (
                Count::Requests,
                grown_count(before.value.requests.count, now.requests.count),
            ),
        ] {
            self.axis.grow(before.at_s, at_s, count, by);
        }
        // The component's own high-water mark rose between the two readings of the gauge.
        if now.open_peak > before.value.open_peak {
            self.axis.look(f64::midpoint(before.at_s, at_s), now.open_peak);
        }
    }

    /// Without the gateway's side.
    pub(super) fn connections(&self, phase: usize) -> Option<PushConnections> {
        self.of(phase).map(NotifyTotals::connections)
    }

    pub(super) fn notifications(&self, phase: usize) -> Option<Notifications> {
        self.of(phase).map(NotifyTotals::notifications)
    }

    /// Second by second; `None` where there is no push component.
    pub(super) fn axis(&self) -> Option<&Axis> {
        self.last.as_ref().map(|_| &self.axis)
    }

    fn of(&self, phase: usize) -> Option<&NotifyTotals> {
        Some(&self.totals[phase]).filter(|totals| totals.is_observed)
    }
}

impl NotifyTotals {
    fn gauges(&mut self, now: &NotifySample) {
        raise(&mut self.open_max, now.open);
        self.open_end = now.open.or(self.open_end);
        let open = now.breakers.values().filter(|state| **state > 0).count();
        raise(&mut self.breakers_open_max, Some(open as u64));
        let waiting = |role: &RoleSample| role.queued + role.in_flight;
        raise(&mut self.waiting_max, Some(now.roles.values().map(waiting).sum()));
        for (name, role) in &now.roles {
            let totals = self.roles.entry(name.clone()).or_default();
            raise(&mut totals.waiting_max, Some(waiting(role)));
        }
    }

    fn counters(&mut self, before: &NotifySample, after: &NotifySample, part: f64) {
        self.is_observed = true;
        if after.open_peak > before.open_peak && part > 0.5 {
            raise(&mut self.open_max, after.open_peak);
        }
        let counters = [
            (&mut self.opened, before.opened, after.opened),
            (&mut self.closed, before.closed, after.closed),
            (&mut self.failed, before.failed, after.failed),
            (&mut self.attempts, before.attempts, after.attempts),
            (&mut self.retries, before.retries, after.retries),
            (&mut self.breaker_opened, before.breaker_opened, after.breaker_opened),
            (&mut self.events_failed, before.events_failed, after.events_failed),
        ];
        for (total, before, after) in counters {
            *total += grown_count(before, after) * part;
        }
        self.tcp.add(before.tcp, after.tcp, part);
        self.tls.add(before.tls, after.tls, part);
        self.requests.add(before.requests, after.requests, part);
        self.delay.add(before.delay, after.delay, part);
        for (bound, count) in &after.delay_buckets {
            let before = before.delay_buckets.get(bound).copied().unwrap_or(0);
            *self.delays.entry(*bound).or_default() += grown_count(before, *count) * part;
        }
        let none = RoleSample::default();
        for (name, role) in &after.roles {
            let before = before.roles.get(name).unwrap_or(&none);
            self.roles.entry(name.clone()).or_default().add(before, role, part);
        }
    }

    fn connections(&self) -> PushConnections {
        let (tcp, tls, requests) = (self.tcp.s, self.tls.s, self.requests.s);
        let together = tcp + tls + requests;
        PushConnections {
            opened: whole(self.opened),
            closed: whole(self.closed),
            failed: whole(self.failed),
            refused: None,
            open_end: self.open_end,
            open_max: self.open_max,
            requests: whole(self.requests.count),
            requests_per_connection: (whole(self.opened) > 0).then(|| self.requests.count / self.opened),
            tcp_us: self.tcp.mean_us(),
            tls_us: self.tls.mean_us(),
            request_us: self.requests.mean_us(),
            handshake_share: (together > 0.0).then(|| (tcp + tls) / together),
            gateway: None,
        }
    }

    fn notifications(&self) -> Notifications {
        let roles: BTreeMap<String, RoleNotifications> = self
            .roles
            .iter()
            .map(|(name, role)| (name.clone(), role.result()))
            .filter(|(_, role)| role.enqueued > 0 || role.waiting_max.is_some_and(|most| most > 0))
            .collect();
        let mut all = RoleNotifications {
            waiting_max: self.waiting_max,
            ..RoleNotifications::default()
        };
        for role in self.roles.values().map(RoleTotals::result) {
            all.enqueued += role.enqueued;
            all.delivered += role.delivered;
            all.dropped += role.dropped;
            all.unknown += role.unknown;
            for (reason, count) in role.dropped_by {
                *all.dropped_by.entry(reason).or_default() += count;
            }
        }
        Notifications {
            all,
            roles,
            delay_us: self.delay_us(),
            attempts: whole(self.attempts),
            retries: whole(self.retries),
            breaker_opened: whole(self.breaker_opened),
            breakers_open_max: self.breakers_open_max,
            events_failed: whole(self.events_failed),
        }
    }

    fn delay_us(&self) -> Delay {
        let count = self.delay.count;
        let buckets: Vec<(f64, f64)> = self.delays.iter().map(|(us, count)| (*us as f64, *count)).collect();
        let known = |rank: f64| {
            let is_enough = whole(count) >= samples_min(rank);
            is_enough.then(|| quantile(&buckets, count, rank)).flatten()
        };
        Delay {
            count: whole(count),
            mean: self.delay.mean_us(),
            p50: known(0.5),
            p90: known(0.9),
            p99: known(0.99),
        }
    }
}

impl RoleTotals {
    fn add(&mut self, before: &RoleSample, after: &RoleSample, part: f64) {
        self.enqueued += grown_count(before.enqueued, after.enqueued) * part;
        self.delivered += grown_count(before.delivered, after.delivered) * part;
        self.unknown += grown_count(before.unknown, after.unknown) * part;
        for (reason, count) in &after.dropped {
            let before = before.dropped.get(reason).copied().unwrap_or(0);
            *self.dropped.entry(reason.clone()).or_default() += grown_count(before, *count) * part;
        }
    }

    fn result(&self) -> RoleNotifications {
        let dropped_by = self
            .dropped
            .iter()
            .map(|(reason, count)| (reason.clone(), whole(*count)));
        let dropped_by: BTreeMap<String, u64> = dropped_by.filter(|(_, count)| *count > 0).collect();
        RoleNotifications {
            enqueued: whole(self.enqueued),
            delivered: whole(self.delivered),
            dropped: dropped_by.values().sum(),
            dropped_by,
            unknown: whole(self.unknown),
            waiting_max: self.waiting_max,
        }
    }
}

impl Spent {
    fn add(&mut self, before: Timed, after: Timed, part: f64) {
        self.count += grown_count(before.count, after.count) * part;
        self.s += grown(before.sum_s, after.sum_s) * part;
    }

    fn mean_us(self) -> Option<f64> {
        (self.count > 0.0).then(|| self.s * 1e6 / self.count)
    }
}

fn whole(count: f64) -> u64 {
    count.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What has come about after `n` seconds of which each is like the others.
    fn after(n: u64) -> NotifySample {
        let role = RoleSample {
            enqueued: 1_000 * n,
            delivered: 900 * n,
            dropped: [("full".to_owned(), 60 * n), ("breaker".to_owned(), 0)].into(),
            unknown: 10 * n,
            queued: 25 * n,
            in_flight: 5 * n,
        };
        NotifySample {
            opened: 10 * n,
            closed: 4 * n,
            failed: n,
            open: Some(6),
            open_peak: (n > 0).then_some(7),
            tcp: Timed {
                count: 10 * n,
                sum_s: 0.1 * n as f64,
            },
            requests: Timed {
                count: 900 * n,
                sum_s: 0.9 * n as f64,
            },
            attempts: 910 * n,
            roles: [
                ("message".to_owned(), role),
                ("reaction".to_owned(), RoleSample::default()),
            ]
            .into(),
            delay: Timed {
                count: 900 * n,
                sum_s: 9.0 * n as f64,
            },
            delay_buckets: [(10_000, 450 * n), (20_000, 900 * n)].into(),
            breakers: [("message".to_owned(), n % 2)].into(),
            breaker_opened: n,
            ..NotifySample::default()
        }
    }

    fn folded() -> NotifyFold {
        let phases = Phases::new(&[(0.0, 2.0), (2.0, 4.0), (4.0, 9.0)]);
        let mut fold = NotifyFold::new(phases.len());
        for n in 0..=4_u32 {
            fold.take(&phases, f64::from(n), &after(u64::from(n)));
        }
        fold
    }

    #[test]
    fn connections_are_counted_and_their_cost_is_told_against_that_of_requests() {
        let push = folded().connections(0).unwrap();
        assert_eq!((push.opened, push.closed, push.failed), (20, 8, 2));
        assert_eq!((push.open_end, push.open_max), (Some(6), Some(7)));
        assert_eq!((push.requests, push.requests_per_connection), (1_800, Some(90.0)));
        assert_eq!((push.tls_us, push.request_us), (None, Some(1_000.0)));
        assert!((push.tcp_us.unwrap() - 10_000.0).abs() < 1e-6, "{push:?}");
        assert!((push.handshake_share.unwrap() - 0.1).abs() < 1e-9, "{push:?}");
    }

    #[test]
    fn notifications_are_counted_by_role_and_reason_and_delays_have_quantiles() {
        let seen = folded().notifications(1).unwrap();
        let message = RoleNotifications {
            enqueued: 2_000,
            delivered: 1_800,
            dropped: 120,
            dropped_by: [("full".to_owned(), 120)].into(),
            unknown: 20,
            waiting_max: Some(90),
        };
        assert_eq!(seen.all, message);
        assert_eq!(seen.roles, [("message".to_owned(), message)].into(), "nobody reacted");
        assert_eq!((seen.breaker_opened, seen.breakers_open_max), (2, Some(1)));
        let delay = seen.delay_us;
        assert_eq!((delay.count, delay.mean), (1_800, Some(10_000.0)));
        assert_eq!((delay.p50, delay.p90), (Some(10_000.0), Some(18_000.0)));
        assert!((delay.p99.unwrap() - 19_800.0).abs() < 1e-6, "{delay:?}");
    }

    #[test]
    fn every_second_has_its_own() {
        let fold = folded();
        let side = fold.axis().unwrap().side();
        assert_eq!((side.opened, side.failed), (vec![10; 4], vec![1; 4]));
        assert_eq!(side.requests, vec![900; 4]);
        assert_eq!(side.open_max, [Some(7), Some(6), Some(6), Some(6), Some(6)]);
    }

    #[test]
    fn where_nothing_was_seen_there_is_nothing() {
        let fold = folded();
        assert_eq!((fold.connections(2), fold.notifications(2)), (None, None));
        assert!(NotifyFold::new(1).axis().is_none());
    }
}
