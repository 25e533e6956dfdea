//! The questions that a running function asks the client, and the client's answers.
//!
//! A question without an answer ends the run of the function. The server sends the question to the client, and runs the
//! function again when the answer has arrived. The function then gets the answer at the same question.
//!
//! Source: MCP 2026-07-28, basic/patterns/mrtr.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::identity::{Json, parse_object};

use super::error::ToolError;

/// The questions and answers of one run of a function.
#[derive(Debug, Default)]
pub(crate) struct Dialogue {
    /// The data that the client sent, except its answers.
    given: Given,
    state: Mutex<State>,
}

/// The data about the client of a request that questions need.
#[derive(Clone)]
pub(crate) enum Client {
    /// The capabilities that the request declares, as JSON. Empty if it declares none.
    Declared(ByteString),
    Known(ClientAbilities),
}

impl Default for Client {
    fn default() -> Self {
        Self::Declared(ByteString::new())
    }
}

/// The answers and the capabilities that the client sent with its request.
#[derive(Clone, Default)]
pub(crate) struct Given {
    pub(crate) client: Client,
    /// The answers, by the name of the question.
    pub(crate) answers: BTreeMap<String, Answer>,
    /// The number of earlier runs that ended with a question.
    pub(crate) rounds: u32,
    /// True if the client continues an earlier request.
    pub(crate) continues: bool,
    pub(crate) code: GivenCode,
}

/// The code with which a client that cannot ask a person confirms the call.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum GivenCode {
    #[default]
    Absent,
    /// The client sent the code of this question, so the person has agreed.
    Accepted,
    /// The code is not for this call, has expired, or was used before.
    Refused,
}

/// An answer of the client.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Answer {
    /// The question that was answered. `None` if the client sent the answer before the server asked.
    pub(crate) question: Option<QuestionId>,
    /// The answer, as the client sent it. It remains a text until a question reads it, because values take much more
    /// memory than their text.
    pub(crate) value: Box<RawValue>,
}

/// A digest of the content of a question. It prevents the answer to one question from counting as the answer to another
/// question.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct QuestionId(String);

impl QuestionId {
    pub(crate) fn new(id: String) -> Self {
        Self(id)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A question for the client.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) id: QuestionId,
    pub(crate) ability: Ability,
    pub(crate) params: Params,
}

/// The parameters of a question. The members keep their order, because a client shows the fields of a form in the order
/// of the schema.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Params {
    #[serde(rename_all = "camelCase")]
    Form {
        mode: &'static str,
        message: String,
        requested_schema: Box<RawValue>,
    },
    /// The parameters of a request to the client itself, not to a person.
    Other(Map<String, Value>),
    Url {
        mode: &'static str,
        message: String,
        url: String,
    },
}

/// The ability that a client needs for a kind of question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ability {
    /// The client can let a person fill in a form.
    Form,
    /// The client can list its roots.
    Roots,
    /// The client can ask its model.
    Sampling,
    /// The client can let a person open a URL.
    Url,
}

/// The kinds of questions that a client can answer, as it declared them.
///
/// [`Context::client`](super::Context::client) returns this value. Source: MCP 2026-07-28, client/elicitation,
/// capabilities.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ClientAbilities {
    /// The client can let a person fill in a form: [`Context::elicit`](super::Context::elicit).
    pub form: bool,
    /// The client can let a person open a URL: [`Context::elicit_url`](super::Context::elicit_url).
    pub url: bool,
    /// The client can ask its model: [`Context::sample`](super::Context::sample).
    pub sampling: bool,
    /// The client can list its roots: [`Context::list_roots`](super::Context::list_roots).
    pub roots: bool,
}

/// The questions and answers of a run that ended because it needs answers.
#[derive(Debug)]
pub(crate) struct Asking {
    /// The questions, by name.
    pub(crate) questions: BTreeMap<String, Question>,
    /// The answers that this run used.
    pub(crate) answered: BTreeMap<String, Answer>,
    /// The number of runs that ended with a question, including this run.
    pub(crate) rounds: u32,
    /// True if the client answered a question whose content has changed since.
    pub(crate) has_changed: bool,
    pub(crate) client: ClientAbilities,
}

/// A mistake of a function that asks a question.
#[derive(Debug, Error)]
pub(super) enum Misuse {
    #[error(
        "only the function of a tool, a prompt or a resource can ask a question, and only while the function runs"
    )]
    NotInBody,
    #[error("a function asks two questions with the name `{0}`; each question needs its own name")]
    SameName(String),
    #[error("the URL of a question must be an absolute https URL")]
    Url,
}

#[derive(Default)]
struct State {
    /// True if the body of the function has begun.
    is_open: bool,
    /// The number of questions of this run to which the function gave no name.
    unnamed: u32,
    /// All questions of this run.
    asked: BTreeMap<String, QuestionId>,
    waiting: BTreeMap<String, Question>,
    /// The answers of the client that this run has not used.
    unused: BTreeMap<String, Answer>,
    answered: BTreeMap<String, Answer>,
    /// True if the client answered another question with the name of a question of this run.
    has_changed: bool,
}

impl Question {
    pub(super) fn new(ability: Ability, params: Params) -> Self {
        // The server itself makes these parameters, so they can always be written as JSON.
        let content = serde_json::to_vec(&(ability.method(), &params)).unwrap_or_default();
        let digest = digest(&SHA256, &content);
        let short = digest.as_ref().get(..16).unwrap_or_default();
        Self {
            id: QuestionId(URL_SAFE_NO_PAD.encode(short)),
            ability,
            params,
        }
    }

    /// Returns the text for the person. Empty for a question to the client itself.
    pub(crate) fn message(&self) -> &str {
        match &self.params {
            Params::Form { message, .. } | Params::Url { message, .. } => message,
            Params::Other(_) => "",
        }
    }

    /// Adds the reason why the last answer was not accepted to the message. The question remains the same
    /// question.
    fn asked_again(mut self, reason: &str) -> Self {
        match &mut self.params {
            Params::Form { message, .. } | Params::Url { message, .. } => {
                message.push_str("\n\nThe last answer was not accepted: ");
                message.push_str(reason);
            }
            Params::Other(_) => {}
        }
        self
    }
}

impl Given {
    /// Takes a code of the client as the agreement to this question of `confirm`.
    pub(crate) fn confirm(&mut self, question: QuestionId) {
        let question = Some(question);
        let accept = json!({ "action": "accept" });
        // The server itself makes this value, so it can always be written as JSON.
        let value = to_raw_value(&accept).unwrap_or_else(|_| RawValue::NULL.to_owned());
        self.answers
            .insert(CONFIRM.to_owned(), Answer { question, value });
        self.code = GivenCode::Accepted;
    }
}

impl Client {
    pub(crate) fn abilities(&self) -> ClientAbilities {
        match self {
            Self::Declared(capabilities) => ClientAbilities::read(capabilities),
            Self::Known(client) => *client,
        }
    }
}

impl Asking {
    /// Returns the question of `confirm`. `None` if the function asks something else.
    pub(crate) fn confirmation(&self) -> Option<&Question> {
        self.questions.get(CONFIRM)
    }
}

impl Ability {
    /// Returns the MCP method of the question.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Form | Self::Url => "elicitation/create",
            Self::Roots => "roots/list",
            Self::Sampling => "sampling/createMessage",
        }
    }

    /// Returns the capability that a client declares for this ability.
    pub(crate) fn capability(self) -> (&'static str, Value) {
        match self {
            Self::Form => ("elicitation", json!({ "form": {} })),
            Self::Roots => ("roots", json!({})),
            Self::Sampling => ("sampling", json!({})),
            Self::Url => ("elicitation", json!({ "url": {} })),
        }
    }
}

impl ClientAbilities {
    /// Reads the capabilities that a client declared.
    pub(crate) fn read(capabilities: &str) -> Self {
        let declared = parse_object(capabilities.as_bytes()).unwrap_or_default();
        let has = |name: &str| declared.get(name).is_some_and(Value::is_object);
        let elicits = |mode: &str| {
            let mode = declared
                .get("elicitation")
                .and_then(|modes| modes.get(mode));
            mode.is_some_and(Value::is_object)
        };
        let url = elicits("url");
        Self {
            // An empty object means that the client supports forms (MCP 2026-07-28, client/elicitation, capabilities).
            form: elicits("form") || has("elicitation") && !url,
            url,
            sampling: has("sampling"),
            roots: has("roots"),
        }
    }

    pub(crate) fn has(self, ability: Ability) -> bool {
        match ability {
            Ability::Form => self.form,
            Ability::Roots => self.roots,
            Ability::Sampling => self.sampling,
            Ability::Url => self.url,
        }
    }
}

impl Dialogue {
    pub(crate) fn new(mut given: Given) -> Self {
        given.continues |= !given.answers.is_empty();
        let unused = std::mem::take(&mut given.answers);
        Self {
            given,
            state: Mutex::new(State {
                unused,
                ..State::default()
            }),
        }
    }

    /// Returns true if the client continues an earlier request, or sent answers.
    pub(crate) fn continues(&self) -> bool {
        self.given.continues
    }

    pub(crate) fn code(&self) -> GivenCode {
        self.given.code
    }

    /// Notes that the confirmation code that the client sent was already used, so it does not confirm the call.
    pub(crate) fn refuse_code(&mut self) {
        self.lock().unused.remove(CONFIRM);
        self.given.code = GivenCode::Refused;
    }

    pub(super) fn client(&self) -> ClientAbilities {
        self.given.client.abilities()
    }

    /// Reports that the body of the function begins. Earlier questions are errors, because the call may still be
    /// denied.
    pub(super) fn open(&self) {
        self.lock().is_open = true;
    }

    /// Returns the answer to a question, converted by `read`. If there is no answer, or `read` does not accept the
    /// answer, the future never completes, and the run ends. The error of `read` tells the person what is wrong with
    /// the answer.
    ///
    /// # Errors
    ///
    /// - The body of the function has not begun.
    /// - Another question of this run has the same name.
    pub(super) async fn ask<A>(
        &self,
        name: Option<&str>,
        question: Question,
        read: impl FnOnce(&Value) -> Result<A, String>,
    ) -> Result<A, ToolError> {
        if !self.lock().is_open {
            return Err(Misuse::NotInBody.into());
        }
        match self.answer(name, question, false, read)? {
            Some(answer) => Ok(answer),
            None => pending().await,
        }
    }

    /// Asks the person before the body of the function begins. An answer counts only if the server asked this question
    /// in an earlier round.
    pub(super) async fn confirm<A>(
        &self,
        question: Question,
        read: impl FnOnce(&Value) -> Result<A, String>,
    ) -> Result<A, ToolError> {
        let question = match self.given.code {
            GivenCode::Refused => question.asked_again(REFUSED_CODE),
            GivenCode::Absent | GivenCode::Accepted => question,
        };
        match self.answer(Some(CONFIRM), question, true, read)? {
            Some(answer) => Ok(answer),
            None => pending().await,
        }
    }

    /// Returns the answer to a question. If `was_asked` is true, an answer counts only if the server asked the question
    /// in an earlier round.
    fn answer<A>(
        &self,
        name: Option<&str>,
        question: Question,
        was_asked: bool,
        read: impl FnOnce(&Value) -> Result<A, String>,
    ) -> Result<Option<A>, ToolError> {
        let mut state = self.lock();
        let name = name.map_or_else(|| state.next_name(), str::to_owned);
        if let Some(other) = state.asked.insert(name.clone(), question.id.clone())
            && other != question.id
        {
            return Err(Misuse::SameName(name).into());
        }
        let unused = state.unused.remove(&name);
        let answer = unused.or_else(|| state.answered.remove(&name));
        let answered = answer.as_ref().and_then(|answer| answer.question.as_ref());
        state.has_changed |= answered.is_some_and(|answered| *answered != question.id);
        let answer = answer.filter(|answer| {
            let id = answer.question.as_ref();
            id.map_or(!was_asked, |id| *id == question.id)
        });
        let question = match answer {
            Some(Answer { value, .. }) => match read(&read_value(&value)) {
                Ok(read) => {
                    let question = Some(question.id);
                    state.answered.insert(name, Answer { question, value });
                    return Ok(Some(read));
                }
                Err(reason) => question.asked_again(&reason),
            },
            None => question,
        };
        state.waiting.insert(name, question);
        Ok(None)
    }

    /// Returns the questions without an answer. `None` if the function does not wait for an answer.
    pub(super) fn asking(&self) -> Option<Asking> {
        let mut state = self.lock();
        if state.waiting.is_empty() {
            return None;
        }
        Some(Asking {
            questions: std::mem::take(&mut state.waiting),
            answered: std::mem::take(&mut state.answered),
            rounds: self.given.rounds.saturating_add(1),
            has_changed: state.has_changed,
            client: self.client(),
        })
    }

    /// Locks the state. Ignores poisoning: no code panics while it holds this lock, so the state cannot be half
    /// changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the value of an answer. `null` if the answer has a member twice, or is nested too deeply.
fn read_value(answer: &RawValue) -> Value {
    serde_json::from_str::<Json<'_>>(answer.get()).map_or(Value::Null, Value::from)
}

impl State {
    /// Returns the name of the next question to which the function gives no name: the position of the question in the
    /// function.
    fn next_name(&mut self) -> String {
        self.unnamed += 1;
        format!("question-{}", self.unnamed)
    }
}

/// Prints no answers, because answers may be personal.
impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given")
            .field("answers", &self.answers.len())
            .field("rounds", &self.rounds)
            .finish_non_exhaustive()
    }
}

/// Prints no answer, because the answer may be personal.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("question", &self.question)
            .finish_non_exhaustive()
    }
}

/// Prints no answers, because answers may be personal.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}

/// The name of the question of `confirm`.
const CONFIRM: &str = "confirm";
const REFUSED_CODE: &str = "the code is not for this call, has expired, or was used before.";

#[cfg(test)]
mod tests;
