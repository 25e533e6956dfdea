//! Questions that are spent or refunded, and the order in which waiting requests get questions.

use futures_util::FutureExt;
use futures_util::future::join_all;

use super::ledger::WINDOW;
use super::*;
use crate::identity::test_support::block_on;
use crate::identity::{ManualClock, test_support};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_network_has_ten_questions_that_prove_nothing_and_then_one_a_second() {
    let (budget, clock) = budget(1_000);
    assert_eq!(spend(&budget, "192.0.2.1", 30), 10);
    assert_eq!(spend(&budget, "192.0.2.99", 1), 1, "another network");
    clock.advance(SECOND);
    assert_eq!(spend(&budget, "192.0.2.1", 5), 1);
    clock.advance(SECOND * 3_600);
    assert_eq!(spend(&budget, "192.0.2.1", 30), 10);
}

#[test]
fn a_client_over_budget_gets_the_time_to_wait() {
    let (budget, clock) = budget(1_000);
    spend(&budget, "192.0.2.1", 10);
    clock.advance(Duration::from_millis(400));
    assert_eq!(refused(&budget, "192.0.2.1"), Duration::from_millis(600));
}

#[test]
fn a_subscriber_of_ipv6_is_one_network_and_ipv4_in_ipv6_is_ipv4() {
    let (budget, _) = budget(1_000);
    assert_eq!(spend(&budget, "2001:db8:0:1::1", 30), 10);
    assert_eq!(spend(&budget, "2001:db8:0:1:ffff::2", 1), 0);
    assert_eq!(spend(&budget, "2001:db8:0:2::1", 1), 1);
    assert_eq!(spend(&budget, "::ffff:192.0.2.1", 30), 10);
    assert_eq!(spend(&budget, "192.0.2.1", 1), 0);
    assert_eq!(spend(&budget, "::ffff:198.51.100.1", 1), 1);
}

#[test]
fn in_any_ten_seconds_there_are_no_more_than_allowed() {
    let (budget, clock) = budget(15);
    clock.advance(SECOND * 9);
    assert_eq!(spend(&budget, "192.0.2.1", 10), 10);
    clock.advance(SECOND * 4);
    assert_eq!(spend(&budget, "198.51.100.1", 10), 5);
    assert_eq!(refused(&budget, "203.0.113.1"), SECOND * 6);
    clock.advance(SECOND * 6);
    assert_eq!(spend(&budget, "203.0.113.1", 10), 10);
}

#[test]
fn a_question_that_proved_its_token_good_counts_for_all_and_not_for_its_network_or_site() {
    let (budget, _) = budget(60);
    for _ in 0..60 {
        let mut question = take(&budget, "192.0.2.1").unwrap();
        question.pay();
        question.give_back();
    }
    assert_eq!(refused(&budget, "198.51.100.1"), WINDOW);
}

#[test]
fn a_question_that_was_not_asked_costs_its_network_nothing() {
    let (budget, _) = budget(1_000);
    for _ in 0..100 {
        drop(take(&budget, "192.0.2.1").unwrap());
    }
    assert_eq!(spend(&budget, "192.0.2.1", 30), 10);
}

#[test]
fn an_owner_of_many_ipv6_networks_leaves_half_to_others() {
    let (budget, clock) = budget(100);
    let from = |site: u16| {
        let spent =
            (0..1_000).map(|subnet| spend(&budget, &format!("2001:db8:{site:x}:{subnet:x}::1"), 1));
        spent.sum::<usize>()
    };
    assert_eq!(from(1), 50);
    assert_eq!(refused(&budget, "2001:db8:1:ffff::1"), WINDOW);
    assert_eq!(spend(&budget, "192.0.2.1", 30), 10);
    assert_eq!(from(2), 40);
    clock.advance(WINDOW);
    assert_eq!(from(1), 50);
}

#[test]
fn a_budget_of_none_asks_nothing() {
    let (budget, _) = budget(0);
    assert_eq!(refused(&budget, "192.0.2.1"), WINDOW);
}

#[test]
fn sixty_at_once_from_one_network_go_as_fast_as_the_answers_come_and_in_order() {
    let (budget, _) = budget(100);
    let order = Mutex::new(Vec::new());
    block_on(async {
        let asking = (0..60).map(|number| {
            let (budget, order) = (&budget, &order);
            async move {
                let mut question = budget.take(Some(network("192.0.2.1"))).await.unwrap();
                order.lock().unwrap().push(number);
                question.pay();
                let in_flight = budget.lock().ledger.in_flight.values().sum::<usize>();
                assert!(in_flight <= 10, "{in_flight}");
                tokio::task::yield_now().await;
                question.give_back();
            }
        });
        join_all(asking).await;
    });
    assert_eq!(order.into_inner().unwrap(), (0..60).collect::<Vec<_>>());
    assert!(budget.lock().ledger.in_flight.is_empty());
}

#[test]
fn waiting_requests_are_refused_at_once_when_the_answers_prove_nothing() {
    let (budget, _) = budget(100);
    let mut asked: Vec<_> = (0..10)
        .map(|_| take(&budget, "192.0.2.1").unwrap())
        .collect();
    asked.iter_mut().for_each(Question::pay);
    block_on(async {
        let mut waiting = Box::pin(budget.take(Some(network("192.0.2.1"))));
        assert!(waiting.as_mut().now_or_never().is_none());
        // Another network does not wait behind these requests.
        let other = budget.take(Some(network("198.51.100.1"))).now_or_never();
        assert!(other.unwrap().is_ok());
        drop(asked);
        let refused = waiting.as_mut().now_or_never().unwrap().err().unwrap();
        assert_eq!(refused.retry_after, SECOND);
    });
    assert!(budget.lock().waiting.is_empty());
}

#[test]
fn no_more_wait_than_stated_and_one_site_leaves_half_of_the_queue_to_others() {
    let (budget, _) = budget(1_000);
    let from = |address: &'static str| (0..10).map(move |_| address);
    let addresses = from("192.0.2.1")
        .chain(from("198.51.100.1"))
        .chain(from("203.0.113.1"));
    let asked: Vec<_> = addresses
        .map(|address| take(&budget, address).unwrap())
        .collect();
    let mut waiting = Vec::new();
    let mut wait = |address: &str| {
        for _ in 0..300 {
            let mut one = Box::pin(budget.take(Some(network(address))));
            if one.as_mut().now_or_never().is_none() {
                waiting.push(one);
            }
        }
        budget.lock().waiting.len()
    };
    block_on(async {
        assert_eq!(wait("192.0.2.1"), 128);
        assert_eq!(wait("198.51.100.1"), 256);
        assert_eq!(wait("203.0.113.1"), 256);
    });
    drop(waiting);
    drop(asked);
    let state = budget.lock();
    assert_eq!(
        (
            state.waiting.len(),
            state.ledger.in_flight.len(),
            state.ledger.asked()
        ),
        (0, 0, 0)
    );
}

#[test]
fn a_request_that_is_dropped_gives_its_place_and_its_turn_back() {
    let (budget, _) = budget(100);
    let mut asked: Vec<_> = (0..10)
        .map(|_| take(&budget, "192.0.2.1").unwrap())
        .collect();
    block_on(async {
        let mut waiting: Vec<_> = (0..3)
            .map(|_| Box::pin(budget.take(Some(network("192.0.2.1")))))
            .collect();
        for one in &mut waiting {
            assert!(one.as_mut().now_or_never().is_none());
        }
        // The first request leaves the queue. The second request leaves after it got its turn.
        drop(waiting.remove(0));
        asked.pop();
        drop(waiting.remove(0));
        let last = waiting.remove(0).now_or_never().unwrap();
        assert!(last.is_ok());
    });
    drop(asked);
    let state = budget.lock();
    assert_eq!(
        (
            state.waiting.len(),
            state.ledger.in_flight.len(),
            state.ledger.asked()
        ),
        (0, 0, 0)
    );
}

#[test]
fn a_turn_comes_with_time_even_if_no_request_comes_and_the_watcher_leaves() {
    let (budget, clock) = budget(5);
    spend(&budget, "192.0.2.1", 5);
    clock.advance(WINDOW - Duration::from_millis(100));
    block_on(async {
        let mut first = Box::pin(budget.take(Some(network("198.51.100.1"))));
        assert!(first.as_mut().now_or_never().is_none());
        let second = budget.take(Some(network("203.0.113.1")));
        let leave_then_advance = async {
            tokio::task::yield_now().await;
            drop(first);
            clock.advance(Duration::from_millis(100));
        };
        let (turn, ()) = futures_util::future::join(second, leave_then_advance).await;
        assert!(turn.is_ok());
    });
}

#[test]
fn half_of_the_budget_is_free_until_more_was_asked() {
    let (budget, clock) = budget(10);
    assert!(budget.is_half_free());
    let _asked: Vec<_> = (0..6)
        .map(|_| take(&budget, "192.0.2.1").unwrap())
        .collect();
    assert!(!budget.is_half_free());
    clock.advance(WINDOW);
    assert!(budget.is_half_free());
}

fn network(address: &str) -> Network {
    Network::of(address.parse().unwrap())
}

fn take(budget: &Budget, address: &str) -> Option<Question> {
    block_on(async { budget.take(Some(network(address))).now_or_never() })?.ok()
}

/// Asks this many questions, of which none proves a token good. Returns how many questions the
/// budget allowed.
fn spend(budget: &Budget, address: &str, times: usize) -> usize {
    let asked = (0..times).filter(|_| match take(budget, address) {
        Some(mut question) => {
            question.pay();
            true
        }
        None => false,
    });
    asked.count()
}

fn refused(budget: &Budget, address: &str) -> Duration {
    let refused = block_on(async { budget.take(Some(network(address))).now_or_never() });
    refused.unwrap().err().unwrap().retry_after
}

fn budget(most: usize) -> (Budget, Arc<ManualClock>) {
    let clock = test_support::clock();
    let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    (Budget::of_new_tokens(most, time), clock)
}
