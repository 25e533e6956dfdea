//! The tools. Each attribute declares the guard; the functions only do the work.
//!
//! A parameter by value is an argument. A parameter by reference comes from the request or the
//! server. A tool that takes `&Org` works for one organization, of which the caller is currently a
//! member.

use mcp_auth::{
    Caller, Content, Context, Json, Notifier, Org, PublicErrorExt, State, ToolError, mcp_tool,
};

use crate::documents::{Cursor, Document, Documents, Summary};
use crate::preview;
use crate::resources::{INDEX, uri};
use crate::{DELETE, READ, WRITE};

/// A page of documents.
#[mcp_auth::data]
struct DocumentPage {
    documents: Vec<Summary>,
    /// The `cursor` for the next page. The last page has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// List the documents that the caller's organization can read, newest first.
#[mcp_tool(permission = READ, read_only)]
async fn list_documents(
    /// The `next_cursor` of the previous page. Leave it out for the first page.
    cursor: Option<String>,
    /// The number of documents on a page.
    #[arg(default = 20)]
    #[garde(range(min = 1, max = 100))]
    page_size: u32,
    org: &Org,
    documents: &State<Documents>,
) -> Result<Json<DocumentPage>, ToolError> {
    let cursor: Option<Cursor> = cursor
        .map(|text| text.parse())
        .transpose()
        .or_public("`cursor` must be the `next_cursor` of an earlier page")?;
    let (documents, next) = documents.list(org, cursor.as_ref(), page_size).await?;
    Ok(Json(DocumentPage {
        documents,
        next_cursor: next.map(|next| next.to_string()),
    }))
}

/// Read a document of the caller's organization, or a document that was shared with the
/// organization.
#[mcp_tool(permission = READ, read_only)]
async fn get_document(
    /// Id of the document, as `list_documents` returns it.
    document_id: String,
    org: &Org,
    documents: &State<Documents>,
) -> Result<Json<Document>, ToolError> {
    Ok(Json(find(org, documents, &document_id).await?))
}

/// Show what a document looks like: its title, and an image of its lines.
#[mcp_tool(permission = READ, read_only)]
async fn preview_document(
    /// Id of the document, as `list_documents` returns it.
    document_id: String,
    org: &Org,
    documents: &State<Documents>,
) -> Result<Vec<Content>, ToolError> {
    let document = find(org, documents, &document_id).await?;
    let image = preview::png(&document.body)?;
    Ok(vec![Content::text(document.title), Content::png(image)])
}

/// Create a document in the caller's organization.
#[mcp_tool(permission = WRITE, destructive = false)]
async fn create_document(
    /// Title of the document, as `list_documents` shows it.
    #[garde(length(chars, min = 1, max = 200))]
    title: String,
    /// Text of the document, in Markdown.
    #[garde(length(chars, max = 100_000))]
    body: String,
    org: &Org,
    author: &Caller,
    documents: &State<Documents>,
    notifier: &Notifier,
) -> Result<Json<Document>, ToolError> {
    let created = documents.create(org, author, &title, &body).await?;
    notifier.resource_updated_in(org.id(), INDEX);
    Ok(Json(created))
}

/// Change the title or the text of a document. A field that is left out does not change.
#[mcp_tool(permission = WRITE, idempotent)]
async fn update_document(
    /// Id of the document, as `list_documents` returns it.
    document_id: String,
    /// The new title.
    #[garde(length(chars, min = 1, max = 200))]
    title: Option<String>,
    /// The new text.
    #[garde(length(chars, max = 100_000))]
    body: Option<String>,
    org: &Org,
    documents: &State<Documents>,
    notifier: &Notifier,
) -> Result<Json<Document>, ToolError> {
    let changed = documents.update(org, &document_id, title.as_deref(), body.as_deref());
    let changed = changed.await?.ok_or_else(|| not_found(&document_id))?;
    // Organizations with which the document was shared may subscribe to the document, too.
    notifier.resource_updated(uri(&document_id));
    notifier.resource_updated_in(org.id(), INDEX);
    Ok(Json(changed))
}

/// Let another organization read a document. Only the user who created the document can share it.
#[mcp_tool(
    permission = WRITE,
    authorize = is_author(document_id, caller, org, documents),
    idempotent,
    destructive = false
)]
async fn share_document(
    /// Id of the document, as `list_documents` returns it.
    document_id: String,
    /// Id of the other organization, `org_…`.
    #[garde(prefix("org_"))]
    organization_id: String,
    caller: &Caller,
    org: &Org,
    documents: &State<Documents>,
    notifier: &Notifier,
) -> Result<String, ToolError> {
    documents.share(org, &document_id, &organization_id).await?;
    notifier.resource_updated_in(&organization_id, INDEX);
    Ok(format!(
        "Document {document_id} shared with {organization_id}"
    ))
}

/// Returns whether the caller created the document. The answer depends on a single row, so a
/// permission cannot express this rule.
async fn is_author(
    document_id: &str,
    caller: &Caller,
    org: &Org,
    documents: &State<Documents>,
) -> Result<bool, ToolError> {
    let author = documents.author(org, document_id).await?;
    let author = author.ok_or_else(|| not_found(document_id))?;
    Ok(author == caller.subject())
}

/// Export all documents of the caller's organization as one Markdown file. The export needs a
/// separate scope, so that a client that may read documents cannot automatically export all of
/// them.
#[mcp_tool(permission = READ, scope = "documents:export", read_only, rate = "10/min per user")]
async fn export_documents(
    org: &Org,
    documents: &State<Documents>,
    cx: &Context,
) -> Result<Content, ToolError> {
    let documents = documents.all(org).await?;
    let mut sections = Vec::new();
    for document in &documents {
        sections.push(document.to_markdown());
        cx.progress(sections.len(), documents.len(), document.title.as_str());
    }
    let text = sections.join("\n");
    let uri = format!("docs://exports/{}.md", org.id());
    Ok(Content::embedded_text(uri, "text/markdown", text))
}

/// Delete a document of the caller's organization. This cannot be undone.
#[mcp_tool(permission = DELETE, require_org, destructive)]
async fn delete_document(
    /// Id of the document, as `list_documents` returns it.
    document_id: String,
    org: &Org,
    documents: &State<Documents>,
    notifier: &Notifier,
) -> Result<String, ToolError> {
    if documents.delete(org, &document_id).await? {
        notifier.resource_updated_in(org.id(), INDEX);
        Ok(format!("Document {document_id} deleted"))
    } else {
        Err(not_found(&document_id))
    }
}

/// Tell whether the server works. It needs no sign-in, and uses no data of an organization.
#[mcp_tool(public, read_only)]
async fn server_status(documents: &State<Documents>) -> Result<&'static str, ToolError> {
    documents
        .ping()
        .await
        .or_public("The database is unavailable")?;
    Ok(concat!("Version ", env!("CARGO_PKG_VERSION"), ", ready"))
}

pub(crate) async fn find(
    org: &Org,
    documents: &Documents,
    id: &str,
) -> Result<Document, ToolError> {
    documents.find(org, id).await?.ok_or_else(|| not_found(id))
}

/// The error for a missing document, and for a document of another organization. Both must have the
/// same text, because a difference would reveal which ids exist.
fn not_found(document_id: &str) -> ToolError {
    ToolError::new(format!("Document {document_id} not found"))
}
