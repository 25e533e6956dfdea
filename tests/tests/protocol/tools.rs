//! The tools that most tests call: one for each kind of guard.

use mcp_auth::{Caller, Org, State, mcp_tool};

use crate::support::Runs;

/// Greet somebody.
#[mcp_tool(public, read_only)]
async fn greet(
    /// The name of the person to greet.
    name: String,
    runs: &State<Runs>,
) -> String {
    runs.count();
    format!("Hello {name}")
}

/// Tell who is calling.
#[mcp_tool(read_only)]
async fn who_am_i(caller: &Caller, runs: &State<Runs>) -> String {
    runs.count();
    caller.subject().to_owned()
}

/// Tell the caller's organization.
#[mcp_tool(require_org, read_only)]
async fn which_org(org: &Org, runs: &State<Runs>) -> String {
    runs.count();
    org.id().to_owned()
}

/// Delete a document of the caller's organization.
#[mcp_tool(permission = "org:documents:delete", require_org, destructive)]
async fn delete_document(
    /// Id of the document.
    document_id: String,
    org: &Org,
    runs: &State<Runs>,
) -> String {
    runs.count();
    format!("Document {document_id} of {} deleted", org.id())
}

/// Change a document.
#[mcp_tool(permission = all("org:documents:read", "org:documents:write"))]
async fn edit_document(runs: &State<Runs>) -> String {
    runs.count();
    "edited".to_owned()
}

/// Rename the organization.
#[mcp_tool(role = "admin")]
async fn rename_org(runs: &State<Runs>) -> String {
    runs.count();
    "renamed".to_owned()
}

/// Upload a file.
#[mcp_tool(scope = "files:write")]
async fn upload(runs: &State<Runs>) -> String {
    runs.count();
    "uploaded".to_owned()
}

/// Synchronise all files.
#[mcp_tool(scope = all("files:read", "files:write"))]
async fn sync(runs: &State<Runs>) -> String {
    runs.count();
    "synchronised".to_owned()
}

/// Remove all documents.
#[mcp_tool(permission = "org:documents:delete", scope = "files:write")]
async fn purge(runs: &State<Runs>) -> String {
    runs.count();
    "purged".to_owned()
}
