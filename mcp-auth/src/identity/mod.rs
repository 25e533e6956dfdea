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
mod budget;
mod cache;
mod caller;
mod circuit;
mod confirm;
#[cfg(test)]
pub(crate) mod doubles;
mod entitlements;
mod error;
mod flight;
#[cfg(feature = "_fuzz")]
pub(crate) mod fuzz;
mod io;
mod json;
mod keys;
mod log_throttle;
mod org;
mod organizations;
mod people;
mod policy;
#[cfg(test)]
mod properties;
mod scopes;
mod session;
mod sight;
mod token;
mod transition;
mod verify;

pub(crate) use crate::clock::Clock;
#[cfg(any(test, feature = "testing"))]
pub(crate) use crate::clock::ManualClock;
pub(crate) use crate::clock::SystemClock;

pub use actor::Actor;
pub use caller::Caller;
pub use caller::TokenKind;
pub use org::Org;
pub use organizations::OrganizationSource;
pub use people::Profile;
pub use policy::ApiKeyScopes;
pub use policy::AuthorizedParties;
pub use policy::any_api_key;
pub use policy::parties;
pub use policy::parties_any;
pub use policy::scopes;
pub use session::FactorAges;
pub use session::Session;

pub(crate) use audience::AudienceMode;
pub(crate) use authenticator::Authenticator;
pub(crate) use authenticator::AuthenticatorConfig;
pub(crate) use authenticator::Client;
pub(crate) use budget::Budget;
pub(crate) use caller::ByPrincipal;
pub(crate) use caller::CallerParts;
pub(crate) use caller::Principal;
pub(crate) use confirm::Confirmation;
pub(crate) use confirm::ConfirmationSource;
pub(crate) use confirm::Verdict;
pub(crate) use entitlements::Entitlements;
pub(crate) use entitlements::Owner;
pub(crate) use error::AuthError;
pub(crate) use error::LookupError;
pub(crate) use error::TokenError;
pub(crate) use error::Unavailable;
pub(crate) use flight::FlightLost;
pub(crate) use flight::Flights;
pub(crate) use io::IoRuntime;
pub(crate) use json::Json;
pub(crate) use json::Object;
pub(crate) use json::parse_object;
pub(crate) use keys::FetchError;
pub(crate) use keys::KeySource;
pub(crate) use keys::Keys;
pub(crate) use keys::PemError;
pub(crate) use keys::PublishedKey;
pub(crate) use log_throttle::LogThrottle;
pub(crate) use organizations::Acting;
pub(crate) use organizations::Facts;
pub(crate) use organizations::MembershipPage;
pub(crate) use organizations::Memberships;
pub(crate) use organizations::NamedBy;
pub(crate) use organizations::OrganizationSources;
pub(crate) use organizations::Organizations;
pub(crate) use organizations::UrlOrg;
pub(crate) use people::People;
pub(crate) use people::ProfileError;
pub(crate) use people::User;
pub(crate) use people::UserInfo;
pub(crate) use people::UserInfoSource;
pub(crate) use people::UserSource;
pub(crate) use policy::DEFAULT_CACHE_BYTES;
pub(crate) use policy::Machine;
pub(crate) use policy::Parties;
pub(crate) use policy::Policy;
pub(crate) use policy::is_loopback;
pub(crate) use scopes::ScopeCycle;
pub(crate) use scopes::ScopeHierarchy;
pub(crate) use sight::Sight;
pub(crate) use token::BearerToken;
#[cfg(feature = "_bench")]
pub(crate) use token::Presented;
pub(crate) use token::TokenText;
pub(crate) use verify::Decode;
pub(crate) use verify::VerifiedClaims;
