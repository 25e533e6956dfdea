//! A server for documents of organizations, with a real database (SQLite). Copy from it.
//!
//! ```text
//! cargo run -p documents
//! ```
//!
//! This command starts the server with a local Clerk. It prints the tools with their guards, and a
//! command that lists ada's documents. With `CLERK_PUBLISHABLE_KEY` and `CLERK_SECRET_KEY`, the
//! server uses that Clerk instance. `DOCUMENTS_DB` names the database file; `HOST` and `PORT` set
//! the address.
//!
//! `tools.rs` declares who may call which tool, `resources.rs` who may read which resource, and
//! `prompts.rs` who may use which prompt. `documents.rs` keeps the rows of different organizations
//! apart. `tests.rs` tests them with requests to the server. `tools.md` is the access matrix: a
//! change that lets more people in changes that file.

mod documents;
mod preview;
mod prompts;
mod resources;
#[cfg(test)]
mod tests;
mod tools;

use documents::Documents;

// With `only`, a tool compiles only if its permissions are declared here.
mcp_auth::permissions! {
    only;
    /// List and read documents.
    READ = "org:documents:read";
    /// Create, change and share documents.
    WRITE = "org:documents:write";
    /// Delete documents.
    DELETE = "org:documents:delete";
}

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    let file = std::env::var("DOCUMENTS_DB").unwrap_or_else(|_| "documents.db".to_owned());
    let documents = Documents::open(&file)
        .await
        .map_err(|error| format!("{file} cannot be opened (DOCUMENTS_DB names it): {error}"))?;
    mcp_auth::serve!(emulator, state = documents).await
}
