//! Runs one connection with HTTP/2.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use actix_http::body::{BoxBody, MessageBody};
use actix_http::{Request, Response};
use actix_web::dev::Service;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::Reason;
use h2::server::{Builder, Connection};

use super::super::handshake::Secured;
use super::super::limits::ConnectionLimits;
use super::super::registry::Registry;
use super::super::signals::Signals;
use super::convert;
use super::exchange::{Ended, Exchange};
use super::io::{ByteFlow, Io};
use super::seats::Seats;

/// The services of a worker, which all of its connections share.
pub(in super::super) struct Services<S, X> {
    pub(in super::super) service: Rc<S>,
    pub(in super::super) expect: Rc<X>,
}

impl<S, X> Clone for Services<S, X> {
    fn clone(&self) -> Self {
        Self {
            service: Rc::clone(&self.service),
            expect: Rc::clone(&self.expect),
        }
    }
}

/// The other end of a connection, and the state of the connection.
pub(in super::super) struct Peer {
    pub(in super::super) address: Option<SocketAddr>,
    /// The address for which the connection counts.
    pub(in super::super) ip: IpAddr,
    pub(in super::super) signals: Rc<Signals>,
    pub(in super::super) registry: Arc<Registry>,
}

/// Serves a connection until the client closes it, until its age or `stopping` ends it, or until the client does something
/// that no honest client does.
pub(in super::super) async fn serve<S, X, B>(
    socket: Secured,
    peer: Peer,
    services: Services<S, X>,
    limits: Rc<ConnectionLimits>,
    stopping: impl Future<Output = ()>,
) where
    S: Service<Request, Response: Into<Response<B>>, Error: Into<Response<BoxBody>>> + 'static,
    B: MessageBody + 'static,
    X: Service<Request, Response = Request, Error = Response<BoxBody>> + 'static,
{
    let Peer {
        address,
        ip,
        signals,
        registry,
    } = peer;
    let flow = Rc::new(ByteFlow::new(Rc::clone(&signals), limits.metrics.clone()));
    let handshake = protocol(&limits).handshake::<_, Bytes>(Io::new(socket, Rc::clone(&flow)));
    let Ok(connection) = handshake.await else {
        return;
    };
    signals.handshake_ended();
    let run = Run {
        connection,
        seats: Rc::new(Seats::new(signals, registry, ip)),
        exchange: Exchange {
            flow,
            peer: address,
            write_deadline: limits.write_deadline,
        },
        running: FuturesUnordered::new(),
        cut: 0,
        is_closing: false,
        is_ending: false,
    };
    run.until_closed(services, stopping).await;
}

/// A connection with its requests.
struct Run {
    connection: Connection<Io, Bytes>,
    seats: Rc<Seats>,
    exchange: Exchange,
    running: FuturesUnordered<Pin<Box<dyn Future<Output = Ended>>>>,
    /// The number of requests that were cut, less the number of requests that were answered.
    cut: u32,
    /// True if the client was told to open a new connection.
    is_closing: bool,
    /// True if the connection closes as soon as its last bytes are written.
    is_ending: bool,
}

impl Run {
    async fn until_closed<S, X, B>(
        mut self,
        services: Services<S, X>,
        stopping: impl Future<Output = ()>,
    ) where
        S: Service<Request, Response: Into<Response<B>>, Error: Into<Response<BoxBody>>> + 'static,
        B: MessageBody + 'static,
        X: Service<Request, Response = Request, Error = Response<BoxBody>> + 'static,
    {
        let mut stopping = Box::pin(stopping);
        let mut is_stopping = false;
        poll_fn(|cx| {
            for _ in 0..MOST_TURNS {
                let mut is_busy = false;
                if !is_stopping && stopping.as_mut().poll(cx).is_ready() {
                    is_stopping = true;
                    self.close();
                }
                while let Poll::Ready(Some(ended)) = self.running.poll_next_unpin(cx) {
                    is_busy = true;
                    self.ended(ended);
                    if self.exchange.flow.signals().is_last() {
                        self.close();
                    }
                }
                match self.connection.poll_accept(cx) {
                    Poll::Ready(Some(Ok((request, mut respond)))) => {
                        is_busy = true;
                        self.exchange.flow.accepted(respond.stream_id().as_u32());
                        match self.seats.take() {
                            Some(seat) => {
                                let (exchange, services) =
                                    (self.exchange.clone(), services.clone());
                                let run = exchange.run(services, request, respond, seat);
                                self.running.push(Box::pin(run));
                            }
                            None => {
                                let _ = respond.send_response(convert::no_place(), true);
                            }
                        }
                    }
                    Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
                if is_stopping && self.ends_now() {
                    is_busy = true;
                }
                if !is_busy && !self.exchange.flow.may_read_again() {
                    return Poll::Pending;
                }
            }
            // The other tasks of the thread get a turn.
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Counts the end of a request. Closes the connection of a client that cancels many more requests than it lets the
    /// server answer.
    fn ended(&mut self, ended: Ended) {
        match ended {
            Ended::Answered => self.cut = self.cut.saturating_sub(1),
            Ended::Cut => self.cut += 1,
        }
        if self.cut > MOST_CUT {
            self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        }
    }

    /// Tells the client to open a new connection. The requests in flight continue.
    fn close(&mut self) {
        if !self.is_closing {
            self.is_closing = true;
            self.connection.graceful_shutdown();
        }
    }

    /// Closes the connection if no response is left to write. Returns false if one is left, or if the connection is already
    /// closing.
    fn ends_now(&mut self) -> bool {
        if self.is_ending || !self.running.is_empty() || self.connection.has_streams() {
            return false;
        }
        self.is_ending = true;
        self.connection.abrupt_shutdown(Reason::NO_ERROR);
        true
    }
}

fn protocol(limits: &ConnectionLimits) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(limits.requests_per_connection)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MOST_HEAD)
        .max_send_buffer_size(MOST_UNSENT)
        .max_concurrent_reset_streams(MOST_RESET)
        .max_pending_accept_reset_streams(MOST_RESET)
        .max_local_error_reset_streams(Some(MOST_ERRORS));
    builder
}

/// The number of steps after which the other tasks of the thread get a turn.
const MOST_TURNS: u32 = 32;
/// The largest number of requests that a client may cancel beyond the requests that it lets the server answer
/// (CVE-2023-44487).
const MOST_CUT: u32 = 100;
/// The largest number of bytes of one body that the client may send before the service reads them.
const STREAM_WINDOW: u32 = 64 * 1024 - 1;
/// The largest number of bytes of all bodies of a connection that the client may send before the services read them.
const CONNECTION_WINDOW: u32 = 128 * 1024;
/// The largest size of a head, as for HTTP/1.1.
const MOST_HEAD: u32 = 32 * 1024;
/// The largest number of bytes of one response that wait for the socket.
const MOST_UNSENT: usize = 16 * 1024;
/// The largest number of streams that were reset and are remembered.
const MOST_RESET: usize = 20;
/// The largest number of streams that the server resets because the client breaks the protocol, or has too many requests in
/// flight. A client may begin many requests before it reads how many requests it may have in flight.
const MOST_ERRORS: usize = 1024;
