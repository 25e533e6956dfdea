//! Who is calling: tokens, keys, callers and their organizations.
//!
//! A string becomes a [`Caller`] here and nowhere else: it is classified, and if its kind is accepted
//! either its signature is verified against a key of the issuer, or the issuer is asked about it; its
//! claims are checked in a fixed order. What they mean, and what else there is to know, is told by an
//! identity provider through the traits [`Decode`], [`KeySource`], [`ConfirmationSource`],
//! [`Memberships`], [`UserSource`] and [`UserInfoSource`]; this module names no provider, and knows
//! neither HTTP servers nor guards.
//!
//! INVARIANT: a [`Caller`] exists only for a token that bears the signature of a current key of the
//! issuer, or that the issuer confirmed at most a minute ago, and whose claims passed the checks.

#![warn(clippy::wildcard_enum_match_arm)]

mod actor;
mod audience;
mod authenticator;
mod cache;
mod caller;
mod confirm;
mod entitlements;
mod error;
#[cfg(feature = "_fuzz")]
pub(crate) mod fuzz;
mod io;
mod json;
mod keys;
mod log_throttle;
mod lookup;
mod org;
mod organizations;
mod people;
mod policy;
#[cfg(test)]
mod properties;
mod scopes;
mod session;
mod sight;
#[cfg(test)]
pub(crate) mod test_support;
mod token;
mod transition;
mod verify;

#[cfg(any(test, feature = "testing"))]
pub(crate) use crate::clock::ManualClock;
pub(crate) use crate::clock::{Clock, SystemClock};

pub use actor::Actor;
pub use caller::{Caller, TokenKind};
pub use org::Org;
pub use organizations::OrganizationSource;
pub use people::Profile;
pub use policy::{ApiKeyScopes, AuthorizedParties};
pub use session::{FactorAges, Session};

pub(crate) use audience::AudienceMode;
pub(crate) use authenticator::{Authenticator, AuthenticatorConfig, Client};

pub(crate) use caller::{CallerParts, Principal, PrincipalKey};
pub(crate) use confirm::{Confirmation, ConfirmationSource, Verdict};
pub(crate) use entitlements::{Entitlements, Owner};
pub(crate) use error::{AuthError, LookupError, TokenError, Unavailable};
pub(crate) use io::IoRuntime;
pub(crate) use json::{Json, Object, parse_object};
pub(crate) use keys::{FetchError, KeySource, Keys, PemError, PublishedKey};
pub(crate) use log_throttle::LogThrottle;
pub(crate) use lookup::{Budget, Entry, ExpiringCache, Lookup, Service};
pub(crate) use org::{is_key, is_permission};
pub(crate) use organizations::{
    Acting, Freshness, MembershipPage, Memberships, NamedBy, OrganizationSources, Organizations,
    UrlOrg,
};
pub(crate) use people::{People, ProfileError, User, UserInfo, UserInfoSource, UserSource};
pub(crate) use policy::{DEFAULT_CACHE_BYTES, Machine, Parties, Policy};
pub(crate) use scopes::{ScopeCycle, ScopeHierarchy};
pub(crate) use sight::Sight;

#[cfg(mcp_auth_bench)]
pub(crate) use token::Presented;
pub(crate) use token::{BearerToken, TokenText};
pub(crate) use verify::{Decode, VerifiedClaims};
