//! Configures a server, checks the configuration, listens and shuts down.

mod assemble;
mod build;
mod builder;
#[cfg(feature = "emulator")]
mod cast;
mod check;
mod codes;
mod date;
#[cfg(feature = "emulator")]
mod emulator;
mod environment;
mod error;
mod explain;
mod finding;
mod gate;
#[cfg(feature = "testing")]
mod in_process;
mod listen;
mod log;
mod macros;
mod matrix;
#[cfg(feature = "metrics")]
mod monitor;
mod observe;
mod private_url;
mod report;
mod resolve;
mod runtime;
mod satisfiable;
mod selection;
mod serve;
mod setting;
mod spans;
mod start;
#[cfg(feature = "stdio")]
mod stdio;
mod trial;
mod variables;

pub use self::builder::{AudiencePolicy, ServerBuilder};
pub use self::error::{Error, Result};
pub use self::finding::{CheckReport, Finding, Severity};
pub use self::matrix::{AccessMatrix, SampleCaller};
pub use self::serve::RunningServer;
pub use self::start::Server;
