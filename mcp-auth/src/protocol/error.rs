//! Protocol errors: the client did not send valid MCP.

use serde_json::{Value, json};
use thiserror::Error;

use super::era::MODERN;
use super::{Response, Status};

/// A JSON-RPC error, with the HTTP status of its response.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum RpcError {
    /// The body is not JSON.
    #[error("Parse error: the body is not valid JSON")]
    Parse,
    /// The body is JSON, but neither a JSON-RPC request nor a notification.
    #[error("Invalid request: {0}")]
    InvalidRequest(&'static str),
    /// A mirrored header is missing, or differs from the body.
    #[error("Header mismatch: {0}")]
    HeaderMismatch(&'static str),
    /// `params` or its `_meta` is not an object, or `_meta` lacks a member that the modern era
    /// requires.
    #[error("Invalid params: {0}")]
    Malformed(&'static str),
    /// The protocol version is not served.
    #[error("Unsupported protocol version")]
    UnsupportedVersion(String),
    /// The method is not served; the modern era answers with HTTP 404.
    #[error("Method not found")]
    MethodNotFound { modern: bool },
    /// The parameters do not fit the method.
    #[error("Invalid params: {0}")]
    InvalidParams(&'static str),
    /// The caller lacks a scope that every request needs, and was challenged for it twice. On an
    /// HTTP 403 or a challenge a client would send its user to the consent screen again, or drop
    /// the connection. An error of the request is shown to the user.
    #[error("{0}")]
    MissingScope(String),
    /// There is no such tool.
    #[error("Unknown tool: {0}")]
    UnknownTool(String),
}

impl RpcError {
    /// JSON-RPC 2.0 section 5.1; MCP 2026-07-28, basic: error codes.
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::Parse => -32700,
            Self::InvalidRequest(_) => -32600,
            Self::MethodNotFound { .. } => -32601,
            Self::InvalidParams(_) | Self::Malformed(_) | Self::UnknownTool(_) => -32602,
            Self::HeaderMismatch(_) => -32020,
            // Outside the range that JSON-RPC reserves, like the 403 of the challenges before it.
            Self::MissingScope(_) => 403,
            Self::UnsupportedVersion(_) => -32022,
        }
    }

    /// MCP 2026-07-28, basic/transports/streamable-http: server validation.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Parse
            | Self::InvalidRequest(_)
            | Self::HeaderMismatch(_)
            | Self::Malformed(_)
            | Self::UnsupportedVersion(_) => Status::BadRequest,
            Self::MethodNotFound { modern: true } => Status::NotFound,
            Self::MethodNotFound { modern: false }
            | Self::InvalidParams(_)
            | Self::MissingScope(_)
            | Self::UnknownTool(_) => Status::Ok,
        }
    }

    fn data(&self) -> Option<Value> {
        match self {
            Self::UnsupportedVersion(requested) => {
                Some(json!({ "supported": [MODERN], "requested": requested }))
            }
            Self::Parse
            | Self::InvalidRequest(_)
            | Self::HeaderMismatch(_)
            | Self::Malformed(_)
            | Self::MethodNotFound { .. }
            | Self::InvalidParams(_)
            | Self::MissingScope(_)
            | Self::UnknownTool(_) => None,
        }
    }

    /// The error as a response to the request `id`; without an id, to a request that had none that
    /// could be read.
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
