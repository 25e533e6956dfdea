//! The methods with which a function sends a request to the client's model, or asks for the client's roots.

#![expect(
    deprecated,
    reason = "MCP 2026-07-28 deprecates the requests, and clients still support them"
)]

use rmcp::model::{CreateMessageRequestParams, CreateMessageResult, ListRootsResult, Root};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::context::Context;
use super::dialogue::{Ability, Params, Question};
use super::error::ToolError;

impl Context {
    /// Asks the model of the client, and returns its message. MCP 2026-07-28 deprecates these requests: new functions
    /// should call the API of a model themselves. Apart from that, the method works like [`elicit`](Self::elicit).
    ///
    /// # Errors
    ///
    /// - The method was called from `authorize`, a [`FromContext`](crate::FromContext) or a completion function. The
    ///   error is internal.
    ///
    /// Source: MCP 2026-07-28, client/sampling.
    pub async fn sample(
        &self,
        request: CreateMessageRequestParams,
    ) -> Result<CreateMessageResult, ToolError> {
        let params = match serde_json::to_value(request)? {
            Value::Object(params) => params,
            _ => Map::new(),
        };
        self.ask(
            None,
            Question::new(Ability::Sampling, Params::Other(params)),
            parsed,
        )
        .await
    }

    /// Returns the roots of the client: the directories and files with which the client works. MCP 2026-07-28
    /// deprecates this request. Apart from that, the method works like [`elicit`](Self::elicit).
    ///
    /// # Errors
    ///
    /// - The method was called from `authorize`, a [`FromContext`](crate::FromContext) or a completion function. The
    ///   error is internal.
    ///
    /// Source: MCP 2026-07-28, client/roots.
    pub async fn list_roots(&self) -> Result<Vec<Root>, ToolError> {
        let question = Question::new(Ability::Roots, Params::Other(Map::new()));
        let result: ListRootsResult = self.ask(None, question, parsed).await?;
        Ok(result.roots)
    }
}

fn parsed<T: DeserializeOwned>(answer: &Value) -> Result<T, String> {
    T::deserialize(answer).map_err(|_| "the client sent another type of result".to_owned())
}
