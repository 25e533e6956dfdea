//! A worker: the services of one thread, and the connections that the thread serves.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::Protocol;
#[cfg(feature = "tls")]
use actix_http::body::{BoxBody, MessageBody};
#[cfg(feature = "tls")]
use actix_http::{Request, Response};
#[cfg(feature = "tls")]
use actix_server::GracefulShutdownSignal;
use actix_web::dev::Service;
#[cfg(feature = "tls")]
use futures_util::future::{Either, FutureExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

#[cfg(feature = "tls")]
use super::handshake::shake_hands;
use super::hold::hold;
#[cfg(feature = "tls")]
use super::http2::{self, Peer, Services};
use super::limits::ConnectionLimits;
use super::registry::{Refusing, Registry};
use super::signals::Signals;
use super::socket::Socket;
use super::stream::Stream;

/// The services of one thread. `T` is the services for HTTP/2, or `()` in a build without TLS.
pub(super) struct Worker<H, T> {
    /// The service of actix for HTTP/1.1.
    pub(super) http_1: Rc<H>,
    #[cfg_attr(
        not(feature = "tls"),
        expect(dead_code, reason = "only TLS has HTTP/2")
    )]
    pub(super) http_2: T,
    #[cfg(feature = "tls")]
    pub(super) shutdown: GracefulShutdownSignal,
    pub(super) registry: Arc<Registry>,
    pub(super) limits: Rc<ConnectionLimits>,
}

/// A connection of HTTP/1.1, as actix takes it.
pub(super) type Accepted = (Stream, Protocol, Option<SocketAddr>);

impl<H: Service<Accepted>, T> Service<Accepted> for Worker<H, T> {
    type Response = H::Response;
    type Error = H::Error;
    type Future = H::Future;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), H::Error>> {
        self.http_1.poll_ready(cx)
    }

    fn call(&self, accepted: Accepted) -> H::Future {
        self.http_1.call(accepted)
    }
}

impl<H: Service<Accepted> + 'static, T> Worker<H, T> {
    /// Counts the connection, and returns its state.
    fn admit(
        &self,
        socket: TcpStream,
        peer: Option<SocketAddr>,
    ) -> Result<(TcpStream, Rc<Signals>), NoPlace> {
        let now = Instant::now();
        let Some(place) = self.registry.admit(ip(peer), now) else {
            return Err(NoPlace {
                socket,
                refusing: self.registry.refusal(),
                is_secured: self.limits.is_secured(),
            });
        };
        // Do not delay writes to collect more data, because each response is written at once.
        let _ = socket.set_nodelay(true);
        let signals = Rc::new(Signals::new(place, &self.limits, now));
        Ok((socket, signals))
    }

    /// Returns the future that serves a connection without TLS. An async function around actix's future would double the
    /// memory of the future, so the future is in a box.
    fn plain(
        &self,
        socket: TcpStream,
        peer: Option<SocketAddr>,
        signals: &Rc<Signals>,
    ) -> std::pin::Pin<Box<H::Future>> {
        let metrics = self.limits.metrics.clone();
        let stream = Stream::new(Socket::Plain(socket), Rc::clone(signals), metrics);
        Box::pin(self.http_1.call((stream, Protocol::Http1, peer)))
    }
}

#[cfg(not(feature = "tls"))]
impl<H: Service<Accepted> + 'static> Worker<H, ()> {
    /// Serves a connection.
    ///
    /// # Errors
    ///
    /// [`NoPlace`] if the server has no place for the connection.
    pub(super) fn serve(
        &self,
        socket: TcpStream,
    ) -> Result<impl Future<Output = ()> + use<H>, NoPlace> {
        let peer = socket.peer_addr().ok();
        let (socket, signals) = self.admit(socket, peer)?;
        let dispatcher = self.plain(socket, peer, &signals);
        Ok(hold(dispatcher, signals))
    }
}

#[cfg(feature = "tls")]
impl<H: Service<Accepted> + 'static, S, X> Worker<H, Services<S, X>> {
    /// Serves a connection. With TLS, the client chooses between HTTP/1.1 and HTTP/2 in the handshake (RFC 7301).
    ///
    /// # Errors
    ///
    /// [`NoPlace`] if the server has no place for the connection.
    pub(super) fn serve<B>(
        &self,
        socket: TcpStream,
    ) -> Result<impl Future<Output = ()> + use<H, S, X, B>, NoPlace>
    where
        S: Service<Request, Response: Into<Response<B>>, Error: Into<Response<BoxBody>>> + 'static,
        B: MessageBody + 'static,
        X: Service<Request, Response = Request, Error = Response<BoxBody>> + 'static,
    {
        let peer = socket.peer_addr().ok();
        let (socket, signals) = self.admit(socket, peer)?;
        let Some(certificates) = &self.limits.certificates else {
            let plain = self.plain(socket, peer, &signals);
            return Ok(hold(Either::Left(plain.map(drop)), signals));
        };
        let config = certificates.current().config();
        let (http_1, http_2) = (Rc::clone(&self.http_1), self.http_2.clone());
        let (limits, shutdown) = (Rc::clone(&self.limits), self.shutdown.clone());
        let peer = Peer {
            address: peer,
            ip: ip(peer),
            signals: Rc::clone(&signals),
            registry: Arc::clone(&self.registry),
        };
        let secured = async move {
            let socket = shake_hands(socket, Rc::clone(&peer.signals), config).await;
            let Some(socket) = socket else {
                return;
            };
            if socket.speaks_http_2() {
                let stopping = async move { shutdown.notified().await };
                http2::serve(socket, peer, http_2, limits, stopping).await;
                return;
            }
            peer.signals.handshake_ended();
            let stream = Stream::new(
                Socket::Secured(socket),
                peer.signals,
                limits.metrics.clone(),
            );
            let _ = Box::pin(http_1.call((stream, Protocol::Http1, peer.address))).await;
        };
        Ok(hold(Either::Right(Box::pin(secured)), signals))
    }
}

/// A connection that the registry did not admit.
pub(super) struct NoPlace {
    socket: TcpStream,
    refusing: Option<Refusing>,
    /// True if the client expects TLS. A response would need a handshake, so the client gets no response.
    is_secured: bool,
}

impl NoPlace {
    /// Answers 503, and waits briefly for the client to read the response.
    pub(super) async fn answer(mut self) {
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

fn ip(peer: Option<SocketAddr>) -> IpAddr {
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip())
}

const REFUSAL: Duration = Duration::from_millis(500);
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\ncache-control: no-store\r\nconnection: close\r\n\r\n";
