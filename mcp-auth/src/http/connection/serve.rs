//! Accepts connections: the server around actix's HTTP service.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use actix_http::body::{BoxBody, MessageBody};
use actix_http::{HttpService, KeepAlive, Protocol, Request, Response};
use actix_service::{IntoServiceFactory, apply_fn_factory, fn_factory};
use actix_web::dev::{self, Service, ServiceFactory};
use futures_util::TryFutureExt;
#[cfg(feature = "tls")]
use futures_util::future::{Either, FutureExt};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::metrics::CONNECTIONS;

use super::exchange;
#[cfg(feature = "tls")]
use super::handshake::shake_hands;
use super::hold::hold;
use super::limits::ConnectionLimits;
use super::registry::{Refusing, Registry};
use super::signals::Signals as ConnectionSignals;
use super::socket::Socket;
use super::stream::Stream;

/// The services of a worker.
#[derive(Debug)]
pub(crate) struct Flow<S, X> {
    pub(crate) service: S,
    /// Decides about a request with `Expect: 100-continue`, before the server asks for the body.
    pub(crate) expect: X,
}

/// The way in which the server stops.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Signals {
    /// actix stops the server at SIGTERM or Ctrl-C. At SIGTERM the calls in flight may end. At Ctrl-C they are dropped.
    Actix,
    /// The code that started the server stops it. SIGTERM and Ctrl-C have no effect.
    Caller,
}

/// Serves connections within limits. Calls `at_shutdown` when the server begins to stop, so that the application can
/// end responses that would never end by themselves.
pub(crate) fn listen<F, I, S, B, X>(
    listener: TcpListener,
    limits: &ConnectionLimits,
    signals: Signals,
    at_shutdown: impl FnOnce() + Send + 'static,
    factory: F,
) -> io::Result<dev::Server>
where
    F: Fn() -> Flow<I, X> + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = ()> + 'static,
    S::Response: Into<Response<B>> + 'static,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: fmt::Debug,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
    X: ServiceFactory<Request, Config = (), Response = Request, Error = Response<BoxBody>>
        + 'static,
    X::InitError: fmt::Debug,
    <X::Service as Service<Request>>::Future: 'static,
{
    bound_buffers(&listener);
    let address = listener.local_addr()?;
    let workers = limits.workers;
    let builder = actix_server::Server::build()
        .workers(workers)
        .max_concurrent_connections(accepted_at_most(limits.connections).div_ceil(workers))
        .shutdown_timeout(SHUTDOWN_SECONDS);
    let builder = match signals {
        Signals::Actix => builder,
        Signals::Caller => builder.disable_signals(),
    };
    let shutdown = builder.graceful_shutdown_signal();
    let stopping = shutdown.clone();
    tokio::spawn(async move {
        stopping.notified().await;
        at_shutdown();
    });
    let registry = Arc::new(Registry::new(limits));
    let open = Arc::downgrade(&registry);
    limits.metrics.watch(&CONNECTIONS, "", move || {
        open.upgrade().map_or(0, |registry| registry.open() as u64)
    });
    let limits = limits.clone();
    let service = move || {
        let flow = factory();
        let shutdown = shutdown.clone();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let shutdown = shutdown.clone();
                async move { shutdown.notified().await }
            })
            // This module enforces the deadlines. actix's own deadlines would only add timers.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(LINGER)
            // If a client closes the connection, its call is cancelled. With half-open connections the server would not
            // notice the close.
            .h1_allow_half_closed(false)
            .local_addr(address)
            .expect(apply_fn_factory(flow.expect, exchange::judge))
            .on_connect_ext(|stream: &Stream, data| {
                data.insert(Rc::clone(stream.signals()));
            })
            .finish(apply_fn_factory(
                flow.service.into_factory(),
                exchange::answer::<S::Service, B>,
            ));
        let (registry, limits) = (Arc::clone(&registry), limits.clone());
        let shared =
            fn_factory::<_, (), _, (Stream, Protocol, Option<SocketAddr>), _, _>(move || {
                http.new_service(()).map_ok(Rc::new)
            });
        apply_fn_factory(shared, move |socket: TcpStream, http: &Rc<_>| {
            let peer = socket.peer_addr().ok();
            let held = match admit(socket, peer, &registry, &limits) {
                Ok((socket, signals)) => {
                    let dispatcher = dispatch(http, socket, peer, &signals, &limits);
                    Ok(hold(dispatcher, signals))
                }
                Err(refused) => Err(refused),
            };
            async move {
                match held {
                    Ok(held) => held.await,
                    Err(refused) => refused.answer().await,
                }
                Ok(())
            }
        })
    };
    Ok(builder.listen("mcp-auth", listener, service)?.run())
}

/// A connection that the registry did not admit.
struct NoPlace {
    socket: TcpStream,
    refusing: Option<Refusing>,
    /// True if the client expects TLS. A response would need a handshake, so the client gets no response.
    is_secured: bool,
}

impl NoPlace {
    /// Answers 503, and waits briefly for the client to read the response.
    async fn answer(mut self) {
        if self.refusing.is_none() || self.is_secured {
            return;
        }
        let _ = timeout(REFUSAL, async {
            self.socket.write_all(NO_PLACE).await?;
            self.socket.shutdown().await?;
            let mut passed_over = [0; 1024];
            while self.socket.read(&mut passed_over).await? > 0 {}
            io::Result::Ok(())
        })
        .await;
    }
}

fn admit(
    socket: TcpStream,
    peer: Option<SocketAddr>,
    registry: &Arc<Registry>,
    limits: &ConnectionLimits,
) -> Result<(TcpStream, Rc<ConnectionSignals>), NoPlace> {
    let now = Instant::now();
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let Some(place) = registry.admit(address, now) else {
        return Err(NoPlace {
            socket,
            refusing: registry.refusal(),
            is_secured: limits.is_secured(),
        });
    };
    // Do not delay writes to collect more data, because each response is written at once.
    let _ = socket.set_nodelay(true);
    let signals = Rc::new(ConnectionSignals::new(place, limits, now));
    Ok((socket, signals))
}

/// Returns the future that serves a connection. An async function around actix's future would double the memory of the
/// future, so the future is in a box.
fn dispatch<H>(
    http: &Rc<H>,
    socket: TcpStream,
    peer: Option<SocketAddr>,
    signals: &Rc<ConnectionSignals>,
    limits: &ConnectionLimits,
) -> impl Future + use<H>
where
    H: Service<(Stream, Protocol, Option<SocketAddr>)> + 'static,
{
    let (held, metrics) = (Rc::clone(signals), limits.metrics.clone());
    #[cfg(feature = "tls")]
    if let Some(certificates) = &limits.certificates {
        let config = certificates.current().config();
        let http = Rc::clone(http);
        return Either::Right(Box::pin(async move {
            let secured = shake_hands(socket, Rc::clone(&held), config).await?;
            let stream = Stream::new(Socket::Secured(secured), held, metrics);
            Some(Box::pin(http.call((stream, Protocol::Http1, peer))).await)
        }));
    }
    let stream = Stream::new(Socket::Plain(socket), held, metrics);
    let plain = Box::pin(http.call((stream, Protocol::Http1, peer)));
    #[cfg(feature = "tls")]
    let plain = Either::Left(plain.map(Some));
    plain
}

/// Sets buffers of a fixed size on the listener's sockets. If the system chose the sizes, the buffers could take
/// megabytes for each connection, and the server would notice too late that a client does not read its response.
fn bound_buffers(listener: &TcpListener) {
    let socket = SockRef::from(listener);
    for set in [
        socket.set_send_buffer_size(SOCKET_BUFFER),
        socket.set_recv_buffer_size(SOCKET_BUFFER),
    ] {
        if let Err(error) = set {
            tracing::warn!(target: "mcp_auth", %error, "the buffer sizes of connections could not be set");
        }
    }
}

/// Returns the largest number of open sockets: admitted connections, connections that are closing,
/// and refusals.
fn accepted_at_most(connections: usize) -> usize {
    connections + (connections / 16).max(4)
}

/// The time, in seconds, that calls in flight may take after the server begins to stop.
pub(crate) const SHUTDOWN_SECONDS: u64 = 30;
/// The size of the buffers of a socket, in bytes.
const SOCKET_BUFFER: usize = 64 * 1024;
/// The time that a client has to read a refusal that was sent before the body was read.
const LINGER: Duration = Duration::from_secs(1);
const REFUSAL: Duration = Duration::from_millis(500);
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\ncache-control: no-store\r\nconnection: close\r\n\r\n";
