//! A server for the official conformance suite, with a tool, a prompt or a resource for each kind of
//! result and schema that the suite tests.
//!
//! `cargo run -p everything` starts the server with a local Clerk, and `.ci/run conformance` runs
//! the suite on the server. Clients of MCP 2025-11-25 and older get sessions. With the variable `WITHOUT_ADDITIONAL_PROPERTIES`, `tools/list` omits
//! `additionalProperties: false`, because Google's SDK fails on the keyword.
//!
//! With the argument `--stdio` the server speaks over stdin and stdout. Its caller is a local user, or the owner of the token
//! in `MCP_AUTH_TOKEN`.
//!
//! The variable `TASKS` names a file: the server then keeps tasks in SQLite, and a restart does not lose them.

mod changes;
mod content;
mod headers;
mod messages;
mod prompts;
mod questions;
mod resources;
mod schema;
mod task_store;
mod tasks;

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    let mut server = mcp_auth::server!(emulator).legacy_sessions();
    if std::env::var_os("WITHOUT_ADDITIONAL_PROPERTIES").is_some() {
        server = server.without_additional_properties();
    }
    if let Ok(path) = std::env::var("TASKS") {
        server = server.task_store(task_store::SqliteTasks::open(&path).await?);
    }
    if std::env::args().any(|argument| argument == "--stdio") {
        return server.local_user("ada").serve_stdio().await;
    }
    server.serve().await
}
