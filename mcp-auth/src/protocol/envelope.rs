//! Reads a message in one pass over the body. Strings are borrowed, and `params.arguments` stays
//! raw.
//!
//! INVARIANT: the checks and the call use the result of the same parse. A duplicate `method`,
//! `params`, `name`, `arguments` or `_meta` is an error.
//!
//! INVARIANT: no member, at any depth of the message, has one of the names that serde_json reserves for itself
//! (`$serde_json::private::…`). Every part of a message can therefore be read as a `serde_json::Value`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::identity::parse_object;

use super::error::RpcError;
use super::scan::{Scanner, spelled};

/// A JSON-RPC request or notification.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// The id as written in the body. `None` for a notification.
    pub(super) id: Option<&'a str>,
    pub(super) method: Cow<'a, str>,
    params: Params<'a>,
}

impl<'a> Message<'a> {
    /// Parses the body of a POST.
    ///
    /// # Errors
    ///
    /// [`RpcError::Parse`] if the body is not JSON. [`RpcError::InvalidRequest`] if the body is a
    /// batch, a response, or not JSON-RPC 2.0. The error includes the id of the request, if the id
    /// could be read.
    pub(crate) fn parse(body: &'a str) -> Result<Self, (RpcError, Option<&'a str>)> {
        let invalid = |why, id| Err((RpcError::InvalidRequest(why), id));
        let mut scanner = Scanner::new(body);
        let is_batch = scanner.next() == Some(b'[');
        let envelope = Envelope::scan(&mut scanner).filter(|_| scanner.next().is_none());
        let envelope = envelope.ok_or((RpcError::Parse, None))?;
        if is_batch {
            // JSON-RPC batches exist only in MCP 2025-03-26. The server refuses them for that
            // revision too.
            return invalid(
                "a batch is not accepted; send one message in each request",
                None,
            );
        }
        let (false, Some(version), Some(method)) = (
            envelope.is_flawed,
            text_or_null(envelope.jsonrpc),
            text_or_null(envelope.method),
        ) else {
            return invalid("not a JSON-RPC 2.0 message", None);
        };
        let id = match envelope.id {
            Some(id) if !is_id(id) => {
                return invalid("`id` must be a string or an integer", None);
            }
            id => id,
        };
        if scanner.has_reserved_name() {
            return invalid(RESERVED_NAME, id);
        }
        if version.is_none_or(|version| version != "2.0") {
            return invalid("`jsonrpc` must be \"2.0\"", id);
        }
        if envelope.result.is_some() || envelope.error.is_some() {
            return invalid(RESPONSE, None);
        }
        let Some(method) = method else {
            return invalid("`method` is missing", id);
        };
        Ok(Self {
            id,
            method,
            params: envelope.params.unwrap_or_default(),
        })
    }

    /// Returns the members of `params` that some method reads. If `params` is absent or `null`,
    /// there are no members.
    ///
    /// # Errors
    ///
    /// [`RpcError::Malformed`] if `params` is not an object, or has one of these members twice.
    pub(super) fn params(&self) -> Result<&Params<'a>, RpcError> {
        if self.params.is_flawed {
            return Err(RpcError::Malformed(
                "`params` must be an object, each member given once",
            ));
        }
        Ok(&self.params)
    }
}

/// The members of a message as written in the body. An error in a member is reported only after the whole text was
/// found to be JSON.
#[derive(Default)]
struct Envelope<'a> {
    jsonrpc: Option<&'a str>,
    id: Option<&'a str>,
    method: Option<&'a str>,
    params: Option<Params<'a>>,
    result: Option<&'a str>,
    error: Option<&'a str>,
    is_flawed: bool,
}

impl<'a> Envelope<'a> {
    fn scan(scanner: &mut Scanner<'a>) -> Option<Self> {
        let mut envelope = Self::default();
        envelope.is_flawed = scanner.object(|value, name| {
            Some(match name {
                "jsonrpc" => twice(&mut envelope.jsonrpc, value.value()?),
                "id" => twice(&mut envelope.id, value.value()?),
                "method" => twice(&mut envelope.method, value.value()?),
                "params" => twice(&mut envelope.params, Params::scan(value)?),
                "result" => twice(&mut envelope.result, value.value()?),
                "error" => twice(&mut envelope.error, value.value()?),
                _ => value.value().map(|_| false)?,
            })
        })?;
        Some(envelope)
    }
}

/// The members of `params` that some method reads. A member remains raw text until a method reads it.
#[derive(Debug, Default)]
pub(super) struct Params<'a> {
    meta: Option<Meta<'a>>,
    name: Option<&'a str>,
    arguments: Option<&'a str>,
    cursor: Option<&'a str>,
    uri: Option<&'a str>,
    reference: Option<&'a str>,
    argument: Option<&'a str>,
    context: Option<&'a str>,
    protocol_version: Option<&'a str>,
    level: Option<&'a str>,
    input_responses: Option<&'a str>,
    request_state: Option<&'a str>,
    capabilities: Option<&'a str>,
    request_id: Option<&'a str>,
    notifications: Option<&'a str>,
    task_id: Option<&'a str>,
    is_flawed: bool,
}

impl<'a> Params<'a> {
    fn scan(scanner: &mut Scanner<'a>) -> Option<Self> {
        if scanner.null()? {
            return Some(Self::default());
        }
        let mut params = Self::default();
        params.is_flawed = scanner.object(|value, name| {
            Some(match name {
                "_meta" => twice(&mut params.meta, Meta::scan(value)?),
                "name" => twice(&mut params.name, value.value()?),
                "arguments" => twice(&mut params.arguments, value.value()?),
                "cursor" => twice(&mut params.cursor, value.value()?),
                "uri" => twice(&mut params.uri, value.value()?),
                "ref" => twice(&mut params.reference, value.value()?),
                "argument" => twice(&mut params.argument, value.value()?),
                "context" => twice(&mut params.context, value.value()?),
                "protocolVersion" => twice(&mut params.protocol_version, value.value()?),
                "level" => twice(&mut params.level, value.value()?),
                "inputResponses" => twice(&mut params.input_responses, value.value()?),
                "requestState" => twice(&mut params.request_state, value.value()?),
                "capabilities" => twice(&mut params.capabilities, value.value()?),
                "requestId" => twice(&mut params.request_id, value.value()?),
                "notifications" => twice(&mut params.notifications, value.value()?),
                "taskId" => twice(&mut params.task_id, value.value()?),
                _ => value.value().map(|_| false)?,
            })
        })?;
        Some(params)
    }

    /// The `_meta` object. Empty if `_meta` is absent or `null`. Its capabilities may have at most 16 KiB.
    pub(super) fn meta(&self) -> Result<Meta<'a>, RpcError> {
        let meta = self.meta.unwrap_or_default();
        short(meta.capabilities, LONG_CAPABILITIES)?;
        if meta.is_flawed {
            return Err(RpcError::Malformed(
                "`_meta` must be an object, each member given once",
            ));
        }
        Ok(meta)
    }

    /// The name of the tool or the prompt.
    pub(super) fn name(&self) -> Result<Cow<'a, str>, RpcError> {
        self.name
            .and_then(spelled)
            .ok_or(RpcError::InvalidParams("`name` must be a string"))
    }

    /// The raw text of the argument object. `{}` if `arguments` is absent or `null`.
    pub(super) fn arguments(&self) -> Result<&'a str, RpcError> {
        match self.arguments {
            None | Some("null") => Ok("{}"),
            Some(arguments) if arguments.starts_with('{') => Ok(arguments),
            Some(_) => Err(RpcError::InvalidParams("`arguments` must be an object")),
        }
    }

    /// The URI of the resource.
    pub(super) fn uri(&self) -> Result<Cow<'a, str>, RpcError> {
        self.uri
            .and_then(spelled)
            .ok_or(RpcError::InvalidParams("`uri` must be a string"))
    }

    /// The id of the task.
    pub(super) fn task_id(&self) -> Result<Cow<'a, str>, RpcError> {
        self.task_id
            .and_then(spelled)
            .ok_or(RpcError::InvalidParams("`taskId` must be a string"))
    }

    /// The cursor of the requested page. `None` for the first page.
    pub(super) fn cursor(&self) -> Result<Option<Cow<'a, str>>, RpcError> {
        text_or_null(self.cursor).ok_or(RpcError::InvalidParams("`cursor` must be a string"))
    }

    /// The answers to questions, each as written in the body. Empty if `inputResponses` is absent or `null`.
    ///
    /// # Errors
    ///
    /// - The answers are not an object, have more than 16 KiB, or have a member twice, at any depth.
    pub(super) fn input_responses(&self) -> Result<BTreeMap<String, Box<RawValue>>, RpcError> {
        let answers = match short(self.input_responses, LONG_ANSWERS)? {
            None | Some("null") => "{}",
            Some(answers) => answers,
        };
        parse_object(answers.as_bytes())
            .and_then(|_| serde_json::from_str(answers))
            .map_err(|_| RpcError::InvalidParams(WRONG_ANSWERS))
    }

    /// Returns true if the client sent the state of an earlier round.
    pub(super) fn is_continued(&self) -> bool {
        self.request_state.is_some()
    }

    /// Returns the state of the earlier round that the client continues.
    pub(super) fn request_state(&self) -> Result<Option<Cow<'a, str>>, RpcError> {
        text_or_null(self.request_state)
            .ok_or(RpcError::InvalidParams("`requestState` must be a string"))
    }

    /// The raw text of the members `ref`, `argument` and `context` of `completion/complete`.
    pub(super) fn completion(&self) -> [Option<&'a str>; 3] {
        [self.reference, self.argument, self.context]
    }

    /// The level of `logging/setLevel`.
    pub(super) fn level(&self) -> Result<Cow<'a, str>, RpcError> {
        self.level
            .and_then(spelled)
            .ok_or(RpcError::InvalidParams("`level` must be a string"))
    }

    /// The capabilities that the client declares in `initialize`, as written in the body. They may have at most 16 KiB.
    pub(super) fn capabilities(&self) -> Result<Option<&'a str>, RpcError> {
        short(self.capabilities, LONG_CAPABILITIES)
    }

    /// The id of the request that `notifications/cancelled` cancels, as written in the body.
    pub(super) fn request_id(&self) -> Option<&'a str> {
        self.request_id
    }

    /// The raw text of the filter of `subscriptions/listen`.
    pub(super) fn notifications(&self) -> Option<&'a str> {
        self.notifications
    }

    /// The version that the client offers in `initialize`.
    pub(super) fn protocol_version(&self) -> Result<Cow<'a, str>, RpcError> {
        self.protocol_version
            .and_then(spelled)
            .ok_or(RpcError::InvalidParams(
                "`protocolVersion` must be a string",
            ))
    }
}

/// The `_meta` of a request (MCP 2026-07-28, basic).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meta<'a> {
    version: Option<&'a str>,
    capabilities: Option<&'a str>,
    progress_token: Option<&'a str>,
    log_level: Option<&'a str>,
    traceparent: Option<&'a str>,
    is_flawed: bool,
}

impl<'a> Meta<'a> {
    fn scan(scanner: &mut Scanner<'a>) -> Option<Self> {
        if scanner.null()? {
            return Some(Self::default());
        }
        let mut meta = Self::default();
        meta.is_flawed = scanner.object(|value, name| {
            Some(match name {
                "io.modelcontextprotocol/protocolVersion" => {
                    twice(&mut meta.version, value.value()?)
                }
                "io.modelcontextprotocol/clientCapabilities" => {
                    twice(&mut meta.capabilities, value.value()?)
                }
                "progressToken" => twice(&mut meta.progress_token, value.value()?),
                "io.modelcontextprotocol/logLevel" => twice(&mut meta.log_level, value.value()?),
                "traceparent" => twice(&mut meta.traceparent, value.value()?),
                _ => value.value().map(|_| false)?,
            })
        })?;
        Some(meta)
    }

    /// Returns true if the body names a protocol version. Only modern requests do that.
    pub(super) fn is_modern(&self) -> bool {
        self.version.is_some()
    }

    pub(super) fn version(&self) -> Option<Cow<'a, str>> {
        self.version.and_then(spelled)
    }

    /// The progress token as written in the body. `None` if it is absent or `null`.
    pub(super) fn progress_token(&self) -> Option<&'a str> {
        self.progress_token.filter(|token| *token != "null")
    }

    /// The name of the log level. `None` if it is absent or `null`, and an empty name if it is not a
    /// string.
    pub(super) fn log_level(&self) -> Option<Cow<'a, str>> {
        let level = self.log_level.filter(|level| *level != "null")?;
        Some(spelled(level).unwrap_or_default())
    }

    /// The trace context of the request. `None` if the trace context is absent, or is not a string.
    pub(super) fn traceparent(&self) -> Option<Cow<'a, str>> {
        self.traceparent.and_then(spelled)
    }

    /// The capabilities of the client, as written in the body. `None` if they are absent, or are not an object.
    pub(super) fn capabilities(&self) -> Option<&'a str> {
        self.capabilities
            .filter(|capabilities| capabilities.starts_with('{'))
    }
}

/// Returns a member that the server parses into values. Values take up to a hundred times the memory of their text, and
/// no budget counts them, so the text must be short.
fn short<'a>(member: Option<&'a str>, too_long: &'static str) -> Result<Option<&'a str>, RpcError> {
    match member {
        Some(member) if member.len() > MOST_PARSED => Err(RpcError::InvalidParams(too_long)),
        member => Ok(member),
    }
}

/// Stores a member, and returns true if the message already had a member with this name. A `null` counts as a member.
fn twice<T>(member: &mut Option<T>, value: T) -> bool {
    member.replace(value).is_some()
}

/// Decodes a string member. Returns `Some(None)` for an absent member and for `null`, and `None`
/// for a value of any other type.
fn text_or_null(member: Option<&str>) -> Option<Option<Cow<'_, str>>> {
    match member {
        None | Some("null") => Some(None),
        Some(value) => spelled(value).map(Some),
    }
}

/// Returns true for a string or an integer, which are the ids that MCP 2026-07-28 (basic) permits.
/// The length is limited, because the response repeats the id as written.
fn is_id(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    let integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    raw.len() <= 1024 && (raw.starts_with('"') || integer)
}

/// The error for a response to a request that the server did not send.
pub(super) const RESPONSE: &str =
    "responses are not accepted, because this server sends no requests";
/// The largest length, in bytes, of a member that the server parses into values. A response of a client has
/// the same limit.
pub(super) const MOST_PARSED: usize = 16 * 1024;
const LONG_ANSWERS: &str = "`inputResponses` must have at most 16 KiB";
const LONG_CAPABILITIES: &str = "the capabilities of a client must have at most 16 KiB";
const WRONG_ANSWERS: &str = "`inputResponses` must be an object, each member given once";
const RESERVED_NAME: &str = "the name of a member must not begin with `$serde_json::private::`";

#[cfg(test)]
mod tests;
