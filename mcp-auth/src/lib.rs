#![doc = include_str!("../README.md")]
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `emulator` | `serve!(emulator)`: a local Clerk inside the process |
//! | `testing` | [`testing`]: a server in process for tests |
//!
//! None is on by default, and none changes a check.

#[doc = include_str!("../docs/mcp_tool.md")]
pub use mcp_auth_macros::mcp_tool;
pub use rmcp::model;

pub use crate::guard::{Guard, Permission, Requirement, Role, Scope};
pub use crate::identity::{
    Actor, AuthorizedParties, Caller, FactorAges, Org, Session, TokenKind, parties, parties_any,
};
pub use crate::server::{AudiencePolicy, Error, Result, Running, Server, ServerBuilder};
pub use crate::tool::{
    Context, FromContext, Injected, IntoToolError, IntoToolResult, Json, Needs, OrTell, State,
    ToolError, ToolOutput,
};

mod clerk;
mod guard;
mod http;
mod identity;
mod protocol;
mod server;
#[cfg(feature = "testing")]
pub mod testing;
mod tool;

/// What `#[mcp_tool]` expands to. Not for use by hand: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
    pub use schemars;
    pub use serde;

    pub use crate::guard::{Guard, Implied, Requirement, Spelled};
    pub use crate::tool::{
        Annotations, ArgumentsForm, Context, Declaration, FromContext, IsArgument, Parameter,
        Registration, Tool, ToolError,
    };
    pub use crate::tool::{inject, inject_optional};
}
