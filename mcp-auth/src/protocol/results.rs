//! Writes results. The parts that do not depend on the request are prepared at start-up. Each
//! response is written into one buffer. A typed output is serialized once, although the response
//! contains it twice.

use std::borrow::Cow;
use std::sync::Arc;

use rmcp::model::CallToolResult;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::guard::{Denied, Required};
use crate::json_string::escape;
use crate::primitive::{Body, List, Served, ToolOutput};

use super::challenge::Challenge;
use super::era::{Era, MODERN};
use super::lists::{Key, Lists};
use super::rates::{Limited, RETRY_AFTER};
use super::span::record_tool_error;
use super::subscriptions::SUBSCRIPTION_ID;
use super::{Response, ServerInfo, Status};

mod confirmation;
mod contents;
mod input;
mod published;
mod task;

#[cfg(feature = "testing")]
pub(crate) use self::confirmation::CONFIRMATION;
pub(super) use self::contents::ReadResource;
pub(super) use self::published::Published;

/// The parts of results that do not depend on the request.
#[derive(Debug)]
pub(super) struct Results {
    /// The end of a modern result for a function that sets no `_meta`.
    call_tail: String,
    /// The end of a result that asks questions.
    input_tail: String,
    /// The end of a result that names a new task.
    task_tail: String,
    discover: String,
    initialize_tail: String,
    /// The end of the result of `initialize` for a client that gets a session.
    initialize_tail_in_session: String,
    list_tails: [String; 4],
    lists: Lists,
}

/// A page of a list of entries.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) key: Key,
    /// The largest number of entries on the page.
    pub(super) size: usize,
    /// The cursor of the next page. `None` for the last page.
    pub(super) next: Option<String>,
}

impl Results {
    pub(super) fn new(published: &Published<'_>) -> Self {
        let Published { info, is_open, .. } = published;
        let server_info = implementation(info);
        let scope = |public| if public { "public" } else { "private" };
        let meta = json!({ SERVER_INFO: server_info });
        let mut discover = json!({
            "resultType": "complete",
            "supportedVersions": [MODERN],
            "capabilities": published.modern_capabilities(),
            "ttlMs": DISCOVER_TTL_MS,
            "cacheScope": scope(*is_open),
            "_meta": meta,
        });
        let mut initialize = json!({
            "capabilities": published.capabilities(),
            "serverInfo": server_info,
        });
        if let Some(instructions) = &info.instructions {
            for result in [&mut discover, &mut initialize] {
                if let Some(members) = result.as_object_mut() {
                    members.insert("instructions".to_owned(), instructions.as_str().into());
                }
            }
        }
        let list_tail = |list| {
            let scope = scope(*is_open && published.public.contains(&list));
            format!(
                r#""resultType":"complete","ttlMs":{LIST_TTL_MS},"cacheScope":"{scope}","_meta":{meta}"#
            )
        };
        let call_tail = |result_type: &str| {
            format!(r#","resultType":"{result_type}","_meta":{{"{SERVER_INFO}":{server_info}"#)
        };
        let tail = |initialize: &Value| initialize.to_string().trim_start_matches('{').to_owned();
        let initialize_tail = tail(&initialize);
        if let Some(capabilities) = initialize.get_mut("capabilities") {
            *capabilities = published.capabilities_in_session();
        }
        let initialize_tail_in_session = tail(&initialize);
        Self {
            call_tail: call_tail("complete"),
            input_tail: call_tail("input_required"),
            task_tail: call_tail("task"),
            discover: discover.to_string(),
            initialize_tail,
            initialize_tail_in_session,
            list_tails: List::ALL.map(list_tail),
            lists: Lists::new(),
        }
    }

    pub(super) fn discover(&self, id: &str) -> Response {
        complete(id, self.discover.len(), |body| {
            body.extend_from_slice(self.discover.as_bytes());
        })
    }

    /// `in_session` is true if the client gets a session. Only in a session does a client get notifications of changes.
    pub(super) fn initialize(&self, id: &str, version: &'static str, in_session: bool) -> Response {
        let tail = match in_session {
            true => &self.initialize_tail_in_session,
            false => &self.initialize_tail,
        };
        complete(id, tail.len() + 64, |body| {
            body.extend_from_slice(br#"{"protocolVersion":""#);
            body.extend_from_slice(version.as_bytes());
            body.extend_from_slice(br#"","#);
            body.extend_from_slice(tail.as_bytes());
        })
    }

    /// Writes a result without members (MCP 2025-11-25, basic/utilities/ping).
    pub(super) fn empty(id: &str) -> Response {
        complete(id, 2, |body| body.extend_from_slice(b"{}"))
    }

    /// Writes the response to `subscriptions/listen`, which ends the stream (MCP 2026-07-28,
    /// basic/patterns/subscriptions, graceful closure).
    pub(super) fn end_of_stream(&self, id: &str) -> Vec<u8> {
        let mut body = start(id, self.call_tail.len() + 128);
        let members = self.call_tail.trim_start_matches(',');
        body.extend_from_slice(b"{");
        body.extend_from_slice(members.as_bytes());
        body.extend_from_slice(format!(r#","{SUBSCRIPTION_ID}":{id}}}}}}}"#).as_bytes());
        body
    }

    /// Writes a page of the visible entries of a list. The order of the entries is fixed.
    pub(super) fn list<'a>(
        &self,
        id: &str,
        page: Page,
        entries: impl Iterator<Item = &'a Arc<Served>>,
    ) -> Response {
        let Page { key, size, next } = page;
        let rest = self.lists.kept(key, |key| {
            let entries = entries.enumerate();
            let visible = entries.filter(|(place, _)| key.visible.has(*place));
            let shown = visible.skip(key.from).take(size);
            self.page(key, shown.map(|(_, entry)| entry.json(key.with_icons)))
        });
        let mut start = start(id, next.as_ref().map_or(1, |cursor| cursor.len() + 20));
        start.push(b'{');
        if let Some(cursor) = next {
            start.extend_from_slice(br#""nextCursor":""#);
            start.extend_from_slice(cursor.as_bytes());
            start.extend_from_slice(br#"","#);
        }
        Response::List { start, rest }
    }

    /// Returns the response after the opening brace of its result.
    fn page<'a>(&self, key: &Key, entries: impl Iterator<Item = &'a str>) -> Vec<u8> {
        let mut list = format!(r#""{}":["#, key.list.member()).into_bytes();
        for (index, entry) in entries.enumerate() {
            if index > 0 {
                list.push(b',');
            }
            list.extend_from_slice(entry.as_bytes());
        }
        list.push(b']');
        if key.era == Era::Modern {
            list.push(b',');
            let place = List::ALL.iter().position(|list| *list == key.list);
            let tail = place.and_then(|place| self.list_tails.get(place));
            list.extend_from_slice(tail.map_or("", String::as_str).as_bytes());
        }
        list.extend_from_slice(b"}}");
        list
    }

    /// Writes the output of a tool that ran.
    pub(super) fn output(&self, id: &str, era: Era, tool: &Served, output: ToolOutput) -> Response {
        match output.0 {
            Body::Text(text) => self.text(id, era, &text),
            Body::Composed(result) => self.composed(id, era, &result),
            Body::Structured(json) => self.structured(id, era, &json, tool.wraps_output()),
        }
    }

    /// Writes a tool result with `isError`.
    pub(super) fn failure(&self, id: &str, era: Era, text: &str) -> Response {
        self.call(id, escaped(text.len()), |body| {
            content(body, &[text]);
            is_error(body);
            self.end(body, era, NO_META);
        })
    }

    /// Writes a denial. It has the text for the model. Its `_meta` has fields for programs and, if
    /// a new token would help, the challenge.
    pub(super) fn denial(
        &self,
        id: &str,
        era: Era,
        denied: &Denied,
        challenge: Option<&Challenge>,
    ) -> Response {
        let details = DenialDetails::of(denied);
        let challenge = challenge.map(|challenge| DenialMeta::Challenges([&challenge.header]));
        let meta = [
            Some((DENIED, DenialMeta::Details(&details))),
            challenge.map(|challenge| (CHALLENGES, challenge)),
        ];
        let text = denied.to_string();
        let hint = details.hint.as_deref();
        let length = text.len() + 2 * hint.map_or(0, str::len);
        self.call(id, escaped(length) + 256, |body| {
            match hint {
                Some(hint) => contents(body, &[&text, hint]),
                None => content(body, &[&text]),
            }
            is_error(body);
            self.end(body, era, meta.into_iter().flatten());
        })
    }

    /// Writes the refusal of a limit. The text tells the model when to retry; `_meta` has the time
    /// for programs.
    pub(super) fn limited(&self, id: &str, era: Era, limited: Limited) -> Response {
        let text = limited.to_string();
        self.call(id, escaped(text.len()) + 64, |body| {
            content(body, &[&text]);
            is_error(body);
            self.end(body, era, [(RETRY_AFTER, limited.retry_after())]);
        })
    }

    fn text(&self, id: &str, era: Era, text: &str) -> Response {
        self.call(id, escaped(text.len()), |body| {
            content(body, &[text]);
            self.end(body, era, NO_META);
        })
    }

    /// Writes a typed output. If the schema wraps the output in an object, writes `{"result": …}`.
    fn structured(&self, id: &str, era: Era, json: &str, wraps: bool) -> Response {
        let parts: &[_] = if wraps {
            &[r#"{"result":"#, json, "}"]
        } else {
            &[json]
        };
        self.call(id, escaped(json.len()) + json.len(), |body| {
            content(body, parts);
            body.extend_from_slice(br#","structuredContent":"#);
            for part in parts {
                body.extend_from_slice(part.as_bytes());
            }
            self.end(body, era, NO_META);
        })
    }

    fn composed(&self, id: &str, era: Era, result: &CallToolResult) -> Response {
        self.call(id, 0, |body| {
            body.extend_from_slice(br#"{"content":"#);
            written(body, &result.content);
            if let Some(structured) = &result.structured_content {
                body.extend_from_slice(br#","structuredContent":"#);
                written(body, structured);
            }
            if result.is_error == Some(true) {
                is_error(body);
            }
            let meta = result.meta.iter().flat_map(|meta| &meta.0);
            self.end(body, era, meta.map(|(name, value)| (&**name, value)));
        })
    }

    /// `length` is the expected length of the part that the tool produced.
    fn call(&self, id: &str, length: usize, result: impl FnOnce(&mut Vec<u8>)) -> Response {
        complete(id, length + self.call_tail.len() + 128, result)
    }

    /// Writes the members that every modern result has, `_meta`, and the closing brace.
    fn end<'m>(
        &self,
        body: &mut Vec<u8>,
        era: Era,
        meta: impl IntoIterator<Item = (&'m str, impl Serialize)>,
    ) {
        let mut inside = era == Era::Modern;
        if inside {
            body.extend_from_slice(self.call_tail.as_bytes());
        }
        for (name, value) in meta {
            // The server writes this member itself, so a tool's `_meta` must not contain it.
            if era == Era::Modern && name == SERVER_INFO {
                continue;
            }
            body.extend_from_slice(if inside { b"," } else { br#","_meta":{"# });
            inside = true;
            written(body, name);
            body.push(b':');
            written(body, &value);
        }
        body.extend_from_slice(if inside { b"}}" } else { b"}" });
    }
}

/// The requirements that a denied caller does not meet, in a form for programs.
#[derive(Debug, Serialize)]
pub(crate) struct DenialDetails<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<Cure>,
    /// The hint for the user, which is also the second block of the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<Cow<'static, str>>,
    kind: &'static str,
    required: Required<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reverification: Option<Value>,
}

/// Every scope that a new token needs, separated by spaces.
#[derive(Debug, Serialize)]
struct Cure {
    scope: String,
}

/// The members that a denial adds to the `_meta` of its result.
#[derive(Serialize)]
#[serde(untagged)]
enum DenialMeta<'a> {
    Details(&'a DenialDetails<'a>),
    Challenges([&'a str; 1]),
}

impl<'a> DenialDetails<'a> {
    pub(crate) fn of(denied: &'a Denied) -> Self {
        let cure = denied.cure().map(|scopes| scopes.join(" "));
        Self {
            cure: cure.map(|scope| Cure { scope }),
            hint: denied.hint(),
            kind: denied.kind(),
            required: denied.required(),
            reverification: denied.reverification().map(|asked| asked.to_json()),
        }
    }
}

/// Writes the member `isError` of a tool result, and adds it to the span of the request.
fn is_error(body: &mut Vec<u8>) {
    body.extend_from_slice(IS_ERROR);
    record_tool_error();
}

/// Writes an opening brace, and one block of text that consists of these parts.
fn content(body: &mut Vec<u8>, parts: &[&str]) {
    body.extend_from_slice(br#"{"content":[{"type":"text","text":""#);
    for part in parts {
        escape(body, part);
    }
    body.extend_from_slice(br#""}]"#);
}

/// Writes an opening brace, and a block of text for each of these texts.
fn contents(body: &mut Vec<u8>, texts: &[&str]) {
    body.extend_from_slice(br#"{"content":["#);
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(br#"{"type":"text","text":""#);
        escape(body, text);
        body.extend_from_slice(br#""}"#);
    }
    body.push(b']');
}

/// Returns the capacity for a text in which some characters must be escaped.
fn escaped(length: usize) -> usize {
    length + length / 4
}

/// Writes the start of a response. `length` is the expected length of the result.
fn start(id: &str, length: usize) -> Vec<u8> {
    let (start, middle) = (br#"{"jsonrpc":"2.0","id":"#, br#","result":"#);
    let mut body = Vec::with_capacity(start.len() + id.len() + middle.len() + length + 1);
    body.extend_from_slice(start);
    body.extend_from_slice(id.as_bytes());
    body.extend_from_slice(middle);
    body
}

/// `length` is the expected length of the result.
fn complete(id: &str, length: usize, result: impl FnOnce(&mut Vec<u8>)) -> Response {
    let mut body = start(id, length);
    result(&mut body);
    body.push(b'}');
    Response::Message {
        status: Status::Ok,
        body,
    }
}

fn written(body: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let start = body.len();
    // Writing to memory fails only for a value that cannot be written as JSON. No such value is
    // expected, but even then the response must be valid JSON.
    if serde_json::to_writer(&mut *body, value).is_err() {
        body.truncate(start);
        body.extend_from_slice(b"null");
    }
}

fn implementation(info: &ServerInfo) -> Value {
    let mut object = Map::new();
    object.insert("name".to_owned(), info.name.as_str().into());
    if let Some(title) = &info.title {
        object.insert("title".to_owned(), title.as_str().into());
    }
    object.insert("version".to_owned(), info.version.as_str().into());
    Value::Object(object)
}

/// The `_meta` of a result that adds no members.
const NO_META: [(&str, ()); 0] = [];
const IS_ERROR: &[u8] = br#","isError":true"#;
/// The extension for tasks.
pub(super) const TASKS: &str = "io.modelcontextprotocol/tasks";
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// The member with the details of a denial, in the `_meta` of a result and in the `data` of an
/// error.
pub(crate) const DENIED: &str = "mcp-auth-rs/denied";
/// The member of `_meta` with a list of challenges in the form of the header (OpenAI, Apps SDK,
/// "Authentication").
const CHALLENGES: &str = "mcp/www_authenticate";
const DISCOVER_TTL_MS: u32 = 3_600_000;
/// The time for which clients may cache a list. It equals the largest age of a cached membership.
const LIST_TTL_MS: u32 = 30_000;

#[cfg(test)]
mod tests;
