//! A server that clients sign in to without a token: one public tool, one for any signed-in caller,
//! one that requires a scope, and one that requires an organization. One resource is for any
//! signed-in caller, and one requires the scope of the tool.
//!
//! By default the server does not advertise this scope, so a client has to step up for it. With the variable `ADVERTISE_ALL_SCOPES` the server advertises the scope from the
//! start. A client that registers itself needs that, because Clerk refuses a step-up beyond the
//! scopes of the registration.
//!
//! With the variable `DISCOVERABLE` clients connect and list all tools before they sign in.

use mcp_auth::{Caller, Org, mcp_resource, mcp_tool};

/// Greet anybody.
#[mcp_tool(public, read_only)]
async fn greet() -> String {
    "hello".to_owned()
}

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

/// The caller.
#[mcp_resource("documents://me")]
async fn me(caller: &Caller) -> String {
    caller.subject().to_owned()
}

/// The caller's drafts.
#[mcp_resource("documents://drafts", scope = "documents:write")]
async fn drafts(caller: &Caller) -> String {
    format!("The drafts of {}", caller.subject())
}

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    let mut server = mcp_auth::server!(emulator);
    if std::env::var_os("ADVERTISE_ALL_SCOPES").is_some() {
        server = server.scopes_supported(["profile", "email", "user:org:read", "documents:write"]);
    }
    if std::env::var_os("DISCOVERABLE").is_some() {
        server = server.discoverable();
    }
    server.serve().await
}
