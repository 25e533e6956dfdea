//! Nothing in an expansion sets off a lint, however strict the user is.

#![forbid(unsafe_code)]
#![deny(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    unused,
    let_underscore_drop,
    trivial_casts,
    trivial_numeric_casts,
    unused_lifetimes,
    unused_results,
    variant_size_differences,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::allow_attributes_without_reason,
    clippy::missing_docs_in_private_items,
    clippy::min_ident_chars,
    clippy::shadow_reuse,
    clippy::str_to_string
)]
#![allow(clippy::unused_async, reason = "about the functions themselves")]

use mcp_auth::{Caller, Context, Json, Org, State, ToolError, mcp_tool};

/// What the tools work on.
#[derive(Debug)]
struct Documents(Vec<String>);

/// Finds a document.
#[mcp_tool(permission = "org:documents:read", read_only)]
async fn find(
    /// What to look for.
    text: String,
    #[arg(default = 10)] limit: usize,
    #[arg(default)] exact: bool,
    documents: &State<Documents>,
    org: &Org,
    caller: Option<&Caller>,
    context: &Context,
) -> Result<Json<Vec<String>>, ToolError> {
    tracing::debug!(?caller, ?context, exact, org = org.id());
    let found = documents
        .0
        .iter()
        .filter(|document| document.contains(&text));
    Ok(Json(found.take(limit).cloned().collect()))
}

/// Returns nothing.
#[mcp_tool(public)]
async fn nothing() {}
