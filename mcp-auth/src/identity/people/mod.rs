//! Users of the identity provider: their profiles, and whether they may still sign in.
//!
//! The server asks the identity provider with its own key. It asks the issuer with the caller's token in only two
//! cases: if the server has no key, or if it needs the organization of an opaque token. The server sends a caller's
//! token to nobody else.

mod profile;

use std::fmt;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::identity::caller::Caller;
use crate::identity::error::{AuthError, LookupError, NoAnswer, TokenError};
use crate::identity::fingerprint::Fingerprint;
use crate::identity::lookup::{Entry, ExpiringCache, Lookup, Service};
use crate::identity::token_kind::TokenKind;
use crate::identity::token_text::TokenText;
use crate::identity::verify::Evidence;

pub(crate) use profile::Covered;
pub use profile::Profile;

/// Looks up users with the server's key; implemented by an identity provider.
pub(crate) trait UserSource: Debug + Send + Sync {
    /// Looks up the user with this id. `None` if there is no such user. Runs on the I/O runtime.
    fn user(&self, user_id: &str) -> BoxFuture<'static, Result<Option<User>, LookupError>>;
}

/// The userinfo endpoint (OpenID Connect Core 1.0 §5.3), which describes the user of a token;
/// implemented by an identity provider.
pub(crate) trait UserInfoSource: Debug + Send + Sync {
    /// Asks the userinfo endpoint with this token. Runs on the I/O runtime.
    fn user_info(&self, token: TokenText) -> BoxFuture<'static, Result<UserInfo, LookupError>>;
}

/// A user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) profile: Profile,
    pub(crate) banned: bool,
    pub(crate) locked: bool,
}

/// The response of the userinfo endpoint.
#[derive(Clone, Debug)]
pub(crate) struct UserInfo {
    pub(crate) subject: String,
    /// The organization in which the token acts.
    pub(crate) org_id: Option<String>,
    pub(crate) profile: Profile,
}

/// The reason why there is no profile.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ProfileError {
    /// The caller is a machine or an organization, or a user who was deleted.
    #[error("the caller is not a user")]
    NoUser,
    /// The look-up failed.
    #[error("the profile cannot be looked up now")]
    Unavailable,
}

/// Looks up users at the identity provider.
pub(crate) struct People {
    clock: Arc<dyn Clock>,
    user_source: Option<Arc<dyn UserSource>>,
    user_info_source: Option<Arc<dyn UserInfoSource>>,
    users: Lookup<String, Option<Arc<User>>>,
    user_infos: Lookup<Fingerprint, Arc<UserInfo>>,
    /// The profiles that tools have received, by token.
    profiles: ExpiringCache<Fingerprint, Profile>,
}

impl People {
    /// Asks `user_source` with a key of the server, and `user_info_source` with the caller's token.
    pub(crate) fn new(
        user_source: Option<Arc<dyn UserSource>>,
        user_info_source: Option<Arc<dyn UserInfoSource>>,
        clock: Arc<dyn Clock>,
        io: Handle,
    ) -> Self {
        let time = || Arc::clone(&clock);
        let service = |what| Arc::new(Service::new(what, time()));
        let (users, user_infos) = (service("users"), service("userinfo"));
        Self {
            users: Lookup::new(users, ExpiringCache::new(MAX_CACHED, time()), io.clone()),
            user_infos: Lookup::new(user_infos, ExpiringCache::new(MAX_CACHED, time()), io),
            profiles: ExpiringCache::new(MAX_CACHED, time()),
            clock,
            user_source,
            user_info_source,
        }
    }

    /// Returns the services to which the server sends requests, with their names in metrics.
    pub(crate) fn services(&self) -> [(&'static str, &Arc<Service>); 2] {
        [
            ("users", self.users.service()),
            ("userinfo", self.user_infos.service()),
        ]
    }

    /// Returns true if the server keeps the text of a token of this kind for requests to the issuer.
    pub(crate) fn needs_token(&self, kind: TokenKind, opaque: bool) -> bool {
        kind == TokenKind::OAuth
            && self.user_info_source.is_some()
            && (opaque || self.user_source.is_none())
    }

    /// Returns true if the cache says that the user is not banned, locked or deleted. This function
    /// never waits.
    pub(crate) fn is_in_good_standing(&self, user_id: &str) -> bool {
        let cached = self.users.cached(user_id);
        cached.is_some_and(|user| check_standing(user.value.as_deref()).is_ok())
    }

    /// Refuses a user who is banned, locked or deleted.
    ///
    /// # Errors
    /// One of [`AuthError`].
    pub(crate) async fn check_user(&self, user_id: &str) -> Result<(), AuthError> {
        let user = self.user(user_id).await?;
        Ok(check_standing(user.as_deref())?)
    }

    /// Asks the issuer for the organization that the user of an opaque token chose, and returns the id of the
    /// organization.
    ///
    /// # Errors
    /// One of [`NoAnswer`].
    pub(crate) async fn organization_of(
        &self,
        caller: &Caller,
    ) -> Result<Option<String>, NoAnswer> {
        let Some(info) = self.user_info(caller).await? else {
            return Ok(None);
        };
        Ok(info.org_id.clone())
    }

    /// Returns the caller's profile, as far as the token's scopes cover it.
    ///
    /// # Errors
    /// One of [`ProfileError`].
    pub(crate) async fn profile(&self, caller: &Caller) -> Result<Profile, ProfileError> {
        let user_id = caller.user_id().ok_or(ProfileError::NoUser)?;
        if let Some(profile) = claimed(caller) {
            return Ok(profile);
        }
        let covered = covered(caller);
        if !covered.email && !covered.profile {
            return Ok(Profile::default());
        }
        let now = self.clock.uptime();
        let key = caller.fingerprint();
        if let Some(cached) = self.profiles.get(&key) {
            return Ok(cached.value);
        }
        let profile = if self.user_source.is_some() {
            let user = self.user(user_id).await.map_err(unavailable)?;
            user.ok_or(ProfileError::NoUser)?.profile.clone()
        } else {
            let info = self.user_info(caller).await.map_err(unavailable)?;
            info.ok_or(ProfileError::Unavailable)?.profile.clone()
        };
        let profile = profile.only(covered);
        let entry = Entry::believed_for(self.remaining_life(caller), profile.clone(), now);
        self.profiles.insert(key, entry);
        Ok(profile)
    }

    /// Returns the time until the token expires, at most a day.
    fn remaining_life(&self, caller: &Caller) -> Duration {
        match caller.verified().expires_ms() {
            Some(expires_ms) => {
                Duration::from_millis(expires_ms.saturating_sub(self.clock.unix_ms()))
            }
            None => DAY,
        }
        .min(DAY)
    }

    async fn user(&self, user_id: &str) -> Result<Option<Arc<User>>, NoAnswer> {
        if let Some(cached) = self.users.cached(user_id) {
            return Ok(cached.value);
        }
        let Some(source) = &self.user_source else {
            return Err(self.users.service().abandoned());
        };
        let look_up = || {
            let (service, source) = (Arc::clone(self.users.service()), Arc::clone(source));
            let user_id = user_id.to_owned();
            async move {
                let question = |_| source.user(&user_id);
                let (user, asked) = service.ask(None, question).await?;
                Ok(Entry::believed_for(USER_AGE, user.map(Arc::new), asked))
            }
        };
        self.users.get(user_id.to_owned(), look_up).await
    }

    /// Returns the userinfo of the caller's token. `None` if the server did not keep the token.
    async fn user_info(&self, caller: &Caller) -> Result<Option<Arc<UserInfo>>, NoAnswer> {
        let Some(token) = caller.token() else {
            return Ok(None);
        };
        let key = caller.fingerprint();
        if let Some(cached) = self.user_infos.cached(&key) {
            return Ok(Some(cached.value));
        }
        let Some(source) = &self.user_info_source else {
            return Err(self.user_infos.service().abandoned());
        };
        let look_up = || {
            let (service, source) = (Arc::clone(self.user_infos.service()), Arc::clone(source));
            let (caller, token) = (caller.clone(), token.clone());
            async move { user_info(&service, &*source, &caller, token).await }
        };
        self.user_infos.get(key, look_up).await.map(Some)
    }
}

async fn user_info(
    service: &Service,
    source: &dyn UserInfoSource,
    caller: &Caller,
    token: TokenText,
) -> Result<Entry<Arc<UserInfo>>, NoAnswer> {
    let question = async |_| {
        let info = source.user_info(token).await?;
        // OpenID Connect Core 1.0 §5.3.2: the response must be about the token's subject.
        if info.subject == caller.subject() {
            return Ok(info);
        }
        tracing::error!(target: "mcp_auth", "the `sub` of the userinfo response is not the `sub` of the token; the response is not used");
        Err(LookupError::Failed)
    };
    let (info, since) = service.ask(None, question).await?;
    // Do not cache the response for an opaque token longer than the issuer's confirmation of the token.
    let until = match caller.verified().evidence() {
        Evidence::Confirmed(until) => *until,
        Evidence::LocalUser | Evidence::Signed { .. } => since + USER_AGE,
    };
    Ok(Entry {
        value: Arc::new(info),
        since,
        until,
    })
}

impl Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People")
            .field("user_source", &self.user_source)
            .field("user_info_source", &self.user_info_source)
            .finish_non_exhaustive()
    }
}

/// Returns the profile in the claims of a token that the issuer signed. `None` if the claims contain no profile. The
/// claims of a confirmed token are not used, because anyone who creates an API key chooses its claims.
fn claimed(caller: &Caller) -> Option<Profile> {
    match caller.verified().evidence() {
        Evidence::Signed { .. } => {
            Some(Profile::of_claims(caller.claims())).filter(|profile| !profile.is_empty())
        }
        Evidence::Confirmed(_) | Evidence::LocalUser => None,
    }
}

/// Returns the parts of a profile that the caller's token covers. A session token covers all parts. Other tokens cover
/// the parts that their scopes grant.
fn covered(caller: &Caller) -> Covered {
    let own = caller.token_kind() == TokenKind::Session;
    Covered {
        email: own || caller.has_scope("email"),
        profile: own || caller.has_scope("profile"),
    }
}

fn check_standing(user: Option<&User>) -> Result<(), TokenError> {
    match user {
        None => Err(TokenError::UserGone),
        Some(user) if user.banned => Err(TokenError::UserBanned),
        Some(user) if user.locked => Err(TokenError::UserLocked),
        Some(_) => Ok(()),
    }
}

fn unavailable(_: NoAnswer) -> ProfileError {
    ProfileError::Unavailable
}

/// The time for which the data of a user is cached.
const USER_AGE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const MAX_CACHED: usize = 10_000;

#[cfg(test)]
mod tests;
