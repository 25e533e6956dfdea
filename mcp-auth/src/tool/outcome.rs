//! The end of a call: the output of its tool, or the reason for which there is none.

use std::pin::Pin;

use crate::guard::Denied;

use super::error::{Reference, ToolError};
use super::output::ToolOutput;

/// A call that runs.
pub(crate) type Run = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The end of a call.
pub(crate) type Outcome = Result<ToolOutput, Failure>;

/// The reason for which a call has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments do not fit the schema; the text names the path.
    Arguments(String),
    /// The tool's `authorize` denied the call.
    Denied(Denied),
    /// The tool returned an error.
    Error(ToolError),
    /// The tool panicked or timed out. The log has the details under the reference.
    Fault(Reference),
    /// No thread was free for the plain function in time, so the function did not run.
    NoThread,
    /// The arguments break rules that the tool declares; the text names their paths.
    Rules(String),
}
