//! The outcome of a call: the output of the tool, or the reason why there is no output.

use std::pin::Pin;

use crate::guard::Denied;

use super::error::{Reference, ToolError};
use super::output::ToolOutput;

/// The future of a running call.
pub(crate) type Run = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The output of a call, or the reason why there is no output.
pub(crate) type Outcome = Result<ToolOutput, Failure>;

/// The reason why a call has no output.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments do not fit the schema. The text names the path of the wrong value.
    Arguments(String),
    /// The tool's `authorize` denied the call.
    Denied(Denied),
    /// The tool returned an error.
    Error(ToolError),
    /// The tool panicked or timed out. The log has the details under this error id.
    Fault(Reference),
    /// No thread was free for the plain function in time, so the function did not run.
    NoThread,
    /// The arguments break rules that the tool declares. The text names the paths of the wrong
    /// values.
    Rules(String),
}
