//! Fetches of keys, and the keys in use while fetches fail.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join, join_all};
use serde_json::json;

use super::published::Pace;
use super::*;
use crate::clock::ManualClock;
use crate::identity::error::TokenError;
use crate::identity::io::IoRuntime;
use crate::identity::test_support;
use crate::identity::test_support::{CountingSource, TestKey, block_on};

#[test]
fn the_first_fifty_requests_share_one_fetch() {
    let issuer = Fixture::publishing(&["a"]);
    issuer.source.close();
    let asking = (0..50).map(|_| issuer.ask("a"));
    let opened = async { issuer.source.open() };
    let (found, ()) = block_on(join(join_all(asking), opened));
    assert!(
        found
            .iter()
            .all(|found| found.as_ref().is_ok_and(|keys| keys.len() == 1))
    );
    assert_eq!(issuer.source.calls(), 1);
}

#[test]
fn a_first_request_that_leaves_takes_nothing_from_the_others() {
    let issuer = Fixture::publishing(&["a"]);
    issuer.source.close();
    block_on(async {
        let mut leaving = Box::pin(issuer.ask("a"));
        assert!(leaving.as_mut().now_or_never().is_none());
        let mut staying = Box::pin(issuer.ask("a"));
        assert!(staying.as_mut().now_or_never().is_none());
        drop(leaving);
        issuer.source.open();
        assert!(staying.await.is_ok());
    });
    assert_eq!(issuer.source.calls(), 1);
}

#[test]
fn after_five_minutes_keys_are_refreshed_beside_the_requests() {
    let issuer = Fixture::publishing(&["a"]);
    let key = issuer.find("a").unwrap();
    issuer.advance(299);
    assert!(issuer.find("a").is_ok());
    issuer.settle(1);
    issuer.advance(1);
    issuer.source.close();
    // Neither request waits for the refresh, and only one refresh runs.
    assert!(issuer.find("a").is_ok());
    assert!(issuer.keys.is_current(&key));
    issuer.source.open();
    issuer.settle(2);
    assert!(Arc::ptr_eq(&issuer.find("a").unwrap(), &key));
    assert_eq!(issuer.source.calls(), 2);
}

#[test]
fn a_withdrawn_key_is_dropped_at_the_next_refresh() {
    let issuer = Fixture::publishing(&["a", "b"]);
    let [kept, withdrawn] = ["a", "b"].map(|kid| issuer.find(kid).unwrap());
    issuer.publish(&["a"]);
    assert!(issuer.keys.is_current(&withdrawn));
    issuer.advance(300);
    assert!(issuer.find("a").is_ok());
    issuer.settle(2);
    assert!(issuer.keys.is_current(&kept));
    assert!(!issuer.keys.is_current(&withdrawn));
}

#[test]
fn after_ten_quiet_minutes_a_withdrawn_key_is_not_believed_even_once() {
    let issuer = Fixture::publishing(&["a", "b"]);
    let withdrawn = issuer.find("b").unwrap();
    issuer.publish(&["a"]);
    issuer.advance(600);
    assert!(!issuer.keys.is_current(&withdrawn));
    assert_eq!(issuer.find("b").unwrap_err(), TokenError::UnknownKey.into());
}

#[test]
fn after_ten_quiet_minutes_an_issuer_that_is_down_is_asked_before_the_last_keys_serve_on() {
    let issuer = Fixture::publishing(&["a"]);
    let key = issuer.find("a").unwrap();
    issuer.source.publish(None);
    issuer.advance(600);
    assert!(!issuer.keys.is_current(&key));
    assert!(Arc::ptr_eq(&issuer.find("a").unwrap(), &key));
    assert!(issuer.keys.is_current(&key));
    assert_eq!(issuer.source.calls(), 2);
}

#[test]
fn a_key_that_is_replaced_under_its_name_is_another_key() {
    let issuer = Fixture::publishing(&["a"]);
    let before = issuer.find("a").unwrap();
    issuer
        .source
        .publish(Some(vec![TestKey::other().published("a")]));
    let others = issuer.others(&before, None).unwrap();
    assert!(others[0].has_material_of(&TestKey::other().published("a")));
    assert!(!issuer.keys.is_current(&before));
}

#[test]
fn a_failing_signature_while_the_issuer_is_down_is_no_refusal() {
    let issuer = Fixture::publishing(&["a"]);
    let key = issuer.find("a").unwrap();
    issuer.source.publish(None);
    for _ in 0..3 {
        assert!(issuer.others(&key, None).is_err());
    }
    assert_eq!(issuer.source.calls(), 2);
}

#[test]
fn a_token_from_before_the_last_fetch_causes_none() {
    let issuer = Fixture::publishing(&["a"]);
    issuer.advance(61);
    let key = issuer.find("a").unwrap();
    let before = Some(test_support::NOW * 1_000 - 1);
    for _ in 0..10 {
        assert_eq!(
            block_on(issuer.keys.for_kid(Some("x"), before)).unwrap_err(),
            TokenError::UnknownKey.into()
        );
        assert!(issuer.others(&key, before).unwrap().is_empty());
    }
    assert_eq!(issuer.source.calls(), 1);
    // One minute is allowed for different clocks.
    let since = Some(test_support::NOW * 1_000 + 1_000);
    assert!(block_on(issuer.keys.for_kid(Some("x"), since)).is_err());
    assert_eq!(issuer.source.calls(), 2);
}

#[test]
fn while_the_issuer_is_down_the_last_keys_serve_for_24_hours_and_no_longer() {
    let issuer = Fixture::publishing(&["a"]);
    let key = issuer.find("a").unwrap();
    issuer.source.publish(None);
    issuer.advance(24 * 3600 - 1);
    assert!(issuer.find("a").is_ok());
    issuer.settle(2);
    issuer.advance(1);
    assert!(!issuer.keys.is_current(&key));
    assert!(matches!(issuer.find("a"), Err(AuthError::Unavailable(_))));
    issuer.publish(&["a"]);
    issuer.advance(60);
    assert!(Arc::ptr_eq(&issuer.find("a").unwrap(), &key));
}

#[test]
fn an_issuer_that_is_down_at_the_start_is_asked_with_back_off() {
    let issuer = Fixture::publishing(&["a"]);
    issuer.source.publish(None);
    for _ in 0..20 {
        assert!(matches!(issuer.find("a"), Err(AuthError::Unavailable(_))));
    }
    assert_eq!(issuer.source.calls(), 1);
    issuer.advance(1);
    issuer.find("a").unwrap_err();
    issuer.advance(1);
    let Err(AuthError::Unavailable(unavailable)) = issuer.find("a") else {
        panic!("available")
    };
    assert_eq!(unavailable.retry_after, Duration::from_secs(1));
    assert_eq!(issuer.source.calls(), 2);
    issuer.publish(&["a"]);
    issuer.advance(1);
    assert!(issuer.find("a").is_ok());
}

#[test]
fn tokens_cause_four_fetches_at_once_and_then_one_in_two_seconds() {
    let mut pace = Pace::default();
    let mut now = Duration::from_secs(100);
    for _ in 0..4 {
        assert_eq!(pace.claim(now), Duration::ZERO);
    }
    for _ in 0..100 {
        let wait = pace.claim(now);
        assert_eq!(wait, Duration::from_secs(2));
        now += wait;
    }
    now += Duration::from_secs(5);
    let waits = [(); 4].map(|()| pace.claim(now));
    assert_eq!(waits.map(|wait| wait.as_secs()), [0, 0, 1, 2]);
    now += Duration::from_secs(3600);
    assert!((0..4).all(|_| pace.claim(now).is_zero()));
    assert!(!pace.claim(now).is_zero());
}

#[test]
fn a_flood_of_made_up_kids_shares_fetches_and_does_not_hold_up_a_new_key() {
    let issuer = Fixture::publishing(&["a"]);
    issuer.find("a").unwrap();
    for index in 0..4 {
        assert!(issuer.find(&format!("x{index}")).is_err());
    }
    assert_eq!(issuer.source.calls(), 5);
    let (refused, found) = block_on(async {
        let made_up: Vec<_> = (0..500).map(|index| format!("y{index}")).collect();
        let flood = join_all(made_up.iter().map(|kid| issuer.ask(kid)));
        let new = async {
            // The fetch for the flood has to wait.
            issuer.publish(&["b"]);
            issuer.ask("b").await
        };
        join(flood, new).await
    });
    assert!(found.is_ok());
    for refused in refused {
        assert_eq!(refused.unwrap_err(), TokenError::UnknownKey.into());
    }
    assert_eq!(issuer.source.calls(), 6);
}

#[test]
fn a_key_published_after_a_fetch_began_is_found_by_the_next() {
    let issuer = Fixture::publishing(&["a"]);
    issuer.find("a").unwrap();
    issuer.source.close();
    let (made_up, new) = block_on(async {
        let mut made_up = Box::pin(issuer.ask("x"));
        assert!(made_up.as_mut().now_or_never().is_none());
        issuer.begun(2);
        let mut new = Box::pin(issuer.ask("b"));
        assert!(new.as_mut().now_or_never().is_none());
        issuer.source.open();
        let refused = made_up.await;
        issuer.publish(&["a", "b"]);
        (refused, new.await)
    });
    assert_eq!(made_up.unwrap_err(), TokenError::UnknownKey.into());
    assert!(new.is_ok());
    assert_eq!(issuer.source.calls(), 3);
}

#[test]
fn a_new_kid_is_found_by_the_refetch_it_causes_which_all_share() {
    let issuer = Fixture::publishing(&["a"]);
    issuer.find("a").unwrap();
    issuer.publish(&["a", "b"]);
    issuer.source.close();
    let asking = (0..50).map(|_| issuer.ask("b"));
    let opened = async { issuer.source.open() };
    let (found, ()) = block_on(join(join_all(asking), opened));
    assert!(found.iter().all(Result::is_ok));
    assert_eq!(issuer.source.calls(), 2);
}

#[test]
fn an_unknown_kid_while_the_issuer_is_down_is_no_refusal() {
    let issuer = Fixture::publishing(&["a"]);
    issuer.find("a").unwrap();
    issuer.source.publish(None);
    for _ in 0..3 {
        assert!(matches!(issuer.find("x"), Err(AuthError::Unavailable(_))));
    }
    assert!(issuer.find("a").is_ok());
    assert_eq!(issuer.source.calls(), 2);
}

#[test]
fn a_request_that_fetched_the_keys_itself_does_not_fetch_them_again() {
    let issuer = Fixture::publishing(&["a"]);
    assert_eq!(issuer.find("x").unwrap_err(), TokenError::UnknownKey.into());
    assert_eq!(issuer.source.calls(), 1);
}

#[test]
fn a_token_without_kid_costs_no_fetch() {
    let issuer = Fixture::publishing(&["a"]);
    let refused = block_on(issuer.keys.for_kid(None, None)).unwrap_err();
    assert_eq!(refused, TokenError::UnknownKey.into());
    assert_eq!(issuer.source.calls(), 0);
}

#[test]
fn only_rsa_keys_for_rs256_signatures_are_taken_from_a_set() {
    let base = TestKey::shared().jwk("a");
    let with = |name: &str, value: serde_json::Value| {
        let mut jwk = base.clone();
        jwk[name] = value;
        let set = json!({"keys": [jwk]}).to_string();
        PublishedKey::parse_set(set.as_bytes()).unwrap().len()
    };
    assert_eq!(with("x5c", json!(["ignored"])), 1);
    for (name, value) in [
        ("kty", json!("EC")),
        ("kty", json!(null)),
        ("alg", json!("RS384")),
        ("alg", json!(256)),
        ("use", json!("enc")),
        ("kid", json!(null)),
        ("n", json!("AQAB")),
        ("n", json!("?")),
        ("e", json!(null)),
    ] {
        assert_eq!(with(name, value.clone()), 0, "{name}: {value}");
    }
    let mut bare = base.clone();
    for member in ["alg", "use"] {
        bare.as_object_mut().unwrap().remove(member);
    }
    let set = json!({"keys": [bare]}).to_string();
    assert_eq!(PublishedKey::parse_set(set.as_bytes()).unwrap().len(), 1);
    for document in ["", "[]", "{}", r#"{"keys":{}}"#] {
        assert!(
            PublishedKey::parse_set(document.as_bytes()).is_err(),
            "{document}"
        );
    }
}

#[test]
fn a_set_of_a_thousand_keys_is_cut() {
    let keys: Vec<_> = (0..1_000).map(|_| TestKey::shared().jwk("a")).collect();
    let set = json!({ "keys": keys }).to_string();
    assert_eq!(PublishedKey::parse_set(set.as_bytes()).unwrap().len(), 32);
}

struct Fixture {
    source: Arc<CountingSource>,
    clock: Arc<ManualClock>,
    keys: Keys,
    _io: IoRuntime,
}

impl Fixture {
    /// Creates an issuer that publishes the shared key under these names.
    fn publishing(kids: &[&str]) -> Self {
        let io = IoRuntime::start().unwrap();
        let source = CountingSource::of(published(kids));
        let clock = test_support::clock();
        let kept: Arc<dyn KeySource> = Arc::<CountingSource>::clone(&source);
        let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let keys = Keys::published(kept, time, io.handle().clone());
        Self {
            source,
            clock,
            keys,
            _io: io,
        }
    }

    fn publish(&self, kids: &[&str]) {
        self.source.publish(Some(published(kids)));
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Asks for the key of a token without `iat`.
    fn ask(&self, kid: &str) -> impl Future<Output = Result<Vec<Arc<VerifyingKey>>, AuthError>> {
        self.keys.for_kid(Some(kid), None)
    }

    fn find(&self, kid: &str) -> Result<Arc<VerifyingKey>, AuthError> {
        block_on(self.ask(kid)).map(|mut keys| keys.remove(0))
    }

    fn others(
        &self,
        tried: &Arc<VerifyingKey>,
        issued_ms: Option<u64>,
    ) -> Result<Vec<Arc<VerifyingKey>>, Unavailable> {
        block_on(self.keys.others(Some("a"), issued_ms, &[Arc::clone(tried)]))
    }

    /// Waits until this many fetches have begun.
    fn begun(&self, calls: usize) {
        while self.source.calls() < calls {
            std::thread::yield_now();
        }
    }

    /// Waits until this many fetches have begun and all of them have ended.
    fn settle(&self, calls: usize) {
        let Keys::Published(keys) = &self.keys else {
            panic!("fixed")
        };
        for _ in 0..500 {
            if self.source.calls() == calls && !keys.is_fetching() {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("{} fetches, expected {calls}", self.source.calls());
    }
}

fn published(kids: &[&str]) -> Vec<PublishedKey> {
    kids.iter()
        .map(|kid| TestKey::shared().published(kid))
        .collect()
}
