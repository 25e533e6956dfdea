//! Organizations' documents in SQLite: a server with a real database, to copy from.
//!
//! ```text
//! cargo run -p documents
//! ```
//!
//! starts it with a local Clerk, prints the tools with their guards and one line to paste that
//! lists ada's documents. With `CLERK_PUBLISHABLE_KEY` and `CLERK_SECRET_KEY` set it runs on that
//! instance; `DOCUMENTS_DB` names the database file, `HOST` and `PORT` the address.
//!
//! `tools.rs` says who may do what, `documents.rs` keeps the rows of each organization apart, and
//! `tests.rs` shows both through the server's own front door. `tools.md` is who may call what:
//! a change that lets more people in is a difference in that file.

mod documents;
mod preview;
#[cfg(test)]
mod tests;
mod tools;

use documents::Documents;

// With `only`, a tool that names a permission which is not declared here does not compile.
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
