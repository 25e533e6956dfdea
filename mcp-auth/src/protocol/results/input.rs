//! Writes the result of a request that waits for answers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::primitive::{Params, Question};

use super::super::Response;
use super::{Results, written};

/// A question as a request to the client.
#[derive(Serialize)]
struct Request<'a> {
    method: &'static str,
    params: &'a Params,
}

impl Results {
    /// Writes the questions and the state of the request. MCP 2026-07-28, basic/patterns/mrtr, `InputRequiredResult`.
    pub(in crate::protocol) fn input_required(
        &self,
        id: &str,
        questions: &BTreeMap<String, Question>,
        state: &str,
    ) -> Response {
        let requests: BTreeMap<_, _> = questions
            .iter()
            .map(|(name, question)| {
                let method = question.ability.method();
                let params = &question.params;
                (name, Request { method, params })
            })
            .collect();
        self.call(id, state.len(), |body| {
            body.extend_from_slice(br#"{"inputRequests":"#);
            written(body, &requests);
            body.extend_from_slice(br#","requestState":"#);
            written(body, state);
            body.extend_from_slice(self.input_tail.as_bytes());
            body.extend_from_slice(b"}}");
        })
    }
}
