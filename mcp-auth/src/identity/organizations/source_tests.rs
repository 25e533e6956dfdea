//! Organizations from the URL and from the user's memberships. A list of memberships is cached for a time and may be
//! read only in part, and only a current membership counts.

use futures_util::future::{join, join_all};
use serde_json::json;

use super::*;
use crate::clock::ManualClock;
use crate::identity::io::IoRuntime;
use crate::identity::test_support::{MockSource, block_on};
use crate::identity::{Parties, TokenPolicy, test_support};

const BOTH: OrganizationSources = OrganizationSources {
    only_membership: true,
    url_query: true,
};
const ONLY_MEMBERSHIP: OrganizationSources = OrganizationSources {
    only_membership: true,
    url_query: false,
};
const URL_QUERY: OrganizationSources = OrganizationSources {
    only_membership: false,
    url_query: true,
};

#[test]
fn an_organization_of_the_list_is_believed_for_thirty_seconds() {
    for url in [UrlOrg::Absent, url("acme"), url("org_acme")] {
        let fixture = Fixture::of(BOTH, [page(&["acme"], 1), page(&[], 0)]);
        for (advance, expected, calls) in [
            (0, Some("org_acme"), 1),
            (29_999, Some("org_acme"), 1),
            (1, None, 2),
        ] {
            fixture.advance(advance);
            assert_eq!(fixture.org(&url), Ok(expected.map(str::to_owned)));
            assert_eq!(fixture.directory.calls(), calls);
        }
    }
}

#[test]
fn a_list_without_the_organization_is_believed_for_five_seconds() {
    for (url, first, then) in [
        (UrlOrg::Absent, page(&[], 0), page(&["acme"], 1)),
        // A user who leaves all organizations except one waits no longer than a user who joins a first organization.
        (
            UrlOrg::Absent,
            page(&["acme", "globex"], 2),
            page(&["acme"], 1),
        ),
        (
            url("acme"),
            page(&["globex"], 1),
            page(&["acme", "globex"], 2),
        ),
        (url("org_acme"), page(&[], 0), page(&["acme"], 1)),
    ] {
        let fixture = Fixture::of(BOTH, [first, then]);
        assert_eq!(fixture.org(&url), Ok(None));
        fixture.advance(4_999);
        assert_eq!(fixture.org(&url), Ok(None));
        assert_eq!(fixture.directory.calls(), 1);
        fixture.advance(1);
        assert_eq!(fixture.org(&url), Ok(Some("org_acme".to_owned())));
    }
}

#[test]
fn a_list_that_cannot_be_had_is_unavailable_and_an_old_one_is_not_believed() {
    let fixture = Fixture::of(BOTH, [page(&["acme"], 1), Err(LookupError::Failed)]);
    assert!(fixture.org(&UrlOrg::Absent).is_ok());
    fixture.advance(30_000);
    for url in [UrlOrg::Absent, url("acme"), url("org_acme"), url("globex")] {
        fixture.org(&url).unwrap_err();
    }
    // A failure is not cached.
    fixture.directory.answer(page(&["acme"], 1));
    assert_eq!(fixture.org(&url("acme")), Ok(Some("org_acme".to_owned())));
}

#[test]
fn lists_and_single_memberships_share_a_circuit_breaker() {
    let fixture = Fixture::of(BOTH, [Err(LookupError::Failed)]);
    for _ in 0..5 {
        fixture.org(&UrlOrg::Absent).unwrap_err();
    }
    let calls = fixture.directory.calls();
    assert_eq!(calls, 5);
    fixture.org(&url("acme")).unwrap_err();
    let named = caller(Some("org_acme"));
    let acting = fixture.acting(&named, &UrlOrg::Absent);
    assert!(acting.is_err());
    assert_eq!(fixture.directory.calls(), calls);
}

#[test]
fn however_many_names_a_client_tries_one_list_answers() {
    let fixture = Fixture::of(BOTH, [page(&["acme"], 1)]);
    for number in 0..100 {
        assert_eq!(fixture.org(&url(&format!("org_{number}"))), Ok(None));
        assert_eq!(fixture.org(&url(&format!("slug-{number}"))), Ok(None));
    }
    assert_eq!(fixture.directory.calls(), 1);
}

#[test]
fn fifty_requests_share_one_list() {
    let fixture = Fixture::of(BOTH, [page(&["acme"], 1)]);
    fixture.directory.close();
    let ada = caller(None);
    block_on(async {
        let absent = UrlOrg::Absent;
        let asking = (0..50).map(|_| {
            fixture
                .organizations
                .acting(&ada, &absent, Freshness::Current)
        });
        let (found, ()) = join(join_all(asking), async { fixture.directory.open() }).await;
        assert!(
            found
                .iter()
                .all(|acting| acting.as_ref().is_ok_and(|acting| acting.org.is_some()))
        );
    });
    assert_eq!(fixture.directory.calls(), 1);
}

#[test]
fn users_have_lists_of_their_own() {
    let fixture = Fixture::of(BOTH, [page(&["acme"], 1), page(&[], 0)]);
    assert!(fixture.org(&UrlOrg::Absent).unwrap().is_some());
    let mut claims = test_support::oauth_claims();
    claims["sub"] = json!("user_bob");
    let bob = test_support::oauth_caller(&claims);
    for url in [UrlOrg::Absent, url("acme"), url("org_acme")] {
        assert!(fixture.acting(&bob, &url).unwrap().org.is_none());
    }
    assert!(fixture.org(&UrlOrg::Absent).unwrap().is_some());
}

#[test]
fn exactly_one_membership_is_the_only_one() {
    for (answer, expected) in [
        (page(&["acme"], 1), Some("org_acme")),
        (page(&[], 0), None),
        (page(&["acme", "globex"], 2), None),
        // The page and the count contradict each other.
        (page(&["acme"], 2), None),
        (page(&["acme"], 0), None),
        (page(&["acme", "globex"], 1), None),
    ] {
        let fixture = Fixture::of(ONLY_MEMBERSHIP, [answer]);
        assert_eq!(
            fixture.org(&UrlOrg::Absent),
            Ok(expected.map(str::to_owned))
        );
        // The first page is enough.
        assert_eq!(fixture.directory.calls(), 1);
    }
}

#[test]
fn the_list_is_read_page_by_page_up_to_a_bound() {
    let slugs: Vec<_> = (0..600).map(|number| format!("o{number}")).collect();
    let pages = || {
        slugs.chunks(25).map(|slugs| {
            let slugs: Vec<_> = slugs.iter().map(String::as_str).collect();
            page(&slugs, 600)
        })
    };
    for (named, found, calls) in [
        ("o0", true, 20),
        ("o499", true, 20),
        ("org_o499", true, 20),
        ("o500", false, 20),
        ("org_o500", false, 20),
    ] {
        let fixture = Fixture::of(URL_QUERY, pages());
        assert_eq!(
            fixture.org(&url(named)).unwrap().is_some(),
            found,
            "{named}"
        );
        assert_eq!(fixture.directory.calls(), calls, "{named}");
    }
    // The list ends with its last page, or with an empty page.
    for (pages, calls) in [
        (vec![page(&["acme"], 1)], 1),
        (vec![page(&["acme"], 2), page(&["globex"], 2)], 2),
        (vec![page(&["acme"], 9), page(&[], 9)], 2),
    ] {
        let fixture = Fixture::of(URL_QUERY, pages);
        assert!(fixture.org(&url("acme")).unwrap().is_some());
        assert_eq!(fixture.directory.calls(), calls);
    }
}

#[test]
fn a_url_names_its_organization_or_none() {
    let fixture = Fixture::of(BOTH, [page(&["acme"], 1)]);
    for unknown in [url("globex"), url("org_globex"), UrlOrg::Malformed] {
        let acting = fixture.acting(&caller(None), &unknown).unwrap();
        assert!(acting.org.is_none(), "{unknown:?}");
        assert_eq!(acting.named_by, NamedBy::UrlQuery);
    }
}

#[test]
fn the_token_wins_and_a_url_that_names_another_organization_takes_it_away() {
    let answers = || [page(&["acme", "globex"], 2)];
    for (url, expected) in [
        (UrlOrg::Absent, Some("org_acme")),
        (url("acme"), Some("org_acme")),
        (url("org_acme"), Some("org_acme")),
        (url("globex"), None),
        (url("org_globex"), None),
        (url("unknown"), None),
        (UrlOrg::Malformed, None),
    ] {
        let fixture = Fixture::of(BOTH, answers());
        let acting = fixture.acting(&caller(Some("org_acme")), &url).unwrap();
        assert_eq!(acting.org.as_ref().map(Org::id), expected, "{url:?}");
    }
    // An ended membership does not count, even if the URL names the organization.
    let fixture = Fixture::of(BOTH, [page(&["globex"], 1)]);
    for url in [UrlOrg::Absent, url("acme"), url("org_acme"), url("globex")] {
        let acting = fixture.acting(&caller(Some("org_acme")), &url).unwrap();
        assert!(acting.org.is_none(), "{url:?}");
    }
}

#[test]
fn a_session_without_an_organization_gets_none_from_any_source() {
    let fixture = Fixture::of(BOTH, [page(&["acme"], 1)]);
    let policy = TokenPolicy {
        sessions: Some(Parties::Any),
        ..test_support::policy()
    };
    let authenticator = test_support::offline(policy);
    let mut claims = test_support::session_claims();
    let session = |claims: &serde_json::Value| {
        let token = test_support::session_token(claims);
        block_on(authenticator.authenticate(&token)).unwrap()
    };
    let bare = session(&claims);
    claims["org_id"] = json!("org_acme");
    let named = session(&claims);
    for (caller, url, expected) in [
        (&bare, UrlOrg::Absent, None),
        (&bare, url("org_acme"), None),
        (&named, UrlOrg::Absent, Some("org_acme")),
        (&named, url("org_acme"), Some("org_acme")),
        (&named, url("org_globex"), None),
    ] {
        let acting = fixture.acting(caller, &url).unwrap();
        assert_eq!(acting.org.as_ref().map(Org::id), expected, "{url:?}");
    }
    assert_eq!(fixture.directory.calls(), 0);
}

#[test]
fn without_a_source_nothing_is_looked_up_for_a_token_that_names_none() {
    let fixture = Fixture::of(OrganizationSources::default(), [page(&["acme"], 1)]);
    assert_eq!(fixture.org(&UrlOrg::Absent), Ok(None));
    assert_eq!(fixture.directory.calls(), 0);
}

struct Fixture {
    directory: Arc<MockSource<MembershipPage>>,
    clock: Arc<ManualClock>,
    organizations: Organizations,
    _io: IoRuntime,
}

impl Fixture {
    fn of(
        sources: OrganizationSources,
        pages: impl IntoIterator<Item = Result<MembershipPage, LookupError>>,
    ) -> Self {
        let io = IoRuntime::start().unwrap();
        let directory = MockSource::answering(pages);
        let clock = test_support::clock();
        let memberships: Arc<dyn Memberships> =
            Arc::<MockSource<MembershipPage>>::clone(&directory);
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
            organizations: organizations.with_sources(sources),
            _io: io,
        }
    }

    /// Returns the id of the organization in which `ada` acts. The token of `ada` names no organization.
    fn org(&self, url: &UrlOrg) -> Result<Option<String>, Unavailable> {
        let acting = self.acting(&caller(None), url)?;
        Ok(acting.org.map(|org| org.id().to_owned()))
    }

    fn acting(&self, caller: &Caller, url: &UrlOrg) -> Result<Acting, Unavailable> {
        block_on(self.organizations.acting(caller, url, Freshness::Current))
    }

    fn advance(&self, milliseconds: u64) {
        self.clock.advance(Duration::from_millis(milliseconds));
    }
}

fn caller(org_id: Option<&str>) -> Caller {
    let mut claims = test_support::oauth_claims();
    if let Some(id) = org_id {
        claims["org_id"] = json!(id);
    }
    test_support::oauth_caller(&claims)
}

fn url(named: &str) -> UrlOrg {
    UrlOrg::Named(named.into())
}

fn page(slugs: &[&str], total: u64) -> Result<MembershipPage, LookupError> {
    let org = |slug: &&str| Org::new(format!("org_{slug}"), Some((*slug).to_owned()), None, None);
    Ok(MembershipPage {
        orgs: slugs.iter().map(org).collect(),
        total,
    })
}
