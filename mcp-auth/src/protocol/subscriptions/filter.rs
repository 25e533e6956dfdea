//! The filter of a request: the notifications that a client asks for.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::primitive::ChangedLists;

use super::super::error::RpcError;

/// The notifications that a client asks for, or that the server agrees to send.
#[derive(Debug, Default, Eq, PartialEq)]
pub(in super::super) struct Filter {
    pub(in super::super) lists: ChangedLists,
    /// The URIs, each once.
    pub(in super::super) uris: Vec<String>,
    /// The ids of tasks, each once.
    pub(in super::super) task_ids: Vec<String>,
}

impl Filter {
    /// Reads the text of the member `notifications`. The filter leaves out a URI of more than 2048 bytes and a
    /// task id of more than 64 bytes, because the server has no such URI and no such task.
    ///
    /// # Errors
    ///
    /// [`RpcError::InvalidParams`] if the member is absent or has another form, or if there are too many URIs or
    /// ids.
    pub(in super::super) fn read(notifications: Option<&str>) -> Result<Self, RpcError> {
        let written = notifications.unwrap_or_default();
        let Ok(written) = serde_json::from_str::<Written>(written) else {
            return Err(RpcError::InvalidParams(MALFORMED));
        };
        let uris = written.resource_subscriptions.unwrap_or_default();
        let uris = uris.each_once(MOST_URI_LENGTH);
        let task_ids = written.task_ids.unwrap_or_default();
        let task_ids = task_ids.each_once(MOST_TASK_ID_LENGTH);
        Ok(Self {
            lists: ChangedLists {
                prompts: written.prompts_list_changed.unwrap_or_default(),
                resources: written.resources_list_changed.unwrap_or_default(),
                tools: written.tools_list_changed.unwrap_or_default(),
            },
            uris: uris.ok_or(RpcError::InvalidParams(TOO_MANY_URIS))?,
            task_ids: task_ids.ok_or(RpcError::InvalidParams(TOO_MANY_TASKS))?,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    prompts_list_changed: Option<bool>,
    resources_list_changed: Option<bool>,
    tools_list_changed: Option<bool>,
    resource_subscriptions: Option<Texts>,
    task_ids: Option<Texts>,
}

/// The first texts of a list. One text more than permitted is kept, which shows that there are too many texts.
#[derive(Default)]
struct Texts(Vec<String>);

impl Texts {
    /// Returns the texts that are not too long, each once. `None` if there are too many texts.
    fn each_once(self, most_length: usize) -> Option<Vec<String>> {
        let Self(mut texts) = self;
        if texts.len() > MOST_TEXTS {
            return None;
        }
        texts.retain(|text| text.len() <= most_length);
        texts.sort_unstable();
        texts.dedup();
        Some(texts)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ReadTexts)
    }
}

struct ReadTexts;

impl<'de> Visitor<'de> for ReadTexts {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while texts.len() <= MOST_TEXTS
            && let Some(text) = list.next_element()?
        {
            texts.push(text);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Texts(texts))
    }
}

/// The largest number of URIs of one stream, and the largest number of its tasks.
const MOST_TEXTS: usize = 256;
const MOST_URI_LENGTH: usize = 2048;
/// The largest length of a task id, in bytes. All ids that the server makes are shorter.
const MOST_TASK_ID_LENGTH: usize = 64;
const MALFORMED: &str = "`notifications` must be an object; `toolsListChanged`, `promptsListChanged` and `resourcesListChanged` are true or false, `resourceSubscriptions` is a list of URIs, and `taskIds` is a list of ids";
const TOO_MANY_URIS: &str = "`resourceSubscriptions` must have at most 256 URIs";
const TOO_MANY_TASKS: &str = "`taskIds` must have at most 256 ids";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Filter, String> {
        Filter::read(Some(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_filter_has_what_the_client_asks_for_and_each_uri_once() {
        let text = r#"{"toolsListChanged":true,"promptsListChanged":false,"resourcesListChanged":null,
            "resourceSubscriptions":["b:1","a:\u0031","b:1"],"taskIds":["2","1","2"],"later":{}}"#;
        let expected = Filter {
            lists: ChangedLists {
                tools: true,
                ..ChangedLists::default()
            },
            uris: vec!["a:1".to_owned(), "b:1".to_owned()],
            task_ids: vec!["1".to_owned(), "2".to_owned()],
        };
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read("{}"), Ok(Filter::default()));
    }

    #[test]
    fn other_forms_are_refused() {
        assert!(Filter::read(None).is_err());
        for text in [
            "null",
            "true",
            "[]",
            r#"{"toolsListChanged":1}"#,
            r#"{"toolsListChanged":true,"toolsListChanged":true}"#,
            r#"{"resourceSubscriptions":"a:1"}"#,
            r#"{"resourceSubscriptions":[1]}"#,
            r#"{"resourceSubscriptions":{}}"#,
            r#"{"taskIds":"1"}"#,
            r#"{"taskIds":[{}]}"#,
        ] {
            assert!(read(text).unwrap_err().contains(MALFORMED), "{text}");
        }
    }

    #[test]
    fn the_number_and_the_length_of_uris_are_bounded() {
        let uris = |count: usize| -> Vec<_> { (0..count).map(|uri| format!("a:{uri}")).collect() };
        let filter =
            |uris: Vec<String>| read(&json!({ "resourceSubscriptions": uris }).to_string());
        assert_eq!(filter(uris(256)).unwrap().uris.len(), 256);
        for count in [257, 100_000] {
            assert!(filter(uris(count)).unwrap_err().contains(TOO_MANY_URIS));
        }
        let ids = |count: usize| json!({ "taskIds": uris(count) }).to_string();
        assert_eq!(read(&ids(256)).unwrap().task_ids.len(), 256);
        assert!(read(&ids(257)).unwrap_err().contains(TOO_MANY_TASKS));
        let ids = json!({ "taskIds": ["x".repeat(64), "x".repeat(65)] });
        assert_eq!(read(&ids.to_string()).unwrap().task_ids, ["x".repeat(64)]);
        let [fits, long] = [2048, 2049].map(|length| "x".repeat(length));
        assert_eq!(filter(vec![long, fits.clone()]).unwrap().uris, [fits]);
    }
}
