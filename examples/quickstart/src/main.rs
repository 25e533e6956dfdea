//! The smallest useful server. It has a tool for every signed-in caller, and a tool that needs a
//! permission.
//!
//! `cargo run -p quickstart` starts the server with a local Clerk. With `CLERK_PUBLISHABLE_KEY`,
//! the server uses that Clerk instance.

use mcp_auth::{Caller, Org, mcp_tool};

/// Tell who is calling.
#[mcp_tool(read_only)]
async fn who_am_i(caller: &Caller) -> String {
    format!("You are {}", caller.subject())
}

/// Delete a document of the caller's organization.
#[mcp_tool(permission = "org:documents:delete", require_org, destructive)]
async fn delete_document(
    /// Id of the document.
    document_id: String,
    org: &Org,
) -> String {
    format!(
        "Document {document_id} of {} deleted",
        org.slug().unwrap_or(org.id())
    )
}

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    mcp_auth::serve!(emulator).await
}

#[cfg(test)]
mod tests;
