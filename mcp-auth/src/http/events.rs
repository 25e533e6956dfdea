//! The response as a stream of server-sent events: one event for each JSON-RPC message.
//!
//! Source: MCP 2026-07-28, basic/transports/streamable-http; HTML Living Standard, section 9.2.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::BodyStream;
use actix_web::http::header::CONTENT_TYPE;
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep};

use crate::protocol::MessageStream;

/// Returns the response whose body is this stream.
pub(super) fn response(messages: MessageStream) -> HttpResponse {
    let events = Events::new(messages, KEEP_ALIVE);
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        // A proxy such as nginx would otherwise keep the events back.
        .insert_header(("X-Accel-Buffering", "no"))
        .body(BodyStream::new(events))
}

/// The events, and a comment whenever no event was sent for some time, so that proxies do not close the
/// connection.
struct Events {
    messages: MessageStream,
    /// The time without an event after which a comment is sent.
    longest_silence: Duration,
    silence: Pin<Box<Sleep>>,
}

impl Events {
    fn new(messages: MessageStream, longest_silence: Duration) -> Self {
        Self {
            messages,
            longest_silence,
            silence: Box::pin(sleep(longest_silence)),
        }
    }
}

impl Stream for Events {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let bytes = match Pin::new(&mut self.messages).poll_next(cx) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(message)) => event(message),
            Poll::Pending if self.silence.as_mut().poll(cx).is_ready() => COMMENT,
            Poll::Pending => return Poll::Pending,
        };
        if let Some(next) = Instant::now().checked_add(self.longest_silence) {
            self.silence.as_mut().reset(next);
        }
        Poll::Ready(Some(Ok(bytes)))
    }
}

/// Writes a message as one event. A line break in JSON is white space between values, and in an event it would
/// end the line, so it becomes a blank.
fn event(mut message: Vec<u8>) -> Bytes {
    for byte in &mut message {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    let mut event = Vec::with_capacity(message.len() + 24);
    event.extend_from_slice(b"event: message\ndata: ");
    event.append(&mut message);
    event.extend_from_slice(b"\n\n");
    event.into()
}

const COMMENT: Bytes = Bytes::from_static(b":\n\n");
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use futures_util::stream;

    use super::*;
    use crate::identity::test_support::block_on;

    #[test]
    fn a_message_is_one_event_on_one_line() {
        let message = b"{\"a\":\r\n\"b\"}".to_vec();
        let expected = "event: message\ndata: {\"a\":  \"b\"}\n\n";
        assert_eq!(event(message), expected);
    }

    #[test]
    fn a_comment_is_sent_in_every_silence() {
        block_on(async {
            let messages = stream::once(async { b"1".to_vec() }).chain(stream::pending());
            let messages = MessageStream::of(messages);
            let events = Events::new(messages, Duration::from_millis(5));
            let sent: Vec<_> = events.take(3).map(Result::unwrap).collect().await;
            assert_eq!(sent, ["event: message\ndata: 1\n\n", ":\n\n", ":\n\n"]);
        });
    }
}
