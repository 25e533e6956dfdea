//! One parse of the body. Strings are borrowed, `params.arguments` stays raw bytes.
//!
//! INVARIANT: what is checked and what is called come from the same parse. A duplicate member that
//! matters (`method`, `params`, `name`, `arguments`, `_meta`) is an error, not a choice.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::error::RpcError;

/// A JSON-RPC request or notification.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// The id as it was written; `None` for a notification.
    pub(super) id: Option<&'a str>,
    pub(super) method: Cow<'a, str>,
    params: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// [`RpcError::Parse`] if it is not JSON in UTF-8, [`RpcError::InvalidRequest`] if it is a
    /// batch, a response, or not JSON-RPC 2.0; with the id, where one could be read.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, (RpcError, Option<&'a str>)> {
        let invalid = |why, id| Err((RpcError::InvalidRequest(why), id));
        let text = std::str::from_utf8(body).map_err(|_| (RpcError::Parse, None))?;
        let whole: &RawValue = serde_json::from_str(text).map_err(|_| (RpcError::Parse, None))?;
        if whole.get().starts_with('[') {
            // JSON-RPC batches exist in 2025-03-26 only, and are refused there too.
            return invalid("a batch is not accepted, send one message a request", None);
        }
        let Ok(envelope) = serde_json::from_str::<Envelope<'a>>(whole.get()) else {
            return invalid("not a JSON-RPC 2.0 message", None);
        };
        let id = match envelope.id.map(RawValue::get) {
            Some(id) if !is_id(id) => {
                return invalid("`id` must be a string or an integer", None);
            }
            id => id,
        };
        if envelope
            .jsonrpc
            .is_none_or(|Text(version)| version != "2.0")
        {
            return invalid("`jsonrpc` must be \"2.0\"", id);
        }
        if envelope.result.is_some() || envelope.error.is_some() {
            return invalid(
                "responses are not accepted, this server sends no requests",
                None,
            );
        }
        let Some(Text(method)) = envelope.method else {
            return invalid("`method` is missing", id);
        };
        Ok(Self {
            id,
            method,
            params: envelope.params,
        })
    }

    /// Reads the members of `params` that any served method knows.
    ///
    /// # Errors
    ///
    /// [`RpcError::Malformed`] if it is not an object, or has one of them twice.
    pub(super) fn params(&self) -> Result<Params<'a>, RpcError> {
        let Some(params) = self.params else {
            return Ok(Params::default());
        };
        object(params).ok_or(RpcError::Malformed(
            "`params` must be an object, each member given once",
        ))
    }
}

/// serde borrows a `Cow` only where the field is one, not inside an `Option`.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// The members of `params` that some method reads. Each stays raw until its method asks for it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Params<'a> {
    #[serde(rename = "_meta", borrow, default, deserialize_with = "present")]
    meta: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    name: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    cursor: Option<&'a RawValue>,
    #[serde(
        rename = "protocolVersion",
        borrow,
        default,
        deserialize_with = "present"
    )]
    protocol_version: Option<&'a RawValue>,
}

impl<'a> Params<'a> {
    /// The `_meta` object.
    pub(super) fn meta(&self) -> Result<Meta<'a>, RpcError> {
        let Some(meta) = self.meta else {
            return Ok(Meta::default());
        };
        object(meta).ok_or(RpcError::Malformed(
            "`_meta` must be an object, each member given once",
        ))
    }

    /// The name of the called tool.
    pub(super) fn name(&self) -> Result<Cow<'a, str>, RpcError> {
        self.name
            .and_then(string)
            .ok_or(RpcError::InvalidParams("`name` must be a string"))
    }

    /// The argument object, raw; an absent one is empty.
    pub(super) fn arguments(&self) -> Result<&'a str, RpcError> {
        match self.arguments.map(RawValue::get) {
            None => Ok("{}"),
            Some(arguments) if arguments.starts_with('{') => Ok(arguments),
            Some(_) => Err(RpcError::InvalidParams("`arguments` must be an object")),
        }
    }

    /// Whether a page was asked for.
    pub(super) fn has_cursor(&self) -> bool {
        self.cursor.is_some()
    }

    /// The version that `initialize` offers.
    pub(super) fn protocol_version(&self) -> Result<Cow<'a, str>, RpcError> {
        self.protocol_version
            .and_then(string)
            .ok_or(RpcError::InvalidParams(
                "`protocolVersion` must be a string",
            ))
    }
}

/// MCP 2026-07-28, basic: `_meta` of a request.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Meta<'a> {
    #[serde(
        rename = "io.modelcontextprotocol/protocolVersion",
        borrow,
        default,
        deserialize_with = "present"
    )]
    version: Option<&'a RawValue>,
    #[serde(
        rename = "io.modelcontextprotocol/clientCapabilities",
        borrow,
        default,
        deserialize_with = "present"
    )]
    capabilities: Option<&'a RawValue>,
}

impl<'a> Meta<'a> {
    /// Whether the request says a version in its body, which only the modern era does.
    pub(super) fn is_modern(&self) -> bool {
        self.version.is_some()
    }

    pub(super) fn version(&self) -> Option<Cow<'a, str>> {
        self.version.and_then(string)
    }

    pub(super) fn has_capabilities(&self) -> bool {
        self.capabilities
            .is_some_and(|capabilities| capabilities.get().starts_with('{'))
    }
}

/// A member that is there is `Some`, also if it is `null`: that is for its reader to judge.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads an object. serde would take a list for a struct as well.
fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    raw.get()
        .starts_with('{')
        .then(|| serde_json::from_str(raw.get()).ok())
        .flatten()
}

fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str(raw.get()).ok().map(|Text(text)| text)
}

/// MCP 2026-07-28, basic: an id is a string or an integer, never null. It is echoed as written, so
/// its length is bounded here.
fn is_id(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    let integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    raw.len() <= 1024 && (raw.starts_with('"') || integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> (i32, Option<&str>) {
        let (error, id) = Message::parse(body.as_bytes()).unwrap_err();
        (error.code(), id)
    }

    #[test]
    fn a_request_is_read_without_copying() {
        let body = br#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"x","arguments":{"a":1}}}"#;
        let message = Message::parse(body).unwrap();
        assert_eq!(message.id, Some("\"a\""));
        assert!(matches!(message.method, Cow::Borrowed("tools/call")));
        let params = message.params().unwrap();
        assert_eq!(params.name().unwrap(), "x");
        assert_eq!(params.arguments().unwrap(), r#"{"a":1}"#);
    }

    #[test]
    fn what_is_not_one_request_is_refused() {
        for (body, code, id) in [
            ("", -32700, None),
            ("{", -32700, None),
            ("{} {}", -32700, None),
            ("{\"a\": \u{1}}", -32700, None),
            ("[]", -32600, None),
            (
                r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
                -32600,
                None,
            ),
            ("1", -32600, None),
            ("null", -32600, None),
            (r#"{"id":1,"method":"ping"}"#, -32600, Some("1")),
            (
                r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
                -32600,
                Some("1"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
                -32600,
                None,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
                -32600,
                None,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1e3,"method":"ping"}"#,
                -32600,
                None,
            ),
            (
                r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#,
                -32600,
                None,
            ),
            (r#"{"jsonrpc":"2.0","id":1}"#, -32600, Some("1")),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600, None),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, -32600, None),
            (r#"{"jsonrpc":"2.0","id":1,"error":null}"#, -32600, None),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
                -32600,
                None,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"b"}"#,
                -32600,
                None,
            ),
        ] {
            assert_eq!(refusal(body), (code, id), "{body}");
        }
        assert_eq!(
            Message::parse(b"{\"jsonrpc\":\"2.0\xff\"}").unwrap_err().0,
            RpcError::Parse
        );
    }

    #[test]
    fn params_are_an_object_with_each_member_once() {
        for params in [
            "[]",
            "1",
            "null",
            r#"{"name":"a","name":"b"}"#,
            r#"{"arguments":{},"arguments":{}}"#,
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#);
            let message = Message::parse(body.as_bytes()).unwrap();
            assert_eq!(message.params().unwrap_err().code(), -32602, "{params}");
        }
    }

    #[test]
    fn an_escaped_name_is_the_name_it_spells() {
        let body = br#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"name":"del\u0065te"}}"#;
        let message = Message::parse(body).unwrap();
        assert_eq!(message.params().unwrap().name().unwrap(), "delete");
    }

    #[test]
    fn huge_numbers_and_deep_nesting_are_passed_over() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"m","x":{deep},"y":1e999999,"params":{{"z":{}}}}}"#,
            "9".repeat(10_000)
        );
        let message = Message::parse(body.as_bytes()).unwrap();
        assert!(message.params().is_ok());
    }

    #[test]
    fn arguments_that_are_no_object_are_refused() {
        for arguments in ["null", "[]", "1", "\"x\""] {
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"arguments":{arguments}}}}}"#
            );
            let message = Message::parse(body.as_bytes()).unwrap();
            let params = message.params().unwrap();
            assert_eq!(
                params.arguments().unwrap_err().code(),
                -32602,
                "{arguments}"
            );
        }
    }
}
