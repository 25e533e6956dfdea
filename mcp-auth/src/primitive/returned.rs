//! Connects the three result traits of tools, prompts and resources with the one generic function that
//! runs all of them.

use std::fmt;

use schemars::Schema;

use super::completion::Suggestions;
use super::error::ToolError;
use super::prompt_result::{IntoPromptResult, PromptOutput};
use super::resource_result::{IntoResourceResult, ResourceOutput};
use super::tool_result::{IntoToolResult, ToolOutput};

/// The result of a function of any kind, or the suggestions of a completion function.
pub(crate) enum Output {
    Prompt(PromptOutput),
    Resource(ResourceOutput),
    Suggestions(Suggestions),
    Tool(ToolOutput),
}

impl fmt::Debug for Output {
    /// Writes only the kind, because a result may contain the caller's data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prompt(_) => "Prompt",
            Self::Resource(_) => "Resource",
            Self::Suggestions(_) => "Suggestions",
            Self::Tool(_) => "Tool",
        })
    }
}

/// Marks the function of a prompt, whose result is an [`IntoPromptResult`].
#[derive(Debug)]
pub struct AsPrompt(());

/// Marks the function of a resource, whose result is an [`IntoResourceResult`].
#[derive(Debug)]
pub struct AsResource(());

/// Marks the function of a tool, whose result is an [`IntoToolResult`].
#[derive(Debug)]
pub struct AsTool(());

/// Converts the values that functions of one kind return. The markers [`AsPrompt`], [`AsResource`] and [`AsTool`]
/// implement the trait. Each marker implements it for all types `T` that implement the result trait of its kind.
///
/// The markers implement the trait, and not the returned types, so that the compiler reports a wrong result type with
/// the message of the result trait, for example [`IntoPromptResult`].
pub trait Returns<T> {
    /// Returns the schema of the structured result. `None` if the result is not structured.
    #[must_use]
    fn schema() -> Option<Schema>;

    /// Turns the value into a result.
    ///
    /// # Errors
    ///
    /// - The function's own error, or an internal error if the value cannot be serialized.
    fn result_of(value: T) -> Result<Returned, ToolError>;
}

/// A result of any kind.
#[derive(Debug)]
pub struct Returned(pub(super) Output);

impl<T: IntoToolResult> Returns<T> for AsTool {
    fn schema() -> Option<Schema> {
        T::output_schema()
    }

    fn result_of(value: T) -> Result<Returned, ToolError> {
        let output = value.into_tool_result()?;
        Ok(Returned(Output::Tool(output)))
    }
}

impl<T: IntoPromptResult> Returns<T> for AsPrompt {
    fn schema() -> Option<Schema> {
        None
    }

    fn result_of(value: T) -> Result<Returned, ToolError> {
        let output = value.into_prompt_result()?;
        Ok(Returned(Output::Prompt(output)))
    }
}

impl<T: IntoResourceResult> Returns<T> for AsResource {
    fn schema() -> Option<Schema> {
        None
    }

    fn result_of(value: T) -> Result<Returned, ToolError> {
        let output = value.into_resource_result()?;
        Ok(Returned(Output::Resource(output)))
    }
}
