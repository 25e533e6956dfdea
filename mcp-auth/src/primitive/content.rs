//! Makes blocks of content from texts and bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{Annotations, ContentBlock, Resource, ResourceContents, Role};

use super::error::ToolError;
use super::tool_result::{IntoToolResult, ToolOutput};

/// One block of a result: a text, an image, audio, a link to a resource, or an embedded resource.
///
/// A tool returns one block, or a `Vec` of blocks. Annotations tell the client how to use a block.
/// Source: MCP 2026-07-28, server/tools, tool result.
///
/// ```standalone_crate
/// use mcp_auth::{Content, mcp_tool};
/// use mcp_auth::model::Role;
///
/// /// Draw a chart of last year.
/// #[mcp_tool(read_only)]
/// async fn chart() -> Vec<Content> {
///     let png = b"\x89PNG\r\n".to_vec();
///     vec![
///         Content::png(png).audience([Role::User]),
///         Content::text("Sales doubled").audience([Role::Assistant]).priority(0.8),
///         Content::link("report://2025", "report"),
///     ]
/// }
/// ```
///
/// For further fields, convert the types of [`model`](crate::model):
/// `Content::from(model::Resource::new("report://2025", "report").with_title("Report"))`.
#[derive(Clone, Debug, PartialEq)]
pub struct Content(ContentBlock);

impl Content {
    /// Makes a block of text.
    ///
    /// ```
    /// let block = mcp_auth::Content::text("Done");
    /// ```
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self(ContentBlock::text(text))
    }

    /// Makes an image: `Content::image("image/webp", bytes)`.
    ///
    /// ```
    /// let block = mcp_auth::Content::image("image/webp", b"RIFF");
    /// ```
    #[must_use]
    pub fn image(mime_type: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        Self(ContentBlock::image(STANDARD.encode(bytes), mime_type))
    }

    /// Makes a PNG image.
    ///
    /// ```
    /// let block = mcp_auth::Content::png(b"\x89PNG\r\n");
    /// ```
    #[must_use]
    pub fn png(bytes: impl AsRef<[u8]>) -> Self {
        Self::image("image/png", bytes)
    }

    /// Makes audio: `Content::audio("audio/ogg", bytes)`.
    ///
    /// ```
    /// let block = mcp_auth::Content::audio("audio/wav", b"RIFF");
    /// ```
    #[must_use]
    pub fn audio(mime_type: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        Self(ContentBlock::audio(STANDARD.encode(bytes), mime_type))
    }

    /// Makes a link to a resource from the resource's URI and name.
    ///
    /// ```
    /// let block = mcp_auth::Content::link("report://2025", "report");
    /// ```
    #[must_use]
    pub fn link(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Resource::new(uri, name).into()
    }

    /// Embeds a text resource, from its URI, its MIME type and the text.
    ///
    /// ```
    /// let block = mcp_auth::Content::embedded_text("report://2025", "text/markdown", "# Sales");
    /// ```
    #[must_use]
    pub fn embedded_text(
        uri: impl Into<String>,
        mime_type: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        ResourceContents::text(text, uri)
            .with_mime_type(mime_type)
            .into()
    }

    /// Embeds a binary resource, from its URI, its MIME type and the bytes.
    ///
    /// ```
    /// let block = mcp_auth::Content::embedded_bytes("report://2025", "application/pdf", b"%PDF");
    /// ```
    #[must_use]
    pub fn embedded_bytes(
        uri: impl Into<String>,
        mime_type: impl Into<String>,
        bytes: impl AsRef<[u8]>,
    ) -> Self {
        ResourceContents::blob(STANDARD.encode(bytes), uri)
            .with_mime_type(mime_type)
            .into()
    }

    /// Sets the audience of the block. The default is both the user and the model.
    ///
    /// ```
    /// use mcp_auth::{Content, model::Role};
    ///
    /// let block = Content::text("412 rows").audience([Role::Assistant]);
    /// ```
    #[must_use]
    pub fn audience(self, audience: impl IntoIterator<Item = Role>) -> Self {
        let audience = audience.into_iter().collect();
        self.annotated(|annotations| annotations.audience = Some(audience))
    }

    /// Sets the importance of the block, from 0 to 1. A smaller value counts as 0, and a larger
    /// value as 1.
    ///
    /// ```
    /// let block = mcp_auth::Content::text("Sales doubled").priority(1.0);
    /// ```
    #[must_use]
    pub fn priority(self, priority: f32) -> Self {
        // NaN cannot be clamped to 0..1, so it sets no priority.
        let priority = (!priority.is_nan()).then(|| priority.clamp(0.0, 1.0));
        self.annotated(|annotations| annotations.priority = priority)
    }

    /// Sets the time at which the content was last modified, in ISO 8601.
    ///
    /// ```
    /// let block = mcp_auth::Content::text("Open").last_modified("2026-01-12T15:00:58Z");
    /// ```
    #[must_use]
    pub fn last_modified(self, moment: impl Into<String>) -> Self {
        let moment = moment.into();
        self.annotated(|annotations| annotations.last_modified = Some(moment))
    }

    fn annotated(mut self, annotate: impl FnOnce(&mut Annotations)) -> Self {
        let annotations = match &mut self.0 {
            ContentBlock::Text(block) => &mut block.annotations,
            ContentBlock::Image(block) => &mut block.annotations,
            ContentBlock::Audio(block) => &mut block.annotations,
            ContentBlock::Resource(block) => &mut block.annotations,
            ContentBlock::ResourceLink(block) => &mut block.annotations,
            // The enum is non-exhaustive, but MCP defines no other block.
            _ => return self,
        };
        annotate(annotations.get_or_insert_default());
        self
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<ContentBlock> for Content {
    fn from(block: ContentBlock) -> Self {
        Self(block)
    }
}

impl From<Resource> for Content {
    /// Makes a link.
    fn from(resource: Resource) -> Self {
        Self(ContentBlock::resource_link(resource))
    }
}

impl From<ResourceContents> for Content {
    /// Makes an embedded resource.
    fn from(contents: ResourceContents) -> Self {
        Self(ContentBlock::resource(contents))
    }
}

impl From<Content> for ContentBlock {
    fn from(content: Content) -> Self {
        content.0
    }
}

impl IntoToolResult for Content {
    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        self.0.into_tool_result()
    }
}

impl IntoToolResult for Vec<Content> {
    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        let blocks: Vec<_> = self.into_iter().map(ContentBlock::from).collect();
        blocks.into_tool_result()
    }
}
