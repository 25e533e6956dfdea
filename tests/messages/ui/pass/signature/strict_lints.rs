//! The expansion triggers no lint, however strict the user's lints are.

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

use mcp_auth::serde_json::Map;
use mcp_auth::{Caller, Content, Context, Form as _, Json, Org, State, ToolError, mcp_tool};

/// The index that the tools search.
#[derive(Debug)]
struct Documents(Vec<String>);

/// Finds a document.
#[mcp_tool(permission = "org:documents:read", read_only)]
async fn find(
    /// The text to look for.
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

/// How many there are.
#[mcp_auth::data]
#[derive(Debug)]
struct Count {
    /// At least one.
    #[garde(range(min = 1))]
    count: usize,
}

/// Counts documents.
#[mcp_tool(
    icon("https://example.com/a.png", theme = "dark"),
    meta("com.example/tier" = 1.5)
)]
fn count(
    /// Words of a document.
    #[garde(length(simple, min = 1), inner(length(bytes, max = 9)))]
    words: Vec<String>,
    documents: &State<Documents>,
) -> Json<Count> {
    let found = documents.0.iter().filter(|text| words.contains(text));
    Json(Count {
        count: found.count(),
    })
}

/// The permissions of the application.
mod may {
    mcp_auth::permissions! {
        /// Read documents.
        pub READ = "org:documents:read";
    }
}

/// How to sort.
#[mcp_auth::data]
#[derive(Debug, Default)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// By their age.
    #[default]
    Age,
    /// By their length.
    Length {
        /// Longest first.
        #[garde(skip)]
        descending: bool,
    },
}

/// Whether the caller is in an organization.
const fn is_member(_order: &Order, org: Option<&Org>) -> bool {
    org.is_some()
}

/// Shows documents in order.
#[mcp_tool(
    title = "In order",
    any(permission = may::READ, role = "admin", scope = "documents:read"),
    forbid_actor,
    authorize = is_member(order, org),
    destructive = false,
    idempotent,
    closed_world,
    timeout = 5,
    rename_all = "camelCase"
)]
async fn in_order(
    /// In which order.
    #[garde(dive)]
    #[arg(default)]
    order: Order,
    org: Option<&Org>,
    documents: &State<Documents>,
) -> Vec<Content> {
    tracing::debug!(?order, org = org.map(Org::id));
    documents.0.iter().map(Content::text).collect()
}

/// How urgent something is.
#[mcp_auth::form]
#[derive(Debug)]
enum Urgency {
    /// Today.
    High,
    /// Some day.
    Low,
}

/// A form.
#[mcp_auth::form(rename_all = "camelCase")]
#[derive(Debug)]
struct Request {
    /// How urgent it is.
    #[form(title = "Urgency", default = Urgency::Low)]
    how_urgent: Urgency,
    /// For how many days.
    #[form(min = 1, max = 90)]
    days: Option<u8>,
}

/// A form without fields.
#[mcp_auth::form]
#[derive(Debug)]
struct Confirm;

/// Reads an answer.
#[mcp_tool]
async fn answered(context: &Context) -> Result<String, ToolError> {
    tracing::debug!(?context);
    let given = Map::new();
    let Confirm = Confirm::read(&given)?;
    let Request { how_urgent, days } = Request::read(&given)?;
    Ok(format!("{how_urgent:?} {days:?}"))
}

/// A module for members.
mod members {
    mcp_auth::module_guard!(require_org, any(role = "admin", scope = "members"));

    /// Does nothing.
    #[mcp_auth::mcp_tool(name = "for_members")]
    async fn nothing() {}
}

/// Returns nothing.
#[mcp_tool(public)]
async fn nothing() {}
