//! Who may do what: requirements as data, and the one function that decides.
//!
//! A [`Guard`] is a `const` value. The same value is enforced before a tool's arguments are read,
//! filters `tools/list`, says which scopes a step-up asks for and is printed at start-up.
//! [`decide`] is a pure function of guard and facts; it is the only maker of [`Authorized`], and
//! nothing runs a tool without one. This module knows no protocol and does no I/O.

mod billing;
mod check;
mod decision;
mod declared;
mod denied;
mod names;
mod no_organization;
#[cfg(test)]
mod properties;
mod requirement;
mod reverification;
mod schemes;
mod visibility;

pub use self::billing::{Feature, Plan};
pub use self::check::Check;
pub use self::declared::{ANY_PERMISSION, Declared};
pub use self::names::{KeyText, Permission, Role, Scope};
pub use self::requirement::{Guard, Implied, Requirement};
pub use self::reverification::Reverification;

pub(crate) use self::decision::{
    Authorized, CallerFacts, Facts, Refusal, decide, lacking_server_scopes, would_allow,
};
pub(crate) use self::declared::nearest;
pub(crate) use self::denied::{Denied, ORGANIZATION_SCOPE, Required};
pub(crate) use self::names::{const_panic, is_scope};
#[cfg(test)]
pub(crate) use self::no_organization::NoOrganization;
pub(crate) use self::schemes::{SchemeSource, SecurityScheme, in_words};
pub(crate) use self::visibility::{Organizations, Visibility, Visible};
