use super::*;
use crate::analyze::fixture;
use crate::record::Neighbours;

fn reasons_of(phase: PhaseResult) -> Vec<String> {
    let workload = fixture::snapshot(&["a"], 1);
    reasons(&workload, &fixture::cell("a", 1, vec![phase]))
}

fn spike(us: u64, net_us: u64) -> PhaseResult {
    fixture::phase("spike", PhaseKind::Spike, fixture::operation(1000, us, net_us))
}

#[test]
fn a_headline_figure_that_is_largely_the_generators_makes_a_cell_invalid() {
    for (us, net_us, is_valid, why) in [
        (
            60,
            26,
            true,
            "a fast server: most of it is waking up, and it is microseconds",
        ),
        (100_000, 99_000, true, "a slow server: a millisecond of 100"),
        (1_990, 490, false, "1.5 ms of 1.99 are the generator's"),
        (900, 150, true, "most of it, and less than a millisecond"),
        (1_600, 550, false, "more than a millisecond, and more than half"),
        (400_000, 200_000, false, "half of it"),
    ] {
        let found = reasons_of(spike(us, net_us));
        assert_eq!(found.is_empty(), is_valid, "{why}: {found:?}");
        assert!(
            found.iter().all(|reason| reason.contains("generator's own lateness")),
            "{found:?}"
        );
    }
}

#[test]
fn every_judged_phase_is_looked_at_and_the_warm_up_is_not() {
    let workload = fixture::snapshot(&["a"], 1);
    let late = |name: &str, kind| PhaseResult {
        name: name.to_owned(),
        kind,
        ..spike(5_000, 1_000)
    };
    let of = |phases| reasons(&workload, &fixture::cell("a", 1, phases));
    assert_eq!(
        of(vec![late("warm-up", PhaseKind::WarmUp), spike(900, 880)]),
        Vec::<String>::new()
    );
    // A starved reference phase beside a healthy spike.
    let found = of(vec![late("base", PhaseKind::Base), spike(900, 880)]);
    assert!(
        found.len() == 2 && found[0].starts_with("base: of the median of get"),
        "{found:?}"
    );
}

#[test]
fn arrivals_that_could_not_be_sent_are_told_with_their_cause() {
    let mut phase = spike(900, 880);
    let get = phase.operations.get_mut("get").unwrap();
    get.unsent = 5;
    get.unsent_causes = [(UnsentCause::NoConnection, 5)].into();
    assert_eq!(reasons_of(phase.clone()), Vec::<String>::new(), "half a percent");
    let get = phase.operations.get_mut("get").unwrap();
    get.unsent = 6;
    let found = reasons_of(phase.clone());
    assert!(
        found[0].contains("only 99.4 % of 1000") && found[0].contains("raise generator.connections"),
        "{found:?}"
    );
    let get = phase.operations.get_mut("get").unwrap();
    get.unsent_causes = [(UnsentCause::NoConnection, 2), (UnsentCause::TooLate, 4)].into();
    let found = reasons_of(phase.clone());
    assert!(
        found[0].contains("too late") && !found[0].contains("generator.connections"),
        "more connections do not make a starved generator punctual: {found:?}"
    );
    // A local error is the generator's whatever its part.
    let get = phase.operations.get_mut("get").unwrap();
    get.unsent = 1;
    get.unsent_causes = [(UnsentCause::NoPort, 1)].into();
    let found = reasons_of(phase);
    assert!(
        found.len() == 1 && found[0].contains("EADDRNOTAVAIL") && found[0].contains("ports"),
        "{found:?}"
    );
}

#[test]
fn a_busy_worker_and_clipped_durations_make_a_cell_invalid() {
    let busy = |worker_cpu| PhaseResult {
        worker_cpu,
        ..spike(900, 880)
    };
    assert_eq!(reasons_of(busy(0.9)), Vec::<String>::new());
    assert!(reasons_of(busy(0.91))[0].contains("91 % of a core"));
    let mut cell = fixture::cell("a", 1, vec![busy(0.1)]);
    cell.generator.clipped = 1;
    assert_eq!(reasons(&fixture::snapshot(&["a"], 1), &cell).len(), 1);
}

#[test]
fn a_figure_is_marked_where_its_two_values_differ_by_a_twentieth_and_a_tenth_of_a_millisecond() {
    for (us, net_us, is_marked) in [
        (1_000, 899, true),
        (1_000, 901, false),
        (60, 20, false),
        (10_000, 9_600, false),
    ] {
        let marked = marked_p99(&fixture::operation(1000, us, net_us));
        assert_eq!(marked.is_some(), is_marked, "{us} {net_us}");
    }
    let notes = notes(
        &fixture::snapshot(&["a"], 1),
        &fixture::cell("a", 1, vec![spike(1_000, 800)]),
    );
    assert!(notes[0].contains("without the generator's own lateness"), "{notes:?}");
}

#[test]
fn a_neighbour_is_named_and_a_quiet_machine_is_not() {
    let with = |foreign_cpu: f64, steal: f64| PhaseResult {
        neighbours: Some(Neighbours {
            cpus: 2,
            foreign_cpu: Some(foreign_cpu),
            steal,
            ..Neighbours::default()
        }),
        ..spike(900, 880)
    };
    assert_eq!(disturbed(&with(0.19, 0.0)), None);
    assert_eq!(disturbed(&with(0.7, 0.0)).unwrap(), "others used 0.7 of 2 cores");
    assert!(disturbed(&with(0.0, 0.5)).unwrap().contains("steal"));
    assert_eq!(
        reasons_of(with(1.5, 0.0)),
        Vec::<String>::new(),
        "a neighbour is not the generator"
    );
}
