//! Runs a call of a legacy session that asks questions. The server sends the questions as requests on the stream of the
//! call, waits for the answers, and runs the call again with the answers. Each run passes the guard and the limits.
//!
//! Source: MCP 2025-11-25, client/elicitation.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use futures_util::future::join_all;
use serde::Serialize;
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use crate::identity::{Caller, UrlOrg, parse_object};
use crate::limits::Party;
use crate::primitive::{Ability, Asking, Client, ClientAnswer, Given, GivenCode, Params, Question};

use super::super::challenge::Challenger;
use super::super::envelope::Message;
use super::super::era::{Era, Header, Headers, Mirrored};
use super::super::error::RpcError;
use super::super::seal::random_id;
use super::super::sessions::{self, ClientRequest, SessionRequest, StreamWriter};
use super::super::subscriptions::Place;
use super::super::{RefusedMessage, Response};
use super::message_stream::MessageStream;
use super::outliving::{NO_ANSWER, body};
use super::target::Continuation;
use super::{Endpoint, Request, Stopped, not_found};

/// A request of a session that outlives its HTTP request.
pub(super) struct Original {
    id: String,
    /// A copy of the body, because the bytes of the body itself count in the budget of bodies. `None` if the body is too
    /// long for a call that asks.
    body: Option<ByteString>,
    caller: Option<Caller>,
    url_org: UrlOrg,
    party: Party,
    challenger: Challenger,
    session: Arc<SessionRequest>,
}

/// A question that the server sent to a client.
struct Sent {
    name: String,
    question: Question,
    request: ClientRequest,
}

impl Original {
    /// Returns the request, if it belongs to a session and its client accepts a stream of events.
    pub(super) fn of(caller: Option<&Caller>, request: &Request<'_>) -> Option<Self> {
        let session = request.session.filter(|_| request.streams)?;
        Some(Self {
            id: request.id.to_owned(),
            body: (request.body.len() <= MOST_BODY).then(|| ByteString::from(&**request.body)),
            caller: caller.cloned(),
            url_org: request.url_org.clone(),
            party: request.party,
            challenger: request.challenger.clone(),
            session: Arc::clone(session),
        })
    }

    pub(super) fn session(&self) -> &Arc<SessionRequest> {
        &self.session
    }
}

impl Endpoint {
    /// Responds to the request of a session with a stream. The stream has the questions of the call, and at the end its
    /// response.
    pub(super) fn ask_in_session(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        request: &Request<'_>,
        asking: Box<Asking>,
    ) -> Result<Response, Stopped> {
        let Some(original) = Original::of(caller, request) else {
            return Err(RpcError::Failed(NO_ANSWER.to_owned()).into());
        };
        let place = original.place(self)?;
        let (writer, events) = original.session.session().open_stream();
        let end = Err(Stopped::Asking(asking));
        let delivered = Arc::clone(self).deliver(original, writer, place, end);
        tokio::spawn(delivered.in_current_span().with_current_subscriber());
        let events = MessageStream::of_session(events);
        Ok(Response::Stream(self.until_revoked(events, caller, None)))
    }

    /// Asks the questions and runs the call again, until the call has a response. Then puts the response on the stream.
    /// From the first question on, the call has a place among the open streams.
    pub(super) async fn deliver(
        self: Arc<Self>,
        original: Original,
        writer: StreamWriter,
        mut place: Option<Place>,
        mut end: Result<Response, Stopped>,
    ) {
        let mut continuation = Continuation {
            given: Given::default(),
            writer,
        };
        while let Err(Stopped::Asking(asking)) = end {
            if place.is_none() {
                place = match original.place(&self) {
                    Ok(place) => place,
                    Err(refusal) => {
                        end = Err(refusal.into());
                        break;
                    }
                };
            }
            end = match original.questions(&asking, &continuation.writer).await {
                Ok(given) => {
                    continuation.given = given;
                    self.again(&original, &continuation).await
                }
                Err(error) => Err(error.into()),
            };
        }
        drop(place);
        // A cancelled request gets no response.
        if !original.session.is_cancelled() {
            let _ = continuation.writer.send(body(&original.id, end)).await;
        }
    }

    /// Runs the request again, with the answers. The box is needed because this future contains itself.
    fn again<'a>(
        self: &'a Arc<Self>,
        original: &'a Original,
        continuation: &'a Continuation,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Stopped>> + Send + 'a>> {
        Box::pin(async move {
            let now = self.config.clock.unix_ms();
            let expires = original.caller.as_ref().and_then(Caller::expires_ms);
            if expires.is_some_and(|expires| expires <= now) {
                return Err(RpcError::Failed(EXPIRED.to_owned()).into());
            }
            let authenticator = &self.config.streams.authenticator;
            let caller = original.caller.as_ref();
            if caller.is_some_and(|caller| authenticator.is_revoked(caller)) {
                return Err(RpcError::Failed(REVOKED.to_owned()).into());
            }
            let body = original.body.as_ref().ok_or_else(too_long)?;
            let message = Message::parse(body).map_err(|(error, _)| error)?;
            // The server checked the headers when it received the HTTP request.
            let mirrored = Mirrored {
                required: true,
                version: Header::Absent,
                method: Header::Absent,
                name: Header::Absent,
                arguments: &NoHeaders,
            };
            let request = Request {
                id: &original.id,
                era: Era::Legacy,
                mirrored: &mirrored,
                params: message.params()?,
                body,
                url_org: &original.url_org,
                party: original.party,
                challenger: &original.challenger,
                streams: true,
                session: Some(&original.session),
                continuation: Some(continuation),
            };
            match &*message.method {
                "tools/call" => self.call_tool(caller, &request).await,
                "prompts/get" => self.get_prompt(caller, &request).await,
                "resources/read" => self.read_resource(caller, &request).await,
                _ => Err(not_found(Era::Legacy)),
            }
        })
    }
}

impl Original {
    /// Counts the call among the open streams, because nothing else limits the calls that wait for
    /// a person.
    fn place(&self, endpoint: &Endpoint) -> Result<Option<Place>, RefusedMessage> {
        let place = endpoint.place_in_session(self.caller.as_ref(), self.party);
        place.map_err(|_| RefusedMessage::Subscriptions)
    }

    /// Asks the client, and waits for all answers.
    async fn questions(&self, asking: &Asking, writer: &StreamWriter) -> Result<Given, RpcError> {
        if self.body.is_none() {
            return Err(too_long());
        }
        let unanswered = || RpcError::Failed(NO_ANSWER.to_owned());
        let mut sent = Vec::new();
        for (name, question) in &asking.questions {
            let session = self.session.session();
            let params = Sendable {
                params: &question.params,
                id: (question.ability == Ability::Url).then(random_id),
            };
            let request = session.request(question.ability.method(), &params);
            let mut request = request.map_err(|_| unanswered())?;
            let message = std::mem::take(&mut request.message);
            writer.send(message).await.map_err(|_| unanswered())?;
            sent.push(Sent {
                name: name.clone(),
                question: question.clone(),
                request,
            });
        }
        let answers = self
            .session
            .or_cancelled(join_all(sent.into_iter().map(Sent::answer)));
        let answers = answers.await.ok_or_else(unanswered)?;
        let answers: Option<BTreeMap<_, _>> = answers.into_iter().collect();
        let mut given = asking.answered.clone();
        given.extend(answers.ok_or_else(unanswered)?);
        Ok(Given {
            client: Client::Known(asking.client),
            answers: given,
            rounds: asking.rounds,
            continues: true,
            code: GivenCode::Absent,
        })
    }
}

impl Sent {
    /// Waits for the answer. `None` if the client does not answer in time, or answers with an error.
    async fn answer(self) -> Option<(String, ClientAnswer)> {
        let answer = self.request.answer(ANSWER_WITHIN).await.ok()?;
        let value = match answer {
            sessions::ClientAnswer::Result(result) => {
                parse_object(result.get().as_bytes()).ok()?;
                result
            }
            sessions::ClientAnswer::Error { code, message } => {
                tracing::debug!(target: "mcp_auth", code, length = message.len(), "a client refused a question");
                return None;
            }
        };
        let question = Some(self.question.id);
        Some((self.name, ClientAnswer { question, value }))
    }
}

fn too_long() -> RpcError {
    RpcError::Failed(TOO_LONG.to_owned())
}

/// The parameters of a question. In MCP 2025-11-25 a question with a URL must have an id.
#[derive(Serialize)]
struct Sendable<'a> {
    #[serde(flatten)]
    params: &'a Params,
    #[serde(rename = "elicitationId", skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// The headers of a repeated request: none.
struct NoHeaders;

impl Headers for NoHeaders {
    fn header(&self, _: &str) -> Header<'_> {
        Header::Absent
    }
}

/// The time that a person has for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(600);
const REVOKED: &str = "The access was revoked before the question was answered.";
/// The largest length of the body of a call that asks, in bytes. The copy of the body is kept until the answer arrives.
const MOST_BODY: usize = 64 * 1024;
const TOO_LONG: &str =
    "This call needs an answer of the user, so its request may have at most 64 KiB.";
const EXPIRED: &str = "The access token expired before the question was answered.";
