//! The table of windows: units, parallel threads, and a comparison with a naive model.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::clock::{ManualClock, SystemClock};

const MINUTE: Duration = Duration::from_secs(60);
const HUNDRED: Limit = Limit {
    most: 100,
    window: MINUTE,
};

fn table(most: usize) -> (Windows, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(0));
    let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    (Windows::new(time, most), clock)
}

fn limit(most: u32, seconds: u64) -> Limit {
    Limit {
        most,
        window: Duration::from_secs(seconds),
    }
}

#[test]
fn a_window_begins_with_the_first_event_and_allows_exactly_its_limit() {
    let (windows, clock) = table(100);
    let [ada, bob] = ["ada", "bob"].map(|name| windows.key(name));
    clock.advance(Duration::from_secs(7));
    for second in 0..10 {
        assert_eq!(windows.take(ada, limit(10, 60)), Ok(()), "{second}");
        clock.advance(Duration::from_secs(1));
    }
    let wait = Duration::from_secs(50);
    assert_eq!(windows.take(ada, limit(10, 60)), Err(wait));
    assert_eq!(windows.wait(ada, limit(10, 60)), Some(wait));
    assert_eq!(windows.take(bob, limit(10, 60)), Ok(()));
    clock.advance(wait - Duration::from_nanos(1));
    let rest = Err(Duration::from_nanos(1));
    assert_eq!(windows.take(ada, limit(10, 60)), rest);
    clock.advance(Duration::from_nanos(1));
    assert_eq!(windows.wait(ada, limit(10, 60)), None);
    let allowed = (0..30).filter(|_| windows.take(ada, limit(10, 60)).is_ok());
    assert_eq!(allowed.count(), 10);
}

#[test]
fn events_counted_without_a_limit_count_for_a_later_limit() {
    let (windows, clock) = table(100);
    let peer = windows.key("peer");
    assert_eq!(windows.wait(peer, limit(2, 60)), None);
    count(&windows, peer, MINUTE);
    clock.advance(Duration::from_secs(20));
    count(&windows, peer, MINUTE);
    assert_eq!(
        windows.wait(peer, limit(2, 60)),
        Some(Duration::from_secs(40))
    );
    count(&windows, peer, MINUTE);
    clock.advance(Duration::from_secs(40));
    assert_eq!(windows.wait(peer, limit(2, 60)), None);
}

#[test]
fn a_limit_of_zero_allows_nothing() {
    let (windows, _) = table(100);
    let key = windows.key("key");
    assert_eq!(windows.take(key, limit(0, 60)), Err(MINUTE));
    assert_eq!(windows.wait(key, limit(0, 60)), Some(MINUTE));
    assert_eq!(len(&windows), 0);
}

#[test]
fn an_event_counts_under_all_its_limits_or_under_none() {
    let (windows, clock) = table(10_000);
    let user = (windows.key("user"), limit(3, 1), 0);
    let orgs = [1, 2, 3, 4, 5].map(|org| (windows.key(org), limit(2, 60), org));
    for org in orgs {
        let expected = windows
            .wait(user.0, user.1)
            .map_or(Ok(()), |wait| Err(OverLimit { by: 0, wait }));
        assert_eq!(windows.take_all(&[user, org]), expected);
    }
    clock.advance(Duration::from_secs(1));
    // The first three organizations have one event each, and the others have none.
    let left =
        orgs.map(|(key, limit, _)| (0..3).filter(|_| windows.take(key, limit).is_ok()).count());
    assert_eq!(left, [1, 1, 1, 2, 2]);
    assert_eq!(
        windows.take_all(&[user, orgs[4]]),
        Err(OverLimit {
            by: 5,
            wait: MINUTE
        })
    );
    let allowed = (0..9).filter(|_| windows.take_all(&[user]).is_ok());
    assert_eq!(allowed.count(), 3);
    assert_eq!(windows.take_all::<()>(&[]), Ok(()));
}

#[test]
fn the_limit_with_the_longest_wait_is_named_if_several_refuse() {
    let (windows, _) = table(100);
    let limits = [("a", 60), ("b", 3_600), ("c", 3_600)]
        .map(|(name, seconds)| (windows.key(name), limit(1, seconds), name));
    assert_eq!(windows.take_all(&limits), Ok(()));
    let refused = windows.take_all(&limits).unwrap_err();
    assert_eq!((refused.by, refused.wait), ("b", MINUTE * 60));
}

#[test]
fn a_window_that_is_over_is_removed() {
    let (windows, clock) = table(100_000);
    for key in 0..1_000 {
        count(&windows, windows.key(key), MINUTE);
        count(&windows, windows.key(("long", key)), MINUTE * 60);
    }
    assert_eq!(len(&windows), 2_000);
    clock.advance(MINUTE);
    windows.wait(windows.key(0), HUNDRED);
    assert_eq!(len(&windows), 1_000);
    assert_eq!(windows.lock().0.ends.len(), 1_000);
}

#[test]
fn a_full_table_drops_the_window_that_ends_first() {
    let (windows, clock) = table(2);
    let keys = [0, 1, 2, 3].map(|key| windows.key(key));
    count(&windows, keys[0], MINUTE * 60);
    count(&windows, keys[1], MINUTE);
    clock.advance(Duration::from_secs(1));
    count(&windows, keys[2], MINUTE);
    count(&windows, keys[3], MINUTE);
    let counted = keys.map(|key| windows.wait(key, limit(1, 60)).is_some());
    assert_eq!(counted, [true, false, false, true]);
    for key in 0..100_000 {
        count(&windows, windows.key(key), MINUTE);
    }
    assert_eq!(len(&windows), 2);
}

/// Returns the number of windows in the table.
fn len(windows: &Windows) -> usize {
    let table = windows.table.lock().unwrap();
    table.windows.len()
}

#[test]
fn exactly_as_many_as_stated_are_allowed_under_eight_threads() {
    let windows = Windows::new(Arc::new(SystemClock::new()), 10_000);
    let user = (windows.key("user"), HUNDRED, ());
    let org = (windows.key("org"), limit(150, 3_600), ());
    let other = (windows.key("other"), HUNDRED, ());
    let allowed = [const { AtomicU64::new(0) }; 2];
    thread::scope(|scope| {
        for thread in 0..8 {
            let (windows, allowed) = (&windows, &allowed);
            scope.spawn(move || {
                for event in 0..1_000 {
                    let first = (event + thread) % 2 == 0;
                    let limits = if first { [user, org] } else { [org, other] };
                    if windows.take_all(&limits).is_ok() {
                        allowed[usize::from(first)].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let [second, first] = allowed.map(AtomicU64::into_inner);
    assert_eq!(first + second, 150);
    assert!(first <= 100 && second <= 100, "{first} {second}");
    // The refused events counted nowhere.
    let left = |(key, limit, ())| {
        (0..1_000)
            .filter(|_| windows.take(key, limit).is_ok())
            .count()
    };
    assert_eq!(
        (left(user), left(other)),
        (100 - first as usize, 100 - second as usize)
    );
}

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Count(u8),
    Take(Vec<(u8, u32)>),
    Wait(u8, u32),
}

/// Returns the length of the window of a key, in seconds.
fn seconds(key: u8) -> u64 {
    [1, 60, 3_600][usize::from(key % 3)]
}

fn step() -> impl Strategy<Value = Step> {
    let limited = || (0..9_u8, 0..4_u32);
    let limits = prop::collection::vec(limited(), 0..4).prop_map(|mut limits| {
        limits.sort_unstable();
        limits.dedup_by_key(|(key, _)| *key);
        limits
    });
    prop_oneof![
        1 => prop_oneof![0..1_500_u64, 0..70_000_u64, 0..4_000_000_u64].prop_map(Step::Advance),
        2 => (0..9_u8).prop_map(Step::Count),
        6 => limits.prop_map(Step::Take),
        1 => limited().prop_map(|(key, most)| Step::Wait(key, most)),
    ]
}

/// A naive model: all events of each key since the beginning. Each query computes the windows from
/// these events.
#[derive(Default)]
struct Model {
    now: u64,
    events: HashMap<u8, Vec<u64>>,
}

impl Model {
    /// Returns the start of the current window, and its number of events.
    fn window(&self, key: u8) -> Option<(u64, u32)> {
        let mut window = None::<(u64, u32)>;
        for at in self.events.get(&key).into_iter().flatten() {
            window = match window {
                Some((start, events)) if *at < start + seconds(key) * 1_000 => {
                    Some((start, events + 1))
                }
                _ => Some((*at, 1)),
            };
        }
        window.filter(|(start, _)| self.now < start + seconds(key) * 1_000)
    }

    fn wait(&self, key: u8, most: u32) -> Option<u64> {
        match self.window(key) {
            Some((start, events)) if events >= most => {
                Some(start + seconds(key) * 1_000 - self.now)
            }
            None if most == 0 => Some(seconds(key) * 1_000),
            _ => None,
        }
    }

    fn count(&mut self, key: u8) {
        self.events.entry(key).or_default().push(self.now);
    }
}

proptest! {
    #[test]
    fn the_table_agrees_with_a_naive_model(steps in prop::collection::vec(step(), 1..200)) {
        let (windows, clock) = table(10_000);
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Advance(ms) => {
                    clock.advance(Duration::from_millis(ms));
                    model.now += ms;
                }
                Step::Count(key) => {
                    count(&windows, windows.key(key), Duration::from_secs(seconds(key)));
                    model.count(key);
                }
                Step::Wait(key, most) => {
                    let wait = windows.wait(windows.key(key), limit(most, seconds(key)));
                    let expected = model.wait(key, most).map(Duration::from_millis);
                    prop_assert_eq!(wait, expected);
                }
                Step::Take(keys) => {
                    let limits: Vec<_> = keys
                        .iter()
                        .map(|(key, most)| (windows.key(*key), limit(*most, seconds(*key)), ()))
                        .collect();
                    let longest = keys.iter().filter_map(|(key, most)| model.wait(*key, *most)).max();
                    let refused = windows.take_all(&limits).err().map(|refused| refused.wait);
                    prop_assert_eq!(refused, longest.map(Duration::from_millis));
                    if longest.is_none() {
                        keys.iter().for_each(|(key, _)| model.count(*key));
                    }
                }
            }
        }
    }
}

/// Counts an event that no limit refuses.
fn count(windows: &Windows, key: Key, window: Duration) {
    let limit = Limit {
        most: u32::MAX,
        window,
    };
    windows.take(key, limit).unwrap();
}
