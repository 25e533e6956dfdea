//! A reply of a server, and assertions about it.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// A complete HTTP response.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// The value of a header that occurs once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "`{name}` twice in {self:?}");
        value
    }

    #[track_caller]
    pub(crate) fn challenge(&self) -> &str {
        self.header("www-authenticate")
            .unwrap_or_else(|| panic!("no challenge in {self:?}"))
    }

    /// The body as JSON. For a stream of events, its last message.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        if self.is_stream() {
            return self.events().pop().unwrap();
        }
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", self.shown()))
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.header("content-type") == Some("text/event-stream")
    }

    /// The messages of a stream of events.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Value> {
        assert!(self.is_stream(), "{}", self.shown());
        events(std::str::from_utf8(&self.body).unwrap())
    }

    /// The parameters of the notifications of this method.
    #[track_caller]
    pub(crate) fn notified(&self, method: &str) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|event| event["method"] == method);
        events
            .iter_mut()
            .map(|event| event["params"].take())
            .collect()
    }

    /// The JSON-RPC result.
    #[track_caller]
    pub(crate) fn result(&self) -> Value {
        self.expect_status(200);
        let mut body = self.json();
        assert!(body.get("error").is_none(), "an error in {body}");
        body["result"].take()
    }

    /// The text of the only content block, or of the first block if the second is the hint of a
    /// denial.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        let result = self.result();
        let content = result["content"].as_array().unwrap();
        let hint = self.hint();
        assert_eq!(content.len(), 1 + usize::from(hint.is_some()), "{result}");
        assert!(
            content.iter().all(|block| block["type"] == "text"),
            "{result}"
        );
        if let Some(hint) = hint {
            assert_eq!(content[1]["text"], *hint, "{result}");
        }
        content[0]["text"].as_str().unwrap().to_owned()
    }

    /// The hint of a denial for the person at the client.
    #[track_caller]
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = &self.result()["_meta"]["mcp-auth-rs/denied"]["hint"];
        hint.as_str().map(str::to_owned)
    }

    /// The names of the listed tools, in the order of the list.
    #[track_caller]
    pub(crate) fn tools(&self) -> Vec<String> {
        let result = self.result();
        let tools = result["tools"].as_array().unwrap();
        tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    }

    #[track_caller]
    pub(crate) fn expect_status(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.shown());
        self
    }

    /// Expects that a tool ran and returned this text.
    #[track_caller]
    pub(crate) fn expect_text(&self, text: &str) -> &Self {
        assert_eq!(self.text(), text);
        assert_ne!(self.result()["isError"], true, "{}", self.shown());
        self
    }

    /// Expects a result with `isError` and exactly this text that is not a denial.
    #[track_caller]
    pub(crate) fn expect_tool_error(&self, text: &str) -> &Self {
        assert_eq!(self.text(), text);
        assert_eq!(self.result()["isError"], true, "{}", self.shown());
        assert_eq!(self.denied(), Value::Null, "{}", self.shown());
        self
    }

    /// Expects a denial: HTTP 200, `isError: true`, exactly this text, and these details in
    /// addition to the hint.
    #[track_caller]
    pub(crate) fn expect_denied(&self, text: &str, details: &Value) -> &Self {
        assert_eq!(self.text(), text);
        assert_eq!(self.result()["isError"], true, "{}", self.shown());
        assert_eq!(self.denied(), *details, "{}", self.shown());
        assert!(self.headers.get("www-authenticate").is_none());
        self
    }

    fn denied(&self) -> Value {
        let mut denied = self.result()["_meta"]["mcp-auth-rs/denied"].take();
        if let Some(members) = denied.as_object_mut() {
            members.remove("hint");
        }
        denied
    }

    /// Expects a JSON-RPC error.
    #[track_caller]
    pub(crate) fn expect_rpc_error(&self, status: u16, code: i64) -> &Self {
        self.expect_status(status);
        let body = self.json();
        assert_eq!(body["error"]["code"], code, "{body}");
        assert_eq!(body["jsonrpc"], "2.0", "{body}");
        assert!(body.get("result").is_none(), "{body}");
        assert!(body["error"]["message"].is_string(), "{body}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        self
    }

    /// Expects OAuth error JSON, which never repeats text of the request.
    #[track_caller]
    pub(crate) fn expect_oauth_error(&self, status: u16, error: &str, description: &str) -> &Self {
        self.expect_status(status);
        let expected = json!({ "error": error, "error_description": description });
        assert_eq!(self.json(), expected);
        assert_eq!(self.header("content-type"), Some("application/json"));
        self
    }

    /// Expects a refusal after the message was read: a JSON-RPC error with the request's id, whose
    /// message names the missing requirement and whose `data` has the OAuth members. Returns
    /// `data`.
    #[track_caller]
    pub(crate) fn expect_refused_request(&self, status: u16, error: &str, message: &str) -> Value {
        self.expect_status(status);
        let body = self.json();
        assert_eq!(body["jsonrpc"], "2.0", "{body}");
        assert_eq!(body["id"], 1, "{body}");
        assert_eq!(body["error"]["code"], status, "{body}");
        assert_eq!(body["error"]["message"], message, "{body}");
        let data = &body["error"]["data"];
        assert_eq!(data["error"], error, "{body}");
        assert_eq!(data["error_description"], message, "{body}");
        assert!(body.get("result").is_none(), "{body}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        data.clone()
    }

    /// The challenges in the `_meta` of a denial; `None` if there are none.
    #[track_caller]
    pub(crate) fn challenges_in_meta(&self) -> Option<Vec<String>> {
        let meta = self.result()["_meta"]["mcp/www_authenticate"].take();
        (!meta.is_null()).then(|| serde_json::from_value(meta).unwrap())
    }

    /// Expects HTTP 503 with a `Retry-After` of whole seconds.
    #[track_caller]
    pub(crate) fn expect_unavailable(&self) -> u64 {
        self.expect_status(503);
        let body = self.json();
        let error = if body["jsonrpc"] == "2.0" {
            &body["error"]["data"]["error"]
        } else {
            &body["error"]
        };
        assert_eq!(error, "temporarily_unavailable", "{body}");
        assert!(self.headers.get("www-authenticate").is_none());
        let wait = self.header("retry-after").unwrap();
        let wait = wait.parse().unwrap();
        assert!(wait >= 1, "{wait}");
        wait
    }

    fn shown(&self) -> String {
        format!(
            "HTTP {} {:?} {}",
            self.status,
            self.headers,
            String::from_utf8_lossy(&self.body)
        )
    }
}

/// The messages of these events. Ignores comments.
#[track_caller]
pub(crate) fn events(text: &str) -> Vec<Value> {
    let events = text.split_terminator("\n\n");
    let events = events.filter(|event| !event.starts_with(':'));
    let data = events.map(|event| {
        let data = event.strip_prefix("event: message\ndata: ");
        data.unwrap_or_else(|| panic!("an event of another form: {event}"))
    });
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}
