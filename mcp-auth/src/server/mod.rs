//! Running a server: its configuration, the checks at start-up, listening and shutting down.

mod advertised;
mod builder;
mod check;
mod date;
#[cfg(feature = "emulator")]
mod emulator;
mod environment;
mod error;
#[cfg(feature = "testing")]
mod in_process;
mod listen;
mod load;
mod log;
mod macros;
mod matrix;
mod private_url;
mod report;
mod satisfiable;
mod selection;
mod serve;
mod settings;
mod start;

pub use self::builder::{AudiencePolicy, ServerBuilder};
pub use self::check::{CheckReport, Finding, Severity};
pub use self::error::{Error, Result};
pub use self::matrix::{AccessMatrix, SampleCaller};
pub use self::serve::RunningServer;
pub use self::start::Server;
