//! Running a tool: the one generic function, and the frame around it that contains panics and time.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::guard::Authorized;

use super::arguments;
use super::context::Context;
use super::error::{Reference, ToolError};
use super::output::{IntoToolResult, ToolOutput};
use super::registry::ServedTool;
use super::state::States;

/// What `#[mcp_tool]` implements for the private type behind a function.
pub trait Tool: 'static {
    /// The parameters taken by value.
    type Arguments: DeserializeOwned + JsonSchema + Send + 'static;
    /// What the function returns.
    type Output: IntoToolResult;

    /// Injects what is taken by reference and calls the function.
    fn call(
        args: Self::Arguments,
        cx: &Context,
    ) -> impl Future<Output = Result<Self::Output, ToolError>> + Send;
}

/// An allowed call.
#[derive(Debug)]
pub(crate) struct Call {
    context: Context,
    arguments: Bytes,
}

/// A call on its way.
pub(crate) type Run = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// How a call ended.
pub(crate) type Outcome = Result<ToolOutput, Failure>;

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments do not fit; the text names the path.
    Arguments(String),
    /// The tool answered with an error.
    Error(ToolError),
    /// The tool panicked, or took longer than it may. Details are in the log under the reference.
    Fault(Reference),
}

/// Runs a tool for an allowed call: the arguments are read only here, behind the proof.
pub(super) fn run<T: Tool>(call: Call) -> Run {
    Box::pin(async move {
        let Call { context, arguments } = call;
        let arguments = arguments::parse::<T::Arguments>(&arguments).map_err(Failure::Arguments)?;
        let output = T::call(arguments, &context).await.map_err(Failure::Error)?;
        output.into_tool_result().map_err(Failure::Error)
    })
}

impl ServedTool {
    /// Starts the tool. `arguments` are the raw bytes of the argument object.
    pub(crate) fn call(
        self: &Arc<Self>,
        proof: Authorized,
        states: &Arc<States>,
        arguments: Bytes,
        timeout: Duration,
    ) -> Run {
        let tool = Arc::clone(self);
        let context = Context::new(proof, self.name(), Arc::clone(states));
        Box::pin(async move {
            if let Some(known) = tool.known_arguments() {
                arguments::refuse_unknown(&arguments, known).map_err(Failure::Arguments)?;
            }
            let timeout = tool.timeout().unwrap_or(timeout);
            let name = tool.name();
            // Making the future can panic as well as polling it, so both are inside.
            let work = async { tool.start(Call { context, arguments }).await };
            let contained = AssertUnwindSafe(work).catch_unwind();
            match tokio::time::timeout(timeout, contained).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(fault(name, "tool panicked")),
                Err(_) => Err(fault(name, "tool timed out")),
            }
        })
    }
}

/// Logs a fault; the panic's own message went to the panic hook.
fn fault(tool: &'static str, what: &'static str) -> Failure {
    let reference = Reference::new();
    tracing::error!(target: "mcp_auth", tool, %reference, "{what}");
    Failure::Fault(reference)
}
