//! Profiles, users who may not sign in, and the organizations of opaque tokens.

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use super::*;
use crate::identity::test_support::{
    CountingDirectory, MockSource, PlainDecode, TestKey, active, block_on, confirmation,
    oauth_claims, oauth_token, session_claims, session_token,
};
use crate::identity::{
    Authenticator, AuthenticatorConfig, BearerToken, Budget, Confirmation, ConfirmationSource,
    Freshness, IoRuntime, Keys, ManualClock, Memberships, Org, Organizations, Parties, TokenPolicy,
    TokenStatus, Unavailable, test_support,
};

#[test]
fn scopes_decide_what_is_shown_and_whether_anything_is_asked() {
    for (scopes, email, name, calls) in [
        ("email profile", true, true, 1),
        ("email", true, false, 1),
        ("profile", false, true, 1),
        ("documents:read", false, false, 0),
    ] {
        let world = World::with_key([Ok(Some(ada()))]);
        let profile = world.profile(&world.oauth(scopes)).unwrap();
        assert_eq!(profile.email.is_some(), email, "{scopes}");
        assert_eq!(profile.email_verified.is_some(), email, "{scopes}");
        assert_eq!(profile.name.is_some(), name, "{scopes}");
        assert_eq!(profile.username.is_some(), name, "{scopes}");
        assert_eq!(profile.picture.is_some(), name, "{scopes}");
        assert_eq!(
            (world.users.calls(), world.issuer.calls()),
            (calls, 0),
            "{scopes}"
        );
    }
}

#[test]
fn a_session_shows_everything_and_an_api_key_what_its_scopes_cover() {
    let world = World::with_key([Ok(Some(ada()))]);
    let session = world.present(&session_token(&session_claims())).unwrap();
    assert_eq!(world.profile(&session).unwrap(), ada().profile);
    let mut key = confirmation();
    key.parts.client_id = None;
    key.parts.scopes = vec!["email".to_owned()];
    world.confirmations.answer(active(key));
    let profile = world.profile(&world.present("ak_1").unwrap()).unwrap();
    assert!(profile.email.is_some() && profile.name.is_none());
}

#[test]
fn a_profile_in_a_signed_token_is_not_looked_up() {
    let world = World::with_key([Ok(Some(ada()))]);
    let mut claims = session_claims();
    claims["email"] = json!("own@example.com");
    let session = world.present(&session_token(&claims)).unwrap();
    let profile = world.profile(&session).unwrap();
    assert_eq!(
        (profile.email.as_deref(), profile.name),
        (Some("own@example.com"), None)
    );
    assert_eq!(world.users.calls(), 0);
}

#[test]
fn the_claims_of_an_api_key_are_not_its_users_profile() {
    let world = World::with_key([Ok(Some(ada()))]);
    let mut key = confirmation();
    key.claims = json!({"email": "forged@example.com"})
        .as_object()
        .unwrap()
        .clone();
    world.confirmations.answer(active(key));
    let profile = world.profile(&world.present("ak_1").unwrap()).unwrap();
    assert_eq!(profile.email.as_deref(), Some("ada@example.com"));
}

#[test]
fn a_caller_who_is_no_user_has_no_profile_and_causes_no_look_up() {
    let world = World::with_key([Ok(Some(ada()))]);
    let mut key = confirmation();
    key.subject = "org_1".to_owned();
    world.confirmations.answer(active(key));
    let caller = world.present("ak_1").unwrap();
    assert_eq!(world.profile(&caller), Err(ProfileError::NoUser));
    assert_eq!(world.users.calls(), 0);
}

#[test]
fn a_profile_is_asked_for_once_in_the_life_of_a_token() {
    let world = World::with_key([Ok(Some(ada())), Ok(None)]);
    let caller = world.oauth("email");
    for hours in [0, 12, 11] {
        world.advance(Duration::from_secs(hours * 3_600));
        assert!(world.profile(&caller).unwrap().email.is_some());
    }
    assert_eq!(world.users.calls(), 1);
    world.advance(Duration::from_secs(3_600));
    assert_eq!(
        world.profile(&caller),
        Err(ProfileError::NoUser),
        "a user who is gone"
    );
}

#[test]
fn a_profile_that_cannot_be_had_is_not_remembered() {
    for error in [
        LookupError::Failed,
        LookupError::Declined,
        LookupError::KeyRefused,
    ] {
        let world = World::with_key([Err(error), Ok(Some(ada()))]);
        let caller = world.oauth("email");
        assert_eq!(
            world.profile(&caller),
            Err(ProfileError::Unavailable),
            "{error}"
        );
        assert!(world.profile(&caller).is_ok());
    }
}

#[test]
fn without_a_secret_key_the_issuer_tells_the_bearer_and_scopes_still_decide() {
    let world = World::without_key([Ok(user_info("user_ada", None))]);
    let caller = world.oauth("email");
    assert!(caller.token().is_some());
    let profile = world.profile(&caller).unwrap();
    assert!(profile.email.is_some() && profile.name.is_none());
    assert_eq!((world.users.calls(), world.issuer.calls()), (0, 1));
}

#[test]
fn a_session_token_is_never_sent_to_userinfo() {
    let world = World::without_key([Ok(user_info("user_ada", None))]);
    let session = world.present(&session_token(&session_claims())).unwrap();
    assert!(session.token().is_none());
    assert_eq!(world.profile(&session), Err(ProfileError::Unavailable));
    assert_eq!(world.issuer.calls(), 0);
}

#[test]
fn a_token_is_kept_only_where_its_issuer_may_have_to_be_asked_with_it() {
    let with_key = World::with_key([Ok(None)]);
    assert!(
        with_key.oauth("email").token().is_none(),
        "a JWT, and there is a key"
    );
    assert!(with_key.present("oat_1").unwrap().token().is_some());
    assert!(with_key.present("ak_1").unwrap().token().is_none());
    let caller = with_key.present("oat_1").unwrap();
    assert!(!format!("{caller:?}{:?}", caller.token()).contains("oat_1"));
}

#[test]
fn userinfo_about_somebody_else_is_no_answer() {
    let world = World::without_key([Ok(user_info("user_bob", Some("org_2")))]);
    assert_eq!(
        world.profile(&world.oauth("email")),
        Err(ProfileError::Unavailable)
    );
    let world = World::with_key([Ok(None)]);
    world
        .issuer
        .answer(Ok(user_info("user_bob", Some("org_2"))));
    assert!(world.organization("oat_1").is_err());
    assert_eq!(world.directory.calls(), 0);
}

#[test]
fn the_organization_of_an_opaque_token_is_what_the_issuer_tells_and_a_membership_now() {
    let world = World::with_key([Ok(None)]);
    let org = world.organization("oat_1").unwrap().unwrap();
    assert_eq!((org.id(), org.role()), ("org_1", Some("org:admin")));
    world.directory.answer(Ok(None));
    world.advance(Duration::from_secs(30));
    assert!(
        world.organization("oat_1").unwrap().is_none(),
        "no longer a member"
    );
    assert_eq!(world.issuer.calls(), 1);
    world.advance(Duration::from_secs(30));
    assert!(world.organization("oat_1").unwrap().is_none());
    assert_eq!(
        world.issuer.calls(),
        2,
        "no longer than the token itself was confirmed for"
    );
}

#[test]
fn the_issuer_is_not_asked_for_an_organization_without_the_scope() {
    let world = World::with_key([Ok(None)]);
    world.confirmations.answer(active(confirmation()));
    assert!(world.organization("oat_1").unwrap().is_none());
    assert_eq!((world.issuer.calls(), world.directory.calls()), (0, 0));
}

#[test]
fn an_opaque_token_without_an_organization_is_in_none_and_none_is_guessed() {
    let world = World::with_key([Ok(None)]);
    world.issuer.answer(Ok(user_info("user_ada", None)));
    assert!(world.organization("oat_1").unwrap().is_none());
    assert_eq!(world.directory.calls(), 0);
}

#[test]
fn an_organization_that_the_issuer_does_not_tell_is_unavailable() {
    for error in [
        LookupError::Declined,
        LookupError::Failed,
        LookupError::Throttled(Duration::from_secs(3)),
    ] {
        let world = World::with_key([Ok(None)]);
        world.issuer.answer(Err(error));
        assert!(world.organization("oat_1").is_err(), "{error}");
        world
            .issuer
            .answer(Ok(user_info("user_ada", Some("org_1"))));
        world.advance(Duration::from_secs(3));
        assert!(world.organization("oat_1").unwrap().is_some(), "{error}");
    }
}

#[test]
fn fifty_requests_share_one_question_at_userinfo() {
    let world = World::with_key([Ok(None)]);
    world.issuer.close();
    let caller = world.present("oat_1").unwrap();
    block_on(async {
        let asking = (0..50).map(|_| world.organizations.of(&caller, Freshness::Current));
        let (found, ()) = join(join_all(asking), async { world.issuer.open() }).await;
        assert!(found.iter().all(Result::is_ok));
    });
    assert_eq!(world.issuer.calls(), 1);
}

#[test]
fn a_user_who_is_banned_locked_or_gone_is_refused_within_a_minute() {
    for (user, error) in [
        (
            Some(User {
                banned: true,
                ..ada()
            }),
            TokenError::UserBanned,
        ),
        (
            Some(User {
                locked: true,
                ..ada()
            }),
            TokenError::UserLocked,
        ),
        (None, TokenError::UserGone),
    ] {
        let world = World::checking([Ok(Some(ada())), Ok(user)]);
        let token = oauth_token(&oauth_claims());
        for ms in [0, 59_999] {
            world.advance(Duration::from_millis(ms));
            assert!(world.present(&token).is_ok(), "{error}");
            assert!(world.cached(&token).is_some());
        }
        assert_eq!(world.users.calls(), 1);
        world.advance(Duration::from_millis(1));
        assert!(world.cached(&token).is_none());
        for _ in 0..3 {
            assert_eq!(world.present(&token).unwrap_err(), error.into());
            assert!(world.cached(&token).is_none());
        }
        assert_eq!(world.users.calls(), 2);
    }
}

#[test]
fn a_user_who_cannot_be_looked_up_is_neither_let_in_nor_refused() {
    let world = World::checking([Err(LookupError::Failed)]);
    let refused = world.present(&oauth_token(&oauth_claims())).unwrap_err();
    assert!(matches!(refused, AuthError::Unavailable(_)), "{refused:?}");
    world.users.answer(Err(LookupError::KeyRefused));
    let refused = world.present(&oauth_token(&oauth_claims())).unwrap_err();
    assert_eq!(refused, AuthError::Misconfigured);
}

#[test]
fn users_are_not_looked_up_unless_that_is_asked_for_and_others_never_are() {
    let world = World::with_key([Ok(None)]);
    assert!(world.present(&oauth_token(&oauth_claims())).is_ok());
    let world = World::checking([Ok(None)]);
    let mut key = confirmation();
    key.subject = "org_1".to_owned();
    world.confirmations.answer(active(key));
    assert!(world.present("ak_1").is_ok());
    assert_eq!(world.users.calls(), 0);
}

/// A server with a mock identity provider.
struct World {
    authenticator: Authenticator,
    organizations: Organizations,
    people: Arc<People>,
    users: Arc<MockSource<Option<User>>>,
    issuer: Arc<MockSource<UserInfo>>,
    confirmations: Arc<MockSource<TokenStatus>>,
    directory: Arc<CountingDirectory>,
    clock: Arc<ManualClock>,
    _io: IoRuntime,
}

impl World {
    /// Creates a server with a secret key. The mock answers with these users.
    fn with_key<const N: usize>(users: [Result<Option<User>, LookupError>; N]) -> Self {
        let issuer = MockSource::answering([Ok(user_info("user_ada", Some("org_1")))]);
        Self::new(Some(MockSource::answering(users)), issuer, false)
    }

    /// Creates a server with a secret key that looks up every user.
    fn checking<const N: usize>(users: [Result<Option<User>, LookupError>; N]) -> Self {
        let issuer = MockSource::answering([Ok(user_info("user_ada", None))]);
        Self::new(Some(MockSource::answering(users)), issuer, true)
    }

    /// Creates a server without a secret key. The mock userinfo endpoint returns these responses.
    fn without_key<const N: usize>(infos: [Result<UserInfo, LookupError>; N]) -> Self {
        Self::new(None, MockSource::answering(infos), false)
    }

    fn new(
        users: Option<Arc<MockSource<Option<User>>>>,
        issuer: Arc<MockSource<UserInfo>>,
        check_users: bool,
    ) -> Self {
        let io = IoRuntime::start().unwrap();
        let handle = || io.handle().clone();
        let clock = test_support::clock();
        let time = || Arc::<ManualClock>::clone(&clock) as Arc<dyn Clock>;
        let confirmations = MockSource::answering([active(with_organization())]);
        let admin = Some("org:admin".to_owned());
        let member = Org::new("org_1".to_owned(), None, admin, Some(Vec::new()));
        let directory = CountingDirectory::answering([Ok(Some(member))]);
        let memberships: Arc<dyn Memberships> = Arc::<CountingDirectory>::clone(&directory);
        let source = users
            .as_ref()
            .map(|users| Arc::<MockSource<Option<User>>>::clone(users) as Arc<dyn UserSource>);
        let userinfo: Arc<dyn UserInfoSource> = Arc::<MockSource<UserInfo>>::clone(&issuer);
        let people = Arc::new(People::new(source, Some(userinfo), time(), handle()));
        let asked: Arc<dyn ConfirmationSource> =
            Arc::<MockSource<TokenStatus>>::clone(&confirmations);
        let policy = TokenPolicy {
            sessions: Some(Parties::Any),
            api_keys: Some(Vec::new()),
            check_users,
            ..test_support::policy()
        };
        Self {
            authenticator: Authenticator::new(AuthenticatorConfig {
                policy,
                keys: Keys::from_pem(&TestKey::shared().public_pem()).unwrap(),
                decode: Arc::new(PlainDecode),
                clock: time(),
                confirm: Some((asked, Some(Budget::of_new_tokens(100, time())), handle())),
                people: Some(Arc::clone(&people)),
            }),
            organizations: Organizations::new(
                None,
                Some(memberships),
                &test_support::CONVENTIONS,
                time(),
                handle(),
            )
            .with_people(Arc::clone(&people)),
            people,
            users: users.unwrap_or_else(|| MockSource::answering([Ok(None)])),
            issuer,
            confirmations,
            directory,
            clock,
            _io: io,
        }
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn present(&self, token: &str) -> Result<Caller, AuthError> {
        block_on(self.authenticator.authenticate(token))
    }

    fn cached(&self, token: &str) -> Option<Caller> {
        self.authenticator.cached(&BearerToken::new(token))
    }

    /// Returns a caller who presents a JWT with these scopes.
    fn oauth(&self, scopes: &str) -> Caller {
        let mut claims = oauth_claims();
        claims["scope"] = Value::from(scopes);
        self.present(&oauth_token(&claims)).unwrap()
    }

    fn profile(&self, caller: &Caller) -> Result<Profile, ProfileError> {
        block_on(self.people.profile(caller))
    }

    fn organization(&self, token: &str) -> Result<Option<Org>, Unavailable> {
        let caller = self.present(token).unwrap();
        block_on(self.organizations.of(&caller, Freshness::Current))
    }
}

fn ada() -> User {
    User {
        profile: Profile {
            email: Some("ada@example.com".to_owned()),
            email_verified: Some(true),
            name: Some("Ada Lovelace".to_owned()),
            username: Some("ada".to_owned()),
            picture: Some("https://img.example.com/ada".to_owned()),
        },
        banned: false,
        locked: false,
    }
}

fn user_info(subject: &str, organization: Option<&str>) -> UserInfo {
    UserInfo {
        subject: subject.to_owned(),
        org_id: organization.map(str::to_owned),
        profile: ada().profile,
    }
}

fn with_organization() -> Confirmation {
    let mut said = confirmation();
    said.parts.org_at_issuer = true;
    said
}
