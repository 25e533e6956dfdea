//! The data about a server that its results contain, and the capabilities that follow from the data.

use serde_json::{Map, Value, json};

use crate::primitive::List;

use super::super::ServerInfo;
use super::TASKS;

/// The data about a server that its results contain.
#[derive(Debug)]
pub(in crate::protocol) struct Published<'a> {
    pub(in crate::protocol) info: &'a ServerInfo,
    /// True if a client can connect without a token.
    pub(in crate::protocol) is_open: bool,
    /// The lists that a caller without a token sees completely, because all their entries are public.
    pub(in crate::protocol) public: Vec<List>,
    /// The lists that the server has.
    pub(in crate::protocol) lists: Vec<List>,
    /// True if at least one argument has a completion function.
    pub(in crate::protocol) completes: bool,
    /// True if at least one function can send log messages.
    pub(in crate::protocol) logs: bool,
    /// True if calls of at least one tool run as tasks.
    pub(in crate::protocol) tasks: bool,
}

impl Published<'_> {
    /// Returns the capabilities of a modern server, including the notifications that a client can subscribe to, and the
    /// extensions.
    pub(super) fn modern_capabilities(&self) -> Value {
        let mut capabilities = self.capabilities();
        if self.tasks
            && let Some(capabilities) = capabilities.as_object_mut()
        {
            capabilities.insert("extensions".to_owned(), json!({ TASKS: {} }));
        }
        notifying(&mut capabilities);
        capabilities
    }

    /// Returns the capabilities of the server in a session of a legacy client: with the notifications that the client gets.
    pub(super) fn capabilities_in_session(&self) -> Value {
        let mut capabilities = self.capabilities();
        notifying(&mut capabilities);
        capabilities
    }

    /// Returns the capabilities of the server (MCP 2026-07-28, basic). A server without prompts does not
    /// have the capability `prompts`, and does not support `prompts/list`.
    pub(super) fn capabilities(&self) -> Value {
        let mut capabilities = Map::new();
        let of_lists = [
            ("prompts", [List::Prompts].as_slice()),
            ("resources", &[List::Resources, List::Templates]),
            ("tools", &[List::Tools]),
        ];
        for (capability, lists) in of_lists {
            if lists.iter().any(|list| self.lists.contains(list)) {
                capabilities.insert(capability.to_owned(), json!({}));
            }
        }
        if self.completes {
            capabilities.insert("completions".to_owned(), json!({}));
        }
        if self.logs {
            capabilities.insert("logging".to_owned(), json!({}));
        }
        Value::Object(capabilities)
    }
}

/// Adds the notifications about lists and resources.
fn notifying(capabilities: &mut Value) {
    for (name, can_subscribe) in [("prompts", false), ("resources", true), ("tools", false)] {
        if let Some(Value::Object(capability)) = capabilities.get_mut(name) {
            capability.insert("listChanged".to_owned(), true.into());
            if can_subscribe {
                capability.insert("subscribe".to_owned(), true.into());
            }
        }
    }
}
