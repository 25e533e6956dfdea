//! The reports that a service makes to its connection: a call begins, the length of the body is
//! known, and the response is complete.

use std::future::pending;
use std::rc::Rc;

use actix_http::body::{BoxBody, MessageBody};
use actix_http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_http::{ConnectionType, HttpMessage, Payload, Request, Response};
use actix_web::dev::Service;

use super::super::body_with::BodyWith;
use super::signals::Signals;

/// Lets a service answer a request. Tells the connection when the call begins and when the response is complete.
pub(super) fn answer<S, B>(
    mut request: Request,
    service: &S,
) -> impl Future<Output = Result<Response<BodyWith<Exchange>>, S::Error>> + use<S, B>
where
    S: Service<Request, Response: Into<Response<B>>, Error: Into<Response<BoxBody>>>,
    B: MessageBody + 'static,
{
    let exchange = Exchange::begin(&mut request);
    // A call must not begin on an evicted connection. The box keeps the state of a connection small, because actix
    // moves and stores this future together with the state.
    let call = exchange.may_run.then(|| Box::pin(service.call(request)));
    async move {
        let Some(call) = call else {
            return pending().await;
        };
        Ok(exchange.end(match call.await {
            Ok(answer) => answer.into().map_into_boxed_body(),
            Err(error) => error.into(),
        }))
    }
}

/// Asks a service whether it accepts a request with `Expect: 100-continue`. Tells the connection that a call begins
/// and, if the service refuses the request, when the response is complete.
pub(super) fn judge<X>(
    mut request: Request,
    service: &X,
) -> impl Future<Output = Result<Request, Response<BoxBody>>> + use<X>
where
    X: Service<Request, Response = Request, Error: Into<Response<BoxBody>>>,
{
    let exchange = Exchange::begin(&mut request);
    // The box is needed for the same reason as the box in `answer`.
    let call = exchange.may_run.then(|| Box::pin(service.call(request)));
    async move {
        let Some(call) = call else {
            return pending().await;
        };
        match call.await {
            Ok(request) => {
                exchange.go_on();
                Ok(request)
            }
            Err(refusal) => Err(exchange.end(refusal.into()).map_into_boxed_body()),
        }
    }
}

/// The time from the moment when a service gets a request until the response is complete. The body of the response
/// keeps this value. Dropping the value ends the exchange.
#[derive(Debug)]
pub(super) struct Exchange {
    /// `None` if this module does not manage the connection.
    signals: Option<Rc<Signals>>,
    may_run: bool,
}

impl Exchange {
    fn begin(request: &mut Request) -> Self {
        let Some(signals) = request.conn_data::<Rc<Signals>>().map(Rc::clone) else {
            return Self {
                signals: None,
                may_run: true,
            };
        };
        let asks_for_body = signals.asks_for_body();
        let may_run = signals.begin();
        if asks_for_body {
            signals.body_is(length(request));
        }
        Self {
            signals: Some(signals),
            may_run,
        }
    }

    /// Does not end the exchange, so that the service that answers the request can end it.
    fn go_on(mut self) {
        drop(self.signals.take());
    }

    fn end(self, mut answer: Response<BoxBody>) -> Response<BodyWith<Self>> {
        let signals = self.signals.as_ref();
        if signals.is_some_and(|signals| signals.is_last()) {
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        answer.map_body(|_, body| BodyWith::new(body, self))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(signals) = &self.signals {
            signals.is_answered();
        }
    }
}

/// Returns the length of the body as actix determines it. `None` for a chunked body.
fn length(request: &mut Request) -> Option<u64> {
    if matches!(request.payload(), Payload::None) {
        return Some(0);
    }
    let headers = request.headers();
    if headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
