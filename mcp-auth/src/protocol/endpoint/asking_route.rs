//! Whether the server can ask the client of a call, and what the log and the client learn if it cannot.

use serde_json::{Map, Value};

use crate::primitive::{Asking, Failure, Outcome, Output};

use super::super::era::Era;
use super::super::record::{Ended, Record};

/// The way in which the questions of a call reach the client.
#[derive(Clone, Copy)]
pub(super) struct AskingRoute {
    pub(super) era: Era,
    /// True if the server can send requests to the client of a legacy session.
    pub(super) in_session: bool,
    /// True if the server gives sessions to legacy clients.
    pub(super) gives_sessions: bool,
    /// True if a client that cannot ask a person confirms the call with a code.
    pub(super) takes_code: bool,
}

/// The reason why the server does not ask the questions of a function.
#[derive(Debug, PartialEq)]
pub(super) enum Unasked {
    /// The client lacks these capabilities.
    Lacks(Map<String, Value>),
    /// The client has no session, and the server gives sessions to legacy clients.
    NoSession,
    /// The client needs a session, and the server gives no sessions.
    SessionsOff,
    /// The function asked too many questions, and changed the content of a question that the client
    /// had answered.
    TooManyChanged,
    TooMany,
}

impl AskingRoute {
    /// Returns the reason why the server does not ask these questions. `None` if the server asks
    /// these questions.
    pub(super) fn refusal(self, asking: &Asking) -> Option<Unasked> {
        let is_code = asking.confirmation().is_some() && self.takes_code && !asking.client.form;
        if is_code {
            return None;
        }
        if self.era == Era::Legacy && !self.in_session {
            return Some(match self.gives_sessions {
                true => Unasked::NoSession,
                false => Unasked::SessionsOff,
            });
        }
        let missing = missing(asking);
        if !missing.is_empty() {
            return Some(Unasked::Lacks(missing));
        }
        (asking.rounds > MOST_ROUNDS).then_some(match asking.has_changed {
            true => Unasked::TooManyChanged,
            false => Unasked::TooMany,
        })
    }

    /// Logs the outcome of a call, as [`Record::end`] does. Questions that the server does not ask are a failure.
    pub(super) fn end(self, outcome: Outcome, record: &mut Record) -> Result<Output, Ended> {
        let unasked = match &outcome {
            Err(Failure::Asking(asking)) => self.refusal(asking),
            Err(_) | Ok(_) => None,
        };
        match (unasked, outcome) {
            (Some(unasked), Err(Failure::Asking(asking))) => {
                record.fail(unasked.reason());
                Err(Ended::Asking(asking))
            }
            (_, outcome) => record.end(outcome),
        }
    }
}

impl Unasked {
    /// Returns the reason for the log.
    fn reason(&self) -> &'static str {
        match self {
            Self::Lacks(_) => "the client cannot ask a person, because it lacks the capability",
            Self::NoSession => {
                "the client cannot ask a person: a client of MCP 2025-11-25 or older needs a session"
            }
            Self::SessionsOff => {
                "the client cannot ask a person: a client of MCP 2025-11-25 or older needs a session; set \
                 `MCP_AUTH_LEGACY=sessions`"
            }
            Self::TooManyChanged => {
                "the function asked too many questions; the text of a question must be the same in each run"
            }
            Self::TooMany => "the function asked too many questions",
        }
    }

    /// Returns the text for the client.
    pub(super) fn text(&self) -> &'static str {
        match self {
            Self::Lacks(_) => {
                "This call needs an answer of the user, but this client cannot ask the user."
            }
            Self::NoSession => {
                "This call needs an answer of the user, but the server cannot ask through this connection: it has \
                 no session."
            }
            Self::SessionsOff => {
                "This call needs an answer of the user, but the server cannot ask through this connection: its \
                 operator has not turned on sessions for clients of MCP 2025-11-25 and older."
            }
            Self::TooManyChanged => {
                "The server asked too many questions. The function asked another question in each run; the text of a \
                 question must be the same in each run."
            }
            Self::TooMany => "The server asked too many questions.",
        }
    }
}

/// Returns the capabilities that the client lacks for these questions.
fn missing(asking: &Asking) -> Map<String, Value> {
    let mut missing = Map::new();
    for question in asking.questions.values() {
        if asking.client.has(question.ability) {
            continue;
        }
        let (name, modes) = question.ability.capability();
        match (missing.get_mut(name), modes) {
            (Some(Value::Object(known)), Value::Object(modes)) => known.extend(modes),
            (_, modes) => {
                missing.insert(name.to_owned(), modes);
            }
        }
    }
    missing
}

/// The largest number of rounds of one request.
const MOST_ROUNDS: u32 = 32;
