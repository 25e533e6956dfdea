//! The TLS handshake of a connection, and the socket that it makes.

use std::io::{self, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::super::tls::HTTP_2;
use super::signals::Signals;
use super::wire::Wire;

/// A socket that speaks TLS.
#[derive(Debug)]
pub(super) struct Secured(Box<TlsStream<Wire>>);

/// Makes the handshake. Returns `None` if the handshake fails. The deadline of a head also applies to the handshake, from
/// the moment when the connection is accepted until the caller reports the end of the handshake.
pub(super) async fn shake_hands(
    socket: TcpStream,
    signals: Rc<Signals>,
    config: Arc<ServerConfig>,
) -> Option<Secured> {
    signals.handshake_begins();
    let wire = Wire::new(socket, Rc::clone(&signals));
    let acceptor = TlsAcceptor::from(config);
    let handshake = acceptor.accept_with(wire, |session| {
        session.set_buffer_limit(Some(MOST_UNSENT));
    });
    match handshake.into_fallible().await {
        Ok(stream) => Some(Secured(Box::new(stream))),
        Err((_, wire)) => {
            if wire.got_plain_http() {
                let _ = wire.socket().try_write(NOT_PLAIN);
            }
            None
        }
    }
}

impl Secured {
    /// Returns true if client and server agreed on HTTP/2.
    pub(super) fn speaks_http_2(&self) -> bool {
        self.0.get_ref().1.alpn_protocol() == Some(HTTP_2)
    }

    /// Tells the client that no more bytes follow, after these last bytes. Writes only bytes that the system takes at once.
    pub(super) fn end(&mut self, last: Option<&[u8]>) {
        let (wire, session) = self.0.get_mut();
        if let Some(last) = last {
            let _ = session.writer().write(last);
        }
        session.send_close_notify();
        let mut socket = AtOnce(wire.socket());
        while session.wants_write() {
            if session.write_tls(&mut socket).is_err() {
                return;
            }
        }
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A socket that takes only bytes for which the system has room.
struct AtOnce<'a>(&'a TcpStream);

impl Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The largest number of bytes of responses that the TLS library keeps while the client does not read.
const MOST_UNSENT: usize = 32 * 1024;
const NOT_PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 33\r\nconnection: close\r\n\r\nThis port speaks https, not http\n";
