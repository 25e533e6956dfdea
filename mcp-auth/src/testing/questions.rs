//! Questions to a person in tests, and their answers.

use serde_json::{Map, Value, json};

use crate::protocol::CONFIRMATION;

use super::answer::TestAnswer;
use super::user::TestUser;

/// How the person at a caller's client answers questions.
#[derive(Clone, Debug, Default)]
pub(super) enum Person {
    /// The client cannot ask a person.
    #[default]
    Absent,
    /// The person gives the same answer to every question.
    Always(&'static str),
    /// The person fills in the forms with these contents, in this order.
    Fills(Vec<Value>),
}

impl TestUser<'_> {
    /// Accepts every question that a function asks, with an empty form.
    ///
    /// ```standalone_crate
    /// use mcp_auth::testing::TestServer;
    /// use mcp_auth::{Context, ToolError};
    /// use serde_json::json;
    ///
    /// /// Clear the archive.
    /// #[mcp_auth::mcp_tool]
    /// async fn clear(cx: &Context) -> Result<&'static str, ToolError> {
    ///     cx.elicit::<()>("Clear the archive?").await?;
    ///     Ok("cleared")
    /// }
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = TestServer::of(mcp_auth::server!());
    /// let ada = server.user("ada");
    /// let answer = ada.clone().confirming().call("clear", json!({})).await;
    /// assert_eq!(answer.expect_ok().questions()[0]["message"], "Clear the archive?");
    /// ada.clone().declining().call("clear", json!({})).await.expect_error("The user declined.");
    ///
    /// // A client that cannot ask a person.
    /// assert_eq!(ada.call("clear", json!({})).await.error_code(), Some(-32021));
    /// # });
    /// ```
    pub fn confirming(mut self) -> Self {
        self.person = Person::Always("accept");
        self
    }

    /// Declines every question that a function asks.
    pub fn declining(mut self) -> Self {
        self.person = Person::Always("decline");
        self
    }

    /// Closes every question that a function asks, without an answer.
    pub fn cancelling(mut self) -> Self {
        self.person = Person::Always("cancel");
        self
    }

    /// Fills in the form of the next question with this content. May be called several times: the second call is for
    /// the second question of a tool call, and so on. Every new tool call begins again with the first content.
    ///
    /// # Panics
    ///
    /// A tool call panics if the function asks more questions than this method was called.
    pub fn answering(mut self, content: Value) -> Self {
        match &mut self.person {
            Person::Fills(contents) => contents.push(content),
            Person::Absent | Person::Always(_) => self.person = Person::Fills(vec![content]),
        }
        self
    }

    /// Sends a request, and answers the questions of the function.
    #[track_caller]
    pub(super) fn ask(
        &self,
        method: &'static str,
        name: &str,
        params: Value,
    ) -> impl Future<Output = TestAnswer> {
        let user = self.clone();
        let name = name.to_owned();
        let first = self.request(method, Some(&name), params.clone());
        async move {
            let mut answer = first.send().await;
            let mut questions = Vec::new();
            while let Some(round) = answer.next_round(&user.person, questions.len()) {
                questions.extend(round.questions);
                let mut params = params.clone();
                if let Some(params) = params.as_object_mut() {
                    params.insert("inputResponses".to_owned(), round.answers.into());
                    params.insert("requestState".to_owned(), round.state);
                }
                answer = user.request(method, Some(&name), params).send().await;
            }
            questions.extend(
                answer
                    .confirmation("question")
                    .map(|message| json!({ "message": message })),
            );
            answer.questions = questions;
            user.follow(answer).await
        }
    }
}

/// The questions of one response, with the answers for the next request.
struct Round {
    questions: Vec<Value>,
    answers: Map<String, Value>,
    state: Value,
}

impl TestAnswer {
    /// Returns the questions that the function asked a person before its result, in order. Each item is an object with
    /// `message`, and with `requestedSchema` or `url`.
    #[must_use]
    pub fn questions(&self) -> &[Value] {
        &self.questions
    }

    /// Returns the code with which a client that cannot ask a person confirms the call, in the argument
    /// `confirmation_code` of a second call. `None` if the response has no code.
    /// [`ServerBuilder::allow_confirmation_codes`](crate::ServerBuilder::allow_confirmation_codes) has an example.
    #[must_use]
    pub fn confirmation_code(&self) -> Option<&str> {
        self.confirmation("code")
    }

    fn confirmation(&self, member: &str) -> Option<&str> {
        let meta = self.result()?.get("_meta")?;
        meta.get(CONFIRMATION)?.get(member)?.as_str()
    }

    /// Returns the questions of this response with their answers. `None` if the response asks nothing, or if the client
    /// cannot answer. `before` is the number of earlier questions.
    fn next_round(&self, person: &Person, before: usize) -> Option<Round> {
        let state = self.member("/result/requestState")?.clone();
        let (questions, answers) = self.answered(person, before)?;
        Some(Round {
            questions,
            answers,
            state,
        })
    }

    /// Returns the questions of this response, and the answers by name. `before` is the number of earlier questions.
    pub(super) fn answered(
        &self,
        person: &Person,
        before: usize,
    ) -> Option<(Vec<Value>, Map<String, Value>)> {
        let requests = self.member("/result/inputRequests")?.as_object()?;
        let mut questions = Vec::new();
        let mut answers = Map::new();
        for (name, request) in requests {
            let answer = person.answer(before + questions.len())?;
            answers.insert(name.clone(), answer);
            questions.push(request.get("params").cloned().unwrap_or_default());
        }
        Some((questions, answers))
    }
}

impl Person {
    /// Returns the capabilities of a client with this person.
    pub(super) fn capabilities(&self) -> Value {
        match self {
            Self::Absent => json!({}),
            Self::Always(_) | Self::Fills(_) => {
                json!({ "elicitation": { "form": {}, "url": {} } })
            }
        }
    }

    /// Returns the answer to the question with this index.
    #[expect(clippy::panic, reason = "the test expected fewer questions")]
    fn answer(&self, index: usize) -> Option<Value> {
        match self {
            Self::Absent => None,
            Self::Always(action) => Some(json!({ "action": action })),
            Self::Fills(contents) => match contents.get(index) {
                Some(content) => Some(json!({ "action": "accept", "content": content })),
                None => panic!(
                    "the function asked question {}, and the test has {} answers",
                    index + 1,
                    contents.len()
                ),
            },
        }
    }
}
