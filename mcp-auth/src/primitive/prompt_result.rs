//! The types that a prompt may return, and their conversion into messages.

use std::borrow::Cow;

use rmcp::model::{ContentBlock, GetPromptResult, PromptMessage, Role};

use super::content::Content;
use super::error::ToolError;
use super::tool_result::IntoToolError;

/// A value that a prompt can return.
///
/// These types implement the trait:
///
/// - A text (`String`, `&'static str`, `Cow<'static, str>`) or a [`Content`] becomes one message of the
///   user. A `Vec<Content>` becomes one message of the user for each [`Content`].
/// - A [`Message`] or a `Vec<Message>` becomes these messages.
/// - rmcp's [`PromptMessage`], `Vec<PromptMessage>` and
///   [`GetPromptResult`](crate::model::GetPromptResult) are sent unchanged.
/// - A `Result` of any of these types.
///
/// Source: MCP 2026-07-28, server/prompts, "Getting a Prompt".
///
/// ```
/// use mcp_auth::{Message, mcp_prompt};
///
/// /// Ask for a review of some code.
/// #[mcp_prompt]
/// async fn review(
///     /// The code to review.
///     code: String,
/// ) -> Vec<Message> {
///     vec![
///         Message::user(format!("Review this code:\n{code}")),
///         Message::assistant("I look for mistakes first, and for style afterwards."),
///     ]
/// }
///
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// # use mcp_auth::testing::TestServer;
/// # use serde_json::json;
/// let server = mcp_auth::server!();
/// # let server = server.tools_of(module_path!());
/// let server = TestServer::of(server);
/// let answer = server.user("ada").prompt("review", json!({ "code": "1 + 1" })).await;
/// assert_eq!(answer.expect_ok().text(), "Review this code:\n1 + 1");
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a prompt",
    label = "must be text, `Content`, `Message`, `Vec<Content>`, `Vec<Message>`, or a `Result` of these",
    note = "return `String` for one message of the user, or `Vec<mcp_auth::Message>`"
)]
pub trait IntoPromptResult: Send {
    /// Turns the value into messages.
    ///
    /// # Errors
    ///
    /// - The prompt's own error.
    fn into_prompt_result(self) -> Result<PromptOutput, ToolError>;
}

/// The messages of a prompt. An implementation of [`IntoPromptResult`] for your own type returns it.
///
/// ```
/// use mcp_auth::{IntoPromptResult, Message, PromptOutput, ToolError};
///
/// struct Briefing(Vec<String>);
///
/// impl IntoPromptResult for Briefing {
///     fn into_prompt_result(self) -> Result<PromptOutput, ToolError> {
///         Ok(PromptOutput::new(self.0.into_iter().map(Message::user)))
///     }
/// }
/// ```
#[derive(Debug)]
pub struct PromptOutput(pub(crate) Box<GetPromptResult>);

impl PromptOutput {
    /// Makes a result with these messages, in this order.
    #[must_use]
    pub fn new(messages: impl IntoIterator<Item = Message>) -> Self {
        let messages = messages.into_iter().map(|message| message.0).collect();
        Self(Box::new(GetPromptResult::new(messages)))
    }
}

impl From<GetPromptResult> for PromptOutput {
    fn from(result: GetPromptResult) -> Self {
        Self(Box::new(result))
    }
}

/// One message of a prompt: a role (user or assistant) and a content.
///
/// ```
/// use mcp_auth::{Content, Message};
///
/// let question = Message::user("Which of these pictures is a cat?");
/// let picture = Message::user(Content::png(b"\x89PNG\r\n"));
/// let answer = Message::assistant("The first one.");
/// # let _ = (question, picture, answer);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Message(PromptMessage);

impl Message {
    /// Makes a message of the user. `content` is a text or a [`Content`].
    #[must_use]
    pub fn user(content: impl Into<Content>) -> Self {
        Self(PromptMessage::new(Role::User, block(content)))
    }

    /// Makes a message of the assistant. `content` is a text or a [`Content`].
    #[must_use]
    pub fn assistant(content: impl Into<Content>) -> Self {
        Self(PromptMessage::new(Role::Assistant, block(content)))
    }
}

impl From<PromptMessage> for Message {
    fn from(message: PromptMessage) -> Self {
        Self(message)
    }
}

fn block(content: impl Into<Content>) -> ContentBlock {
    content.into().into()
}

impl IntoPromptResult for PromptOutput {
    fn into_prompt_result(self) -> Result<PromptOutput, ToolError> {
        Ok(self)
    }
}

impl IntoPromptResult for GetPromptResult {
    fn into_prompt_result(self) -> Result<PromptOutput, ToolError> {
        Ok(self.into())
    }
}

impl IntoPromptResult for Vec<Message> {
    fn into_prompt_result(self) -> Result<PromptOutput, ToolError> {
        Ok(PromptOutput::new(self))
    }
}

impl IntoPromptResult for Vec<PromptMessage> {
    fn into_prompt_result(self) -> Result<PromptOutput, ToolError> {
        Ok(PromptOutput::new(self.into_iter().map(Message)))
    }
}

impl IntoPromptResult for Vec<Content> {
    fn into_prompt_result(self) -> Result<PromptOutput, ToolError> {
        Ok(PromptOutput::new(self.into_iter().map(Message::user)))
    }
}

macro_rules! one_message {
    ($($type:ty: $message:path),+ $(,)?) => {$(
        impl IntoPromptResult for $type {
            fn into_prompt_result(self) -> Result<PromptOutput, ToolError> {
                Ok(PromptOutput::new([$message(self)]))
            }
        }
    )+};
}

one_message!(
    String: Message::user,
    &'static str: Message::user,
    Content: Message::user,
    PromptMessage: Message,
    Message: Message::from,
);

impl IntoPromptResult for Cow<'static, str> {
    fn into_prompt_result(self) -> Result<PromptOutput, ToolError> {
        self.into_owned().into_prompt_result()
    }
}

impl<T: IntoPromptResult, E: IntoToolError + Send> IntoPromptResult for Result<T, E> {
    fn into_prompt_result(self) -> Result<PromptOutput, ToolError> {
        self.map_err(IntoToolError::into_tool_error)?
            .into_prompt_result()
    }
}
