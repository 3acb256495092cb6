//! Connections of generator, push component and databases second by second, on the axis of what was sent.

use super::observed::Observed;
use crate::record::{ClientSecond, ConnectionAxis, Merged, SideAxis};

/// `None` where nothing was recorded.
#[must_use]
pub(super) fn axis(merged: &Merged, observed: &Observed) -> Option<ConnectionAxis> {
    let seconds = &merged.connections;
    let length = seconds.keys().next_back().map(|last| last + 1)?;
    let of = |count: fn(&ClientSecond) -> u64| {
        let each = (0..length).map(|second| seconds.get(&second).map_or(0, count));
        each.collect::<Vec<u64>>()
    };
    let open_max = (0..length).map(|second| seconds.get(&second).map(ClientSecond::open_max));
    Some(ConnectionAxis {
        sent: of(ClientSecond::sent),
        client: SideAxis {
            opened: of(|second| second.opened),
            failed: of(|second| second.failed),
            open_max: open_max.collect(),
            ..SideAxis::default()
        },
        push: observed.push_axis(),
        database: observed.database_axis(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{NotifySample, Sample, ServerSample};
    use crate::record::Interval;

    #[test]
    fn what_was_sent_stands_beside_the_connections_of_the_same_second() {
        let mut merged = Merged::new(1, 1);
        let mut observed = Observed::new(&[(0.0, 9.0)], 0);
        assert_eq!(axis(&merged, &observed), None);
        for second in [0, 2] {
            let mut interval = Interval::new(0, 0, second, 1);
            interval.series[0].scheduled = 100 + second;
            interval.connections.opened = 3;
            interval.connections.open_max = 4;
            merged.take(&interval);
        }
        for at_s in 0..=2_u32 {
            let notify = NotifySample {
                opened: u64::from(at_s) * 20,
                open: Some(5),
                ..NotifySample::default()
            };
            let server = ServerSample {
                notify: Some(notify),
                ..ServerSample::default()
            };
            observed.take(&Sample {
                server: Some(server),
                ..Sample::empty(f64::from(at_s), 0)
            });
        }
        let axis = axis(&merged, &observed).unwrap();
        assert_eq!(axis.sent, [100, 0, 102]);
        assert_eq!(axis.client.opened, [3, 0, 3]);
        assert_eq!(
            axis.client.open_max,
            [Some(4), None, Some(4)],
            "nobody looked in between"
        );
        let push = axis.push.unwrap();
        assert_eq!(
            (&push.opened[..], &push.open_max[..]),
            (&[20, 20][..], &[Some(5); 3][..])
        );
        assert_eq!(axis.database, None);
    }
}
