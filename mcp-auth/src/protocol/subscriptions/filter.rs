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
}

impl Filter {
    /// Reads the member `notifications`, as written in the body. Leaves out a URI of more than 2048 bytes, as the
    /// server leaves out an unknown URI.
    ///
    /// # Errors
    ///
    /// [`RpcError::InvalidParams`] if the member is absent or has another form, or if there are too many URIs.
    pub(in super::super) fn read(notifications: Option<&str>) -> Result<Self, RpcError> {
        let written = notifications.unwrap_or_default();
        let Ok(written) = serde_json::from_str::<Written>(written) else {
            return Err(RpcError::InvalidParams(MALFORMED));
        };
        let mut uris = written.resource_subscriptions.unwrap_or_default().0;
        if uris.len() > MOST_URIS {
            return Err(RpcError::InvalidParams(TOO_MANY_URIS));
        }
        uris.retain(|uri| uri.len() <= MOST_URI_LENGTH);
        uris.sort_unstable();
        uris.dedup();
        Ok(Self {
            lists: ChangedLists {
                prompts: written.prompts_list_changed.unwrap_or_default(),
                resources: written.resources_list_changed.unwrap_or_default(),
                tools: written.tools_list_changed.unwrap_or_default(),
            },
            uris,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    prompts_list_changed: Option<bool>,
    resources_list_changed: Option<bool>,
    tools_list_changed: Option<bool>,
    resource_subscriptions: Option<Uris>,
}

/// The first URIs of a list: at most one more than permitted, so that too many URIs are noticed.
#[derive(Default)]
struct Uris(Vec<String>);

impl<'de> Deserialize<'de> for Uris {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ReadUris)
    }
}

struct ReadUris;

impl<'de> Visitor<'de> for ReadUris {
    type Value = Uris;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("URIs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Uris, A::Error> {
        let mut uris = Vec::new();
        while uris.len() <= MOST_URIS
            && let Some(uri) = list.next_element()?
        {
            uris.push(uri);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Uris(uris))
    }
}

/// The largest number of URIs of one stream.
const MOST_URIS: usize = 256;
const MOST_URI_LENGTH: usize = 2048;
const MALFORMED: &str = "`notifications` must be an object; `toolsListChanged`, `promptsListChanged` and `resourcesListChanged` are true or false, and `resourceSubscriptions` is a list of URIs";
const TOO_MANY_URIS: &str = "`resourceSubscriptions` must have at most 256 URIs";

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
            "resourceSubscriptions":["b:1","a:\u0031","b:1"],"later":{}}"#;
        let expected = Filter {
            lists: ChangedLists {
                tools: true,
                ..ChangedLists::default()
            },
            uris: vec!["a:1".to_owned(), "b:1".to_owned()],
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
        let [fits, long] = [2048, 2049].map(|length| "x".repeat(length));
        assert_eq!(filter(vec![long, fits.clone()]).unwrap().uris, [fits]);
    }
}
