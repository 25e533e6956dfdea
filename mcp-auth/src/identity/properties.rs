//! Property tests of caches, circuit breakers and single flight. The tests compare the code with simple models, use a
//! manual clock and run concurrent callers.

use std::collections::HashMap;
use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::identity::cache::{TokenCache, weight};
use crate::identity::fingerprint::Fingerprint;
use crate::identity::lookup::{Circuit, SingleFlight};
use crate::identity::test_support;
use crate::identity::test_support::block_on;
use crate::identity::{Clock, IoRuntime, LookupError, ManualClock};
use crate::properties::cases;

/// An event in the life of a circuit.
#[derive(Clone, Copy, Debug)]
enum Event {
    Answered,
    Declined,
    Failed,
    Throttled(u64),
    Waited(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => Just(Event::Answered),
        1 => Just(Event::Declined),
        6 => Just(Event::Failed),
        1 => (0_u64..100).prop_map(Event::Throttled),
        4 => (1_u64..9_000).prop_map(Event::Waited),
    ]
}

/// A circuit breaker that behaves as documented. Times are in milliseconds.
#[derive(Default)]
struct Model {
    now: u64,
    failures: u32,
    rests_until: u64,
}

impl Model {
    /// Returns true if a question is asked now. The question then ends in this event.
    fn ask(&mut self, event: Event) -> bool {
        if self.now < self.rests_until {
            return false;
        }
        match event {
            Event::Answered | Event::Declined => self.failures = 0,
            Event::Throttled(seconds) => {
                self.rests_until = self.now + seconds.clamp(1, 60) * 1_000;
            }
            Event::Failed => {
                self.failures += 1;
                if self.failures >= 5 {
                    let doubled = (0..self.failures - 5).fold(1, |rest: u64, _| (rest * 2).min(8));
                    self.rests_until = self.now + doubled * 1_000;
                }
            }
            Event::Waited(_) => unreachable!("that is no question"),
        }
        true
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn a_circuit_asks_when_its_model_asks(events in vec(event(), 1..60)) {
        let clock = test_support::clock();
        let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let circuit = Circuit::new("the test's service", time);
        let mut model = Model::default();
        for event in events {
            let outcome = match event {
                Event::Waited(ms) => {
                    clock.advance(Duration::from_millis(ms));
                    model.now += ms;
                    continue;
                }
                Event::Answered => Ok(()),
                Event::Declined => Err(LookupError::Declined),
                Event::Failed => Err(LookupError::Failed),
                Event::Throttled(seconds) => {
                    Err(LookupError::Throttled(Duration::from_secs(seconds)))
                }
            };
            let mut asked = false;
            let question = || {
                asked = true;
                ready(outcome)
            };
            prop_assert!(circuit.ask(question).now_or_never().is_some());
            prop_assert_eq!(asked, model.ask(event), "{:?}", event);
            prop_assert_eq!(circuit.check().is_ok(), model.now >= model.rests_until);
        }
    }
}

/// A change of a cache: the number of a token, and the caller of the token.
#[derive(Clone, Copy, Debug)]
enum Change {
    Inserted(u8, usize),
    Removed(u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (0_u8..40, 0_usize..3).prop_map(|(token, whose)| Change::Inserted(token, whose)),
        1 => (0_u8..40).prop_map(Change::Removed),
    ]
}

fn fingerprint(token: u8) -> Fingerprint {
    Fingerprint::of(&format!("token {token}"))
}

proptest! {
    #![proptest_config(cases(100))]

    /// A cache that has room for all tokens behaves like a map.
    #[test]
    fn a_cache_with_room_gives_back_what_was_put_in_and_nothing_else(
        changes in vec(change(), 1..120),
    ) {
        let callers = callers();
        let (cache, mut model) = (TokenCache::new(ROOM), HashMap::new());
        for change in changes {
            match change {
                Change::Inserted(token, whose) => {
                    cache.insert(fingerprint(token), callers[whose].clone());
                    model.insert(token, whose);
                }
                Change::Removed(token) => {
                    cache.remove(fingerprint(token));
                    model.remove(&token);
                }
            }
            for token in 0..40 {
                let found = cache.get(fingerprint(token));
                let found = found.map(|caller| caller.subject().to_owned());
                prop_assert_eq!(found, model.get(&token).map(|whose| subject(*whose)));
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(20))]

    /// A full cache may have dropped a token. It never returns the caller of another token.
    #[test]
    fn a_full_cache_with_concurrent_callers_never_gives_a_token_to_another(
        tokens in vec(0_u8..=255, 50..200), room in 1_usize..20,
    ) {
        let callers = callers();
        let cache = TokenCache::new(room * weight(&callers[0]));
        thread::scope(|scope| {
            for start in 0..4 {
                let (tokens, callers, cache) = (&tokens, &callers, &cache);
                scope.spawn(move || {
                    for token in tokens.iter().cycle().skip(start * 13).take(tokens.len()) {
                        let whose = usize::from(*token) % callers.len();
                        match token % 5 {
                            0 => cache.remove(fingerprint(*token)),
                            _ => cache.insert(fingerprint(*token), callers[whose].clone()),
                        }
                        if let Some(found) = cache.get(fingerprint(*token)) {
                            assert_eq!(found.subject(), subject(whose));
                        }
                    }
                });
            }
        });
        let kept = (0..=255).filter(|token| cache.get(fingerprint(*token)).is_some()).count();
        prop_assert!(kept <= room, "{} in a room for {}", kept, room);
    }

    /// Callers who ask while work is in flight get the outcome of this work, and two pieces of work for one key never
    /// run at once.
    #[test]
    fn concurrent_callers_of_one_key_share_its_work(keys in vec(0_usize..3, 8..64)) {
        let io = IoRuntime::start().unwrap();
        let flights = Arc::new(SingleFlight::new(io.handle().clone()));
        let running: Arc<[AtomicUsize; 3]> = Arc::default();
        let started = Arc::new(Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for chunk in keys.chunks(keys.len().div_ceil(4)) {
                let (flights, running, started) = (&flights, &running, &started);
                scope.spawn(move || {
                    let landings = chunk.iter().map(|key| {
                        let (running, started, key) = (Arc::clone(running), Arc::clone(started), *key);
                        flights.join(&key, move || async move {
                            assert_eq!(running[key].fetch_add(1, Ordering::SeqCst), 0);
                            started.lock().unwrap().push(key);
                            tokio::task::yield_now().await;
                            running[key].fetch_sub(1, Ordering::SeqCst);
                            key
                        })
                    });
                    let landed = block_on(join_all(landings.collect::<Vec<_>>()));
                    let expected: Vec<_> = chunk.iter().map(|key| Ok(*key)).collect();
                    assert_eq!(landed, expected);
                });
            }
        });
        let started = started.lock().unwrap();
        prop_assert!(keys.iter().all(|key| started.contains(key)));
        prop_assert!(started.len() <= keys.len());
        prop_assert!((0..3).all(|key| !flights.is_flying(&key)));
    }
}

fn subject(whose: usize) -> String {
    format!("user_{whose}")
}

/// Three callers, made once because signing takes a while.
fn callers() -> Vec<crate::identity::Caller> {
    static CALLERS: std::sync::OnceLock<Vec<crate::identity::Caller>> = std::sync::OnceLock::new();
    let made = CALLERS.get_or_init(|| {
        let caller = |whose| {
            let mut claims = test_support::oauth_claims();
            claims["sub"] = subject(whose).into();
            test_support::oauth_caller(&claims)
        };
        (0..3).map(caller).collect()
    });
    made.clone()
}

const ROOM: usize = 16 * 1024 * 1024;
