//! Guards: requirements as data, and the one function that decides whether a caller meets them.
//!
//! A [`Guard`] is a `const` value. The server enforces the guard before it reads a tool's arguments, filters
//! `tools/list` by the guard, takes the scopes of a step-up challenge from the guard, and prints the guard at start-up.
//! [`decide`] is a pure function of a guard and the facts about a call: the caller's claims and the organization. Only
//! [`decide`] makes an [`Authorized`], and a tool runs only with an [`Authorized`]. This module does not depend on the
//! protocol and does no I/O.

mod billing;
mod check;
mod cure;
mod decision;
mod declared;
mod denied;
mod explain;
mod facts;
mod key_text;
mod modules;
mod names;
mod no_organization;
mod policy;
#[cfg(test)]
mod properties;
mod requirement;
mod reverification;
mod schemes;
mod visibility;

pub use self::billing::{Feature, Plan};
pub use self::check::Check;
pub use self::declared::{ANY_PERMISSION, Declared};
pub use self::explain::{ExplainedDecision, ExplainedRequirement, Explanation};
pub use self::key_text::{KeyText, function_policy};
pub use self::modules::{GuardedModule, ModuleGuard, NO_MODULE_GUARD, OwnGuard};
pub use self::names::{Permission, Role, Scope};
pub use self::policy::{CallerFacts, Policy};
pub use self::requirement::{Guard, Implied, Requirement};
pub use self::reverification::Reverification;

pub(crate) use self::cure::{lacking_server_scopes, needing_scopes};
pub(crate) use self::decision::{Authorized, NotAuthorized, decide, supposed, would_allow};
pub(crate) use self::declared::nearest;
pub(crate) use self::denied::{Denied, ORGANIZATION_SCOPE, Required};
pub(crate) use self::explain::Explained;
pub(crate) use self::facts::{CallFacts, Policies, TokenFacts};
pub(crate) use self::modules::is_within;
pub(crate) use self::names::{const_panic, is_scope};
#[cfg(test)]
pub(crate) use self::no_organization::NoOrganization;
pub(crate) use self::schemes::{SchemeSource, SecurityScheme, in_words};
pub(crate) use self::visibility::{OrganizationFacts, Visibility, Visible};
