//! Owed and waiting pushes, without a socket.

use hotchat_policy::DropShare;

use super::*;

const WITHIN: Duration = Duration::from_millis(100);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn frame(revision: u64) -> Frame {
    Frame::new(1, revision)
}

fn full(_: &[u8]) -> io::Result<usize> {
    Err(ErrorKind::WouldBlock.into())
}

/// Accepts at most `most` bytes of each write.
fn takes(most: usize, taken: &mut Vec<u8>) -> impl FnMut(&[u8]) -> io::Result<usize> {
    move |bytes| {
        let length = bytes.len().min(most);
        taken.extend_from_slice(&bytes[..length]);
        Ok(length)
    }
}

fn open(seats: usize) -> Outbox {
    let mut outbox = Outbox::new(seats, Turn::default);
    outbox.flush(|_| frame(0), full).unwrap();
    outbox
}

/// Drops a push; returns when the seat must be checked for it.
fn drop_push(outbox: &mut Outbox, revision: u64, now: Duration) -> Option<Duration> {
    let all = PushRule::Dropping {
        drop: DropShare::try_new(1.0).unwrap(),
        trailing: Some(WITHIN),
    };
    match outbox.offer(0, &frame(revision), &all, |_| panic!("it is dropped")) {
        Put::Dropped { first: true } => outbox.promise(0, revision, now, WITHIN),
        Put::Dropped { first: false } => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn pushes_wait_for_the_upgrade() {
    let mut outbox = Outbox::new(1, Turn::default);
    assert_eq!(outbox.put(0, &frame(1), |_| panic!("not connected")), Put::Waiting);
    let mut taken = Vec::new();
    let flushed = outbox.flush(|_| frame(1), takes(99, &mut taken)).unwrap();
    assert_eq!((flushed.pushes, flushed.blocked), (1, false));
    assert_eq!(taken, frame(1).bytes());
}

#[test]
fn only_the_newest_revision_waits_while_the_socket_is_full() {
    let mut outbox = open(2);
    assert_eq!(outbox.put(0, &frame(1), full), Put::Waiting);
    for revision in 2..1000 {
        assert_eq!(
            outbox.put(0, &frame(revision), |_| panic!("not the time to write")),
            Put::Coalesced
        );
    }
    assert_eq!(
        outbox.put(1, &frame(7), |_| panic!("not the time to write")),
        Put::Waiting
    );
    let mut taken = Vec::new();
    let flushed = outbox
        .flush(|seat| frame([999, 7][seat]), takes(99, &mut taken))
        .unwrap();
    assert_eq!((flushed.pushes, outbox.is_blocked()), (2, false));
    assert_eq!(taken, [frame(999).bytes(), frame(7).bytes()].concat());
    assert_eq!(
        outbox.put(0, &frame(999), |_| panic!("the member has it")),
        Put::Coalesced
    );
}

#[test]
fn frames_are_never_interleaved() {
    let mut outbox = open(1);
    let mut taken = Vec::new();
    assert_eq!(outbox.put(0, &frame(1), takes(5, &mut taken)), Put::Sent);
    assert_eq!(outbox.control(b"pong", |_| panic!("not the time to write")).unwrap(), 4);
    assert_eq!(
        outbox.put(0, &frame(2), |_| panic!("not the time to write")),
        Put::Waiting
    );
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
fn buffered_control_frames_are_bounded() {
    let mut outbox = open(1);
    for _ in 0..4 {
        assert_eq!(outbox.control(&[0; 128], full).unwrap(), 128);
    }
    assert_eq!(outbox.control(&[0; 1], full).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_dropped_push_gets_one_trailing_push() {
    let mut outbox = open(1);
    assert_eq!(drop_push(&mut outbox, 1, ms(0)), Some(ms(100)));
    assert_eq!(drop_push(&mut outbox, 2, ms(50)), None, "one entry per seat");
    assert_eq!(
        outbox.fire(0, ms(99), Turn::default(), || frame(2), full),
        Fired::Later(ms(100))
    );
    let mut taken = Vec::new();
    let fired = outbox.fire(0, ms(100), Turn::default(), || frame(2), takes(99, &mut taken));
    assert_eq!((fired, taken), (Fired::Put(Put::Sent), frame(2).bytes().to_vec()));
    assert_eq!(drop_push(&mut outbox, 3, ms(200)), Some(ms(300)), "a new debt");
}

#[test]
fn a_push_in_between_settles_the_debt_and_the_next_one_keeps_the_entry() {
    let mut outbox = open(1);
    drop_push(&mut outbox, 1, ms(0));
    drop_push(&mut outbox, 2, ms(10));
    assert_eq!(outbox.put(0, &frame(2), |bytes| Ok(bytes.len())), Put::Sent);
    assert_eq!(drop_push(&mut outbox, 3, ms(50)), None);
    assert_eq!(
        outbox.fire(0, ms(100), Turn::default(), || frame(3), full),
        Fired::Later(ms(150))
    );
    outbox.put(0, &frame(4), |bytes| Ok(bytes.len()));
    assert_eq!(
        outbox.fire(0, ms(150), Turn::default(), || frame(4), full),
        Fired::Settled
    );
    assert_eq!(drop_push(&mut outbox, 5, ms(200)), Some(ms(300)));
}

#[test]
fn no_trailing_push_is_scheduled_for_a_revision_already_sent() {
    let mut outbox = open(1);
    assert_eq!(outbox.put(0, &frame(2), |bytes| Ok(bytes.len())), Put::Sent);
    assert_eq!(outbox.promise(0, 1, ms(0), WITHIN), None);
    assert_eq!(
        outbox.fire(0, ms(200), Turn::default(), || frame(2), full),
        Fired::Settled
    );
}

#[test]
fn a_trailing_push_restarts_the_turn() {
    let mut outbox = open(1);
    let half = PushRule::Dropping {
        drop: DropShare::try_new(0.5).unwrap(),
        trailing: Some(WITHIN),
    };
    let write = |bytes: &[u8]| Ok(bytes.len());
    assert_eq!(outbox.offer(0, &frame(1), &half, write), Put::Dropped { first: true });
    outbox.promise(0, 1, ms(0), WITHIN);
    assert_eq!(
        outbox.fire(0, ms(100), Turn::default(), || frame(1), write),
        Fired::Put(Put::Sent)
    );
    assert_eq!(outbox.offer(0, &frame(2), &half, write), Put::Dropped { first: true });
    assert_eq!(outbox.offer(0, &frame(3), &half, write), Put::Sent);
}

#[test]
fn nothing_is_written_after_the_end() {
    let mut outbox = open(1);
    drop_push(&mut outbox, 1, ms(0));
    outbox.end();
    let never = |_: &[u8]| panic!("nothing is written after the end");
    assert_eq!(outbox.put(0, &frame(2), never), Put::Gone);
    assert_eq!(outbox.offer(0, &frame(2), &PushRule::All, never), Put::Gone);
    assert_eq!(
        outbox.fire(0, ms(200), Turn::default(), || frame(2), never),
        Fired::Put(Put::Gone)
    );
    assert!(!outbox.is_blocked());
}
