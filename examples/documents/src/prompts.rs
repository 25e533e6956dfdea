//! The prompts: messages that a user inserts into a conversation.

use mcp_auth::{Content, Message, Org, State, ToolError, mcp_prompt};

use crate::READ;
use crate::documents::Documents;
use crate::resources::{readable_ids, uri};
use crate::tools::find;

/// Summarise a document of the caller's organization, or a document that was shared with the
/// organization.
#[mcp_prompt(permission = READ, title = "Summarise a document")]
async fn summarise_document(
    /// Id of the document. A client that supports completion finds the id by the beginning of the
    /// title.
    #[arg(complete = readable_ids(org, documents))]
    document_id: String,
    /// The number of sentences.
    #[arg(default = 3)]
    #[garde(range(min = 1, max = 20))]
    sentences: u8,
    org: &Org,
    documents: &State<Documents>,
) -> Result<Vec<Message>, ToolError> {
    let document = find(org, documents, &document_id).await?;
    let text = document.to_markdown();
    Ok(vec![
        Message::user(format!(
            "Summarise the following document in at most {sentences} sentences."
        )),
        Message::user(Content::embedded_text(
            uri(&document_id),
            "text/markdown",
            text,
        )),
    ])
}
