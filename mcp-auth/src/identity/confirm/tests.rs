//! Opaque tokens: the number of requests to the issuer, and their outcomes.

use std::collections::BTreeSet;

use futures_util::FutureExt;
use futures_util::future::{join, join_all};
use serde_json::json;

use super::*;
use crate::identity::lookup::OverBudget;
use crate::identity::test_support;
use crate::identity::test_support::{
    MockSource, NOW, PlainDecode, TestKey, active, block_on, confirmation, policy,
};
use crate::identity::{
    Authenticator, AuthenticatorConfig, BearerToken, Client, IoRuntime, Keys, Machine, ManualClock,
};

#[test]
fn a_confirmed_token_is_its_caller() {
    let fixture = Fixture::answering([active(confirmation())]);
    let caller = fixture.present("oat_1").unwrap();
    assert_eq!(caller.user_id(), Some("user_ada"));
    assert_eq!(
        (caller.token_kind(), caller.client_id()),
        (TokenKind::OAuth, Some("client_1"))
    );
    assert!(caller.has_scope("email") && caller.claims().is_empty());
    assert!(caller.org_id().is_none() && !caller.is_impersonated());
    assert!(!format!("{caller:?}").contains("oat_1"), "{caller:?}");
}

#[test]
fn an_answer_is_believed_for_a_minute_and_then_asked_for_again() {
    let fixture = Fixture::answering([active(confirmation())]);
    for (ms, calls) in [(0, 1), (59_999, 1), (1, 2), (60_000, 3)] {
        fixture.advance(ms);
        fixture.present("oat_1").unwrap();
        assert_eq!(fixture.source.calls(), calls, "after {ms} ms more");
    }
    fixture
        .source
        .answer(Ok(TokenStatus::Refused(TokenError::Revoked)));
    fixture.advance(60_000);
    assert_eq!(
        fixture.present("oat_1").unwrap_err(),
        TokenError::Revoked.into()
    );
}

#[test]
fn an_expired_token_is_neither_believed_nor_asked_about() {
    let soon = Confirmation {
        expires_ms: Some(NOW * 1_000 + 30_000),
        ..confirmation()
    };
    let fixture = Fixture::answering([active(soon)]);
    fixture.advance(29_999);
    fixture.present("oat_1").unwrap();
    fixture.advance(1);
    for _ in 0..3 {
        assert_eq!(
            fixture.present("oat_1").unwrap_err(),
            TokenError::Expired.into()
        );
        fixture.advance(10_000);
    }
    assert_eq!(fixture.source.calls(), 1);
}

#[test]
fn a_token_without_expiry_stays_good_for_as_long_as_the_issuer_says() {
    let forever = Confirmation {
        expires_ms: None,
        ..confirmation()
    };
    let fixture = Fixture::answering([active(forever)]);
    fixture.advance(365 * 86_400_000);
    assert_eq!(fixture.present("oat_1").unwrap().expires_at(), None);
}

#[test]
fn a_confirmation_passes_the_same_checks_as_a_jwt() {
    for (name, confirmation, error) in [
        (
            "another's subject",
            with(|confirmation| confirmation.subject = "org_1".to_owned()),
            TokenError::Subject,
        ),
        (
            "an empty subject",
            with(|confirmation| confirmation.subject = "user_".to_owned()),
            TokenError::Subject,
        ),
        (
            "an expiry that has passed",
            with(|confirmation| confirmation.expires_ms = Some(NOW * 1_000)),
            TokenError::Expired,
        ),
        (
            "another audience",
            with(|confirmation| confirmation.audience = Some(json!(["https://other.example.com"]))),
            TokenError::AudienceMismatch,
        ),
        (
            "an audience with nothing in it",
            with(|confirmation| confirmation.audience = Some(json!([""]))),
            TokenError::AudienceMalformed,
        ),
        (
            "no audience",
            with(|confirmation| confirmation.audience = None),
            TokenError::AudienceMissing,
        ),
        (
            "another client",
            with(|confirmation| confirmation.parts.client_id = Some("client_2".to_owned())),
            TokenError::Client,
        ),
        (
            "no client",
            with(|confirmation| confirmation.parts.client_id = None),
            TokenError::Client,
        ),
    ] {
        let allowed = TokenPolicy {
            allowed_clients: Some(vec!["client_1".to_owned()]),
            ..policy()
        };
        let fixture = Fixture::with(allowed, [active(confirmation)]);
        let refused = fixture.present("oat_1").unwrap_err();
        assert_eq!(refused, error.into(), "{name}");
    }
}

#[test]
fn each_kind_is_accepted_only_if_the_server_says_so_and_no_other_is_asked_about() {
    let every = || TokenPolicy {
        machine: Some(Machine::Named("mch_here".to_owned())),
        api_keys: Some(Vec::new()),
        ..policy()
    };
    for (token, confirmation, refusing) in [
        (
            "oat_1",
            confirmation(),
            TokenPolicy {
                oauth: false,
                ..every()
            },
        ),
        (
            "mt_1",
            machine(&["mch_here"]),
            TokenPolicy {
                machine: None,
                ..every()
            },
        ),
        (
            "ak_1",
            confirmation(),
            TokenPolicy {
                api_keys: None,
                ..every()
            },
        ),
    ] {
        let accepting = Fixture::with(every(), [active(confirmation.clone())]);
        assert!(accepting.present(token).is_ok(), "{token}");
        let refusing = Fixture::with(refusing, [active(confirmation)]);
        let refused = refusing.present(token).unwrap_err();
        assert_eq!(refused, TokenError::Kind.into(), "{token}");
        assert_eq!(refusing.source.calls(), 0, "{token}");
    }
}

#[test]
fn a_machines_token_must_name_this_machine_unless_its_own_key_confirmed_it() {
    let named = || Machine::Named("mch_here".to_owned());
    let elsewhere = &["mch_there", "mch_here_too"][..];
    for (machine, scopes, error) in [
        (named(), &["mch_there", "mch_here"][..], None),
        (named(), elsewhere, Some(TokenError::MachineMismatch)),
        (named(), &[], Some(TokenError::MachineMismatch)),
        (Machine::Unnamed, elsewhere, None),
    ] {
        let accepting = TokenPolicy {
            machine: Some(machine),
            ..policy()
        };
        let fixture = Fixture::with(accepting, [active(self::machine(scopes))]);
        match (fixture.present("mt_1"), error) {
            (Ok(caller), None) => {
                assert_eq!(caller.machine_id(), Some("mch_caller"));
                assert_eq!((caller.user_id(), caller.scopes().len()), (None, 0));
            }
            (outcome, error) => {
                assert_eq!(outcome.err(), error.map(AuthError::from), "{scopes:?}");
            }
        }
    }
}

#[test]
fn an_api_key_must_have_every_scope_that_is_required() {
    let accepting = |required: &[&str]| TokenPolicy {
        api_keys: Some(required.iter().map(ToString::to_string).collect()),
        ..policy()
    };
    for (required, accepted) in [
        (&[][..], true),
        (&["email"], true),
        (&["profile", "email"], true),
        (&["email", "documents:read"], false),
        (&["Email"], false),
    ] {
        let fixture = Fixture::with(accepting(required), [active(confirmation())]);
        let error = fixture.present("ak_1").err();
        let expected = (!accepted).then_some(TokenError::KeyScope.into());
        assert_eq!(error, expected, "{required:?}");
    }
}

#[test]
fn an_api_key_acts_for_a_user_or_an_organization_and_for_no_machine() {
    let accepting = TokenPolicy {
        api_keys: Some(Vec::new()),
        ..policy()
    };
    for (subject, accepted) in [("user_ada", true), ("org_1", true), ("mch_1", false)] {
        let confirmation = with(|confirmation| confirmation.subject = subject.to_owned());
        let outcome = Fixture::with(accepting.clone(), [active(confirmation)]).present("ak_1");
        let expected = (!accepted).then_some(TokenError::Subject.into());
        assert_eq!(outcome.err(), expected, "{subject}");
    }
}

#[test]
fn a_refusal_is_remembered_for_five_seconds() {
    let fixture = Fixture::answering([
        Ok(TokenStatus::Refused(TokenError::Unknown)),
        active(confirmation()),
    ]);
    for ms in [0, 4_999] {
        fixture.advance(ms);
        let refused = fixture.present("oat_1").unwrap_err();
        assert_eq!(refused, TokenError::Unknown.into());
    }
    assert_eq!(fixture.source.calls(), 1);
    fixture.advance(1);
    assert!(fixture.present("oat_1").is_ok());
}

#[test]
fn a_question_without_an_answer_is_unavailable_and_not_cached() {
    for (error, expected) in [
        (LookupError::Failed, None),
        (LookupError::Declined, None),
        (LookupError::KeyRefused, Some(AuthError::Misconfigured)),
    ] {
        let fixture = Fixture::answering([Err(error), active(confirmation())]);
        let refused = fixture.present("oat_1").unwrap_err();
        match expected {
            Some(expected) => assert_eq!(refused, expected),
            None => assert!(matches!(refused, AuthError::Unavailable(_)), "{refused:?}"),
        }
        assert!(fixture.present("oat_1").is_ok(), "{error:?}");
    }
}

#[test]
fn fifty_requests_share_one_question_and_the_first_may_leave() {
    let fixture = Fixture::answering([active(confirmation())]);
    fixture.source.close();
    block_on(async {
        let present = || fixture.authenticator.authenticate("oat_1");
        let mut leaving = Box::pin(present());
        assert!(leaving.as_mut().now_or_never().is_none());
        drop(leaving);
        let presenting = (0..50).map(|_| present());
        let (callers, ()) = join(join_all(presenting), async { fixture.source.open() }).await;
        assert!(callers.iter().all(Result::is_ok));
    });
    assert_eq!(fixture.source.calls(), 1);
}

#[test]
fn made_up_tokens_cost_a_network_its_budget_and_no_other() {
    let fixture = Fixture::answering([active(confirmation())]);
    fixture.present_from("198.51.100.1", "oat_known").unwrap();
    fixture
        .source
        .answer(Ok(TokenStatus::Refused(TokenError::Unknown)));
    let mut refused = 0;
    for index in 0..500 {
        match fixture.present_from("192.0.2.1", &format!("oat_{index}")) {
            Err(AuthError::Invalid(TokenError::Unknown)) => refused += 1,
            Err(AuthError::OverBudget(OverBudget { retry_after })) => {
                assert_eq!(retry_after, Duration::from_secs(1));
            }
            outcome => panic!("{outcome:?}"),
        }
    }
    assert_eq!((refused, fixture.source.calls()), (10, 11));
    fixture.source.answer(active(confirmation()));
    assert!(fixture.present_from("203.0.113.1", "oat_other").is_ok());
    // A token that was confirmed before costs nothing, even if the budget is used up and the issuer
    // is asked again.
    assert!(fixture.present_from("192.0.2.1", "oat_known").is_ok());
    for _ in 0..3 {
        fixture.advance(60_000);
        for index in 0..20 {
            let junk = format!("oat_again_{index}");
            let _spent = fixture.present_from("192.0.2.1", &junk);
        }
        assert!(fixture.present_from("192.0.2.1", "oat_known").is_ok());
    }
}

#[test]
fn a_made_up_token_that_is_repeated_costs_one_question() {
    let fixture = Fixture::answering([Ok(TokenStatus::Refused(TokenError::Unknown))]);
    for _ in 0..100 {
        let refused = fixture.present_from("192.0.2.1", "oat_1").unwrap_err();
        assert_eq!(refused, TokenError::Unknown.into());
    }
    assert_eq!(fixture.source.calls(), 1);
}

#[test]
fn an_issuer_that_is_down_lets_nobody_new_in_is_left_alone_and_found_again() {
    let fixture = Fixture::answering([active(confirmation())]);
    fixture.present("oat_known").unwrap();
    fixture.source.answer(Err(LookupError::Failed));
    let outcomes: BTreeSet<_> = (0..30)
        .map(|index| {
            let peer = format!("10.0.{index}.1");
            let outcome = fixture.present_from(&peer, &format!("oat_{index}"));
            matches!(outcome, Err(AuthError::Unavailable(_)))
        })
        .collect();
    assert_eq!(outcomes, BTreeSet::from([true]));
    assert_eq!(fixture.source.calls(), 1 + 5);
    assert!(fixture.present("oat_known").is_ok(), "needs no question");
    fixture.source.answer(active(confirmation()));
    fixture.advance(1_000);
    assert!(fixture.present("oat_new").is_ok());
}

#[test]
fn made_up_tokens_that_the_issuer_declines_do_not_shut_others_out() {
    let fixture = Fixture::answering([Err(LookupError::Declined)]);
    for index in 0..10 {
        let _unavailable = fixture.present_from("192.0.2.1", &format!("oat_{index}"));
    }
    fixture.source.answer(active(confirmation()));
    assert!(fixture.present_from("198.51.100.1", "oat_good").is_ok());
}

#[test]
fn a_token_that_was_good_and_is_declined_costs_like_a_new_one() {
    let fixture = Fixture::answering([active(confirmation()), Err(LookupError::Declined)]);
    fixture.present_from("192.0.2.1", "oat_1").unwrap();
    fixture.advance(60_000);
    for index in 0..100 {
        let outcome = fixture.present_from("192.0.2.1", "oat_1");
        // The first request was free, because the token was confirmed before. The network paid for
        // the next ten.
        assert!(match outcome {
            Err(AuthError::Unavailable(_)) => index < 11,
            Err(AuthError::OverBudget(_)) => index >= 11,
            Err(AuthError::FailsOften | AuthError::Invalid(_) | AuthError::Misconfigured)
            | Ok(_) => false,
        });
    }
    assert_eq!(fixture.source.calls(), 1 + 1 + 10);
    fixture.source.answer(active(confirmation()));
    fixture.advance(1_000);
    assert!(fixture.present_from("192.0.2.1", "oat_1").is_ok());
}

#[test]
fn opaque_tokens_leave_nothing_of_themselves_in_the_log() {
    let fixture = Fixture::answering([
        active(confirmation()),
        Ok(TokenStatus::Refused(TokenError::Revoked)),
        Err(LookupError::Failed),
        Err(LookupError::KeyRefused),
    ]);
    let log = test_support::logged(|| {
        for index in 0..5 {
            let _outcome = fixture.present(&format!("oat_secret_{index}"));
        }
    });
    assert!(
        log.contains("token-revoked") && !log.contains("oat_secret"),
        "{log}"
    );
}

#[test]
fn without_anybody_to_ask_opaque_tokens_are_refused_and_the_setting_is_named_once() {
    let clock = test_support::clock();
    let keys = Keys::from_pem(&TestKey::shared().public_pem()).unwrap();
    let authenticator = test_support::with_keys(policy(), keys, clock);
    let log = test_support::logged(|| {
        for token in ["oat_1", "oat_2"] {
            let refused = block_on(authenticator.authenticate(token)).unwrap_err();
            assert_eq!(refused, TokenError::Opaque.into());
        }
    });
    assert_eq!(log.matches("CLERK_SECRET_KEY").count(), 1, "{log}");
}

struct Fixture {
    source: Arc<MockSource<TokenStatus>>,
    clock: Arc<ManualClock>,
    authenticator: Authenticator,
    _io: IoRuntime,
}

impl Fixture {
    fn answering<const N: usize>(answers: [Result<TokenStatus, LookupError>; N]) -> Self {
        Self::with(policy(), answers)
    }

    fn with<const N: usize>(
        policy: TokenPolicy,
        answers: [Result<TokenStatus, LookupError>; N],
    ) -> Self {
        let io = IoRuntime::start().unwrap();
        let source = MockSource::answering(answers);
        let clock = test_support::clock();
        let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let asked: Arc<dyn ConfirmationSource> = Arc::<MockSource<TokenStatus>>::clone(&source);
        let budget = Budget::of_new_tokens(100, Arc::clone(&time));
        let authenticator = Authenticator::new(AuthenticatorConfig {
            policy,
            keys: Keys::from_pem(&TestKey::shared().public_pem()).unwrap(),
            decode: Arc::new(PlainDecode),
            clock: time,
            confirm: Some((asked, Some(budget), io.handle().clone())),
            people: None,
        });
        Self {
            source,
            clock,
            authenticator,
            _io: io,
        }
    }

    fn advance(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    fn present(&self, token: &str) -> Result<Caller, AuthError> {
        block_on(self.authenticator.authenticate(token))
    }

    fn present_from(&self, peer: &str, token: &str) -> Result<Caller, AuthError> {
        let client = Client::at(peer.parse().unwrap());
        block_on(
            self.authenticator
                .authenticate_from(client, &BearerToken::new(token)),
        )
    }
}

fn with(change: impl FnOnce(&mut Confirmation)) -> Confirmation {
    let mut confirmation = confirmation();
    change(&mut confirmation);
    confirmation
}

/// Returns a machine's token for these machines.
fn machine(machines: &[&str]) -> Confirmation {
    let mut confirmation = confirmation();
    confirmation.subject = "mch_caller".to_owned();
    confirmation.audience = None;
    confirmation.machines = machines.iter().map(ToString::to_string).collect();
    confirmation.parts.client_id = None;
    confirmation.parts.scopes = Vec::new();
    confirmation
}
