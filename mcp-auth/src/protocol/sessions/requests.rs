//! The requests that the server sends to the client of a session, and the client's responses.
//!
//! INVARIANT: a response is accepted only for a request of the same session that still waits. The id of a request is
//! random, so a client knows only the ids of the requests that it received.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::session::Session;

/// The response of a client to a request of the server.
#[derive(Clone, Debug)]
pub(crate) enum ClientAnswer {
    /// The client refused the request, or could not answer it.
    Error { code: i64, message: String },
    /// The result, as written in the body. It is not validated.
    Result(Box<RawValue>),
}

/// The reason why a request to the client has no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unanswered {
    /// The session ended.
    SessionEnded,
    /// The client did not answer in time.
    TimedOut,
    /// Too many requests of the session wait for an answer, so this request was not sent.
    TooMany,
}

/// A request to the client. Dropping the value withdraws the request, and a later response is refused.
pub(crate) struct ClientRequest {
    /// The JSON-RPC message. The caller puts it on the stream of the call that asks.
    pub(crate) message: Vec<u8>,
    session: Arc<Session>,
    id: Box<str>,
    answer: oneshot::Receiver<ClientAnswer>,
}

impl ClientRequest {
    pub(super) fn new<P: Serialize + ?Sized>(
        session: &Arc<Session>,
        method: &str,
        params: &P,
    ) -> Result<Self, Unanswered> {
        let mut random = [0; 16];
        rand::fill(&mut random).map_err(|Unspecified| Unanswered::TooMany)?;
        let id: Box<str> = URL_SAFE_NO_PAD.encode(random).into();
        let (sender, answer) = oneshot::channel();
        session.with_requests(|requests| requests.open(id.clone(), sender))?;
        let request = Outgoing {
            jsonrpc: "2.0",
            id: &id,
            method,
            params,
        };
        Ok(Self {
            // The server itself makes these parameters, so they can always be written as JSON.
            message: serde_json::to_vec(&request).unwrap_or_default(),
            session: Arc::clone(session),
            id,
            answer,
        })
    }

    /// Waits for the client's response, at most for this time.
    pub(crate) async fn answer(mut self, limit: Duration) -> Result<ClientAnswer, Unanswered> {
        match timeout(limit, &mut self.answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Unanswered::SessionEnded),
            Err(_) => Err(Unanswered::TimedOut),
        }
    }
}

impl Drop for ClientRequest {
    fn drop(&mut self) {
        self.session.with_requests(|requests| {
            requests.0.remove(&self.id);
        });
    }
}

/// Prints neither the id nor the message.
impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRequest").finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Outgoing<'a, P: ?Sized> {
    jsonrpc: &'static str,
    id: &'a str,
    method: &'a str,
    params: &'a P,
}

/// The requests of a session that wait for their answers.
#[derive(Default)]
pub(super) struct Requests(HashMap<Box<str>, oneshot::Sender<ClientAnswer>>);

impl Requests {
    fn open(
        &mut self,
        id: Box<str>,
        sender: oneshot::Sender<ClientAnswer>,
    ) -> Result<(), Unanswered> {
        if self.0.len() >= MOST_REQUESTS {
            return Err(Unanswered::TooMany);
        }
        self.0.insert(id, sender);
        Ok(())
    }

    /// Passes a response to the call that waits for it. Returns false if no call waits for this id.
    pub(super) fn answer(&mut self, response: ClientResponse<'_>) -> bool {
        let sender = response.id.and_then(|id| self.0.remove(&*id));
        sender.is_some_and(|sender| sender.send(response.answer).is_ok())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

/// A JSON-RPC response in the body of a POST.
#[derive(Debug)]
pub(in crate::protocol) struct ClientResponse<'a> {
    /// `None` if the id is not a string. The ids of this server are strings.
    id: Option<std::borrow::Cow<'a, str>>,
    answer: ClientAnswer,
}

impl<'a> ClientResponse<'a> {
    /// Reads a body. `None` if the body is not a response, or is larger than the server accepts.
    pub(in crate::protocol) fn read(body: &'a str) -> Option<Self> {
        if body.len() > MOST_BYTES {
            return None;
        }
        let written: Written<'_> = serde_json::from_str(body).ok()?;
        if written.jsonrpc != "2.0" || written.method.is_some() {
            return None;
        }
        let answer = match (written.result, written.error) {
            (Some(result), None) => ClientAnswer::Result(result.to_owned()),
            (None, Some(error)) => ClientAnswer::Error {
                code: error.code,
                message: error.message,
            },
            (None, None) | (Some(_), Some(_)) => return None,
        };
        let id = serde_json::from_str::<Text<'_>>(written.id.get()).ok();
        Some(Self {
            id: id.map(|id| id.0),
            answer,
        })
    }
}

/// The members of a response. A member that occurs twice is an error.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    jsonrpc: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<WrittenError>,
}

#[derive(Deserialize)]
struct WrittenError {
    code: i64,
    message: String,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);

/// The largest number of requests of a session that wait for an answer.
const MOST_REQUESTS: usize = 16;
/// The largest size of a client's response, in bytes.
const MOST_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_response_is_a_response() {
        for good in [
            r#"{"jsonrpc":"2.0","id":"a","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}"#,
            r#"{"jsonrpc":"2.0","id":"a","error":{"code":-1,"message":"no","data":[]}}"#,
            r#"{"jsonrpc":"2.0","id":"a","result":{},"extra":1}"#,
        ] {
            assert!(ClientResponse::read(good).is_some(), "{good}");
        }
        let long = format!(
            r#"{{"jsonrpc":"2.0","id":"a","result":"{}"}}"#,
            "x".repeat(MOST_BYTES)
        );
        for bad in [
            r#"{"jsonrpc":"2.0","id":"a"}"#,
            r#"{"jsonrpc":"2.0","result":{}}"#,
            r#"{"jsonrpc":"1.0","id":"a","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":"a","method":"ping","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"a","result":{},"error":{"code":1,"message":""}}"#,
            r#"{"jsonrpc":"2.0","id":"a","id":"b","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"a","result":{},"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"a","error":{"code":"1","message":""}}"#,
            r#"[{"jsonrpc":"2.0","id":"a","result":{}}]"#,
            "",
            &long,
        ] {
            assert!(ClientResponse::read(bad).is_none(), "{bad}");
        }
    }
}
