//! The smallest server worth running: one tool for everybody signed in, one that needs a permission.
//!
//! `cargo run -p quickstart` starts it with a local Clerk; with `CLERK_PUBLISHABLE_KEY` set it runs
//! on that instance.

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
