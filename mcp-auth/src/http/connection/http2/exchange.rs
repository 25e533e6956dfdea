//! One request of a connection with HTTP/2, and its response.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::error::PayloadError;
use actix_http::{BoxedPayloadStream, Payload, Request, Response};
use actix_web::dev::Service;
use bytes::Bytes;
use futures_util::Stream;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::Method;
use tokio::time::{Instant, sleep_until};

use super::convert;
use super::io::ByteFlow;
use super::seats::Seat;
use super::serve::Services;

/// The end of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    /// The client got a whole response.
    Answered,
    /// The client cancelled the request, or did not read the response, or the request ended to make room.
    Cut,
}

/// The parts of a connection that its requests use.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) flow: Rc<ByteFlow>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) write_deadline: Duration,
}

impl Exchange {
    /// Lets the services answer a request, and writes the response.
    pub(super) async fn run<S, X, B>(
        self,
        services: Services<S, X>,
        request: http::Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        seat: Seat,
    ) -> Ended
    where
        S: Service<Request, Response: Into<Response<B>>, Error: Into<Response<BoxBody>>>,
        B: MessageBody + 'static,
        X: Service<Request, Response = Request, Error = Response<BoxBody>>,
    {
        let seat = Rc::new(seat);
        let (parts, body) = request.into_parts();
        let expects = convert::expects_continue(&parts, &body);
        let is_head = parts.method == Method::HEAD;
        let payload = if body.is_end_stream() {
            if !seat.calls() {
                return cut(&mut respond);
            }
            Payload::None
        } else {
            let body = Incoming {
                body,
                flow: Rc::clone(&self.flow),
                seat: Rc::clone(&seat),
            };
            let payload: BoxedPayloadStream = Box::pin(body);
            Payload::Stream { payload }
        };
        let Some(request) = convert::request(&parts, payload, self.peer) else {
            respond.send_reset(Reason::PROTOCOL_ERROR);
            return Ended::Cut;
        };
        let request = if expects {
            match unless_cut(services.expect.call(request), &mut respond, &seat).await {
                None => return cut(&mut respond),
                Some(Err(refusal)) => {
                    return self.answer(refusal, &mut respond, &seat, is_head).await;
                }
                Some(Ok(request)) => {
                    let mut head = http::Response::new(());
                    *head.status_mut() = http::StatusCode::CONTINUE;
                    if respond.send_informational(head).is_err() {
                        return Ended::Cut;
                    }
                    request
                }
            }
        } else {
            request
        };
        let answer = match unless_cut(services.service.call(request), &mut respond, &seat).await {
            None => return cut(&mut respond),
            Some(Ok(answer)) => answer.into().map_into_boxed_body(),
            Some(Err(error)) => error.into(),
        };
        self.answer(answer, &mut respond, &seat, is_head).await
    }

    async fn answer(
        &self,
        answer: Response<BoxBody>,
        respond: &mut SendResponse<Bytes>,
        seat: &Seat,
        is_head: bool,
    ) -> Ended {
        let size = answer.body().size();
        let Some(head) = convert::response(&answer, size) else {
            respond.send_reset(Reason::INTERNAL_ERROR);
            return Ended::Cut;
        };
        let has_no_body = is_head || size.is_eof();
        let Ok(mut stream) = respond.send_response(head, has_no_body) else {
            return Ended::Cut;
        };
        if has_no_body {
            return Ended::Answered;
        }
        let mut left = match size {
            BodySize::Sized(length) => Some(length),
            BodySize::None | BodySize::Stream => None,
        };
        let (_, body) = answer.into_parts();
        let mut body = pin!(body);
        loop {
            let next = poll_fn(|cx| match body.as_mut().poll_next(cx) {
                Poll::Pending if is_over(&mut stream, seat, cx) => Poll::Ready(Err(())),
                next => next.map(Ok),
            });
            let Ok(next) = next.await else {
                return stop(&mut stream);
            };
            let mut chunk = match next {
                Some(Ok(chunk)) => chunk,
                // The client must not take a part of a body for the whole.
                Some(Err(_)) => {
                    stream.send_reset(Reason::INTERNAL_ERROR);
                    return Ended::Cut;
                }
                None => break,
            };
            while !chunk.is_empty() {
                let most = chunk.len().min(MOST_AT_ONCE);
                let Some(room) = self.room(&mut stream, seat, most).await else {
                    return stop(&mut stream);
                };
                let piece = chunk.split_to(room.min(chunk.len()));
                left = left.map(|left| left.saturating_sub(piece.len() as u64));
                let is_last = left == Some(0);
                if stream.send_data(piece, is_last).is_err() {
                    return Ended::Cut;
                }
                self.flow.had_use();
                if is_last {
                    return Ended::Answered;
                }
            }
        }
        match stream.send_data(Bytes::new(), true) {
            Ok(()) => Ended::Answered,
            Err(_) => Ended::Cut,
        }
    }

    /// Waits until the client takes bytes of the response. Returns the number of bytes, or `None` if the response must end.
    async fn room(
        &self,
        stream: &mut SendStream<Bytes>,
        seat: &Seat,
        most: usize,
    ) -> Option<usize> {
        stream.reserve_capacity(most);
        let mut waits = None;
        let mut end = pin!(None);
        let room = poll_fn(|cx| {
            match stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(room))) => return Poll::Ready(Some(room)),
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(None),
                Poll::Pending => {}
            }
            if is_over(stream, seat, cx) {
                return Poll::Ready(None);
            }
            if waits.is_none() {
                let now = Instant::now();
                waits = Some(now);
                seat.transfers();
                end.set(now.checked_add(self.write_deadline).map(sleep_until));
            }
            match end.as_mut().as_pin_mut() {
                Some(end) => end.poll(cx).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await;
        // An evicted response ends here.
        room.filter(|_| waits.is_none() || seat.calls())
    }
}

/// Returns the result of a call. `None` if the client cancels the request, or if the request must end to make room.
async fn unless_cut<T>(
    call: impl Future<Output = T>,
    respond: &mut SendResponse<Bytes>,
    seat: &Seat,
) -> Option<T> {
    let mut call = pin!(call);
    poll_fn(|cx| {
        if let Poll::Ready(ended) = call.as_mut().poll(cx) {
            return Poll::Ready(Some(ended));
        }
        if respond.poll_reset(cx).is_ready() || seat.is_evicted(cx.waker()) {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}

fn cut(respond: &mut SendResponse<Bytes>) -> Ended {
    respond.send_reset(Reason::REFUSED_STREAM);
    Ended::Cut
}

/// Returns true if the client cancelled the response, or if the response must end to make room.
fn is_over(stream: &mut SendStream<Bytes>, seat: &Seat, cx: &mut Context<'_>) -> bool {
    stream.poll_reset(cx).is_ready() || seat.is_evicted(cx.waker())
}

fn stop(stream: &mut SendStream<Bytes>) -> Ended {
    stream.send_reset(Reason::CANCEL);
    Ended::Cut
}

/// The body of a request.
struct Incoming {
    body: RecvStream,
    flow: Rc<ByteFlow>,
    seat: Rc<Seat>,
}

impl Stream for Incoming {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        match ready!(this.body.poll_data(cx)) {
            Some(Ok(chunk)) => {
                if !chunk.is_empty() {
                    this.flow.had_use();
                }
                let released = this.body.flow_control().release_capacity(chunk.len());
                let may_run = !this.body.is_end_stream() || this.seat.calls();
                Poll::Ready(Some(match released {
                    Ok(()) if may_run => Ok(chunk),
                    Ok(()) | Err(_) => Err(PayloadError::Incomplete(None)),
                }))
            }
            Some(Err(_)) => Poll::Ready(Some(Err(PayloadError::Incomplete(None)))),
            None if this.seat.calls() => Poll::Ready(None),
            None => Poll::Ready(Some(Err(PayloadError::Incomplete(None)))),
        }
    }
}

/// The largest number of bytes of a response that are passed to `h2` at once.
const MOST_AT_ONCE: usize = 16 * 1024;
