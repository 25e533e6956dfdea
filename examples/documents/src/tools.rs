//! The tools. Each attribute says who may call; the functions only do the work.
//!
//! A parameter by value is an argument, one by reference comes from the request. Whoever takes
//! `&Org` works for one organization of which the caller is a member right now.

use mcp_auth::{Caller, Json, OrTell, Org, State, ToolError, mcp_tool};
use schemars::JsonSchema;
use serde::Serialize;

use crate::documents::{Document, Documents, Summary};

/// The documents of an organization.
#[derive(Debug, JsonSchema, Serialize)]
struct DocumentList {
    documents: Vec<Summary>,
}

/// List the documents of the caller's organization: the newest 100, newest first.
#[mcp_tool(permission = "org:documents:read", read_only)]
async fn list_documents(
    org: &Org,
    documents: &State<Documents>,
) -> Result<Json<DocumentList>, ToolError> {
    let documents = documents.list(org).await?;
    Ok(Json(DocumentList { documents }))
}

/// Read a document of the caller's organization.
#[mcp_tool(permission = "org:documents:read", read_only)]
async fn get_document(
    /// Id of the document, as `list_documents` returns it.
    document_id: String,
    org: &Org,
    documents: &State<Documents>,
) -> Result<Json<Document>, ToolError> {
    let document = documents.find(org, &document_id).await?;
    document.map(Json).ok_or_else(|| not_found(&document_id))
}

/// Create a document in the caller's organization.
#[mcp_tool(permission = "org:documents:write", destructive = false)]
async fn create_document(
    /// What the list shows.
    title: String,
    /// The text.
    body: String,
    org: &Org,
    author: &Caller,
    documents: &State<Documents>,
) -> Result<Json<Document>, ToolError> {
    let title = title.trim();
    if title.is_empty() {
        return Err(ToolError::new("A document needs a title"));
    }
    Ok(Json(documents.create(org, author, title, &body).await?))
}

/// Delete a document of the caller's organization. It cannot be brought back.
#[mcp_tool(permission = "org:documents:delete", require_org, destructive)]
async fn delete_document(
    /// Id of the document, as `list_documents` returns it.
    document_id: String,
    org: &Org,
    documents: &State<Documents>,
) -> Result<String, ToolError> {
    if documents.delete(org, &document_id).await? {
        Ok(format!("Document {document_id} deleted"))
    } else {
        Err(not_found(&document_id))
    }
}

/// Tell whether the server works. Needs no sign-in, and knows nothing of any organization.
#[mcp_tool(public, read_only)]
async fn server_status(documents: &State<Documents>) -> Result<&'static str, ToolError> {
    documents
        .ping()
        .await
        .or_tell("The database is unavailable")?;
    Ok(concat!("Version ", env!("CARGO_PKG_VERSION"), ", ready"))
}

/// The same words whether there is no such document or it is another organization's: what differs
/// would tell which ids exist.
fn not_found(document_id: &str) -> ToolError {
    ToolError::new(format!("Document {document_id} not found"))
}
