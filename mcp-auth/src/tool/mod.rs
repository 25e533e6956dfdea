//! The declaration and the registration of tools, and the code that finds and runs a tool.
//!
//! This module has the traits that a tool's parameters and results implement, the registry, and the
//! one generic function that runs a tool. It does not depend on HTTP or JSON-RPC.
//!
//! INVARIANT: a tool runs only with a [`Context`]. A `Context` is made only from an
//! [`Authorized`](crate::guard::Authorized) proof. The arguments are deserialized after the proof
//! was made.

mod arguments;
mod authorize;
mod concurrency;
mod content;
mod context;
mod deadline;
mod declaration;
mod error;
mod finite;
mod info;
mod inject;
#[cfg(feature = "testing")]
mod invocation_counter;
mod outcome;
mod output;
mod profile;
mod rate;
mod registration;
mod registry;
mod run;
mod schema;
mod stand_in;
mod state;
mod threads;
mod violations;

pub(crate) use self::authorize::AccessRule;
pub use self::authorize::{Authorize, AuthorizeGate, Ran, Stop};
pub use self::content::Content;
pub use self::context::Context;
pub use self::declaration::{Annotations, ArgumentsForm, Declaration, Icon, MetaValue, Parameter};
pub use self::error::{ErrorOf, NoText, check_error};
pub use self::error::{PublicErrorExt, ToolError};
pub use self::info::ToolInfo;
pub use self::inject::FromContext;
pub use self::output::{IntoToolError, IntoToolResult, Json, ToolOutput};
pub use self::rate::Rate;
pub use self::registration::Registration;
pub use self::run::Tool;
pub use self::state::State;

#[cfg(feature = "_fuzz")]
pub(crate) use self::arguments::fuzz;
pub use self::arguments::{IsArgument, IsField};
pub(crate) use self::concurrency::Concurrency;
pub use self::context::started;
pub(crate) use self::error::Reference;
pub use self::inject::{inject, inject_optional};
#[cfg(feature = "testing")]
pub(crate) use self::invocation_counter::Starts;
pub(crate) use self::outcome::{Failure, Outcome};
pub(crate) use self::output::Body;
pub(crate) use self::rate::Per;
pub(crate) use self::registry::{Registry, RegistryError, ServedTool, ToolSettings};
pub(crate) use self::run::CallEnvironment;
pub use self::schema::{NeverNull, SuppressedKeyword};
pub use self::stand_in::{ArgumentOf, FieldType, NotRead, When, taken};
pub(crate) use self::state::States;
pub(crate) use self::threads::Threads;
pub use self::violations::{HasRules, NoRules, Rules, Violations, check_undived};
