//! Writes the result of a call that a client confirms with a code.

use serde::Serialize;

use super::super::Response;
use super::super::era::Era;
use super::{Results, content, escaped, is_error};

/// The data for programs.
#[derive(Serialize)]
struct Confirmation<'a> {
    question: &'a str,
    code: &'a str,
}

impl Results {
    /// Writes that the tool did not run, with the question and the code that confirms the call. The result is an error,
    /// because an error needs no structured content.
    pub(in crate::protocol) fn confirmation(
        &self,
        id: &str,
        era: Era,
        tool: &str,
        question: &str,
        code: &str,
    ) -> Response {
        let text = format!(
            "{question}\n\nThe tool did not run, because the user has to agree first. Ask the user this question. If the \
             user agrees, call `{tool}` again with the same arguments, and with `confirmation_code`: `{code}`. The code is \
             valid for five minutes and for one call."
        );
        let meta = [(CONFIRMATION, Confirmation { question, code })];
        self.call(id, escaped(text.len()) + 256, |body| {
            content(body, &[&text]);
            is_error(body);
            self.end(body, era, meta);
        })
    }
}

/// The member of `_meta` with the question and the code.
pub(crate) const CONFIRMATION: &str = "mcp-auth-rs/confirmation";
