//! The code that is specific to Clerk: its claims, its keys, its Backend API.
//!
//! This module implements the traits of [`identity`](crate::identity), which does not depend on
//! Clerk. Another identity provider would be a sibling of this module.

#![warn(clippy::wildcard_enum_match_arm)]

mod backend;
mod claims;
mod connect;
mod conventions;
mod errors;
mod frontend;
#[cfg(feature = "_fuzz")]
pub(crate) mod fuzz;
mod jwks;
mod machine;
mod machine_key;
mod metadata;
#[cfg(test)]
mod mock_http;
mod outgoing;
mod ownership;
mod permissions;
mod publishable_key;
#[cfg(test)]
mod sdk_conformance;
mod secret_key;
mod settings;
mod user;
mod verification;

#[cfg(any(feature = "stdio", feature = "testing"))]
pub(crate) use claims::ClerkClaims;
pub(crate) use connect::{Clerk, ClerkConfig, ConnectError};
#[cfg(any(
    feature = "stdio",
    feature = "testing",
    mcp_auth_bench,
    feature = "_fuzz"
))]
pub(crate) use conventions::CONVENTIONS;
pub(crate) use frontend::FrontendUrl;
pub(crate) use machine::MachineCheck;
pub(crate) use machine_key::MachineKey;
pub(crate) use metadata::{Document, Metadata};
pub(crate) use ownership::SecretKeyCheck;
pub(crate) use publishable_key::PublishableKey;
pub(crate) use secret_key::SecretKey;
pub(crate) use settings::{OauthSettings, Role, Untold};
#[cfg(feature = "testing")]
pub(crate) use user::user_info;
#[cfg(feature = "testing")]
pub(crate) use verification::token_status;

/// The kind of Clerk instance to which a key belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Instance {
    /// For development. Anyone may sign up with a test address.
    Development,
    /// For production.
    Production,
}
