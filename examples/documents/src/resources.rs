//! The resources: documents that a client reads by their URIs, without calling a tool.
//!
//! The guards are those of the tools. A caller who may not read a resource gets the error of a
//! resource that does not exist.

use mcp_auth::{Caller, CompletionRequest, Json, Org, State, ToolError, mcp_resource};

use crate::documents::Documents;
use crate::{READ, WRITE};

/// The newest documents of an organization.
#[mcp_auth::data]
struct Index {
    documents: Vec<Entry>,
    /// Whether the organization has older documents, which the tool `list_documents` lists.
    has_more: bool,
}

/// A document in the index.
#[mcp_auth::data]
struct Entry {
    /// The URI of the document.
    uri: String,
    title: String,
}

/// The newest hundred documents that the caller's organization can read, with their URIs.
#[mcp_resource("docs://index", permission = READ, ttl = "30s")]
async fn index(org: &Org, documents: &State<Documents>) -> Result<Json<Index>, ToolError> {
    let (documents, next) = documents.list(org, None, INDEX_SIZE).await?;
    let entries = documents.into_iter().map(|summary| Entry {
        uri: uri(&summary.id),
        title: summary.title,
    });
    Ok(Json(Index {
        documents: entries.collect(),
        has_more: next.is_some(),
    }))
}

/// A document of the caller's organization, or a document that was shared with the organization.
#[mcp_resource(
    "docs://documents/{id}",
    permission = READ,
    authorize = is_readable(id, org, documents),
    mime_type = "text/markdown"
)]
async fn document(
    #[arg(complete = readable_ids(org, documents))] id: String,
    org: &Org,
    documents: &State<Documents>,
) -> Result<Option<String>, ToolError> {
    let document = documents.find(org, &id).await?;
    Ok(document.map(|document| document.to_markdown()))
}

/// Returns whether the caller's organization can read the document. A client that subscribed to a document gets a
/// notification only while this is so.
async fn is_readable(id: &str, org: &Org, documents: &State<Documents>) -> Result<bool, ToolError> {
    Ok(documents.find(org, id).await?.is_some())
}

/// The ids of the organizations that can read a document. Only the user who created the document
/// can read this list.
#[mcp_resource(
    "docs://shares/{id}",
    permission = WRITE,
    authorize = has_created(id, caller, org, documents)
)]
async fn shares(
    #[arg(complete = created_ids(caller, org, documents))] id: String,
    caller: &Caller,
    org: &Org,
    documents: &State<Documents>,
) -> Result<Json<Vec<String>>, ToolError> {
    Ok(Json(documents.shares(org, &id).await?))
}

/// Returns whether the caller created the document. A missing document and a document of another
/// organization are both `false`, so the answer does not reveal which ids exist.
async fn has_created(
    id: &str,
    caller: &Caller,
    org: &Org,
    documents: &State<Documents>,
) -> Result<bool, ToolError> {
    let author = documents.author(org, id).await?;
    Ok(author.is_some_and(|author| author == caller.subject()))
}

/// Suggests documents that the caller's organization can read.
pub(crate) async fn readable_ids(
    request: &CompletionRequest,
    org: &Org,
    documents: &State<Documents>,
) -> Result<Vec<String>, ToolError> {
    Ok(documents.suggest(org, None, request.value()).await?)
}

/// Suggests documents that the caller created.
async fn created_ids(
    request: &CompletionRequest,
    caller: &Caller,
    org: &Org,
    documents: &State<Documents>,
) -> Result<Vec<String>, ToolError> {
    let suggested = documents.suggest(org, Some(caller), request.value());
    Ok(suggested.await?)
}

/// Returns the URI of a document.
pub(crate) fn uri(id: &str) -> String {
    format!("docs://documents/{id}")
}

/// The URI of the index.
pub(crate) const INDEX: &str = "docs://index";
const INDEX_SIZE: u32 = 100;
