//! Who is calling: tokens, keys, callers and their organizations.
//!
//! A string becomes a [`Caller`] here and nowhere else: it is classified, its signature is verified
//! against a key of the issuer, its claims are checked in a fixed order, and only then are they
//! decoded. What the claims mean is told by an identity provider through the traits [`Decode`],
//! [`KeySource`] and [`Memberships`]; this module names no provider, and knows neither HTTP servers
//! nor guards.
//!
//! INVARIANT: a [`Caller`] exists only for a token whose signature and claims were verified.

#![warn(clippy::wildcard_enum_match_arm)]

mod actor;
mod authenticator;
mod cache;
mod caller;
mod clock;
#[cfg(test)]
pub(crate) mod doubles;
mod error;
mod flight;
mod io;
mod json;
mod keys;
mod org;
mod organizations;
mod policy;
mod scopes;
mod session;
mod token;
mod verify;

pub use actor::Actor;
pub use caller::Caller;
pub use caller::TokenKind;
pub use org::Org;
pub use policy::AuthorizedParties;
pub use policy::parties;
pub use policy::parties_any;
pub use session::FactorAges;
pub use session::Session;

pub(crate) use authenticator::Authenticator;
pub(crate) use caller::CallerParts;
pub(crate) use caller::Principal;
pub(crate) use clock::Clock;
#[cfg(any(test, feature = "testing"))]
pub(crate) use clock::ManualClock;
pub(crate) use clock::SystemClock;
pub(crate) use error::AuthError;
pub(crate) use error::TokenError;
pub(crate) use error::Unavailable;
pub(crate) use flight::FlightLost;
pub(crate) use flight::Flights;
pub(crate) use io::IoRuntime;
pub(crate) use keys::FetchError;
pub(crate) use keys::KeySource;
pub(crate) use keys::Keys;
pub(crate) use keys::PemError;
pub(crate) use keys::PublishedKey;
pub(crate) use organizations::Facts;
pub(crate) use organizations::LookupError;
pub(crate) use organizations::Memberships;
pub(crate) use organizations::Organizations;
pub(crate) use policy::AudienceMode;
pub(crate) use policy::Parties;
pub(crate) use policy::Policy;
pub(crate) use policy::is_loopback;
pub(crate) use scopes::ScopeCycle;
pub(crate) use scopes::ScopeHierarchy;
pub(crate) use verify::Decode;
pub(crate) use verify::VerifiedClaims;
