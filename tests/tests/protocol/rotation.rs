//! Keys that change while callers call without a pause. No call that a valid key signed is lost,
//! and no call that a withdrawn key signed is accepted after the keys were fetched again.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use clerk_emulator::{Instance, TokenRequest};
use futures_util::future::{join, join_all};
use mcp_auth::ServerBuilder;
use serde_json::json;
use tokio::time::sleep;

use crate::load::{Called, Latency, Load};
use crate::support::{Ask, Era, LOAD, World, eventually};

const JWKS: &str = "/.well-known/jwks.json";
const CONNECTIONS: u8 = 8;

/// The key that signed a token of the load.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Key {
    Old,
    New,
    /// A key that the issuer does not have, or no key at all.
    MadeUp,
}

/// A server under load. Its issuer signs with the old key or with the new key.
struct Rotation {
    world: World,
    load: Load<Key>,
    signing: Cell<Key>,
    minted: Cell<usize>,
    begun: Instant,
}

impl Rotation {
    async fn begin() -> Self {
        Self {
            // One user causes more calls than the default rate allows.
            world: World::with(ServerBuilder::dangerous_without_rates).await,
            load: Load::new(),
            signing: Cell::new(Key::Old),
            minted: Cell::new(0),
            begun: Instant::now(),
        }
    }

    fn ask(&self, token: &str) -> Ask {
        self.world
            .call(Era::Modern, "who_am_i", json!({}))
            .bearer(token)
    }

    /// A new token, signed by the current key.
    fn token(&self) -> (Key, String) {
        self.minted.set(self.minted.get() + 1);
        let client = format!("client_{}", self.minted.get());
        let request = TokenRequest::oauth("ada").client_id(client);
        (self.signing.get(), self.world.mint(&request))
    }

    /// A client that keeps one token until it is refused, and also uses new tokens.
    async fn client(&self, index: u8) {
        let mut kept = self.token();
        let mut calls = 0_usize;
        let next = |last: Option<&Called<Key>>| {
            calls += 1;
            if last.is_some_and(|last| last.status() == 401) {
                kept = self.token();
            }
            let (key, token) = if calls.is_multiple_of(3) {
                self.token()
            } else {
                kept.clone()
            };
            (key, self.ask(&token))
        };
        self.load
            .caller(Ipv4Addr::new(127, 0, 1, index), next)
            .await;
    }

    async fn clients(&self) {
        join_all((1..=CONNECTIONS).map(|index| self.client(index))).await;
    }

    /// A client that continues with a token of the old key, even if it is refused.
    async fn old_client(&self) {
        let token = self.world.ada();
        let next = |_: Option<&Called<Key>>| (Key::Old, self.ask(&token));
        self.load.caller(Ipv4Addr::new(127, 0, 2, 1), next).await;
    }

    /// A token with a made-up key id, or with the true key id and a made-up signature.
    fn forged(&self) -> Ask {
        let (_, token) = self.token();
        let now = self.world.clock.unix_seconds();
        let request = TokenRequest::oauth("ada");
        let (mut header, claims) = self.world.instance.token_parts(&request, now).unwrap();
        if self.minted.get().is_multiple_of(2) {
            let (signed, _) = token.rsplit_once('.').unwrap();
            self.ask(&format!("{signed}.{}", "A".repeat(342)))
        } else {
            header["kid"] = json!(format!("ins_emulator_{}", self.minted.get()));
            self.ask(&self.world.instance.mint_claims(header, claims).unwrap())
        }
    }

    async fn forge(&self) {
        self.forged().send().await.expect_status(401);
    }

    async fn forger(&self, index: u8) {
        let next = |_: Option<&Called<Key>>| (Key::MadeUp, self.forged());
        self.load
            .caller(Ipv4Addr::new(127, 0, 3, index), next)
            .await;
    }

    /// Changes the key. Returns the time of the change.
    fn rotate(&self, rotate: impl Fn(&Instance)) -> Instant {
        let now = Instant::now();
        rotate(&self.world.instance);
        self.signing.set(Key::New);
        now
    }

    async fn until(&self, what: &str, more: usize, holds: impl Fn(&Called<Key>) -> bool) {
        let enough = self.load.count(&holds) + more;
        eventually(what, || self.load.count(&holds) >= enough).await;
    }

    fn fetches(&self) -> usize {
        self.world.instance.requests_to(JWKS)
    }

    /// Checks the number of fetches: the first one, four at once that tokens may cause, and one
    /// more every two seconds.
    fn check_fetches(&self) {
        let most = 1 + 4 + 1 + self.begun.elapsed().as_secs() / 2;
        assert!(self.fetches() as u64 <= most, "{} > {most}", self.fetches());
    }

    /// The time at which the first matching call ended.
    fn first(&self, holds: impl Fn(&Called<Key>) -> bool) -> Instant {
        let calls = self.load.calls();
        let ended = calls
            .iter()
            .filter(|call| holds(call))
            .map(|call| call.ended);
        ended.min().expect("there is none")
    }

    /// Checks that every token of a valid key was served, and that no other token was served once
    /// the server knew the keys.
    fn check(&self, withdrawn: Instant, known: Instant) {
        for call in self.load.calls().iter() {
            let served = call.says("user_ada");
            match call.label {
                Key::New => assert!(served, "a lost call: {call:?}"),
                Key::Old if call.ended < withdrawn => assert!(served, "a lost call: {call:?}"),
                Key::Old if call.began > known => assert!(!served, "a withdrawn key: {call:?}"),
                Key::Old => {}
                Key::MadeUp => assert_eq!(call.status(), 401, "{call:?}"),
            }
        }
    }

    fn report(&self, what: &str, rotated: Instant) -> String {
        let calls = self.load.calls();
        let genuine = || calls.iter().filter(|call| call.label != Key::MadeUp);
        let before = Latency::of(genuine().filter(|call| call.ended < rotated));
        let after = Latency::of(genuine().filter(|call| call.ended >= rotated));
        let made_up = self.load.count(|call| call.label == Key::MadeUp);
        let fetches = self.fetches();
        format!(
            "{what}: before {before}; after {after}; {made_up} forged, {fetches} fetches of keys"
        )
    }
}

fn new_and_served(call: &Called<Key>) -> bool {
    call.label == Key::New && call.status() == 200
}

/// Replaces the key under load. The old key is withdrawn.
async fn replace(what: &str, rotate: impl Fn(&Instance)) -> String {
    let test = Rotation::begin().await;
    let script = async {
        test.until("calls are served", 200, |call| call.status() == 200)
            .await;
        // Tokens that were issued before are older than the next fetch of keys, so they cause no
        // further fetch.
        test.world.clock.advance(Duration::from_secs(120));
        // A server that stopped fetching for a while after one made-up key would miss the new key.
        test.forge().await;
        let rotated = test.rotate(rotate);
        test.until("the new key is known", 400, new_and_served)
            .await;
        test.load.stop();
        rotated
    };
    let (_, rotated) = join(join(test.clients(), test.old_client()), script).await;
    test.check(rotated, test.first(new_and_served));
    test.check_fetches();
    test.report(what, rotated)
}

#[actix_web::test]
async fn a_key_with_a_new_id_loses_no_call_under_load() {
    let _alone = LOAD.lock().await;
    let report = replace("another kid", |clerk| clerk.rotate_key().unwrap()).await;
    println!("{report}");
}

#[actix_web::test]
async fn a_key_with_the_id_of_the_old_one_loses_no_call_under_load() {
    let _alone = LOAD.lock().await;
    let report = replace("the same kid", |clerk| {
        clerk.rotate_key_keeping_id().unwrap()
    })
    .await;
    println!("{report}");
}

#[actix_web::test]
async fn overlapping_keys_lose_no_call_and_a_withdrawn_key_ends_with_the_next_refresh() {
    let _alone = LOAD.lock().await;
    let test = Rotation::begin().await;
    let old = test.world.instance.key_ids().remove(0);
    let script = async {
        test.until("calls are served", 200, |call| call.status() == 200)
            .await;
        let rotated = test.rotate(|clerk| clerk.rotate_key_overlapping().unwrap());
        test.until("the new key is known", 400, new_and_served)
            .await;
        let withdrawn = Instant::now();
        assert!(test.world.instance.withdraw_key(&old));
        test.until("calls are served on", 200, |call| call.status() == 200)
            .await;
        test.world.clock.advance(Duration::from_secs(301));
        test.until("the old key is refused", 1, |call| {
            call.label == Key::Old && call.status() == 401
        })
        .await;
        test.until("calls are served on", 400, new_and_served).await;
        test.load.stop();
        (rotated, withdrawn)
    };
    let (_, (rotated, withdrawn)) = join(join(test.clients(), test.old_client()), script).await;
    let known = test.first(|call| call.label == Key::Old && call.status() == 401);
    assert!(known > withdrawn);
    test.check(withdrawn, known);
    println!("{}", test.report("overlap, then withdrawn", rotated));
}

/// Replaces the key under load while other callers make up keys and signatures.
async fn replace_in_a_flood(what: &str, rotate: impl Fn(&Instance)) -> String {
    let test = Rotation::begin().await;
    let script = async {
        // The fetches that tokens may cause at once are used up. From now on one fetch in two
        // seconds is allowed.
        eventually("the flood has its fetches", || test.fetches() >= 6).await;
        let rotated = test.rotate(rotate);
        test.until("the new key is known", 400, new_and_served)
            .await;
        sleep(Duration::from_millis(100)).await;
        test.load.stop();
        rotated
    };
    let forgers = join_all((1..=24).map(|index| test.forger(index)));
    let ((), rotated) = join(async { drop(join(test.clients(), forgers).await) }, script).await;
    test.check(rotated, test.first(new_and_served));
    test.check_fetches();
    test.report(what, rotated)
}

#[actix_web::test]
async fn made_up_keys_neither_delay_a_new_key_nor_cause_a_flood_of_fetches() {
    let _alone = LOAD.lock().await;
    let report = replace_in_a_flood("another kid, flood", |clerk| clerk.rotate_key().unwrap());
    println!("{}", report.await);
}

#[actix_web::test]
async fn made_up_signatures_neither_delay_a_key_of_the_same_id_nor_cause_a_flood_of_fetches() {
    let _alone = LOAD.lock().await;
    let rotate = |clerk: &Instance| clerk.rotate_key_keeping_id().unwrap();
    let report = replace_in_a_flood("the same kid, flood", rotate);
    println!("{}", report.await);
}
