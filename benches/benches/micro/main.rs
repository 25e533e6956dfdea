//! How long each step of a request takes.
//!
//! ```sh
//! RUSTFLAGS="--cfg mcp_auth_bench" cargo bench -p benches --profile counters --features micro --bench micro \
//!     --target-dir target/micro
//! ```
//!
//! Without `--cfg mcp_auth_bench` the crate `mcp-auth` does not export the steps, and this program measures nothing.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a measurement fails by panicking"
)]

#[cfg(mcp_auth_bench)]
#[path = "../../src/bin/subject/more.rs"]
mod more;
#[cfg(mcp_auth_bench)]
mod steps;
#[cfg(mcp_auth_bench)]
#[path = "../../src/bin/subject/tools.rs"]
mod tools;

#[cfg(mcp_auth_bench)]
use tools::Sum;

#[cfg(mcp_auth_bench)]
fn main() {
    steps::run();
}

#[cfg(not(mcp_auth_bench))]
fn main() -> Result<(), &'static str> {
    Err("build with RUSTFLAGS=\"--cfg mcp_auth_bench\"; see benches/README.md")
}
