//! The socket under TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::signals::Signals;
use super::socket::drop_unread;

/// The socket under TLS. It reports when the client takes no bytes. The TLS library keeps bytes that the client does not
/// take, so the stream above it cannot see this.
#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    signals: Rc<Signals>,
    beginning: Beginning,
}

/// The first byte that the client sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Beginning {
    /// No byte has arrived.
    Open,
    /// The byte can begin a TLS record.
    Record,
    /// The byte is a letter, with which a request in plain HTTP begins.
    PlainHttp,
}

impl Wire {
    pub(super) fn new(socket: TcpStream, signals: Rc<Signals>) -> Self {
        Self {
            socket,
            signals,
            beginning: Beginning::Open,
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Returns true if the client sent a request in plain HTTP instead of a TLS handshake.
    pub(super) fn got_plain_http(&self) -> bool {
        self.beginning == Beginning::PlainHttp
    }

    fn wrote<T>(&self, written: &Poll<io::Result<T>>) {
        match written {
            Poll::Ready(_) => self.signals.wrote(),
            Poll::Pending => self.signals.is_blocked(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.beginning != Beginning::Open {
            return Pin::new(&mut this.socket).poll_read(cx, buffer);
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buffer))?;
        this.beginning = match buffer.filled().get(before) {
            None => Beginning::Open,
            Some(byte) if byte.is_ascii_alphabetic() => Beginning::PlainHttp,
            Some(_) => Beginning::Record,
        };
        if this.got_plain_http() {
            // The handshake fails without an alert, so that the client gets a response that it can read.
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(cx, bytes);
        this.wrote(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(cx, slices);
        this.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.signals.is_stuck() {
            drop_unread(&self.socket);
        }
    }
}
