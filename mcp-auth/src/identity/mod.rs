//! Tokens, keys, callers and their organizations.
//!
//! Only this module makes a [`Caller`] from a string. First it finds out the kind of the token. If the server accepts
//! this kind, the module verifies the signature of a JWT with a key of the issuer, or asks the issuer about an opaque
//! token. Then it checks the claims in a fixed order. An identity provider implements the traits [`Decode`],
//! [`KeySource`], [`ConfirmationSource`], [`Memberships`], [`UserSource`] and [`UserInfoSource`], and passes in its
//! [`Conventions`]. This module does not depend on a provider, on HTTP servers or on guards.
//!
//! INVARIANT: a [`Caller`] exists only for a token whose claims passed the checks, and which either
//! has the signature of a current key of the issuer, or was confirmed by the issuer at most a
//! minute ago. The only exception is the local user of a server over stdio (`local_user`), whom the
//! code of the server names.

#![warn(clippy::wildcard_enum_match_arm)]

mod actor;
mod audience;
mod authenticator;
mod cache;
mod caller;
mod confirm;
mod conventions;
mod entitlements;
mod error;
mod fingerprint;
#[cfg(feature = "_fuzz")]
pub(crate) mod fuzz;
mod io;
mod json;
mod keys;
#[cfg(feature = "stdio")]
mod local_user;
mod log_throttle;
mod lookup;
mod mark;
mod org;
mod organizations;
mod people;
mod policy;
#[cfg(test)]
mod properties;
mod revocations;
mod scopes;
mod session;
#[cfg(test)]
pub(crate) mod test_support;
mod token;
mod token_kind;
mod token_text;
mod transition;
mod verify;

pub(crate) use crate::clock::Clock;
#[cfg(test)]
pub(crate) use crate::clock::ManualClock;

pub use actor::Actor;
pub use caller::Caller;
#[cfg(feature = "stdio")]
pub use local_user::LocalUser;
pub use org::Org;
pub use organizations::OrganizationSource;
pub use people::Profile;
pub use policy::{ApiKeyScopes, AuthorizedParties};
pub use revocations::{Revocation, Revocations};
pub use session::{FactorAges, Session};
pub use token_kind::TokenKind;

pub(crate) use audience::AudienceMode;
pub(crate) use authenticator::{Authenticator, AuthenticatorConfig, Client, Standing};

pub(crate) use caller::{CallerParts, Principal, PrincipalKey};
pub(crate) use confirm::{Confirmation, ConfirmationSource, TokenStatus};
pub(crate) use conventions::Conventions;
pub(crate) use entitlements::{Entitlements, Owner};
pub(crate) use error::{AuthError, LookupError, TokenError, Unavailable};
pub(crate) use fingerprint::Fingerprint;
pub(crate) use io::IoRuntime;
pub(crate) use json::{Json, Object, parse_object};
pub(crate) use keys::{FetchError, KeySource, Keys, PemError, PublishedKey};
pub(crate) use log_throttle::LogThrottle;
pub(crate) use lookup::{Budget, Entry, ExpiringCache, Lookup, Service};
pub(crate) use mark::Mark;
pub(crate) use org::{is_key, is_permission};
pub(crate) use organizations::{
    Acting, Freshness, MembershipPage, Memberships, NamedBy, OrganizationSources, Organizations,
    UrlOrg,
};
pub(crate) use people::{People, ProfileError, User, UserInfo, UserInfoSource, UserSource};
pub(crate) use policy::{DEFAULT_CACHE_BYTES, Machine, Parties, TokenPolicy};
pub(crate) use revocations::{RevocationChanges, RevocationFile};
pub(crate) use scopes::{ScopeCycle, ScopeHierarchy};

#[cfg(mcp_auth_bench)]
pub(crate) use token::Presented;
pub(crate) use token::{BearerToken, KeptToken};
pub(crate) use token_text::TokenText;
pub(crate) use verify::{Decode, VerifiedClaims};
