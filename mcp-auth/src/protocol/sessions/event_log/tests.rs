use std::task::Waker;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const MOST: Most = Most {
    events: 8,
    bytes: 64,
    of_user: 1000,
    total: 1000,
    age: Duration::from_secs(300),
    waiting: 4,
    waiting_bytes: 40,
};
const START: Duration = Duration::ZERO;

fn log() -> (EventLog, Arc<AtomicUsize>) {
    let kept = Kept::default();
    (EventLog::new(MOST, kept.clone()), kept.total)
}

/// Takes all events that are there. The flag is true if the connection is over.
fn take_all(log: &mut EventLog, (stream, reader): (u64, u64)) -> (Vec<(String, Bytes)>, bool) {
    let mut events = Vec::new();
    loop {
        match log.take(stream, reader, Waker::noop()) {
            Taken::Event(id, message) => events.push((id.to_string(), message)),
            Taken::Pending => return (events, false),
            Taken::Over => return (events, true),
        }
    }
}

fn taken(log: &mut EventLog, of: (u64, u64)) -> Vec<String> {
    take_all(log, of).0.into_iter().map(|(id, _)| id).collect()
}

fn id(text: &str) -> EventId {
    EventId::parse(text).unwrap()
}

#[test]
fn only_an_id_as_the_server_writes_it_is_an_id() {
    for good in ["0-0", "3-17", "18446744073709551615-1"] {
        assert_eq!(id(good).to_string(), good);
    }
    for bad in [
        "",
        "1",
        "1-",
        "-1",
        "1-2-3",
        "+1-2",
        "1-+2",
        "01-2",
        "1-02",
        " 1-2",
        "1-2 ",
        "a-b",
        "18446744073709551616-1",
    ] {
        assert_eq!(EventId::parse(bad), None, "{bad:?}");
    }
}

#[test]
fn each_stream_has_ids_of_its_own_and_events_go_to_one_stream() {
    let (mut log, _) = log();
    let (one, two) = (log.begin(), log.begin());
    log.append(one.0, "a".into(), START);
    log.append(two.0, "b".into(), START);
    log.append(one.0, "c".into(), START);
    log.append(STANDALONE, "d".into(), START);
    assert_eq!(taken(&mut log, one), ["1-0", "1-1"]);
    assert_eq!(taken(&mut log, two), ["2-0"]);
    let standalone = (STANDALONE, log.attach(STANDALONE).unwrap());
    assert_eq!(taken(&mut log, standalone), ["0-0"]);
    // A new connection does not get what another has taken.
    let again = (STANDALONE, log.attach(STANDALONE).unwrap());
    assert_eq!(taken(&mut log, again), Vec::<String>::new());
}

#[test]
fn a_resumed_stream_continues_after_the_last_event() {
    let (mut log, _) = log();
    let one = log.begin();
    for message in ["a", "b", "c"] {
        log.append(one.0, message.into(), START);
    }
    assert_eq!(taken(&mut log, one).len(), 3);
    let resumed = (1, log.resume(id("1-0"), START).unwrap());
    // The connection before is replaced.
    assert!(take_all(&mut log, one).1);
    log.append(1, "d".into(), START);
    log.end(1);
    let (events, is_over) = take_all(&mut log, resumed);
    let events: Vec<_> = events.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!((events, is_over), (vec!["1-1", "1-2", "1-3"], true));
}

#[test]
fn an_event_that_the_session_does_not_have_resumes_nothing() {
    let (mut log, _) = log();
    let one = log.begin();
    log.append(one.0, "a".into(), START);
    for unknown in ["0-0", "1-1", "2-0", "9-9"] {
        assert_eq!(log.resume(id(unknown), START), None, "{unknown}");
    }
    assert!(log.resume(id("1-0"), START).is_some());
}

#[test]
fn a_closed_connection_gets_what_is_there_and_the_stream_goes_on() {
    let (mut log, _) = log();
    let one = log.begin();
    log.append(one.0, "a".into(), START);
    log.close(one.0);
    let (events, is_over) = take_all(&mut log, one);
    assert_eq!((events.len(), is_over), (1, true));
    log.detach(one.0, one.1);
    log.append(one.0, "b".into(), START);
    log.end(one.0);
    let resumed = (1, log.resume(id("1-0"), START).unwrap());
    assert_eq!(taken(&mut log, resumed), ["1-1"]);
}

#[test]
fn taken_events_are_removed_before_events_that_wait() {
    let (mut log, total) = log();
    let (one, two) = (log.begin(), log.begin());
    log.detach(two.0, two.1);
    for _ in 0..4 {
        log.append(two.0, "waits".into(), START);
    }
    for _ in 0..3 {
        log.append(one.0, "taken".into(), START);
    }
    assert_eq!(taken(&mut log, one).len(), 3);
    for _ in 0..4 {
        log.append(one.0, "new".into(), START);
    }
    assert_eq!((log.events, log.bytes), (8, 4 * 5 + 4 * 3));
    assert_eq!(total.load(Ordering::Relaxed), log.bytes);
    // No event that waits was lost.
    assert_eq!(taken(&mut log, one).len(), 4);
    let two = (two.0, log.attach(two.0).unwrap());
    assert_eq!(taken(&mut log, two).len(), 4);
    drop(log);
    assert_eq!(total.load(Ordering::Relaxed), 0);
}

#[test]
fn the_oldest_events_without_a_connection_fall_out() {
    let (mut log, _) = log();
    let one = log.begin();
    log.append(one.0, Bytes::new(), START);
    assert_eq!(taken(&mut log, one), ["1-0"]);
    log.detach(one.0, one.1);
    for _ in 0..20 {
        log.append(one.0, "x".into(), START);
    }
    let resumed = (1, log.resume(id("1-0"), START).unwrap());
    let ids = taken(&mut log, resumed);
    assert_eq!((ids.len(), ids[0].as_str()), (8, "1-13"));
    // A message that is larger than the limit is not kept.
    log.detach(resumed.0, resumed.1);
    log.append(one.0, Bytes::from(vec![b'x'; 65]), START);
    assert_eq!((log.events, log.bytes), (0, 0));
}

#[test]
fn a_message_for_a_connection_is_kept_however_large_it_is() {
    let (mut log, _) = log();
    let one = log.begin();
    log.append(one.0, Bytes::from(vec![b'x'; 10_000]), START);
    assert_eq!(take_all(&mut log, one).0[0].1.len(), 10_000);
    log.append(one.0, "y".into(), START);
    assert_eq!(log.bytes, 1);
}

#[test]
fn beyond_the_limits_of_many_sessions_nothing_is_kept_for_clients_that_are_away() {
    let of_user = Most {
        of_user: 10,
        ..MOST
    };
    let of_all = Most { total: 10, ..MOST };
    for most in [of_user, of_all] {
        let kept = Kept::default();
        let mut other = EventLog::new(most, kept.clone());
        let busy = other.begin();
        other.append(busy.0, Bytes::from(vec![b'x'; 50]), START);
        let mut log = EventLog::new(most, kept.clone());
        let one = log.begin();
        log.detach(one.0, one.1);
        log.append(one.0, "away".into(), START);
        assert_eq!((log.bytes, kept.total.load(Ordering::Relaxed)), (0, 50));
        log.attach(one.0).unwrap();
        log.append(one.0, "there".into(), START);
        assert_eq!(log.bytes, 5);
    }
}

#[test]
fn a_user_has_a_share_and_other_sessions_remove_no_event_that_a_connection_reads() {
    let most = Most {
        of_user: 40,
        total: 100,
        ..MOST
    };
    let kept = |total: &Arc<AtomicUsize>| Kept {
        total: Arc::clone(total),
        ..Kept::default()
    };
    let total = Arc::default();
    let greedy = kept(&total);
    let mut of_greedy: Vec<_> = (0..5)
        .map(|_| EventLog::new(most, greedy.clone()))
        .collect();
    for log in &mut of_greedy {
        for _ in 0..4 {
            log.append(STANDALONE, Bytes::from(vec![b'x'; 10]), START);
        }
    }
    assert_eq!(total.load(Ordering::Relaxed), 40);
    let mut away = EventLog::new(most, kept(&total));
    away.append(STANDALONE, Bytes::from(vec![b'x'; 30]), START);
    assert_eq!(away.bytes, 30);
    // The limit of all sessions is reached now.
    total.fetch_add(1000, Ordering::Relaxed);
    let mut log = EventLog::new(most, kept(&total));
    let reader = log.attach(STANDALONE).unwrap();
    log.append(STANDALONE, "changed".into(), START);
    assert_eq!(taken(&mut log, (STANDALONE, reader)), ["0-0"]);
    // The limits of the session itself still hold.
    for _ in 0..20 {
        log.append(STANDALONE, "changed".into(), START);
    }
    assert_eq!(log.events, MOST.events);
    log.clear();
    assert_eq!((log.events, log.bytes), (0, 0));
    drop((of_greedy, away, log));
    assert_eq!(total.load(Ordering::Relaxed), 1000);
}

#[test]
fn an_old_event_is_not_sent_again() {
    let (mut log, _) = log();
    let one = log.begin();
    log.append(one.0, "a".into(), START);
    log.end(one.0);
    assert_eq!(taken(&mut log, one), ["1-0"]);
    log.detach(one.0, one.1);
    log.expire(MOST.age - Duration::from_secs(1));
    assert_eq!((log.events, log.streams.len()), (1, 2));
    log.expire(MOST.age);
    // The stream is removed with its last event.
    assert_eq!((log.events, log.streams.len()), (0, 1));
    assert_eq!(log.resume(id("1-0"), MOST.age), None);
}

#[test]
fn a_writer_waits_only_for_a_connection_that_is_there() {
    let (mut log, _) = log();
    let one = log.begin();
    for _ in 0..3 {
        log.append(one.0, "x".into(), START);
        assert!(!log.is_full(one.0, Waker::noop()));
    }
    log.append(one.0, "x".into(), START);
    assert!(log.is_full(one.0, Waker::noop()));
    assert!(matches!(
        log.take(one.0, one.1, Waker::noop()),
        Taken::Event(..)
    ));
    assert!(!log.is_full(one.0, Waker::noop()));
    log.append(one.0, Bytes::from(vec![b'x'; 40]), START);
    assert!(log.is_full(one.0, Waker::noop()));
    log.detach(one.0, one.1);
    assert!(!log.is_full(one.0, Waker::noop()));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Append(u64, usize),
    Attach(u64),
    Detach(u64),
    Take(u64),
    End(u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let stream = 0..4_u64;
    prop_oneof![
        6 => (stream.clone(), 0..30_usize).prop_map(|(stream, size)| Step::Append(stream, size)),
        2 => stream.clone().prop_map(Step::Attach),
        2 => stream.clone().prop_map(Step::Detach),
        4 => stream.clone().prop_map(Step::Take),
        1 => (1..4_u64).prop_map(Step::End),
        1 => (0..200_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn the_counts_agree_with_counting_and_no_event_is_sent_twice(steps in vec(step(), 0..200)) {
        let (mut log, total) = log();
        let mut readers: BTreeMap<u64, u64> = BTreeMap::new();
        for _ in 1..4 {
            let (stream, reader) = log.begin();
            readers.insert(stream, reader);
        }
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        let mut now = START;
        for step in steps {
            match step {
                // A writer waits while the stream is full, and does not write after the end.
                Step::Append(stream, size) => {
                    let is_ended = log.streams.get(&stream).is_none_or(|stream| stream.is_ended);
                    if !is_ended && !log.is_full(stream, Waker::noop()) {
                        log.append(stream, Bytes::from(vec![b'x'; size]), now);
                    }
                }
                Step::Attach(stream) => {
                    readers.extend(log.attach(stream).map(|reader| (stream, reader)));
                }
                Step::Detach(stream) => {
                    if let Some(reader) = readers.get(&stream) {
                        log.detach(stream, *reader);
                    }
                }
                Step::Take(stream) => {
                    if let Some(reader) = readers.get(&stream)
                        && let Taken::Event(id, _) = log.take(stream, *reader, Waker::noop())
                    {
                        let before = last.insert(stream, id.position);
                        prop_assert!(before.is_none_or(|before| before < id.position));
                    }
                }
                Step::End(stream) => log.end(stream),
                Step::Wait(seconds) => {
                    now += Duration::from_secs(seconds);
                    log.expire(now);
                }
            }
            let events = || log.streams.values().flat_map(|stream| &stream.events);
            prop_assert_eq!(log.events, events().count());
            prop_assert_eq!(log.bytes, events().map(|event| event.message.len()).sum::<usize>());
            prop_assert_eq!(total.load(Ordering::Relaxed), log.bytes);
            // Each of the streams holds at most four events and 69 bytes for its connection.
            prop_assert!(log.events <= MOST.events + 4 * 4);
            prop_assert!(log.bytes <= MOST.bytes + 4 * 69);
        }
    }
}
