//! A server that clients sign in to without a token in hand: a tool for whoever is signed in, one for a
//! scope that takes a step-up, one for an organization.

use mcp_auth::{Caller, Org, mcp_tool};

/// Tell who is calling.
#[mcp_tool(read_only)]
async fn who_am_i(caller: &Caller) -> String {
    caller.subject().to_owned()
}

/// Write a document.
#[mcp_tool(scope = "documents:write")]
async fn write_document(title: String, caller: &Caller) -> String {
    format!("{} wrote {title}", caller.subject())
}

/// Tell in which organization the caller is, and as what.
#[mcp_tool(read_only)]
async fn organization(org: &Org) -> String {
    format!("{}, {}", org.id(), org.role().unwrap_or("unknown"))
}

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    mcp_auth::serve!(emulator).await
}
