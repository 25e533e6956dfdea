//! Tools: what `#[mcp_tool]` declares, how it is registered and found, and how it runs.
//!
//! Owns the traits that a tool's parameters and results implement, the registry and the one generic
//! function that runs a tool. Knows nothing of HTTP and JSON-RPC.
//!
//! INVARIANT: a tool runs only with a [`Context`], and a `Context` is made only of an
//! [`Authorized`](crate::guard::Authorized) proof; arguments are deserialised after that.

mod arguments;
mod context;
mod declaration;
mod error;
mod output;
mod registry;
mod run;
mod schema;
mod state;

pub use self::context::{Context, FromContext, Injected};
pub use self::declaration::{Annotations, ArgumentsForm, Declaration, Parameter, Registration};
pub use self::error::{OrTell, ToolError};
pub use self::output::{IntoToolError, IntoToolResult, Json, ToolOutput};
pub use self::run::Tool;
pub use self::state::{Needs, State};

pub use self::arguments::IsArgument;
pub use self::context::{inject, inject_optional};
pub(crate) use self::output::Content;
pub(crate) use self::registry::{Registry, RegistryError, ServedTool};
pub(crate) use self::run::{Failure, Outcome};
pub(crate) use self::state::States;
