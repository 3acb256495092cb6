//! What is owed and what waits, without a socket.

use super::*;

const WITHIN: Option<Duration> = Some(Duration::from_millis(100));

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn frame(revision: u64) -> Frame {
    Frame::new(1, revision)
}

fn full(_: &[u8]) -> io::Result<usize> {
    Err(ErrorKind::WouldBlock.into())
}

/// Takes so many bytes of each write.
fn takes(most: usize, taken: &mut Vec<u8>) -> impl FnMut(&[u8]) -> io::Result<usize> {
    move |bytes| {
        let length = bytes.len().min(most);
        taken.extend_from_slice(&bytes[..length]);
        Ok(length)
    }
}

fn open(seats: usize) -> Outbox {
    let mut outbox = Outbox::new(seats);
    outbox.flush(|_| frame(0), full).unwrap();
    outbox
}

#[test]
fn pushes_before_the_upgrade_is_done_wait_for_it() {
    let mut outbox = Outbox::new(1);
    assert_eq!(outbox.put(0, &frame(1), |_| panic!("not connected")), Put::Waiting);
    let mut taken = Vec::new();
    let flushed = outbox.flush(|_| frame(1), takes(99, &mut taken)).unwrap();
    assert_eq!((flushed.pushes, flushed.blocked), (1, false));
    assert_eq!(taken, frame(1).bytes());
}

#[test]
fn while_the_socket_is_full_only_the_newest_revision_waits() {
    let mut outbox = open(2);
    assert_eq!(outbox.put(0, &frame(1), full), Put::Waiting);
    for revision in 2..1000 {
        assert_eq!(
            outbox.put(0, &frame(revision), |_| panic!("out of turn")),
            Put::Coalesced
        );
    }
    assert_eq!(outbox.put(1, &frame(7), |_| panic!("out of turn")), Put::Waiting);
    let mut taken = Vec::new();
    let flushed = outbox
        .flush(|seat| frame([999, 7][seat]), takes(99, &mut taken))
        .unwrap();
    assert_eq!((flushed.pushes, outbox.is_blocked()), (2, false));
    assert_eq!(taken, [frame(999).bytes(), frame(7).bytes()].concat());
    assert_eq!(outbox.put(0, &frame(999), |_| panic!("he has it")), Put::Coalesced);
}

#[test]
fn frames_are_never_torn_apart() {
    let mut outbox = open(1);
    let mut taken = Vec::new();
    assert_eq!(outbox.put(0, &frame(1), takes(5, &mut taken)), Put::Sent);
    assert_eq!(outbox.control(b"pong", |_| panic!("out of turn")).unwrap(), 4);
    assert_eq!(outbox.put(0, &frame(2), |_| panic!("out of turn")), Put::Waiting);
    let flushed = outbox.flush(|_| frame(2), full).unwrap();
    assert_eq!((flushed.progress, flushed.blocked), (false, true));
    let flushed = outbox.flush(|_| frame(2), takes(3, &mut taken)).unwrap();
    assert!(
        flushed.progress && flushed.blocked,
        "three bytes of the second push went"
    );
    outbox.flush(|_| frame(2), takes(3, &mut taken)).unwrap();
    assert_eq!(taken, [frame(1).bytes(), b"pong", frame(2).bytes()].concat());
    assert!(!outbox.is_blocked());
}

#[test]
fn control_frames_that_find_no_room_are_bounded() {
    let mut outbox = open(1);
    for _ in 0..4 {
        assert_eq!(outbox.control(&[0; 128], full).unwrap(), 128);
    }
    assert_eq!(outbox.control(&[0; 1], full).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_dropped_push_is_made_up_for_once() {
    let mut outbox = open(1);
    let dropped = |schedule| Put::Dropped { schedule };
    assert_eq!(outbox.drop_push(0, 1, ms(0), WITHIN), dropped(Some(ms(100))));
    assert_eq!(
        outbox.drop_push(0, 2, ms(50), WITHIN),
        dropped(None),
        "one entry per seat"
    );
    assert_eq!(outbox.fire(0, ms(99), || frame(2), full), Fired::Later(ms(100)));
    let mut taken = Vec::new();
    let fired = outbox.fire(0, ms(100), || frame(2), takes(99, &mut taken));
    assert_eq!((fired, taken), (Fired::Put(Put::Sent), frame(2).bytes().to_vec()));
    assert_eq!(
        outbox.drop_push(0, 3, ms(200), WITHIN),
        dropped(Some(ms(300))),
        "a new debt"
    );
}

#[test]
fn a_push_in_between_settles_the_debt_and_the_next_one_keeps_the_entry() {
    let mut outbox = open(1);
    outbox.drop_push(0, 1, ms(0), WITHIN);
    assert_eq!(outbox.put(0, &frame(2), |bytes| Ok(bytes.len())), Put::Sent);
    assert_eq!(outbox.drop_push(0, 3, ms(50), WITHIN), Put::Dropped { schedule: None });
    assert_eq!(outbox.fire(0, ms(100), || frame(3), full), Fired::Later(ms(150)));
    outbox.put(0, &frame(4), |bytes| Ok(bytes.len()));
    assert_eq!(outbox.fire(0, ms(150), || frame(4), full), Fired::Settled);
    let schedule = Some(ms(300));
    assert_eq!(outbox.drop_push(0, 5, ms(200), WITHIN), Put::Dropped { schedule });
}

#[test]
fn nothing_is_written_after_the_end() {
    let mut outbox = open(1);
    outbox.drop_push(0, 1, ms(0), WITHIN);
    outbox.end();
    let never = |_: &[u8]| panic!("it has ended");
    assert_eq!(outbox.put(0, &frame(2), never), Put::Gone);
    assert_eq!(outbox.fire(0, ms(200), || frame(2), never), Fired::Put(Put::Gone));
    assert!(!outbox.is_blocked());
}
