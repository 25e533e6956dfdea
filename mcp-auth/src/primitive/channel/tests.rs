use std::thread;

use super::*;

const ALL: Wanted = Wanted {
    progress: true,
    level: Some(LogLevel::Debug),
    closing: false,
};
const INTERVAL: Duration = Duration::from_millis(50);

fn channel(wanted: Wanted, waits: bool) -> Arc<Channel> {
    let channel = Channel::new("import", wanted, waits, INTERVAL, Dialogue::default());
    channel.open();
    channel
}

fn done(done: f64) -> Progress {
    Progress {
        done,
        total: None,
        message: None,
    }
}

fn entry(data: &str) -> LogMessage {
    LogMessage {
        level: LogLevel::Info,
        logger: None,
        data: data.to_owned(),
    }
}

fn progress(next: Next) -> Option<f64> {
    match next {
        Next::Message(Message::Progress(progress)) => Some(progress.done),
        Next::Message(Message::Close | Message::Log(_)) | Next::At(_) | Next::Nothing => None,
    }
}

#[test]
fn only_progress_that_increases_is_sent() {
    let channel = channel(ALL, false);
    let mut now = Instant::now();
    let mut sent = Vec::new();
    for value in [0.0, 0.0, -1.0, f64::NAN, 2.0, 1.0, f64::INFINITY, 2.5] {
        channel.report(done(value));
        sent.extend(progress(channel.next(now)));
        now += INTERVAL;
    }
    assert_eq!(sent, [0.0, 2.0, 2.5]);
}

#[test]
fn the_newest_progress_is_sent_once_the_interval_has_passed() {
    let channel = channel(ALL, false);
    let start = Instant::now();
    channel.report(done(1.0));
    assert_eq!(progress(channel.next(start)), Some(1.0));
    channel.report(done(2.0));
    channel.report(done(3.0));
    assert_eq!(channel.next(start), Next::At(start + INTERVAL));
    assert_eq!(progress(channel.next(start + INTERVAL)), Some(3.0));
    assert_eq!(channel.next(start + INTERVAL), Next::Nothing);
    channel.report(done(4.0));
    assert_eq!(channel.rest(), Some(Message::Progress(done(4.0))));
    assert_eq!(channel.rest(), None);
}

#[test]
fn messages_that_nobody_asked_for_are_not_kept() {
    let channel = channel(Wanted::default(), false);
    channel.report(done(1.0));
    assert_eq!(channel.next(Instant::now()), Next::Nothing);
    for level in [LogLevel::Debug, LogLevel::Emergency] {
        assert!(!channel.wants(level));
    }
    assert!(!channel.is_used());
    let warnings = Wanted {
        progress: false,
        level: Some(LogLevel::Warning),
        closing: false,
    };
    let channel = Channel::new("import", warnings, false, INTERVAL, Dialogue::default());
    assert!(channel.is_used() && channel.wants(LogLevel::Warning));
    assert!(channel.wants(LogLevel::Alert) && !channel.wants(LogLevel::Notice));
}

#[test]
fn a_stream_is_closed_after_its_messages_and_only_if_the_client_resumes_it() {
    let closing = Wanted {
        closing: true,
        ..ALL
    };
    let channel = channel(closing, false);
    assert!(
        Wanted {
            level: None,
            progress: false,
            ..closing
        }
        .is_some()
    );
    channel.log(entry("before"));
    channel.report(done(1.0));
    channel.close_stream();
    let now = Instant::now();
    assert!(matches!(
        channel.next(now),
        Next::Message(Message::Progress(_))
    ));
    assert!(matches!(channel.next(now), Next::Message(Message::Log(_))));
    assert_eq!(channel.next(now), Next::Message(Message::Close));
    assert_eq!(channel.next(now), Next::Nothing);
    for channel in [
        self::channel(ALL, false),
        Channel::new("import", closing, false, INTERVAL, Dialogue::default()),
    ] {
        channel.close_stream();
        assert_eq!(channel.next(now), Next::Nothing);
    }
}

#[test]
fn an_async_function_cannot_fill_the_memory() {
    let channel = channel(ALL, false);
    for _ in 0..10 * MOST_LOGS {
        channel.log(entry("1"));
    }
    assert_eq!(channel.lock().logs.len(), MOST_LOGS);
    assert_eq!(channel.lock().lost, 9 * MOST_LOGS);
    let large = "x".repeat(MOST_BYTES);
    let other = self::channel(ALL, false);
    for _ in 0..10 {
        other.log(entry(&large));
    }
    assert_eq!(other.lock().logs.len(), 1);
    // A message that was taken makes room for another.
    assert!(matches!(other.next(Instant::now()), Next::Message(_)));
    other.log(entry("2"));
    assert_eq!(other.rest(), Some(Message::Log(entry("2"))));
}

#[test]
fn a_plain_function_waits_until_its_messages_are_read_or_the_client_is_gone() {
    let channel = channel(ALL, true);
    let sender = {
        let channel = Arc::clone(&channel);
        thread::spawn(move || {
            for number in 0..2 * MOST_LOGS {
                channel.log(entry(&number.to_string()));
            }
        })
    };
    let mut read = 0;
    while read < MOST_LOGS / 2 {
        match channel.next(Instant::now()) {
            Next::Message(message) => {
                assert_eq!(message, Message::Log(entry(&read.to_string())));
                read += 1;
            }
            Next::At(_) | Next::Nothing => thread::yield_now(),
        }
    }
    assert!(!sender.is_finished());
    channel.close();
    sender.join().unwrap();
    assert_eq!(channel.rest(), None);
    assert_eq!(channel.lock().lost, 0);
}

#[test]
fn progress_moves_the_deadline_up_to_the_longest_time() {
    let channel = channel(Wanted::default(), false);
    let start = Instant::now();
    let deadline = |channel: &Channel| {
        let (timeout, longest) = (Duration::from_secs(60), Duration::from_secs(600));
        channel.deadline(start, timeout, longest).unwrap() - start
    };
    assert_eq!(deadline(&channel), Duration::from_secs(60));
    // Progress counts although the client did not ask for it.
    channel.report(done(1.0));
    let moved = deadline(&channel);
    assert!(moved >= Duration::from_secs(60) && moved < Duration::from_secs(90));
    let late = start + Duration::from_secs(590);
    channel.lock().reported = Some((2.0, late));
    assert_eq!(deadline(&channel), Duration::from_secs(600));
}

#[test]
fn a_guard_that_is_dropped_cancels_the_call() {
    let channel = channel(Wanted::default(), false);
    channel.cancel_on_drop().disarm();
    assert!(!channel.cancelled().is_cancelled());
    drop(channel.cancel_on_drop());
    assert!(channel.cancelled().is_cancelled());
}

#[test]
fn messages_before_the_body_of_the_function_are_dropped() {
    for waits in [false, true] {
        let channel = Channel::new("import", ALL, waits, INTERVAL, Dialogue::default());
        channel.report(done(1.0));
        channel.log(entry("1"));
        assert_eq!(channel.rest(), None);
        channel.open();
        channel.report(done(1.0));
        assert_eq!(channel.rest(), Some(Message::Progress(done(1.0))));
    }
}

#[test]
fn an_async_function_is_held_while_half_of_the_queue_is_unread() {
    let channel = channel(ALL, false);
    let waker = futures_util::task::noop_waker();
    for _ in 0..MOST_LOGS / 2 {
        assert!(!channel.holds(&waker));
        channel.log(entry("1"));
    }
    assert!(channel.holds(&waker));
    assert!(channel.rest().is_some() && !channel.holds(&waker));
    channel.log(entry("1"));
    assert!(channel.holds(&waker));
    channel.finish();
    assert!(!channel.holds(&waker) && channel.rest().is_some());
    // A plain function waits in `log` instead.
    let plain = self::channel(ALL, true);
    for _ in 0..MOST_LOGS {
        plain.log(entry("1"));
    }
    assert!(!plain.holds(&waker));
}

#[test]
fn progress_is_sent_among_many_log_messages() {
    let channel = channel(ALL, false);
    for _ in 0..10 {
        channel.log(entry("1"));
    }
    channel.report(done(1.0));
    assert_eq!(progress(channel.next(Instant::now())), Some(1.0));
}

#[test]
fn an_ended_call_sends_what_waits_and_nothing_later() {
    let channel = channel(ALL, true);
    channel.log(entry("1"));
    channel.finish();
    channel.log(entry("2"));
    channel.report(done(1.0));
    assert_eq!(channel.rest(), Some(Message::Log(entry("1"))));
    assert_eq!(channel.rest(), None);
}
