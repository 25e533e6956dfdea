//! Accepts connections: the server around the services of each worker.

use std::future;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use actix_http::body::{BoxBody, MessageBody};
use actix_http::{HttpService, KeepAlive, Request, Response};
use actix_service::{IntoServiceFactory, apply_fn, apply_fn_factory, fn_factory};
use actix_web::dev::{self, Service, ServiceFactory};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::metrics::CONNECTIONS;

use super::exchange;
#[cfg(feature = "tls")]
use super::http2::Services;
use super::limits::ConnectionLimits;
use super::registry::Registry;
use super::stream::Stream;
use super::worker::Worker;

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
        let (service, expect) = (flow.service.into_factory(), flow.expect);
        let (registry, limits) = (Arc::clone(&registry), Rc::new(limits.clone()));
        let shutdown = shutdown.clone();
        fn_factory(move || {
            let (service, expect) = (service.new_service(()), expect.new_service(()));
            let (registry, limits) = (Arc::clone(&registry), Rc::clone(&limits));
            let shutdown = shutdown.clone();
            async move {
                let service = Rc::new(ready(service.await)?);
                let expect = Rc::new(ready(expect.await)?);
                let stopping = shutdown.clone();
                let http = HttpService::build()
                    .graceful_shutdown_signal(move || {
                        let stopping = stopping.clone();
                        async move { stopping.notified().await }
                    })
                    // This module enforces the deadlines. actix's own deadlines would only add timers.
                    .keep_alive(KeepAlive::Os)
                    .client_request_timeout(Duration::ZERO)
                    .client_disconnect_timeout(LINGER)
                    // If a client closes the connection, its call is cancelled. With half-open connections the server
                    // would not notice the close.
                    .h1_allow_half_closed(false)
                    .local_addr(address)
                    .expect(apply_fn_factory(shared(&expect), exchange::judge))
                    .on_connect_ext(|stream: &Stream, data| {
                        data.insert(Rc::clone(stream.signals()));
                    })
                    .finish(apply_fn_factory(
                        shared(&service),
                        exchange::answer::<Rc<S::Service>, B>,
                    ));
                let worker = Worker {
                    http_1: Rc::new(ready(http.new_service(()).await)?),
                    #[cfg(feature = "tls")]
                    http_2: Services { service, expect },
                    #[cfg(not(feature = "tls"))]
                    http_2: (),
                    #[cfg(feature = "tls")]
                    shutdown,
                    registry,
                    limits,
                };
                Ok::<_, String>(apply_fn(
                    worker,
                    |socket: TcpStream, worker: &Worker<_, _>| {
                        #[cfg(feature = "tls")]
                        let held = worker.serve::<B>(socket);
                        #[cfg(not(feature = "tls"))]
                        let held = worker.serve(socket);
                        async move {
                            match held {
                                Ok(held) => held.await,
                                Err(refused) => refused.answer().await,
                            }
                            Ok(())
                        }
                    },
                ))
            }
        })
    };
    Ok(builder.listen("mcp-auth", listener, service)?.run())
}

/// Returns a factory whose services are all the same service.
fn shared<S: Service<Request>>(
    service: &Rc<S>,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = S::Response,
    Error = S::Error,
    Service = Rc<S>,
    InitError = String,
> + use<S> {
    let service = Rc::clone(service);
    fn_factory::<_, (), _, Request, _, _>(move || future::ready(Ok(Rc::clone(&service))))
}

/// Returns a service, or the reason why it could not be made.
fn ready<S, E: fmt::Debug>(made: Result<S, E>) -> Result<S, String> {
    made.map_err(|error| format!("{error:?}"))
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
