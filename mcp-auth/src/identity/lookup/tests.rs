//! How long responses are cached, and how often a service is asked.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::Notify;

use super::*;
use crate::identity::test_support::{self, block_on};
use crate::identity::{IoRuntime, ManualClock};

const SECOND: Duration = Duration::from_secs(1);

/// A service that multiplies a number by two. Responses for even numbers are cached for ten
/// seconds, and responses for odd numbers for two seconds.
struct Fixture {
    lookup: Lookup<u32, u32>,
    clock: Arc<ManualClock>,
    asked: Arc<AtomicUsize>,
    answers: Arc<Notify>,
    is_down: bool,
    _io: IoRuntime,
}

impl Fixture {
    fn new() -> Self {
        Self::within(|_| None)
    }

    fn within(budget: impl FnOnce(Arc<dyn Clock>) -> Option<Budget>) -> Self {
        let io = IoRuntime::start().unwrap();
        let clock = test_support::clock();
        let budget = budget(Arc::<ManualClock>::clone(&clock));
        let service =
            Service::new("even numbers", Arc::<ManualClock>::clone(&clock)).within(budget);
        let cache = ExpiringCache::new(100, Arc::<ManualClock>::clone(&clock));
        Self {
            lookup: Lookup::new(Arc::new(service), cache, io.handle().clone()),
            clock,
            asked: Arc::default(),
            answers: Arc::default(),
            is_down: false,
            _io: io,
        }
    }

    fn look_up(
        &self,
        number: u32,
    ) -> impl Future<Output = Result<Entry<u32>, NoAnswer>> + Send + 'static {
        let service = Arc::clone(self.lookup.service());
        let (asked, is_down) = (Arc::clone(&self.asked), self.is_down);
        async move {
            let turn = service.turn(None).await?;
            let question = async |_| {
                asked.fetch_add(1, Ordering::SeqCst);
                if is_down {
                    Err(LookupError::Failed)
                } else {
                    Ok(2 * number)
                }
            };
            let (double, since) = service.ask(turn, question).await?;
            let age = if number.is_multiple_of(2) { 10 } else { 2 };
            Ok(Entry::believed_for(SECOND * age, double, since))
        }
    }

    fn get(&self, number: u32) -> Result<u32, NoAnswer> {
        if let Some(cached) = self.lookup.cached(&number) {
            return Ok(cached.value);
        }
        block_on(self.lookup.get(number, || self.look_up(number)))
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[test]
fn an_answer_is_cached_for_as_long_as_its_outcome_is_believed() {
    for (number, seconds) in [(4, 10), (5, 2)] {
        let fixture = Fixture::new();
        assert_eq!(fixture.get(number), Ok(2 * number));
        fixture
            .clock
            .advance(SECOND * seconds - Duration::from_millis(1));
        assert_eq!(fixture.get(number), Ok(2 * number));
        assert_eq!(fixture.asked(), 1, "{number}");
        fixture.clock.advance(Duration::from_millis(1));
        assert_eq!(fixture.get(number), Ok(2 * number));
        assert_eq!(fixture.asked(), 2, "{number}");
    }
}

#[test]
fn a_cached_answer_tells_its_age_and_the_time_that_is_left() {
    let fixture = Fixture::new();
    fixture.get(4).unwrap();
    fixture.clock.advance(SECOND * 3);
    let Cached {
        value, age, rest, ..
    } = fixture.lookup.cached(&4).unwrap();
    assert_eq!((value, age, rest), (8, SECOND * 3, SECOND * 7));
}

#[test]
fn an_answer_that_is_not_to_be_cached_is_for_those_who_wait() {
    let fixture = Fixture::new();
    let look_up = || async { Ok(Entry::not_cached(7)) };
    assert_eq!(block_on(fixture.lookup.get(3, look_up)), Ok(7));
    assert!(fixture.lookup.cached(&3).is_none());
}

#[test]
fn a_failure_is_not_cached_and_five_in_a_row_open_the_circuit() {
    let mut fixture = Fixture::new();
    fixture.is_down = true;
    for _ in 0..5 {
        fixture.get(4).unwrap_err();
    }
    assert!(fixture.lookup.service().check().is_err());
    fixture.get(4).unwrap_err();
    assert_eq!(fixture.asked(), 5);
    fixture.is_down = false;
    fixture.clock.advance(SECOND);
    assert_eq!(fixture.get(4), Ok(8));
}

#[test]
fn an_expired_answer_is_not_returned_while_the_service_is_down() {
    let mut fixture = Fixture::new();
    fixture.get(4).unwrap();
    fixture.is_down = true;
    fixture.clock.advance(SECOND * 10);
    fixture.get(4).unwrap_err();
}

#[test]
fn fifty_requests_for_one_key_ask_once_and_go_on_when_the_first_one_leaves() {
    let fixture = Fixture::new();
    let slow = |number: u32| {
        let (answers, look_up) = (Arc::clone(&fixture.answers), fixture.look_up(number));
        async move {
            answers.notified().await;
            look_up.await
        }
    };
    let mut first = Box::pin(fixture.lookup.get(4, || slow(4)));
    assert!(first.as_mut().now_or_never().is_none());
    let mut others = Box::pin(join_all((0..50).map(|_| fixture.lookup.get(4, || slow(4)))));
    assert!(others.as_mut().now_or_never().is_none());
    drop(first);
    fixture.answers.notify_one();
    assert_eq!(block_on(others), vec![Ok(8); 50]);
    assert_eq!(fixture.asked(), 1);
}

#[test]
fn a_request_that_runs_out_of_patience_leaves_its_answer_to_the_next_one() {
    let fixture = Fixture::new();
    let slow = || {
        let (answers, look_up) = (Arc::clone(&fixture.answers), fixture.look_up(4));
        async move {
            answers.notified().await;
            look_up.await
        }
    };
    let patience = Duration::from_millis(20);
    let impatient = fixture.lookup.get_within(patience, 4, slow);
    assert!(block_on(impatient).is_err());
    let mut next = Box::pin(fixture.lookup.get(4, slow));
    assert!(next.as_mut().now_or_never().is_none());
    fixture.answers.notify_one();
    assert_eq!(block_on(next), Ok(8));
    assert_eq!(fixture.asked(), 1);
}

#[test]
fn a_look_up_that_panics_is_an_error_and_the_next_one_works() {
    let fixture = Fixture::new();
    let panics = || async { panic!("on purpose") };
    let outcome = block_on(fixture.lookup.get(4, panics));
    assert!(
        matches!(outcome, Err(NoAnswer::Unavailable(_))),
        "{outcome:?}"
    );
    assert_eq!(fixture.get(4), Ok(8));
}

#[test]
fn an_answer_is_refreshed_only_where_half_of_the_budget_is_free() {
    for (most, is_refreshed) in [(100, true), (1, false)] {
        let fixture = Fixture::within(|clock| Some(Budget::of_memberships(most, clock)));
        fixture.get(4).unwrap();
        fixture.lookup.refresh(|| 4, || fixture.look_up(4));
        // The refresh is in flight, so this look-up joins it.
        if is_refreshed {
            let refreshed = fixture.lookup.get(4, || async { unreachable!() });
            let _outcome = block_on(refreshed);
        }
        assert_eq!(fixture.asked() == 2, is_refreshed, "{most}");
    }
    let without_budget = Fixture::new();
    without_budget.get(4).unwrap();
    without_budget
        .lookup
        .refresh(|| 4, || without_budget.look_up(4));
    assert_eq!(without_budget.asked(), 1);
}

#[test]
fn a_network_pays_for_an_answer_unless_it_gets_the_question_back() {
    let network = Network::of(IpAddr::from(Ipv4Addr::new(192, 0, 2, 1)));
    for (gives_back, allowed) in [(false, 10), (true, 30)] {
        let fixture = Fixture::within(|clock| Some(Budget::of_new_tokens(1_000, clock)));
        let service = fixture.lookup.service();
        let ask = || {
            block_on(async {
                let turn = service.turn(Some(network)).await?;
                let question = async |mut turn: Option<Question>| {
                    if gives_back {
                        turn.as_mut().unwrap().give_back();
                    }
                    Ok(())
                };
                service.ask(turn, question).await
            })
        };
        let asked = (0..30).take_while(|_| ask().is_ok()).count();
        assert_eq!(asked, allowed);
        let refused = matches!(ask(), Err(NoAnswer::OverBudget(_)));
        assert_eq!(refused, !gives_back);
    }
}
