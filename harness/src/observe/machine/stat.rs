//! What the machine did since it started, from `/proc/stat`.

/// In clock ticks, over all CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MachineTicks {
    pub(super) cpus: u32,
    /// User, nice, system and irq. Guests are part of user time, and waiting for a disk is idle time.
    pub(super) busy: u64,
    pub(super) softirq: u64,
    pub(super) steal: u64,
}

/// `None` where the text is not that of `/proc/stat`. Columns that an old kernel lacks count as 0: it does not keep
/// that time apart.
pub(super) fn parse(text: &str) -> Option<MachineTicks> {
    let mut cpu_lines = text.lines().take_while(|line| line.starts_with("cpu"));
    let columns: Vec<u64> = cpu_lines
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .map(|column| column.parse().ok())
        .collect::<Option<_>>()?;
    let column = |index: usize| columns.get(index).copied();
    Some(MachineTicks {
        cpus: u32::try_from(cpu_lines.count()).ok()?,
        busy: column(0)? + column(1)? + column(2)? + column(5).unwrap_or(0),
        softirq: column(6).unwrap_or(0),
        steal: column(7).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_disks_and_softirq_are_not_busy_time_and_guests_count_once() {
        let text = "cpu  100 20 30 9999 888 4 7 13 50 0\n\
            cpu0 50 10 15 5000 444 2 3 6 25 0\n\
            cpu1 50 10 15 4999 444 2 4 7 25 0\n\
            intr 1 2 3\nctxt 4\n";
        let expected = MachineTicks {
            cpus: 2,
            busy: 154,
            softirq: 7,
            steal: 13,
        };
        assert_eq!(parse(text), Some(expected));
    }

    #[test]
    fn what_is_not_proc_stat_is_not_read_as_an_idle_machine() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("intr 1 2 3\n"), None);
        assert_eq!(parse("cpu  1 x 3 4\ncpu0 1 x 3 4\n"), None);
    }
}
