//! The `_meta` of a test's requests.

use serde_json::{Map, Value, json};

use crate::primitive::LogLevel;
use crate::protocol::MODERN;

/// The messages that a caller asks for in each request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AskedMessages {
    pub(super) progress: bool,
    pub(super) level: Option<LogLevel>,
}

impl AskedMessages {
    /// Returns the `_meta` of a request of a client with these capabilities.
    pub(super) fn meta(self, modern: bool, capabilities: Value) -> Map<String, Value> {
        let mut meta = Map::new();
        let mut add = |name: &str, value| meta.insert(name.to_owned(), value);
        if self.progress {
            add("progressToken", json!("test"));
        }
        if modern {
            add("io.modelcontextprotocol/protocolVersion", json!(MODERN));
            add(
                "io.modelcontextprotocol/clientInfo",
                json!({ "name": "mcp-auth-testing", "version": "1" }),
            );
            add("io.modelcontextprotocol/clientCapabilities", capabilities);
            if let Some(level) = self.level {
                add("io.modelcontextprotocol/logLevel", json!(level.as_str()));
            }
        }
        meta
    }
}
