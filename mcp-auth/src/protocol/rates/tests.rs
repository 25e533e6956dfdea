use std::collections::HashSet;
use std::sync::Mutex;
use std::task::Poll;

use futures_util::FutureExt;
use futures_util::future::poll_fn;

use super::*;
use crate::identity::{ManualClock, test_support};
use crate::limits::Network;
use crate::metrics::Metrics;
use crate::primitive::{Registry, RegistrySettings, States};

mod tools {
    /// Be called.
    #[mcp_auth_macros::mcp_tool(crate = crate, rate = all("2/min per client", "3/hour per user"))]
    async fn called_at_rates() {}
}

fn tool() -> Arc<Served> {
    let settings = RegistrySettings {
        schemes: None,
        lenient_arguments: false,
        confirmation_codes: false,
        closed_schemas: true,
        metrics: Metrics::default(),
    };
    let serves = |tool: &crate::PrimitiveInfo| tool.name() == "called_at_rates";
    let registry = Registry::collect(serves, &States::default(), &settings).unwrap();
    Arc::clone(registry.find("called_at_rates").unwrap())
}

fn counting<'a>(tool: &'a Served, caller: &'a Caller, allowed: bool) -> Counting<'a> {
    Counting {
        tool: Some(tool),
        allowed,
        caller: Some(caller),
        org: None,
        party: caller.party(),
    }
}

fn rate(text: &'static str, whom: &'static str, seconds: u64) -> Limited {
    Limited::Rate {
        rate: Rate::new(text),
        whom,
        wait: Duration::from_secs(seconds),
    }
}

#[test]
fn the_refusal_names_the_rate_with_the_longest_wait_and_a_question_counts_nothing() {
    let clock = test_support::clock();
    let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let rates = Rates::in_memory(vec![Rate::new("5/day per user")], &time);
    let (tool, ada) = (
        tool(),
        test_support::oauth_caller(&test_support::oauth_claims()),
    );
    let [allowed, denied] = [true, false].map(|allowed| counting(&tool, &ada, allowed));
    let now = |limited: Result<(), Limited>, expected| assert_eq!(limited, expected);
    let peek = |call| rates.peek(call).now_or_never().unwrap();
    let take = |call| rates.take(call).now_or_never().unwrap();
    for _ in 0..2 {
        now(peek(allowed), Ok(()));
        now(take(allowed), Ok(()));
    }
    for ask in [peek(allowed), take(allowed)] {
        now(ask, Err(rate("2/min per client", "client", 60)));
    }
    clock.advance(Duration::from_secs(60));
    now(take(allowed), Ok(()));
    now(take(allowed), Err(rate("3/hour per user", "user", 3_540)));
    now(take(denied), Ok(()));
    now(take(denied), Ok(()));
    for call in [allowed, denied] {
        now(peek(call), Err(rate("5/day per user", "user", 86_340)));
        now(take(call), Err(rate("5/day per user", "user", 86_340)));
    }
}

#[test]
fn counts_share_a_window_only_if_the_tool_the_rate_and_the_caller_are_the_same() {
    let windows = Windows::new(test_support::clock(), 1);
    let network =
        |address: &str| Whose::Stranger(Party::Stranger(Network::of(address.parse().unwrap())));
    let mut keys = HashSet::new();
    for tool in [None, Some("a"), Some("ab")] {
        for place in 0..3 {
            for whose in [
                Whose::Client("a"),
                Whose::Org("a"),
                Whose::Subject("a"),
                Whose::Subject("b"),
                Whose::Subject("ab"),
                network("192.0.2.1"),
                network("192.0.2.2"),
                network("2001:db8::1"),
            ] {
                let count = Count {
                    tool,
                    place,
                    rate: Rate::new("1/s per user"),
                    whose,
                    whom: "user",
                };
                let key = count.key(&windows);
                assert!(keys.insert(key), "{count:?}");
                assert_eq!(count.key(&windows), key);
            }
        }
    }
}

#[test]
fn without_a_rate_every_call_is_allowed() {
    let time: Arc<dyn Clock> = test_support::clock();
    let rates = Rates::in_memory(Vec::new(), &time);
    let (tool, ada) = (
        tool(),
        test_support::oauth_caller(&test_support::oauth_claims()),
    );
    for _ in 0..10_000 {
        let taken = rates.take(counting(&tool, &ada, false));
        assert_eq!(taken.now_or_never(), Some(Ok(())));
    }
}

/// A store whose result is ready only at the second poll. It remembers for which rates calls count.
#[derive(Debug, Default)]
struct Elsewhere(Mutex<Vec<String>>);

impl Store for Arc<Elsewhere> {
    fn take(&self, counts: &[Count<'_>]) -> Counted {
        let rates = counts.iter().map(|count| count.rate.to_string());
        self.0.lock().unwrap().extend(rates);
        let mut asked = false;
        Either::Right(Box::pin(poll_fn(move |cx| {
            if std::mem::replace(&mut asked, true) {
                return Poll::Ready(Err(Limited::Concurrency(1)));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })))
    }

    fn peek(&self, counts: &[Count<'_>]) -> Counted {
        self.take(counts)
    }
}

#[test]
fn a_call_waits_for_a_store_that_answers_later() {
    let store = Arc::new(Elsewhere::default());
    let rates = Rates {
        server: vec![Rate::new("5/day per user")],
        store: Box::new(Arc::clone(&store)),
    };
    let (tool, ada) = (
        tool(),
        test_support::oauth_caller(&test_support::oauth_claims()),
    );
    for allowed in [false, true] {
        let taken = test_support::block_on(rates.take(counting(&tool, &ada, allowed)));
        assert_eq!(taken, Err(Limited::Concurrency(1)));
    }
    let asked = store.0.lock().unwrap().join(", ");
    let expected = "5/day per user, 5/day per user, 2/min per client, 3/hour per user";
    assert_eq!(asked, expected);
}

#[test]
fn a_limit_is_told_in_words_with_whole_seconds_to_wait() {
    let rate = |wait| Limited::Rate {
        rate: Rate::new("1/s per user"),
        whom: "machine",
        wait,
    };
    for (limited, told, seconds, reason) in [
        (
            rate(Duration::from_nanos(1)),
            "Rate limit: 1 call a second per machine; retry in 1 s",
            1,
            "rate 1/s per user",
        ),
        (
            rate(Duration::from_millis(41_001)),
            "Rate limit: 1 call a second per machine; retry in 42 s",
            42,
            "rate 1/s per user",
        ),
        (
            Limited::Concurrency(4),
            "Concurrency limit: 4 calls at a time; retry in 1 s",
            1,
            "concurrency 4",
        ),
    ] {
        assert_eq!(limited.to_string(), told);
        assert_eq!(limited.retry_after(), seconds);
        assert_eq!(limited.reason(), reason);
    }
}
