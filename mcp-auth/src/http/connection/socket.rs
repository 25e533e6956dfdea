//! The socket of a connection, with TLS or without.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

#[cfg(feature = "tls")]
use super::handshake::Secured;

/// The socket of a connection.
#[derive(Debug)]
pub(super) enum Socket {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Secured(Secured),
}

impl Socket {
    /// Returns true if the socket itself reports when the client takes no bytes.
    pub(super) fn reports_writes(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            #[cfg(feature = "tls")]
            Self::Secured(_) => true,
        }
    }

    /// Writes the last bytes before the socket is dropped, as far as the system takes the bytes at once. If the client is
    /// stuck, the responses that it has not read are dropped too.
    pub(super) fn end(&mut self, last: Option<&[u8]>, is_stuck: bool) {
        match self {
            Self::Plain(socket) => {
                if let Some(last) = last {
                    let _ = socket.try_write(last);
                }
                if is_stuck {
                    drop_unread(socket);
                }
            }
            // The wire under TLS drops the responses of a stuck client.
            #[cfg(feature = "tls")]
            Self::Secured(_) if is_stuck => {}
            #[cfg(feature = "tls")]
            Self::Secured(socket) => socket.end(last),
        }
    }
}

/// Makes the kernel drop the responses that a client does not read. Without this, the kernel would keep the responses, and
/// try to send them to the client for minutes.
pub(super) fn drop_unread(socket: &TcpStream) {
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            #[cfg(feature = "tls")]
            Self::Secured(socket) => Pin::new(socket).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Self::Secured(socket) => Pin::new(socket).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::Secured(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            #[cfg(feature = "tls")]
            Self::Secured(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
