//! The Clerk of a test: an instance in this process, to which the server needs no network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clerk_emulator::{Instance, Membership};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::runtime::Handle;

use crate::clerk::{self, CONVENTIONS, ClerkClaims};
use crate::identity::{
    Authenticator, AuthenticatorConfig, Clock, ConfirmationSource, Keys, LookupError,
    MembershipPage, Memberships, Org, Organizations, PemError, People, Profile, TokenKind,
    TokenPolicy, TokenStatus, TokenText, User, UserInfo, UserInfoSource, UserSource,
};

/// An instance in this process.
#[derive(Debug)]
pub(super) struct InProcess {
    pub(super) instance: Instance,
    pub(super) clock: Arc<dyn Clock>,
    /// True during an outage. Every request to the instance then fails.
    pub(super) away: Arc<AtomicBool>,
}

impl InProcess {
    /// Creates the parts of a server that trusts the keys of this instance. The server sends all its requests for
    /// Clerk to this instance.
    pub(super) fn connect(
        self,
        policy: &TokenPolicy,
        io: &Handle,
    ) -> Result<(Authenticator, Organizations), PemError> {
        let keys = Keys::from_pem(&self.instance.public_key_pem())?;
        let clock = Arc::clone(&self.clock);
        let clerk = Arc::new(self);
        let people = Arc::new(People::new(
            Some(Arc::clone(&clerk) as _),
            Some(Arc::clone(&clerk) as _),
            Arc::clone(&clock),
            io.clone(),
        ));
        let authenticator = Authenticator::new(AuthenticatorConfig {
            policy: policy.clone(),
            keys,
            decode: Arc::new(ClerkClaims),
            clock: Arc::clone(&clock),
            // There is no budget of look-ups, because a budget would only slow tests down.
            confirm: Some((Arc::clone(&clerk) as _, None, io.clone())),
            people: Some(Arc::clone(&people)),
        });
        let memberships: Arc<dyn Memberships> = clerk;
        let organizations =
            Organizations::new(None, Some(memberships), &CONVENTIONS, clock, io.clone());
        Ok((authenticator, organizations.with_people(people)))
    }

    /// Returns the response. During an outage, returns a failure instead.
    fn answer<T: Send + 'static>(
        &self,
        answer: Result<T, LookupError>,
    ) -> BoxFuture<'static, Result<T, LookupError>> {
        let answer = match self.away.load(Ordering::Relaxed) {
            true => Err(LookupError::Failed),
            false => answer,
        };
        async move { answer }.boxed()
    }

    fn unix_seconds(&self) -> u64 {
        self.clock.unix_ms() / 1_000
    }
}

impl Memberships for InProcess {
    fn membership(
        &self,
        organization_id: &str,
        user_id: &str,
    ) -> BoxFuture<'static, Result<Option<Org>, LookupError>> {
        let org = self
            .instance
            .membership(organization_id, user_id)
            .map(organization);
        self.answer(Ok(org))
    }

    fn memberships(
        &self,
        user_id: &str,
        offset: usize,
    ) -> BoxFuture<'static, Result<MembershipPage, LookupError>> {
        let directory = self.instance.directory();
        let all = directory.memberships_of(user_id).map(organization);
        let all: Vec<_> = all.collect();
        let total = all.len() as u64;
        let orgs = all.into_iter().skip(offset).collect();
        self.answer(Ok(MembershipPage { orgs, total }))
    }
}

fn organization(membership: Membership) -> Org {
    Org::new(
        membership.id,
        Some(membership.slug),
        Some(membership.role),
        Some(membership.permissions),
    )
}

impl ConfirmationSource for InProcess {
    fn confirms(&self, _: TokenKind) -> bool {
        true
    }

    fn confirm(
        &self,
        kind: TokenKind,
        token: TokenText,
    ) -> BoxFuture<'static, Result<TokenStatus, LookupError>> {
        let (token, now) = (token.expose(), self.unix_seconds());
        let verified = match kind {
            TokenKind::ApiKey => self.instance.verify_api_key(token, now),
            TokenKind::M2m => self.instance.verify_m2m_token(token, now),
            TokenKind::OAuth => self.instance.verify_oauth_token(token, now),
            TokenKind::Session => None,
        };
        self.answer(clerk::token_status(kind, verified))
    }
}

impl UserSource for InProcess {
    fn user(&self, user_id: &str) -> BoxFuture<'static, Result<Option<User>, LookupError>> {
        let directory = self.instance.directory();
        let user = directory.user(user_id).map(|user| User {
            profile: Profile {
                email: user.email.clone(),
                email_verified: user.email.as_ref().map(|_| user.email_verified),
                name: Some(user.name.clone()),
                username: Some(user.username.clone()),
                picture: user.image_url.clone(),
            },
            banned: user.banned,
            locked: user.locked,
        });
        self.answer(Ok(user))
    }
}

impl UserInfoSource for InProcess {
    fn user_info(&self, token: TokenText) -> BoxFuture<'static, Result<UserInfo, LookupError>> {
        let answer = self.instance.userinfo(token.expose(), self.unix_seconds());
        let answer = match answer {
            Some(Value::Object(claims)) => Ok(clerk::user_info(&claims)),
            Some(_) | None => Err(LookupError::Declined),
        };
        self.answer(answer)
    }
}
