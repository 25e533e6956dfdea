//! The outcome of a call: the output, or the reason why there is no output.

use std::pin::Pin;

use crate::guard::Denied;

use super::dialogue::Asking;
use super::error::{Reference, ToolError};
use super::returned::Output;

/// The future of a running call.
pub(crate) type Run = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The output of a call, or the reason why there is no output.
pub(crate) type Outcome = Result<Output, Failure>;

/// Why a function did not end by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    Panicked,
    /// The server stopped before the function began.
    Stopped,
    TimedOut,
}

/// The reason why a call has no output.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The guard and the `authorize` function allow the call. The function did not run, because only the decision was
    /// needed.
    Allowed,
    /// The arguments do not fit the schema. The text names the path of the wrong value.
    Arguments(String),
    /// The function asked questions that have no answers yet.
    Asking(Box<Asking>),
    /// The `authorize` function denied the call.
    Denied(Denied),
    /// The function returned an error.
    Error(ToolError),
    /// The function did not end by itself. The log has the details under this error id.
    Fault(Reference, Fault),
    /// No thread was free for the plain function in time, so the function did not run.
    NoThread,
    /// The arguments break rules that the parameters declare. The text names the paths of the wrong values.
    Rules(String),
}
