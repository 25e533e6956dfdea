//! Users, as the identity provider knows them: who they are, and whether they may still sign in.
//!
//! Asked with the server's own key. Only where there is none, and for the organization of an opaque
//! token, the issuer is asked with the caller's token, whose bearer it answers: that is the one place
//! where a caller's token goes.

mod profile;

use std::fmt;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use quick_cache::sync::Cache;
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::identity::cache::Fingerprint;
use crate::identity::caller::{Caller, TokenKind};
use crate::identity::error::{AuthError, LookupError, NoAnswer, TokenError};
use crate::identity::lookup::Circuit;
use crate::identity::lookup::{Abandoned, SingleFlight};
use crate::identity::token::TokenText;
use crate::identity::verify::Evidence;

pub(crate) use profile::Covered;
pub use profile::Profile;

/// Knows users; implemented by an identity provider, asked with the server's key.
pub(crate) trait UserSource: Debug + Send + Sync {
    /// The user with this id; `None` if there is none. Runs on the I/O runtime.
    fn user(&self, user_id: &str) -> BoxFuture<'static, Result<Option<User>, LookupError>>;
}

/// Answers the bearer of a token about themselves (OpenID Connect Core 1.0 §5.3); implemented by an
/// identity provider.
pub(crate) trait UserInfoSource: Debug + Send + Sync {
    /// What the issuer tells the bearer of this token. Runs on the I/O runtime.
    fn user_info(&self, token: TokenText) -> BoxFuture<'static, Result<UserInfo, LookupError>>;
}

/// A user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) profile: Profile,
    pub(crate) banned: bool,
    pub(crate) locked: bool,
}

/// What the issuer told the bearer of a token.
#[derive(Clone, Debug)]
pub(crate) struct UserInfo {
    pub(crate) subject: String,
    /// The organization in which the token acts.
    pub(crate) org_id: Option<String>,
    pub(crate) profile: Profile,
}

/// Why there is no profile.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ProfileError {
    /// The caller is a machine or an organization, or a user who was deleted.
    #[error("the caller is no user")]
    NoUser,
    /// It can't be had now.
    #[error("the profile can't be had at the moment")]
    Unavailable,
}

/// Looks users up, and keeps what it found.
pub(crate) struct People {
    desk: Arc<Desk>,
    users: SingleFlight<String, Result<Option<Arc<User>>, NoAnswer>>,
    infos: SingleFlight<Fingerprint, Result<Arc<UserInfo>, NoAnswer>>,
    profiles: Cache<Fingerprint, Kept<Profile>>,
}

/// Where the questions are asked.
struct Desk {
    clock: Arc<dyn Clock>,
    users: Option<Arc<dyn UserSource>>,
    issuer: Option<Arc<dyn UserInfoSource>>,
    user_circuit: Circuit,
    info_circuit: Circuit,
    found: Cache<String, Kept<Option<Arc<User>>>>,
    told: Cache<Fingerprint, Kept<Arc<UserInfo>>>,
}

#[derive(Clone)]
struct Kept<T> {
    value: T,
    /// Uptime from which it is too old.
    until: Duration,
}

impl People {
    /// Asks `users`, which needs a key of the server, and `issuer`.
    pub(crate) fn new(
        users: Option<Arc<dyn UserSource>>,
        issuer: Option<Arc<dyn UserInfoSource>>,
        clock: Arc<dyn Clock>,
        io: Handle,
    ) -> Self {
        let desk = Desk {
            user_circuit: Circuit::new("users", Arc::clone(&clock)),
            info_circuit: Circuit::new("userinfo", Arc::clone(&clock)),
            clock,
            users,
            issuer,
            found: Cache::new(MAX_KEPT),
            told: Cache::new(MAX_KEPT),
        };
        Self {
            desk: Arc::new(desk),
            users: SingleFlight::new(io.clone()),
            infos: SingleFlight::new(io),
            profiles: Cache::new(MAX_KEPT),
        }
    }

    /// Whether the text of such a token has to be kept, to ask the issuer with it.
    pub(crate) fn needs_token(&self, kind: TokenKind, opaque: bool) -> bool {
        kind == TokenKind::OAuth
            && self.desk.issuer.is_some()
            && (opaque || self.desk.users.is_none())
    }

    /// Whether the user was found in good standing a moment ago; costs nothing.
    pub(crate) fn is_in_good_standing(&self, user_id: &str) -> bool {
        let found = self.desk.recent_user(user_id);
        found.is_some_and(|user| check_standing(user.as_deref()).is_ok())
    }

    /// Refuses a user who is banned, locked or gone.
    ///
    /// # Errors
    /// One of [`AuthError`].
    pub(crate) async fn check_user(&self, user_id: &str) -> Result<(), AuthError> {
        let user = self.user(user_id).await?;
        Ok(check_standing(user.as_deref())?)
    }

    /// The id of the organization in which an opaque token acts, as the issuer tells its bearer.
    ///
    /// # Errors
    /// One of [`NoAnswer`].
    pub(crate) async fn organization_of(
        &self,
        caller: &Caller,
    ) -> Result<Option<String>, NoAnswer> {
        let Some(info) = self.info(caller).await? else {
            return Ok(None);
        };
        Ok(info.org_id.clone())
    }

    /// What may be shown of the caller, as far as it is covered.
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
        let now = self.desk.clock.uptime();
        let key = caller.fingerprint();
        if let Some(kept) = self.profiles.get(&key).filter(|kept| now < kept.until) {
            return Ok(kept.value);
        }
        let profile = if self.desk.users.is_some() {
            let user = self.user(user_id).await.map_err(unavailable)?;
            user.ok_or(ProfileError::NoUser)?.profile.clone()
        } else {
            let info = self.info(caller).await.map_err(unavailable)?;
            info.ok_or(ProfileError::Unavailable)?.profile.clone()
        };
        let profile = profile.only(covered);
        let kept = Kept {
            value: profile.clone(),
            until: now + self.remaining_life(caller),
        };
        self.profiles.insert(key, kept);
        Ok(profile)
    }

    /// A token that does not expire is taken to live for a day.
    fn remaining_life(&self, caller: &Caller) -> Duration {
        match caller.verified().expires_ms() {
            Some(expires_ms) => {
                Duration::from_millis(expires_ms.saturating_sub(self.desk.clock.unix_ms()))
            }
            None => DAY,
        }
        .min(DAY)
    }

    async fn user(&self, user_id: &str) -> Result<Option<Arc<User>>, NoAnswer> {
        if let Some(user) = self.desk.recent_user(user_id) {
            return Ok(user);
        }
        let user_id = user_id.to_owned();
        let looked_up = self.users.join(&user_id, || {
            let (desk, user_id) = (Arc::clone(&self.desk), user_id.clone());
            async move { desk.look_up(user_id).await }
        });
        looked_up
            .await
            .unwrap_or_else(|Abandoned| Err(self.desk.user_circuit.lost().into()))
    }

    /// What the issuer tells the bearer of the caller's token; `None` if it can't be asked with that.
    async fn info(&self, caller: &Caller) -> Result<Option<Arc<UserInfo>>, NoAnswer> {
        let Some(token) = caller.token() else {
            return Ok(None);
        };
        let key = caller.fingerprint();
        if let Some(info) = self.desk.recent_info(key) {
            return Ok(Some(info));
        }
        let asked = self.infos.join(&key, || {
            let desk = Arc::clone(&self.desk);
            let (caller, token) = (caller.clone(), token.clone());
            async move { desk.ask(&caller, token).await }
        });
        asked
            .await
            .unwrap_or_else(|Abandoned| Err(self.desk.info_circuit.lost().into()))
            .map(Some)
    }
}

impl Desk {
    fn recent_user(&self, user_id: &str) -> Option<Option<Arc<User>>> {
        let kept = self.found.get(user_id)?;
        (self.clock.uptime() < kept.until).then_some(kept.value)
    }

    fn recent_info(&self, key: Fingerprint) -> Option<Arc<UserInfo>> {
        let kept = self.told.get(&key)?;
        (self.clock.uptime() < kept.until).then_some(kept.value)
    }

    async fn look_up(&self, user_id: String) -> Result<Option<Arc<User>>, NoAnswer> {
        let Some(users) = &self.users else {
            return Err(self.user_circuit.lost().into());
        };
        let until = self.clock.uptime() + USER_AGE;
        let user = self.user_circuit.ask(|| users.user(&user_id)).await?;
        let value = user.map(Arc::new);
        let kept = Kept {
            value: value.clone(),
            until,
        };
        self.found.insert(user_id, kept);
        Ok(value)
    }

    async fn ask(&self, caller: &Caller, token: TokenText) -> Result<Arc<UserInfo>, NoAnswer> {
        let Some(issuer) = &self.issuer else {
            return Err(self.info_circuit.lost().into());
        };
        // No longer than the issuer's word on the token itself is believed.
        let until = match caller.verified().evidence() {
            Evidence::Confirmed(until) => *until,
            Evidence::Signed { .. } => self.clock.uptime() + USER_AGE,
        };
        let subject = caller.subject().to_owned();
        let info = self
            .info_circuit
            .ask(async || {
                let info = issuer.user_info(token).await?;
                // OpenID Connect Core 1.0 §5.3.2: the answer must be about the token's subject.
                if info.subject == subject {
                    return Ok(info);
                }
                tracing::error!(target: "mcp_auth", "userinfo is about somebody else");
                Err(LookupError::Failed)
            })
            .await?;
        let value = Arc::new(info);
        let kept = Kept {
            value: Arc::clone(&value),
            until,
        };
        self.told.insert(caller.fingerprint(), kept);
        Ok(value)
    }
}

impl Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People")
            .field("users", &self.desk.users)
            .field("issuer", &self.desk.issuer)
            .finish_non_exhaustive()
    }
}

/// What a token that the issuer signed says itself. The claims of an API key are whatever it was made
/// with.
fn claimed(caller: &Caller) -> Option<Profile> {
    match caller.verified().evidence() {
        Evidence::Signed { .. } => {
            Some(Profile::of_claims(caller.claims())).filter(|profile| !profile.is_empty())
        }
        Evidence::Confirmed(_) => None,
    }
}

/// A session is the user's own; whoever else acts shows what they were granted.
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

/// How long "is in good standing", or not, is believed.
const USER_AGE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const MAX_KEPT: usize = 10_000;

#[cfg(test)]
mod tests;
