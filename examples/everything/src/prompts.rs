//! The kinds of messages that a prompt can return. The conformance suite expects these names.

use mcp_auth::{CompletionRequest, Content, Message, mcp_prompt};

use crate::content::RED_DOT;

/// Return a message.
#[mcp_prompt]
async fn test_simple_prompt() -> &'static str {
    "This is a simple prompt for testing."
}

/// Return the arguments in a message.
#[mcp_prompt]
async fn test_prompt_with_arguments(
    /// The first argument.
    #[arg(complete = first_arguments)]
    arg1: String,
    /// The second argument.
    arg2: String,
) -> String {
    format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")
}

/// Return a resource inside a message.
#[mcp_prompt(rename_all = "camelCase")]
async fn test_prompt_with_embedded_resource(
    /// The URI of the resource.
    resource_uri: String,
) -> Vec<Message> {
    let resource = "Embedded resource content for testing.";
    vec![
        Message::user(Content::embedded_text(resource_uri, "text/plain", resource)),
        Message::user("Please process the embedded resource above."),
    ]
}

/// Return an image inside a message.
#[mcp_prompt]
async fn test_prompt_with_image() -> Vec<Message> {
    vec![
        Message::user(Content::png(RED_DOT)),
        Message::user("Please analyze the image above."),
    ]
}

fn first_arguments(request: &CompletionRequest) -> Vec<&'static str> {
    let values = ["paris", "park", "testValue1"];
    let matching = values
        .into_iter()
        .filter(|value| value.starts_with(request.value()));
    matching.collect()
}
