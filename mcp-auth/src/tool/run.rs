//! Runs a tool: the one generic function, and the code around it that catches panics and enforces
//! the time-out.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use futures_util::FutureExt;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::guard::Authorized;
use crate::identity::{Organizations, UrlOrg};
use crate::limits::Party;

use super::authorize::{AuthorizeGate, Ran, Stop};
use super::context::Context;
use super::deadline::within;
use super::error::Reference;
use super::outcome::{Failure, Outcome, Run};
use super::output::IntoToolResult;
use super::registry::ServedTool;
use super::state::States;
use super::threads::Threads;
use super::violations::Violations;

/// The trait that `#[mcp_tool]` implements for the private type behind a function.
pub trait Tool: 'static {
    /// The parameters taken by value.
    type Arguments: DeserializeOwned + JsonSchema + Send + 'static;
    /// The return type of the function.
    type Output: IntoToolResult;

    /// Checks the rules that the parameters declare.
    ///
    /// # Errors
    ///
    /// - The rules that the arguments break.
    fn validate(args: &Self::Arguments) -> Result<(), Violations> {
        let _ = args;
        Ok(())
    }

    /// Injects the parameters that are taken by reference, passes `authorize`, and calls the
    /// function.
    fn call(
        args: Self::Arguments,
        cx: &Context,
        check: AuthorizeGate,
    ) -> impl Future<Output = Result<Ran<Self::Output>, Stop>> + Send;
}

/// A call that the guard allowed.
#[derive(Debug)]
pub(crate) struct Call {
    tool: Arc<ServedTool>,
    context: Context,
    arguments: ByteString,
    check: AuthorizeGate,
}

/// The limits and services that every call of a server shares.
#[derive(Debug)]
pub(crate) struct CallEnvironment<'a> {
    pub(crate) states: &'a Arc<States>,
    /// Looks up organizations, for [`Context::has`](crate::Context::has).
    pub(crate) organizations: &'a Arc<Organizations>,
    /// The organization that the URL of the request names.
    pub(crate) url_org: &'a UrlOrg,
    /// The threads for tools that are plain functions.
    pub(crate) threads: &'a Arc<Threads>,
    /// The caller whose share of the threads a plain function uses.
    pub(crate) party: Party,
    /// The time-out of tools that declare none.
    pub(crate) timeout: Duration,
}

/// Runs a tool for an allowed call. The call contains the proof, so the arguments are read only
/// after the guard allowed the call.
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
            .map_err(|violations| Failure::Rules(violations.text(tool.arguments_schema())))?;
        let Ran(output) = T::call(arguments, &context, check)
            .await
            .map_err(|Stop(failure)| failure)?;
        output.into_tool_result().map_err(Failure::Error)
    })
}

impl ServedTool {
    /// Runs the tool. `arguments` is the argument object as the client sent it. `held` is dropped
    /// when the tool ends, which for a plain function may be after its time-out. The time-out
    /// begins when the function starts, after any wait for a thread.
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
                    // The box keeps the futures of all other calls small.
                    let mut free = Box::pin(threads.place(party));
                    let place = within(timeout.min(WAIT_FOR_THREAD), free.as_mut()).await;
                    drop(free);
                    let place = place.flatten().ok_or(Failure::NoThread)?;
                    Some((threads, place))
                }
                None => None,
            };
            // Creating the future can panic, as polling can, so both happen inside `catch_unwind`.
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

/// The longest time that a call waits for a thread.
const WAIT_FOR_THREAD: Duration = Duration::from_secs(5);

/// Logs a panic or a time-out, with a new error id. The panic hook has already logged the message
/// of a panic.
fn fault(tool: &'static str, what: &'static str) -> Failure {
    let reference = Reference::new();
    tracing::error!(target: "mcp_auth", tool, request = %reference, "{what}");
    Failure::Fault(reference)
}
