//! `#[arg]` on parameters taken by value.

use mcp_auth::mcp_tool;

const TEN: u32 = 10;

#[mcp_tool]
async fn search(
    /// The text to look for.
    text: String,
    #[arg(default = TEN)] limit: u32,
    #[arg(default = "title")] order: String,
    #[arg(default = Some(0.5))] threshold: Option<f64>,
    #[arg(default)] tags: Vec<String>,
    #[arg(rename = "type")] kind: Option<String>,
    #[arg(rename = "documentId", default)] document_id: String,
) -> String {
    format!("{text} {limit} {order} {threshold:?} {tags:?} {kind:?} {document_id}")
}

#[mcp_tool(rename_all = "camelCase")]
async fn rename(document_id: String, new_title: String) -> String {
    document_id + &new_title
}
