//! The kinds of contents that a resource can return. The conformance suite expects these URIs.

use mcp_auth::{CompletionRequest, Json, mcp_resource};

use crate::content::RED_DOT;

/// The value of the template.
#[mcp_auth::data]
#[serde(rename_all = "camelCase")]
struct Record {
    id: String,
    template_test: bool,
    data: String,
}

/// A text that never changes.
#[mcp_resource("test://static-text", ttl = "1h", mime_type = "text/plain")]
async fn static_text() -> &'static str {
    "This is the content of the static text resource."
}

/// An image that never changes.
#[mcp_resource("test://static-binary", ttl = "1h", mime_type = "image/png")]
async fn static_binary() -> Vec<u8> {
    RED_DOT.to_vec()
}

/// A text to which clients subscribe.
#[mcp_resource("test://watched-resource", mime_type = "text/plain")]
async fn watched_resource() -> &'static str {
    "This is the content of the watched resource."
}

/// The data of an id.
#[mcp_resource("test://template/{id}/data")]
async fn template_data(#[arg(complete = ids)] id: String) -> Json<Record> {
    let data = format!("Data for ID: {id}");
    Json(Record {
        id,
        template_test: true,
        data,
    })
}

fn ids(request: &CompletionRequest) -> Vec<&'static str> {
    let ids = ["123", "124", "200"];
    let matching = ids.into_iter().filter(|id| id.starts_with(request.value()));
    matching.collect()
}
