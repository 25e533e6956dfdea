//! Running a tool: the one generic function, and the frame around it that contains panics and time.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use futures_util::FutureExt;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::guard::{Authorized, Denied};
use crate::identity::{Organizations, UrlOrg};
use crate::limits::Party;

use super::authorize::{AuthorizeGate, Ran, Stop};
use super::context::Context;
use super::deadline::within;
use super::error::{Reference, ToolError};
use super::output::{IntoToolResult, ToolOutput};
use super::registry::ServedTool;
use super::state::States;
use super::threads::Threads;
use super::violations::Violations;

/// What `#[mcp_tool]` implements for the private type behind a function.
pub trait Tool: 'static {
    /// The parameters taken by value.
    type Arguments: DeserializeOwned + JsonSchema + Send + 'static;
    /// What the function returns.
    type Output: IntoToolResult;

    /// Checks the rules that the parameters declare.
    ///
    /// # Errors
    ///
    /// Those that are broken.
    fn validate(args: &Self::Arguments) -> Result<(), Violations> {
        let _ = args;
        Ok(())
    }

    /// Injects what is taken by reference, takes the last step and calls the function.
    fn call(
        args: Self::Arguments,
        cx: &Context,
        check: AuthorizeGate,
    ) -> impl Future<Output = Result<Ran<Self::Output>, Stop>> + Send;
}

/// An allowed call.
#[derive(Debug)]
pub(crate) struct Call {
    tool: Arc<ServedTool>,
    context: Context,
    arguments: ByteString,
    check: AuthorizeGate,
}

/// What every call of a server is given.
#[derive(Debug)]
pub(crate) struct CallEnvironment<'a> {
    pub(crate) states: &'a Arc<States>,
    /// For questions of a running tool.
    pub(crate) organizations: &'a Arc<Organizations>,
    /// The organization that the URL of the request names.
    pub(crate) url_org: &'a UrlOrg,
    /// For plain functions.
    pub(crate) threads: &'a Arc<Threads>,
    /// The party that the thread of a plain function counts for.
    pub(crate) party: Party,
    /// For tools that have none of their own.
    pub(crate) timeout: Duration,
}

/// A call on its way.
pub(crate) type Run = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// How a call ended.
pub(crate) type Outcome = Result<ToolOutput, Failure>;

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments do not fit the schema; the text names the path.
    Arguments(String),
    /// The tool's `authorize` refused.
    Denied(Denied),
    /// The tool answered with an error.
    Error(ToolError),
    /// The tool panicked, or took longer than it may. Details are in the log under the reference.
    Fault(Reference),
    /// No thread was free for the plain function in time, so it has not run.
    NoThread,
    /// The arguments break rules that the tool declares; the text names their paths.
    Rules(String),
}

/// Runs a tool for an allowed call: the arguments are read only here, behind the proof.
pub(super) fn run<T: Tool>(call: Call) -> Run {
    Box::pin(async move {
        let Call {
            tool,
            context,
            arguments,
            check,
        } = call;
        let arguments = tool
            .read_arguments(&arguments)
            .map_err(Failure::Arguments)?;
        T::validate(&arguments)
            .map_err(|violations| Failure::Rules(violations.told(tool.arguments_schema())))?;
        let Ran(output) = T::call(arguments, &context, check)
            .await
            .map_err(|Stop(failure)| failure)?;
        output.into_tool_result().map_err(Failure::Error)
    })
}

impl ServedTool {
    /// Starts the tool. `arguments` are the argument object as it was sent; `held` is dropped when
    /// the tool has ended, which for a plain function can be after its time-out. The time-out begins when the
    /// tool does: a plain function waits for its thread before that.
    pub(crate) fn call<H: Send + 'static>(
        self: &Arc<Self>,
        proof: Authorized,
        env: &CallEnvironment<'_>,
        arguments: ByteString,
        held: H,
    ) -> impl Future<Output = Outcome> + Send + use<H> {
        let tool = Arc::clone(self);
        let context = Context::new(
            proof,
            self.name(),
            Arc::clone(env.states),
            Arc::clone(env.organizations),
            env.url_org,
        );
        let threads = self.is_blocking().then(|| Arc::clone(env.threads));
        let timeout = self.timeout().unwrap_or(env.timeout);
        let party = env.party;
        async move {
            let name = tool.name();
            let threads = match threads {
                Some(threads) => {
                    // In a box, to keep the future of every other call small.
                    let mut free = Box::pin(threads.place(party));
                    let place = within(timeout.min(WAIT_FOR_THREAD), free.as_mut()).await;
                    drop(free);
                    let place = place.flatten().ok_or(Failure::NoThread)?;
                    Some((threads, place))
                }
                None => None,
            };
            // Making the future can panic as well as polling it, so both are inside.
            let call = Call {
                tool: Arc::clone(&tool),
                context,
                arguments,
                check: AuthorizeGate::new(tool.authorize()),
            };
            let work = async {
                match threads {
                    Some((threads, place)) => {
                        let tool = Arc::clone(&tool);
                        let start = move || tool.start(call);
                        Box::pin(threads.run(place, Box::new(held), start)).await
                    }
                    None => {
                        let _held = held;
                        Some(tool.start(call).await)
                    }
                }
            };
            let contained = pin!(AssertUnwindSafe(work).catch_unwind());
            match within(timeout, contained).await {
                Some(Ok(Some(outcome))) => outcome,
                Some(Ok(None)) => Err(fault(name, "the server stopped before the tool began")),
                Some(Err(_)) => Err(fault(name, "tool panicked")),
                None => Err(fault(name, "tool timed out")),
            }
        }
    }
}

/// How long a call waits for a thread at most.
const WAIT_FOR_THREAD: Duration = Duration::from_secs(5);

/// Logs a fault; the panic's own message went to the panic hook.
fn fault(tool: &'static str, what: &'static str) -> Failure {
    let reference = Reference::new();
    tracing::error!(target: "mcp_auth", tool, request = %reference, "{what}");
    Failure::Fault(reference)
}
