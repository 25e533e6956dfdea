//! Reads the parameters of `completion/complete`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::primitive::CompletionRequest;

use super::envelope::Params;
use super::error::RpcError;

/// The prompt or the resource template that has the argument to complete. MCP 2026-07-28,
/// server/utilities/completion.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Reference {
    #[serde(rename = "ref/prompt")]
    Prompt { name: String },
    #[serde(rename = "ref/resource")]
    Resource { uri: String },
}

#[derive(Deserialize)]
struct Argument {
    name: String,
    value: String,
}

#[derive(Default, Deserialize)]
struct Context {
    arguments: Option<BTreeMap<String, String>>,
}

/// Returns the reference, and the request for the completion function.
///
/// # Errors
///
/// [`RpcError::InvalidParams`] if a member is missing or has a wrong form. The error names the member.
pub(super) fn read(params: &Params<'_>) -> Result<(Reference, CompletionRequest), RpcError> {
    let [reference, argument, context] = params.completion();
    let reference = parsed(reference).ok_or(RpcError::InvalidParams(
        "`ref` must be a `ref/prompt` with a `name`, or a `ref/resource` with a `uri`",
    ))?;
    let Argument { name, value } = parsed(argument).ok_or(RpcError::InvalidParams(
        "`argument` must have a `name` and a `value`, and both must be strings",
    ))?;
    let context = match context {
        None | Some("null") => Context::default(),
        context => parsed(context).ok_or(RpcError::InvalidParams(
            "`context.arguments` must be an object of at most 64 KiB whose values are strings",
        ))?,
    };
    let request = CompletionRequest {
        argument: name,
        value,
        chosen: context.arguments.unwrap_or_default(),
    };
    Ok((reference, request))
}

/// Reads a member, which must be an object. The check is needed because serde would also read a struct from a list. The
/// server reads these members before the guard decides, so their length is limited.
fn parsed<'a, T: Deserialize<'a>>(raw: Option<&'a str>) -> Option<T> {
    let raw = raw.filter(|raw| raw.starts_with('{') && raw.len() <= LONGEST_MEMBER)?;
    serde_json::from_str(raw).ok()
}

const LONGEST_MEMBER: usize = 64 * 1024;
