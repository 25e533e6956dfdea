//! Writing results. Everything that is known at start-up is kept as bytes; one buffer is written
//! for each answer, and a typed output is serialised once for both its places.

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::guard::Denied;
use crate::tool::{Body, ServedTool, ToolOutput};

use super::era::{Era, MODERN};
use super::{Answer, ServerInfo, Status};

/// Result texts that do not depend on the request.
#[derive(Debug)]
pub(super) struct Results {
    /// The member of `_meta` that names the server.
    server_info: String,
    discover: String,
    initialize_tail: String,
    list_tail: String,
}

impl Results {
    pub(super) fn new(info: &ServerInfo, public_discovery: bool, public_list: bool) -> Self {
        let server_info = implementation(info);
        let scope = |public| if public { "public" } else { "private" };
        let meta = json!({ SERVER_INFO: server_info });
        let mut discover = json!({
            "resultType": "complete",
            "supportedVersions": [MODERN],
            "capabilities": { "tools": {} },
            "ttlMs": DISCOVER_TTL_MS,
            "cacheScope": scope(public_discovery),
            "_meta": meta,
        });
        let mut initialize = json!({
            "capabilities": { "tools": {} },
            "serverInfo": server_info,
        });
        if let Some(instructions) = &info.instructions {
            for result in [&mut discover, &mut initialize] {
                if let Some(members) = result.as_object_mut() {
                    members.insert("instructions".to_owned(), instructions.as_str().into());
                }
            }
        }
        let list_tail = format!(
            r#""resultType":"complete","ttlMs":{LIST_TTL_MS},"cacheScope":"{}","_meta":{meta}"#,
            scope(public_list)
        );
        let initialize_tail = initialize.to_string().trim_start_matches('{').to_owned();
        Self {
            server_info: format!(r#""{SERVER_INFO}":{server_info}"#),
            discover: discover.to_string(),
            initialize_tail,
            list_tail,
        }
    }

    pub(super) fn discover(&self, id: &str) -> Answer {
        complete(id, |body| body.extend_from_slice(self.discover.as_bytes()))
    }

    pub(super) fn initialize(&self, id: &str, version: &'static str) -> Answer {
        complete(id, |body| {
            body.extend_from_slice(format!(r#"{{"protocolVersion":"{version}","#).as_bytes());
            body.extend_from_slice(self.initialize_tail.as_bytes());
        })
    }

    /// MCP 2025-11-25, basic/utilities/ping: a result without members.
    pub(super) fn empty(id: &str) -> Answer {
        complete(id, |body| body.extend_from_slice(b"{}"))
    }

    pub(super) fn tools<'a>(
        &self,
        id: &str,
        era: Era,
        with_icons: bool,
        tools: impl Iterator<Item = &'a ServedTool>,
    ) -> Answer {
        complete(id, |body| {
            body.extend_from_slice(br#"{"tools":["#);
            for (index, tool) in tools.enumerate() {
                if index > 0 {
                    body.push(b',');
                }
                body.extend_from_slice(tool.json(with_icons).as_bytes());
            }
            body.push(b']');
            if era == Era::Modern {
                body.push(b',');
                body.extend_from_slice(self.list_tail.as_bytes());
            }
            body.push(b'}');
        })
    }

    /// The output of a tool that ran.
    pub(super) fn output(
        &self,
        id: &str,
        era: Era,
        tool: &ServedTool,
        output: ToolOutput,
    ) -> Answer {
        match output.0 {
            Body::Text(text) => self.call(id, era, &Call::text(&text)),
            Body::Composed(result) => self.call(id, era, &Call::composed(*result)),
            Body::Structured(json) => {
                let json = if tool.wraps_output() {
                    format!(r#"{{"result":{json}}}"#)
                } else {
                    json
                };
                self.structured(id, era, &json)
            }
        }
    }

    /// A tool result with `isError`.
    pub(super) fn failure(&self, id: &str, era: Era, text: &str) -> Answer {
        self.call(
            id,
            era,
            &Call {
                is_error: Some(true),
                ..Call::text(text)
            },
        )
    }

    /// A refusal of the guard, for the model in words and for a program in `_meta`.
    pub(super) fn denial(&self, id: &str, era: Era, denied: &Denied) -> Answer {
        let mut details = Map::new();
        details.insert("kind".to_owned(), denied.kind().into());
        details.insert("required".to_owned(), json!(denied.required()));
        if let Some(asked) = denied.reverification() {
            details.insert("reverification".to_owned(), asked.to_json());
        }
        if let Some(scope) = denied.cure() {
            details.insert("cure".to_owned(), json!({ "scope": scope }));
        }
        let meta = Map::from_iter([(DENIED.to_owned(), details.into())]);
        let text = denied.to_string();
        self.call(
            id,
            era,
            &Call {
                is_error: Some(true),
                meta,
                ..Call::text(&text)
            },
        )
    }

    fn call(&self, id: &str, era: Era, call: &Call<'_>) -> Answer {
        complete(id, |body| {
            body.push(b'{');
            member(body, "content", &call.content);
            if let Some(structured) = &call.structured {
                body.push(b',');
                member(body, "structuredContent", structured);
            }
            if let Some(is_error) = call.is_error {
                body.push(b',');
                member(body, "isError", &is_error);
            }
            self.ending(body, era, &call.meta);
        })
    }

    fn structured(&self, id: &str, era: Era, json: &str) -> Answer {
        complete(id, |body| {
            body.push(b'{');
            member(body, "content", &Call::text(json).content);
            body.extend_from_slice(br#","structuredContent":"#);
            body.extend_from_slice(json.as_bytes());
            self.ending(body, era, &Map::new());
        })
    }

    /// What every modern result has, `_meta`, and the closing brace.
    fn ending(&self, body: &mut Vec<u8>, era: Era, meta: &Map<String, Value>) {
        if era == Era::Modern {
            body.extend_from_slice(br#","resultType":"complete","_meta":{"#);
            body.extend_from_slice(self.server_info.as_bytes());
            // The server's name is its own to say, not a tool's.
            for (name, value) in meta.iter().filter(|(name, _)| *name != SERVER_INFO) {
                body.push(b',');
                written(body, name);
                body.push(b':');
                written(body, value);
            }
            body.push(b'}');
        } else if !meta.is_empty() {
            body.push(b',');
            member(body, "_meta", meta);
        }
        body.push(b'}');
    }
}

struct Call<'a> {
    content: Blocks<'a>,
    structured: Option<Value>,
    is_error: Option<bool>,
    meta: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Blocks<'a> {
    Many(Vec<ContentBlock>),
    One([Text<'a>; 1]),
}

#[derive(Serialize)]
struct Text<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
}

impl<'a> Call<'a> {
    fn text(text: &'a str) -> Self {
        let content = Blocks::One([Text { kind: "text", text }]);
        Self {
            content,
            structured: None,
            is_error: None,
            meta: Map::new(),
        }
    }

    fn composed(result: CallToolResult) -> Self {
        let meta = match serde_json::to_value(&result.meta) {
            Ok(Value::Object(meta)) => meta,
            Ok(_) | Err(_) => Map::new(),
        };
        Self {
            content: Blocks::Many(result.content),
            structured: result.structured_content,
            is_error: result.is_error.filter(|is_error| *is_error),
            meta,
        }
    }
}

fn complete(id: &str, result: impl FnOnce(&mut Vec<u8>)) -> Answer {
    let mut body = Vec::with_capacity(512);
    body.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    body.extend_from_slice(id.as_bytes());
    body.extend_from_slice(br#","result":"#);
    result(&mut body);
    body.push(b'}');
    Answer::Message {
        status: Status::Ok,
        body,
    }
}

/// Writes `"name":value`.
fn member(body: &mut Vec<u8>, name: &str, value: &impl Serialize) {
    written(body, name);
    body.push(b':');
    written(body, value);
}

fn written(body: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let start = body.len();
    // Writing to memory fails only for a value that is no JSON, which none of ours is; the answer
    // must stay JSON all the same.
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

const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
const DENIED: &str = "mcp-auth-rs/denied";
const DISCOVER_TTL_MS: u32 = 3_600_000;
/// As long as a membership look-up is believed.
const LIST_TTL_MS: u32 = 30_000;
