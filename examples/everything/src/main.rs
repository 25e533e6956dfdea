//! A tool for each kind of result and schema: what the official conformance suite calls.
//!
//! `cargo run -p everything` starts it with a local Clerk; `.ci/run conformance` runs the suite on it.

mod content;
mod schema;

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    mcp_auth::serve!(emulator).await
}
