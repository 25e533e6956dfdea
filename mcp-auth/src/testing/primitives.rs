//! Requests of a test user: lists, prompts, resources and completion.

use std::panic::Location;

use serde_json::{Value, json};

use super::answer::TestAnswer;
use super::user::TestUser;

impl TestUser<'_> {
    /// Lists the names of the tools that this caller sees.
    ///
    /// # Panics
    ///
    /// If the list is refused, or if no token can be minted with the properties set on this user.
    #[track_caller]
    pub fn tools(&self) -> impl Future<Output = Vec<String>> {
        self.list("tools/list", "tools", "name")
    }

    /// Lists the names of the prompts that this caller sees.
    ///
    /// # Panics
    ///
    /// If the list is refused, or if no token can be minted with the properties set on this user.
    #[track_caller]
    pub fn prompts(&self) -> impl Future<Output = Vec<String>> {
        self.list("prompts/list", "prompts", "name")
    }

    /// Lists the URIs of the resources that this caller sees, without the templates.
    ///
    /// # Panics
    ///
    /// If the list is refused, or if no token can be minted with the properties set on this user.
    #[track_caller]
    pub fn resources(&self) -> impl Future<Output = Vec<String>> {
        self.list("resources/list", "resources", "uri")
    }

    /// Lists the URI templates of the resource templates that this caller sees.
    ///
    /// # Panics
    ///
    /// If the list is refused, or if no token can be minted with the properties set on this user.
    #[track_caller]
    pub fn templates(&self) -> impl Future<Output = Vec<String>> {
        self.list(
            "resources/templates/list",
            "resourceTemplates",
            "uriTemplate",
        )
    }

    /// Gets a prompt. `arguments` is an object whose values are strings, because clients send strings.
    ///
    /// # Panics
    ///
    /// If no token can be minted with the properties set on this user.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "tests write the arguments in place, with `json!`"
    )]
    pub fn prompt(&self, prompt: &str, arguments: Value) -> impl Future<Output = TestAnswer> {
        let params = json!({ "name": prompt, "arguments": arguments });
        self.ask("prompts/get", prompt, params)
    }

    /// Reads the resource with this URI.
    ///
    /// # Panics
    ///
    /// If no token can be minted with the properties set on this user.
    #[track_caller]
    pub fn read(&self, uri: &str) -> impl Future<Output = TestAnswer> {
        let params = json!({ "uri": uri });
        self.ask("resources/read", uri, params)
    }

    /// Returns the suggestions for an argument when the user has typed `value`. `of` is the name of a
    /// prompt, or the URI template of a resource template.
    ///
    /// # Panics
    ///
    /// If the request is refused, or if no token can be minted with the properties set on this user.
    #[track_caller]
    pub fn complete(
        &self,
        of: &str,
        argument: &str,
        value: &str,
    ) -> impl Future<Output = Vec<String>> {
        self.complete_with(of, argument, value, json!({}))
    }

    /// Returns the suggestions for an argument, like [`complete`](Self::complete), when the user has already chosen
    /// values for other arguments. `chosen` is an object with the chosen values, which are strings.
    ///
    /// # Panics
    ///
    /// If the request is refused, or if no token can be minted with the properties set on this user.
    #[track_caller]
    #[expect(clippy::panic, reason = "the test expected suggestions")]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "tests write the arguments in place, with `json!`"
    )]
    pub fn complete_with(
        &self,
        of: &str,
        argument: &str,
        value: &str,
        chosen: Value,
    ) -> impl Future<Output = Vec<String>> {
        // Every URI has a colon, and a prompt name cannot have a colon.
        let reference = if of.contains(':') {
            json!({ "type": "ref/resource", "uri": of })
        } else {
            json!({ "type": "ref/prompt", "name": of })
        };
        let params = json!({
            "ref": reference,
            "argument": { "name": argument, "value": value },
            "context": { "arguments": chosen },
        });
        let (request, here) = (
            self.request("completion/complete", None, params),
            Location::caller(),
        );
        async move {
            let answer = request.send().await;
            let values = answer.member("/result/completion/values");
            let Some(values) = values.and_then(Value::as_array) else {
                panic!("no suggestions at {here}, but {answer:?}")
            };
            let values = values.iter().filter_map(Value::as_str);
            values.map(str::to_owned).collect()
        }
    }

    /// Requests all pages of a list, and returns one member of each entry.
    #[track_caller]
    #[expect(clippy::panic, reason = "the test expected a list")]
    fn list(
        &self,
        method: &'static str,
        list: &'static str,
        member: &'static str,
    ) -> impl Future<Output = Vec<String>> {
        // This is not an `async fn`. If no token can be minted, the panic therefore happens here, and not at the
        // `await`.
        let first = self.request(method, None, json!({}));
        let (user, here) = (self.clone(), Location::caller());
        async move {
            let mut names = Vec::new();
            let mut answer = first.send().await;
            loop {
                let entries = answer.member(&format!("/result/{list}"));
                let Some(entries) = entries.and_then(Value::as_array) else {
                    // `here` is the line of the test's call. A panic would otherwise name a line of this future.
                    panic!("no list of {list} at {here}, but {answer:?}")
                };
                let found = entries
                    .iter()
                    .filter_map(|entry| entry.get(member)?.as_str());
                names.extend(found.map(str::to_owned));
                let Some(cursor) = answer.member("/result/nextCursor") else {
                    return names;
                };
                let next = json!({ "cursor": cursor });
                answer = user.request(method, None, next).send().await;
            }
        }
    }
}
