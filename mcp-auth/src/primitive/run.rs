//! Runs the function of a primitive: the generic functions, and the code around them that catches
//! panics and enforces the time-out.

use std::future::{poll_fn, ready};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use bytestring::ByteString;
use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

use crate::guard::Authorized;
use crate::identity::{Organizations, UrlOrg};
use crate::limits::Party;

use super::arguments::Arguments;
use super::authorize::{AuthorizeGate, Ran, Stop};
use super::channel::Channel;
use super::completion::{CompletionRequest, Suggestions};
use super::context::Context;
use super::deadline::{within, within_moving};
use super::error::{Reference, ToolError};
use super::log_name::LogName;
use super::outcome::{Failure, Fault, Outcome, Run};
use super::returned::{Output, Returned, Returns};
use super::served::Served;
use super::state::States;
use super::threads::Threads;
use super::violations::Violations;

/// The trait that `#[mcp_tool]`, `#[mcp_prompt]` and `#[mcp_resource]` implement for the private type behind a
/// function.
pub trait Handler: 'static {
    /// The marker of the result's kind: [`AsTool`](super::AsTool), [`AsPrompt`](super::AsPrompt) or
    /// [`AsResource`](super::AsResource).
    type Kind: Returns<Self::Output>;
    /// The parameters taken by value.
    type Arguments: Arguments;
    /// The return type of the function.
    type Output: Send;

    /// Checks the rules that the parameters declare.
    ///
    /// # Errors
    ///
    /// - The rules that the arguments break.
    fn validate(args: &Self::Arguments) -> Result<(), Violations> {
        let _ = args;
        Ok(())
    }

    /// Injects the parameters that are taken by reference, runs `authorize`, and calls the
    /// function.
    fn call(
        args: Self::Arguments,
        cx: &Context,
        check: AuthorizeGate,
    ) -> impl Future<Output = Result<Ran<Self::Output>, Stop>> + Send;

    /// Calls the completion function of the requested argument. Returns no suggestions if the argument
    /// has no completion function.
    fn complete(
        request: &CompletionRequest,
        cx: &Context,
    ) -> impl Future<Output = Result<Suggestions, ToolError>> + Send {
        let _ = (request, cx);
        ready(Ok(Suggestions::none()))
    }
}

/// A call that the guard allowed.
#[derive(Debug)]
pub(crate) struct Call {
    served: Arc<Served>,
    context: Context,
    input: Input,
    check: AuthorizeGate,
}

impl Call {
    /// Returns true if the client asked for suggestions, and false if the function itself shall run.
    pub(super) fn completes(&self) -> bool {
        matches!(self.input, Input::Completion(_))
    }
}

/// The input of a call.
#[derive(Debug)]
pub(crate) enum Input {
    /// The argument object, as the client sent it, or as made from the variables of the URI.
    Arguments(ByteString),
    /// The argument object of a call that ends after `authorize` has decided, before the function runs.
    Authorize(ByteString),
    /// A request for suggestions for an argument.
    Completion(Box<CompletionRequest>),
}

/// The limits and services that every call of a server shares.
#[derive(Debug)]
pub(crate) struct CallEnvironment<'a> {
    pub(crate) states: &'a Arc<States>,
    /// Looks up organizations, for [`Context::has`](crate::Context::has).
    pub(crate) organizations: &'a Arc<Organizations>,
    /// The organization that the URL of the request names.
    pub(crate) url_org: &'a UrlOrg,
    /// The threads for plain functions.
    pub(crate) threads: &'a Arc<Threads>,
    /// The caller or network whose share of the threads a plain function uses.
    pub(crate) party: Party,
    /// The time-out of functions that declare none.
    pub(crate) timeout: Duration,
    /// The channel of the call. `None` if the function cannot send messages.
    pub(crate) channel: Option<&'a Arc<Channel>>,
}

/// Runs the function for an allowed call. The call contains the proof, so the arguments are read
/// only after the guard allowed the call.
pub(super) fn run<T: Handler>(call: Call) -> Run {
    Box::pin(async move {
        let Call {
            served,
            context,
            input,
            check,
        } = call;
        let (Input::Arguments(written) | Input::Authorize(written)) = input else {
            return Ok(Output::Suggestions(Suggestions::none()));
        };
        let arguments = served
            .read_arguments(&written)
            .map_err(Failure::Arguments)?;
        // The text is a part of the body, whose bytes count in the budget of bodies until they are dropped.
        drop(written);
        T::validate(&arguments)
            .map_err(|violations| Failure::Rules(violations.text(served.arguments_schema())))?;
        let Ran(output) = T::call(arguments, &context, check)
            .await
            .map_err(|Stop(failure)| failure)?;
        let Returned(output) = T::Kind::result_of(output).map_err(Failure::Error)?;
        Ok(output)
    })
}

/// Runs the completion function for an allowed request.
pub(super) fn complete<T: Handler>(call: Call) -> Run {
    Box::pin(async move {
        let Call { context, input, .. } = call;
        let Input::Completion(request) = input else {
            return Ok(Output::Suggestions(Suggestions::none()));
        };
        let suggestions = T::complete(&request, &context).await;
        suggestions.map(Output::Suggestions).map_err(Failure::Error)
    })
}

impl Served {
    /// Runs the function. `held` is dropped when the function ends, which may be after the time-out of a plain
    /// function. The time-out begins when the function starts, after any wait for a thread. `end` turns the outcome
    /// into the result of the future. `end` is dropped with the future.
    pub(crate) fn call<H: Send + 'static, E: FnOnce(Outcome) -> R + Send + 'static, R>(
        self: &Arc<Self>,
        proof: Authorized,
        env: &CallEnvironment<'_>,
        input: Input,
        held: H,
        end: E,
    ) -> impl Future<Output = R> + Send + use<H, E, R> {
        let served = Arc::clone(self);
        let context = Context::new(
            proof,
            self.name(),
            Arc::clone(env.states),
            Arc::clone(env.organizations),
            env.url_org,
            env.channel.cloned(),
        );
        let channel = env.channel.cloned();
        let threads = self.is_blocking().then(|| Arc::clone(env.threads));
        let timeout = self.timeout().unwrap_or(env.timeout);
        let party = env.party;
        async move {
            let threads = match threads {
                Some(threads) => {
                    // The box keeps the futures of all other calls small.
                    let mut free = Box::pin(threads.place(party));
                    let place = within(timeout.min(WAIT_FOR_THREAD), free.as_mut()).await;
                    drop(free);
                    let Some(place) = place.flatten() else {
                        return end(Err(Failure::NoThread));
                    };
                    Some((threads, place))
                }
                None => None,
            };
            // Dropping the future, a time-out, and a question without an answer cancel the call.
            let cancel = channel.as_ref().map(|channel| channel.cancel_on_drop());
            // Creating the future can panic, and so can polling it, so both happen inside `catch_unwind`.
            let call = Call {
                served: Arc::clone(&served),
                context,
                check: match input {
                    Input::Authorize(_) => {
                        AuthorizeGate::asking(served.authorize(), served.confirms())
                    }
                    Input::Arguments(_) | Input::Completion(_) => {
                        AuthorizeGate::new(served.authorize(), served.confirms())
                    }
                },
                input,
            };
            let start = {
                let (served, channel) = (Arc::clone(&served), channel.clone());
                move || UntilAsked {
                    run: served.start(call),
                    channel,
                }
            };
            let work = async {
                match threads {
                    Some((threads, place)) => {
                        Box::pin(threads.run(place, Box::new(held), start)).await
                    }
                    None => {
                        let _held = held;
                        Some(start().await)
                    }
                }
            };
            // While a client does not read its messages, the function waits, but its time-out continues.
            let mut work = pin!(work);
            let work = poll_fn(|cx| match &channel {
                Some(channel) if channel.holds(cx.waker()) => Poll::Pending,
                Some(_) | None => work.as_mut().poll(cx),
            });
            let contained = pin!(AssertUnwindSafe(work).catch_unwind());
            let ended = match (served.longest_timeout(), &channel) {
                (Some(longest), Some(channel)) => {
                    let start = Instant::now();
                    let deadline = || channel.deadline(start, timeout, longest);
                    Box::pin(within_moving(deadline, contained)).await
                }
                (None, _) | (_, None) => within(timeout, contained).await,
            };
            let is_over = match &ended {
                None | Some(Ok(Some(Err(Failure::Asking(_))))) => false,
                Some(_) => true,
            };
            if is_over {
                cancel.map(DropGuard::disarm);
            } else {
                drop(cancel);
            }
            // After a time-out, a plain function may still wait for room for its messages.
            if let Some(channel) = &channel {
                channel.finish();
            }
            end(match ended {
                Some(Ok(Some(outcome))) => outcome,
                Some(Ok(None)) => Err(fault(&served, Fault::Stopped)),
                Some(Err(_)) => Err(fault(&served, Fault::Panicked)),
                None => Err(fault(&served, Fault::TimedOut)),
            })
        }
    }
}

/// Runs a function until it ends, or until it waits for an answer. Only another request can bring the answer.
struct UntilAsked {
    run: Run,
    /// `None` if the function cannot ask questions.
    channel: Option<Arc<Channel>>,
}

impl Future for UntilAsked {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Outcome> {
        let polled = self.run.as_mut().poll(cx);
        let channel = self.channel.as_ref().filter(|_| polled.is_pending());
        match channel.and_then(|channel| channel.dialogue().asking()) {
            Some(asking) => Poll::Ready(Err(Failure::Asking(Box::new(asking)))),
            None => {
                if let Some(channel) = channel {
                    channel.wait();
                }
                polled
            }
        }
    }
}

/// The longest time that a call waits for a thread.
const WAIT_FOR_THREAD: Duration = Duration::from_secs(5);

/// Logs a panic or a time-out, with a new error id. The panic hook has already logged the message of the panic.
fn fault(served: &Served, fault: Fault) -> Failure {
    let what = match fault {
        Fault::Panicked => "tool panicked",
        Fault::Stopped => "the server stopped before the function began",
        Fault::TimedOut => "tool timed out",
    };
    let reference = Reference::new();
    let LogName {
        prompt,
        resource,
        tool,
    } = served.log_name();
    tracing::error!(target: "mcp_auth", tool, prompt, resource, request = %reference, "{what}");
    Failure::Fault(reference, fault)
}
