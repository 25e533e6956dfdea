//! The kinds of content that a tool can return. The conformance suite expects these names and
//! texts.

use mcp_auth::{Content, ToolError, mcp_tool};

/// Return a text.
#[mcp_tool(read_only, closed_world)]
async fn test_simple_text() -> &'static str {
    "This is a simple text response for testing."
}

/// Return an image.
#[mcp_tool(read_only, closed_world)]
async fn test_image_content() -> Content {
    image()
}

/// Return a sound.
#[mcp_tool(read_only, closed_world)]
async fn test_audio_content() -> Content {
    Content::audio("audio/wav", SILENCE)
}

/// Return a resource inside the result.
#[mcp_tool(read_only, closed_world)]
async fn test_embedded_resource() -> Content {
    Content::embedded_text(
        "test://embedded-resource",
        "text/plain",
        "This is an embedded resource content.",
    )
}

/// Return a text, an image and a resource.
#[mcp_tool(read_only, closed_world)]
async fn test_multiple_content_types() -> Vec<Content> {
    vec![
        Content::text("Multiple content types test:"),
        image(),
        Content::embedded_text(
            "test://mixed-content-resource",
            "application/json",
            r#"{"test":"data","value":123}"#,
        ),
    ]
}

/// Fail, with a text for the model.
#[mcp_tool(read_only, closed_world)]
async fn test_error_handling() -> Result<(), ToolError> {
    Err(ToolError::new(
        "This tool intentionally returns an error for testing",
    ))
}

fn image() -> Content {
    Content::png(RED_DOT)
}

/// A PNG of one red pixel.
pub(crate) const RED_DOT: &[u8] = include_bytes!("red_dot.png");

/// A WAV file without samples.
const SILENCE: &[u8] = include_bytes!("silence.wav");
