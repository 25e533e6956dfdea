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

use crate::protocol::{MessageStream, StreamEvent};

/// Returns the response whose body is this stream.
pub(super) fn response(messages: MessageStream) -> HttpResponse {
    let events = Events::new(messages, KEEP_ALIVE);
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        // Without this header, a proxy such as nginx would hold the events back.
        .insert_header(("X-Accel-Buffering", "no"))
        .body(BodyStream::new(events))
}

/// Writes the events. Also writes a comment whenever no event was sent for some time, so that proxies do not close the
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
            Poll::Ready(Some(next)) => event(&next),
            Poll::Pending if self.silence.as_mut().poll(cx).is_ready() => COMMENT,
            Poll::Pending => return Poll::Pending,
        };
        if let Some(next) = Instant::now().checked_add(self.longest_silence) {
            self.silence.as_mut().reset(next);
        }
        Poll::Ready(Some(Ok(bytes)))
    }
}

/// Writes a message as one event. An event without a message gives the client two things: an id with which the
/// client can resume the stream, and the time after which the client should resume the stream (MCP 2025-11-25,
/// basic/transports).
///
/// A line break in JSON is white space between values. It is written as a blank, because it would end the line of the
/// event. U+0085, U+2028 and U+2029 occur only inside strings. They are escaped, because some clients treat them as the
/// end of a line, although the standard does not.
fn event(StreamEvent { id, message }: &StreamEvent) -> Bytes {
    let mut event = Vec::with_capacity(message.len() + 64);
    if let Some(id) = id {
        event.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    if message.is_empty() {
        event.extend_from_slice(format!("retry: {RETRY_MS}\ndata:\n\n").as_bytes());
        return event.into();
    }
    event.extend_from_slice(b"event: message\ndata: ");
    let mut rest = message.as_ref();
    while let Some(at) = rest.iter().position(|byte| SPECIAL.contains(byte)) {
        let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        event.extend_from_slice(plain);
        let (written, length): (&[u8], usize) = match special {
            [b'\n' | b'\r', ..] => (b" ", 1),
            [0xC2, 0x85, ..] => (br"\u0085", 2),
            [0xE2, 0x80, 0xA8, ..] => (br"\u2028", 3),
            [0xE2, 0x80, 0xA9, ..] => (br"\u2029", 3),
            other => (other.get(..1).unwrap_or_default(), 1),
        };
        event.extend_from_slice(written);
        rest = special.get(length..).unwrap_or_default();
    }
    event.extend_from_slice(rest);
    event.extend_from_slice(b"\n\n");
    event.into()
}

/// The bytes that begin a line break.
const SPECIAL: [u8; 4] = [b'\n', b'\r', 0xC2, 0xE2];
/// The time after which a client resumes a stream that the server closed, in milliseconds.
const RETRY_MS: u32 = 1000;
const COMMENT: Bytes = Bytes::from_static(b":\n\n");
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use futures_util::stream;

    use super::*;
    use crate::identity::test_support::block_on;
    use crate::protocol::EventId;

    #[test]
    fn a_message_is_one_event_on_one_line() {
        let message = "{\"a\":\r\n\"é€\u{85}b\u{2028}\u{2029}\u{2030}\"}";
        let expected = r#"{"a":  "é€\u0085b\u2028\u2029‰"}"#;
        let message = StreamEvent {
            id: None,
            message: message.into(),
        };
        assert_eq!(
            event(&message),
            format!("event: message\ndata: {expected}\n\n")
        );
    }

    #[test]
    fn an_event_of_a_session_has_its_id_and_one_without_a_message_the_time_to_wait() {
        let event_of = |id: &str, message: &'static str| {
            event(&StreamEvent {
                id: EventId::parse(id),
                message: message.into(),
            })
        };
        assert_eq!(
            event_of("3-1", "{}"),
            "id: 3-1\nevent: message\ndata: {}\n\n"
        );
        assert_eq!(event_of("3-0", ""), "id: 3-0\nretry: 1000\ndata:\n\n");
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
