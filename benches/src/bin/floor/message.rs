//! The envelope: one parse that borrows; `arguments` stays raw.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::http::{Head, Header};
use crate::object::{Text, object};

object! {
    /// A JSON-RPC message.
    struct Message<'a> {
        "jsonrpc" => jsonrpc: Text<'a>,
        "id" => id: &'a RawValue,
        "method" => method: Text<'a>,
        "params" => params: Params<'a>,
        "result" => result: IgnoredAny,
        "error" => error: IgnoredAny,
    }
}

object! {
    struct Params<'a> {
        "_meta" => meta: Meta<'a>,
        "name" => name: Text<'a>,
        "arguments" => arguments: &'a RawValue,
        "cursor" => cursor: IgnoredAny,
    }
}

object! {
    struct Meta<'a> {
        "io.modelcontextprotocol/protocolVersion" => version: Text<'a>,
        "io.modelcontextprotocol/clientCapabilities" => capabilities: &'a RawValue,
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

/// A JSON-RPC error, and whether it is HTTP's as well.
#[derive(Clone, Copy)]
pub(crate) struct RpcError {
    pub(crate) is_bad_request: bool,
    pub(crate) code: i32,
    pub(crate) message: &'static str,
}

const fn bad(code: i32, message: &'static str) -> RpcError {
    RpcError {
        is_bad_request: true,
        code,
        message,
    }
}

impl<'a> Message<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, RpcError> {
        // Once for the whole, so that no string in it is looked at again.
        let text = std::str::from_utf8(body).map_err(|_| PARSE)?;
        let message: Self = serde_json::from_str(text)
            .map_err(|error| if error.is_data() { INVALID } else { PARSE })?;
        let is_ours = message.result.is_none() && message.error.is_none();
        let is_id = message.id.is_none_or(|id| is_id(id.get()));
        match &message.jsonrpc {
            Some(Text(version)) if version == "2.0" && is_ours && is_id => Ok(message),
            Some(_) | None => Err(INVALID),
        }
    }

    /// The era, and that the headers say what the body says.
    pub(crate) fn era(&self, head: &Head<'_>) -> Result<Era, RpcError> {
        let Some(Text(method)) = &self.method else {
            return Err(INVALID);
        };
        let meta = self.params.as_ref().and_then(|params| params.meta.as_ref());
        let version = meta.and_then(|meta| meta.version.as_ref());
        let era = match (head.version, version) {
            (Header::Absent, None) => Era::Legacy,
            (Header::Value(header), None) if LEGACY.contains(&header) => Era::Legacy,
            (_, None) => return Err(INCOMPLETE),
            (Header::Value(header), Some(Text(version))) if header == version.as_bytes() => {
                let capabilities = meta.and_then(|meta| meta.capabilities);
                if capabilities.is_none_or(|capabilities| !capabilities.get().starts_with('{')) {
                    return Err(INCOMPLETE);
                }
                if version != MODERN {
                    return Err(bad(-32022, "Unsupported protocol version"));
                }
                Era::Modern
            }
            (_, Some(_)) => return Err(MISMATCH),
        };
        match head.method {
            Header::Absent if era == Era::Legacy => Ok(era),
            Header::Value(value) if value == method.as_bytes() => Ok(era),
            _ => Err(MISMATCH),
        }
    }
}

impl<'a> Params<'a> {
    /// The tool's name, and that the header says it too; it may be spelled in Base64.
    pub(crate) fn tool(&self, head: &Head<'_>, era: Era) -> Result<&str, RpcError> {
        let Some(Text(name)) = &self.name else {
            return Err(bad(-32602, "Invalid params: `name` must be a string"));
        };
        let is_same = match head.name {
            Header::Absent => era == Era::Legacy,
            Header::Value(value) => *decoded(value) == *name.as_bytes(),
            Header::Malformed => false,
        };
        is_same.then_some(&**name).ok_or(MISMATCH)
    }

    /// The argument object; an absent one is empty.
    pub(crate) fn arguments(&self) -> Option<&'a str> {
        match self.arguments.map(RawValue::get) {
            None => Some("{}"),
            Some(arguments) => arguments.starts_with('{').then_some(arguments),
        }
    }
}

fn decoded(value: &[u8]) -> Cow<'_, [u8]> {
    let encoded = value
        .strip_prefix(b"=?base64?")
        .and_then(|rest| rest.strip_suffix(b"?="));
    match encoded {
        None => Cow::Borrowed(value),
        Some(encoded) => Cow::Owned(STANDARD.decode(encoded).unwrap_or_default()),
    }
}

/// A string or an integer; echoed as written, so of bounded length.
fn is_id(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    raw.len() <= 1024 && (raw.starts_with('"') || is_integer)
}

const MODERN: &str = "2026-07-28";
const LEGACY: [&[u8]; 3] = [b"2025-11-25", b"2025-06-18", b"2025-03-26"];
const PARSE: RpcError = bad(-32700, "Parse error: the body is not valid JSON");
const INVALID: RpcError = bad(-32600, "Invalid request: not a JSON-RPC 2.0 message");
const INCOMPLETE: RpcError = bad(-32602, "Invalid params: `_meta` lacks what it must hold");
const MISMATCH: RpcError = bad(
    -32020,
    "Header mismatch: a header is not what the body says",
);
