//! The age of cached memberships, and the number of look-ups.

use std::sync::Mutex;

use futures_util::FutureExt;
use futures_util::future::{join, join_all};
use serde_json::json;

use super::*;
use crate::clock::ManualClock;
use crate::identity::io::IoRuntime;
use crate::identity::test_support::{CountingDirectory, block_on};
use crate::identity::{Parties, TokenPolicy, test_support};

#[test]
fn a_membership_is_believed_for_thirty_seconds() {
    let fixture = Fixture::answering([Ok(Some(admin())), Ok(None)]);
    assert_eq!(fixture.role_of_ada(), Ok(Some("org:admin".to_owned())));
    fixture.advance(29_999);
    assert_eq!(fixture.role_of_ada(), Ok(Some("org:admin".to_owned())));
    assert_eq!(fixture.directory.calls(), 1);
    fixture.advance(1);
    assert_eq!(fixture.role_of_ada(), Ok(None));
    assert_eq!(fixture.directory.calls(), 2);
}

#[test]
fn no_membership_is_believed_for_five_seconds() {
    let fixture = Fixture::answering([Ok(None), Ok(Some(admin()))]);
    assert_eq!(fixture.role_of_ada(), Ok(None));
    fixture.advance(4_999);
    assert_eq!(fixture.role_of_ada(), Ok(None));
    fixture.advance(1);
    assert_eq!(fixture.role_of_ada(), Ok(Some("org:admin".to_owned())));
}

#[test]
fn a_removed_member_is_not_believed_while_the_directory_is_down() {
    let fixture = Fixture::answering([Ok(Some(admin())), Err(LookupError::Failed)]);
    assert!(fixture.role_of_ada().is_ok());
    fixture.advance(31_000);
    assert!(fixture.role_of_ada().is_err());
}

#[test]
fn a_failure_is_not_kept() {
    let fixture = Fixture::answering([Err(LookupError::Failed), Ok(Some(admin()))]);
    assert_eq!(
        fixture.role_of_ada().unwrap_err().retry_after,
        Duration::from_secs(1)
    );
    assert!(fixture.role_of_ada().is_ok());
}

#[test]
fn a_throttled_directory_is_left_alone_for_as_long_as_it_asks() {
    let throttled = Err(LookupError::Throttled(Duration::from_secs(7)));
    let fixture = Fixture::answering([throttled, Ok(Some(admin()))]);
    assert_eq!(
        fixture.role_of_ada().unwrap_err().retry_after,
        Duration::from_secs(7)
    );
    fixture.advance(5_000);
    assert_eq!(
        fixture.role_of_ada().unwrap_err().retry_after,
        Duration::from_secs(2)
    );
    assert_eq!(fixture.directory.calls(), 1);
    fixture.advance(2_000);
    assert!(fixture.role_of_ada().is_ok());
}

#[test]
fn a_throttle_of_a_year_ends_after_a_minute() {
    let year = Duration::from_secs(31_536_000);
    let fixture = Fixture::answering([Err(LookupError::Throttled(year)), Ok(None)]);
    fixture.role_of_ada().unwrap_err();
    fixture.advance(60_000);
    assert_eq!(fixture.role_of_ada(), Ok(None));
}

#[test]
fn fifty_requests_share_one_look_up_and_the_first_may_leave() {
    let fixture = Fixture::answering([Ok(Some(admin()))]);
    fixture.directory.close();
    let ada = ada();
    block_on(async {
        let mut leaving = Box::pin(fixture.organizations.of(&ada, Freshness::Current));
        assert!(leaving.as_mut().now_or_never().is_none());
        drop(leaving);
        let asking = (0..50).map(|_| fixture.organizations.of(&ada, Freshness::Current));
        let (found, ()) = join(join_all(asking), async { fixture.directory.open() }).await;
        assert!(
            found
                .iter()
                .all(|org| org.as_ref().is_ok_and(Option::is_some))
        );
    });
    assert_eq!(fixture.directory.calls(), 1);
}

#[test]
fn members_are_told_apart_by_organization_and_by_user() {
    let fixture = Fixture::answering([Ok(Some(admin())), Ok(None)]);
    assert!(fixture.role_of_ada().unwrap().is_some());
    for (name, other) in [("sub", "user_bob"), ("org_id", "org_2")] {
        let mut claims = test_support::oauth_claims();
        claims["org_id"] = json!("org_1");
        claims[name] = json!(other);
        let caller = test_support::oauth_caller(&claims);
        let org = block_on(fixture.organizations.of(&caller, Freshness::Current)).unwrap();
        assert!(org.is_none(), "{name}");
    }
    assert_eq!(fixture.directory.calls(), 3);
}

#[test]
fn a_token_without_an_organization_causes_no_look_up() {
    let fixture = Fixture::answering([Ok(Some(admin()))]);
    let caller = test_support::oauth_caller(&test_support::oauth_claims());
    let org = block_on(fixture.organizations.of(&caller, Freshness::Current)).unwrap();
    assert!(org.is_none());
    assert_eq!(fixture.directory.calls(), 0);
}

#[test]
fn the_token_alone_tells_the_id_and_nothing_else() {
    let fixture = Fixture::answering([Ok(None)]);
    let without = Organizations::new(
        None,
        None,
        &test_support::CONVENTIONS,
        test_support::clock(),
        fixture.io.handle().clone(),
    );
    assert!(fixture.organizations.looks_up() && !without.looks_up());
    for (organizations, facts) in [
        (&fixture.organizations, Freshness::AsInToken),
        (&without, Freshness::Current),
        (&without, Freshness::AsInToken),
    ] {
        let org = block_on(organizations.of(&ada(), facts)).unwrap().unwrap();
        assert_eq!(
            (org.id(), org.role(), org.permissions()),
            ("org_1", None, None)
        );
    }
    assert_eq!(fixture.directory.calls(), 0);
}

#[test]
fn a_session_token_tells_its_organization_itself() {
    let fixture = Fixture::answering([Ok(None)]);
    let policy = TokenPolicy {
        sessions: Some(Parties::Any),
        ..test_support::policy()
    };
    let mut claims = test_support::session_claims();
    claims["org_id"] = json!("org_9");
    let token = test_support::session_token(&claims);
    let caller = block_on(test_support::offline(policy).authenticate(&token)).unwrap();
    let org = block_on(fixture.organizations.of(&caller, Freshness::Current)).unwrap();
    assert_eq!(org.unwrap().id(), "org_9");
    assert_eq!(fixture.directory.calls(), 0);
}

/// Lets all members call in turn, ten times. Returns the share of calls whose membership was
/// cached.
fn share_of_hits(members: usize) -> f64 {
    let cache = ExpiringCache::new(MAX_MEMBERS, test_support::clock());
    let mut hits = 0;
    for _ in 0..10 {
        for member in 0..members {
            let member = Member {
                organization_id: "org_1".to_owned(),
                user_id: format!("user_{member}"),
            };
            if cache.get(&member).is_some() {
                hits += 1;
                continue;
            }
            let entry = Entry::believed_for(MEMBER_AGE, None::<Org>, Duration::ZERO);
            cache.insert(member, entry);
        }
    }
    f64::from(hits) / (members * 10) as f64
}

#[test]
fn beyond_the_bound_of_the_cache_the_share_of_hits_falls_smoothly() {
    let shares = [8_000, 12_000, 20_000].map(share_of_hits);
    for (share, least) in shares.iter().zip([0.85, 0.5, 0.2]) {
        assert!(*share >= least, "{shares:?}");
    }
}

/// A directory in which every user is a member. The role contains the time of the look-up.
#[derive(Debug)]
struct Stamping {
    clock: Arc<ManualClock>,
    asked: Mutex<Vec<Duration>>,
}

impl Memberships for Stamping {
    fn membership(
        &self,
        id: &str,
        _: &str,
    ) -> BoxFuture<'static, Result<Option<Org>, LookupError>> {
        let now = self.clock.uptime();
        self.asked.lock().unwrap().push(now);
        let role = Some(now.as_secs().to_string());
        let org = Org::new(id.to_owned(), None, role, Some(Vec::new()));
        async move { Ok(Some(org)) }.boxed()
    }

    fn memberships(
        &self,
        _: &str,
        _: usize,
    ) -> BoxFuture<'static, Result<MembershipPage, LookupError>> {
        async { Err(LookupError::Declined) }.boxed()
    }
}

/// Lets `members` call once a second for `seconds`, with a budget of 100 look-ups in ten seconds.
/// Returns when the directory was asked, and for each member how many calls got a membership at
/// once.
fn calls_of(members: usize, seconds: u64) -> (Vec<Duration>, Vec<u64>) {
    let clock = test_support::clock();
    let directory = Arc::new(Stamping {
        clock: Arc::clone(&clock),
        asked: Mutex::default(),
    });
    let callers: Vec<_> = (0..members)
        .map(|member| {
            let mut claims = test_support::oauth_claims();
            claims["org_id"] = json!("org_1");
            claims["sub"] = json!(format!("user_{member}"));
            test_support::oauth_caller(&claims)
        })
        .collect();
    let mut served = vec![0; members];
    block_on(async {
        let time = || Arc::<ManualClock>::clone(&clock) as Arc<dyn Clock>;
        let budget = Budget::of_memberships(100, time());
        let turns = budget.clone();
        let memberships: Arc<dyn Memberships> = Arc::<Stamping>::clone(&directory);
        let io = Handle::current();
        let organizations = Organizations::new(
            Some(budget),
            Some(memberships),
            &test_support::CONVENTIONS,
            time(),
            io,
        );
        for _ in 0..seconds {
            // The timers of waiting requests use the real clock, so turns are given here.
            turns.is_half_free();
            tokio::task::yield_now().await;
            for (caller, served) in callers.iter().zip(&mut served) {
                let mut call = Box::pin(organizations.of(caller, Freshness::Current));
                let mut answer = call.as_mut().now_or_never();
                for _ in 0..4 {
                    if answer.is_none() {
                        tokio::task::yield_now().await;
                        answer = call.as_mut().now_or_never();
                    }
                }
                let Some(answer) = answer else { continue };
                let org = answer.unwrap().unwrap();
                let looked_up: u64 = org.role().unwrap().parse().unwrap();
                let age = clock.uptime().as_secs() - looked_up;
                assert!(age < 30, "a fact of {age} s");
                *served += 1;
            }
            tokio::task::yield_now().await;
            clock.advance(Duration::from_secs(1));
        }
    });
    (directory.asked.lock().unwrap().clone(), served)
}

#[test]
fn more_members_than_look_ups_are_served_in_turn_and_never_on_old_facts() {
    let (asked, served) = calls_of(400, 200);
    for first in &asked {
        let until = *first + Duration::from_secs(10);
        let window = asked.iter().filter(|at| (*first..until).contains(*at));
        assert!(window.count() <= 100);
    }
    // With 100 look-ups in ten seconds, 300 memberships are younger than 30 s at any time. That is
    // enough for three of four calls of each member.
    for (member, served) in served.iter().enumerate() {
        assert!((130..=165).contains(served), "{member}: {served} of 200");
    }
}

#[test]
fn a_membership_in_use_is_looked_up_ahead_while_half_of_the_budget_is_free() {
    let (asked, served) = calls_of(40, 100);
    assert!(served.iter().all(|served| *served == 100), "{served:?}");
    // The directory is asked every 20 s, not every 30 s.
    assert_eq!(asked.len(), 40 * 5);
}

struct Fixture {
    directory: Arc<CountingDirectory>,
    clock: Arc<ManualClock>,
    organizations: Organizations,
    io: IoRuntime,
}

impl Fixture {
    fn answering<const N: usize>(answers: [Result<Option<Org>, LookupError>; N]) -> Self {
        let io = IoRuntime::start().unwrap();
        let directory = CountingDirectory::answering(answers);
        let clock = test_support::clock();
        let memberships: Arc<dyn Memberships> = Arc::<CountingDirectory>::clone(&directory);
        let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let organizations = Organizations::new(
            None,
            Some(memberships),
            &test_support::CONVENTIONS,
            time,
            io.handle().clone(),
        );
        Self {
            directory,
            clock,
            organizations,
            io,
        }
    }

    fn advance(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    fn role_of_ada(&self) -> Result<Option<String>, Unavailable> {
        let org = block_on(self.organizations.of(&ada(), Freshness::Current))?;
        Ok(org.and_then(|org| org.role().map(str::to_owned)))
    }
}

fn ada() -> Caller {
    let mut claims = test_support::oauth_claims();
    claims["org_id"] = json!("org_1");
    test_support::oauth_caller(&claims)
}

fn admin() -> Org {
    Org::new(
        "org_1".to_owned(),
        None,
        Some("org:admin".to_owned()),
        Some(Vec::new()),
    )
}
