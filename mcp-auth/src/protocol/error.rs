//! The errors for requests that are not valid MCP.

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::era::MODERN;
use super::rates::RETRY_AFTER;
use super::{Response, Status};

/// A JSON-RPC error, with the HTTP status of its response.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum RpcError {
    /// The body is not JSON.
    #[error("Parse error: the body is not valid JSON")]
    Parse,
    /// The body is JSON, but it is neither a JSON-RPC request nor a notification.
    #[error("Invalid request: {0}")]
    InvalidRequest(&'static str),
    /// A header that must repeat a value of the body is missing, or differs from the body.
    #[error("Header mismatch: {0}")]
    HeaderMismatch(&'static str),
    /// A header that must repeat an argument is missing, is there without the argument, or differs from the argument.
    #[error(
        "Header mismatch: the header `{header}` must have the same value as the argument `{argument}`"
    )]
    ArgumentMismatch {
        argument: &'static str,
        header: &'static str,
    },
    /// `params` or its `_meta` is not an object, or `_meta` lacks a member that the modern era
    /// requires.
    #[error("Invalid params: {0}")]
    Malformed(&'static str),
    /// The server does not support the protocol version.
    #[error("Unsupported protocol version")]
    UnsupportedVersion(String),
    /// The server does not support the method. In the modern era the response has the status 404.
    #[error("Method not found")]
    MethodNotFound { modern: bool },
    /// The parameters do not fit the method.
    #[error("Invalid params: {0}")]
    InvalidParams(&'static str),
    /// The function asks a question that the client cannot answer, because the client lacks these capabilities.
    #[error("The client lacks a capability that this request needs: {}", names(.0))]
    MissingCapability(Map<String, Value>),
    /// The caller lacks a scope that every request needs, and has already received two challenges for this scope. After
    /// another challenge the client would send its user to the consent screen again, or close the connection. The
    /// client shows this error to its user instead.
    #[error("{0}")]
    MissingScope(String),
    /// The arguments of a prompt, or the values in the URI of a resource, are not valid. The text names the path of the
    /// wrong value.
    #[error("Invalid params: {0}")]
    Arguments(String),
    /// The function of a prompt or a resource failed. The text is the function's own text, or names an id in the log.
    #[error("{0}")]
    Failed(String),
    /// A limit refused the use of a prompt or a resource, or another confirmation.
    #[error("{text}")]
    Limited {
        text: String,
        /// The time after which the client may try again, in seconds.
        retry_after: u64,
    },
    /// There is no such prompt, or the caller may not use it.
    #[error("Unknown prompt: {0}")]
    UnknownPrompt(String),
    /// There is no such resource, or the caller may not read it. The two eras have different codes for this error.
    #[error("Unknown resource: {uri}")]
    UnknownResource { uri: String, modern: bool },
    /// There is no such tool.
    #[error("Unknown tool: {0}")]
    UnknownTool(String),
}

impl RpcError {
    /// The code of the error (JSON-RPC 2.0 section 5.1; MCP 2026-07-28, basic, error codes).
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::Parse => -32700,
            Self::InvalidRequest(_) => -32600,
            Self::MethodNotFound { .. } => -32601,
            Self::Arguments(_)
            | Self::InvalidParams(_)
            | Self::Malformed(_)
            | Self::UnknownPrompt(_)
            | Self::UnknownResource { modern: true, .. }
            | Self::UnknownTool(_) => -32602,
            // MCP 2025-11-25, server/resources, error handling.
            Self::UnknownResource { modern: false, .. } => -32002,
            Self::Failed(_) => -32603,
            Self::ArgumentMismatch { .. } | Self::HeaderMismatch(_) => -32020,
            // JSON-RPC does not reserve this code. It equals the status of the challenges that the client got before
            // this error.
            Self::MissingScope(_) => 403,
            // JSON-RPC does not reserve this code. It equals the HTTP status of a rate limit.
            Self::Limited { .. } => 429,
            Self::MissingCapability(_) => -32021,
            Self::UnsupportedVersion(_) => -32022,
        }
    }

    /// The status of the response (MCP 2026-07-28, basic/transports/streamable-http, server
    /// validation).
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Parse
            | Self::ArgumentMismatch { .. }
            | Self::InvalidRequest(_)
            | Self::HeaderMismatch(_)
            | Self::Malformed(_)
            | Self::MissingCapability(_)
            | Self::UnsupportedVersion(_) => Status::BadRequest,
            Self::MethodNotFound { modern: true } => Status::NotFound,
            Self::MethodNotFound { modern: false }
            | Self::Arguments(_)
            | Self::Failed(_)
            | Self::InvalidParams(_)
            | Self::Limited { .. }
            | Self::MissingScope(_)
            | Self::UnknownPrompt(_)
            | Self::UnknownResource { .. }
            | Self::UnknownTool(_) => Status::Ok,
        }
    }

    fn data(&self) -> Option<Value> {
        match self {
            Self::UnsupportedVersion(requested) => {
                Some(json!({ "supported": [MODERN], "requested": requested }))
            }
            Self::MissingCapability(required) => Some(json!({ "requiredCapabilities": required })),
            // MCP 2026-07-28, server/resources, error handling.
            Self::UnknownResource { uri, .. } => Some(json!({ "uri": uri })),
            Self::Limited { retry_after, .. } => Some(json!({ RETRY_AFTER: retry_after })),
            Self::Parse
            | Self::ArgumentMismatch { .. }
            | Self::Arguments(_)
            | Self::Failed(_)
            | Self::InvalidRequest(_)
            | Self::HeaderMismatch(_)
            | Self::Malformed(_)
            | Self::MethodNotFound { .. }
            | Self::InvalidParams(_)
            | Self::MissingScope(_)
            | Self::UnknownPrompt(_)
            | Self::UnknownTool(_) => None,
        }
    }

    /// Returns the error as the response to the request `id`. `None` if the id could not be read.
    pub(crate) fn answer(&self, id: Option<&str>) -> Response {
        let mut error = json!({ "code": self.code(), "message": self.to_string() });
        if let (Some(error), Some(data)) = (error.as_object_mut(), self.data()) {
            error.insert("data".to_owned(), data);
        }
        let id = id.map_or_else(String::new, |id| format!(r#","id":{id}"#));
        let body = format!(r#"{{"jsonrpc":"2.0"{id},"error":{error}}}"#).into_bytes();
        Response::Message {
            status: self.status(),
            body,
        }
    }
}

/// Returns the names of capabilities, with their modes: `elicitation.form, sampling`.
fn names(capabilities: &Map<String, Value>) -> String {
    let names = capabilities.iter().map(|(name, modes)| {
        let modes = modes.as_object().into_iter().flat_map(Map::keys);
        let modes: Vec<_> = modes.map(|mode| format!("{name}.{mode}")).collect();
        match modes.is_empty() {
            true => name.clone(),
            false => modes.join(", "),
        }
    });
    names.collect::<Vec<_>>().join(", ")
}
