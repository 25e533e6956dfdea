//! Writes the messages of a stream. Each message has the id of the request that opened the stream, as written in the
//! body.

use serde_json::{Map, Value};

use crate::primitive::ChangedLists;

use super::Filter;

/// A list, named by the middle part of the method of its notification.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) enum ListName {
    Prompts,
    Resources,
    Tools,
}

impl ListName {
    /// Takes one list from a set.
    pub(in super::super) fn take(lists: &mut ChangedLists) -> Option<Self> {
        for (changed, name) in [
            (&mut lists.tools, Self::Tools),
            (&mut lists.prompts, Self::Prompts),
            (&mut lists.resources, Self::Resources),
        ] {
            if std::mem::take(changed) {
                return Some(name);
            }
        }
        None
    }

    fn method(self) -> &'static str {
        match self {
            Self::Prompts => "notifications/prompts/list_changed",
            Self::Resources => "notifications/resources/list_changed",
            Self::Tools => "notifications/tools/list_changed",
        }
    }
}

/// The first message of a stream. `honored` is the part of the client's filter that the server serves.
pub(in super::super) fn acknowledged(id: &str, honored: &Filter) -> Vec<u8> {
    let mut notifications = Map::new();
    for (name, honored) in [
        ("toolsListChanged", honored.lists.tools),
        ("promptsListChanged", honored.lists.prompts),
        ("resourcesListChanged", honored.lists.resources),
    ] {
        if honored {
            notifications.insert(name.to_owned(), true.into());
        }
    }
    if !honored.uris.is_empty() {
        let uris = honored.uris.as_slice().into();
        notifications.insert("resourceSubscriptions".to_owned(), uris);
    }
    if !honored.task_ids.is_empty() {
        let ids = honored.task_ids.as_slice().into();
        notifications.insert("taskIds".to_owned(), ids);
    }
    let notifications = Value::Object(notifications);
    let more = format!(r#","notifications":{notifications}"#);
    notification(id, "notifications/subscriptions/acknowledged", &more)
}

pub(in super::super) fn list_changed(id: &str, list: ListName) -> Vec<u8> {
    notification(id, list.method(), "")
}

pub(in super::super) fn resource_updated(id: &str, uri: &str) -> Vec<u8> {
    let uri = Value::from(uri);
    let method = "notifications/resources/updated";
    notification(id, method, &format!(r#","uri":{uri}"#))
}

/// Writes the current state of a task (the MCP extension `io.modelcontextprotocol/tasks`, task status notifications). `task`
/// is a JSON object without its last brace.
pub(in super::super) fn task_changed(id: &str, task: &str) -> Vec<u8> {
    let members = task.strip_prefix('{').unwrap_or(task);
    notification(id, "notifications/tasks", &format!(",{members}"))
}

/// Writes that a list changed, for a session, which has no id of a subscription.
pub(in super::super) fn session_list_changed(list: ListName) -> Vec<u8> {
    let method = list.method();
    format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#).into_bytes()
}

/// Writes that a resource changed, for a session, which has no id of a subscription.
pub(in super::super) fn session_resource_updated(uri: &str) -> Vec<u8> {
    let uri = Value::from(uri);
    let method = "notifications/resources/updated";
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"uri":{uri}}}}}"#).into_bytes()
}

/// Writes a notification. `more` are further members of its parameters.
fn notification(id: &str, method: &str, more: &str) -> Vec<u8> {
    let meta = format!(r#""_meta":{{"{SUBSCRIPTION_ID}":{id}}}"#);
    let text = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{meta}{more}}}}}"#);
    text.into_bytes()
}

/// The member of `_meta` with the id of the request that opened the stream.
pub(in super::super) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(message: &[u8]) -> Value {
        serde_json::from_slice(message).unwrap()
    }

    #[test]
    fn each_message_has_the_id_as_it_was_written() {
        for (id, expected) in [("7", json!(7)), (r#""a\u0062""#, json!("ab"))] {
            let meta = json!({ SUBSCRIPTION_ID: expected });
            let method = "notifications/tools/list_changed";
            assert_eq!(
                value(&list_changed(id, ListName::Tools)),
                json!({ "jsonrpc": "2.0", "method": method, "params": { "_meta": meta } })
            );
            let updated = value(&resource_updated(id, "a:\"1\n"));
            assert_eq!(
                updated["params"],
                json!({ "_meta": meta, "uri": "a:\"1\n" })
            );
        }
    }

    #[test]
    fn the_acknowledgement_names_only_what_is_served() {
        let none = value(&acknowledged("1", &Filter::default()));
        assert_eq!(none["params"]["notifications"], json!({}));
        let some = Filter {
            lists: ChangedLists {
                prompts: true,
                ..ChangedLists::default()
            },
            uris: vec!["a:1".to_owned()],
            task_ids: vec!["t".to_owned()],
        };
        assert_eq!(
            value(&acknowledged("1", &some))["params"]["notifications"],
            json!({ "promptsListChanged": true, "resourceSubscriptions": ["a:1"], "taskIds": ["t"] })
        );
    }
}
