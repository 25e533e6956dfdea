//! The bytes of a connection with HTTP/2.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::metrics::Metrics;

use super::super::handshake::Secured;
use super::super::signals::Signals;

/// The bytes of a connection. No bytes are read while the client does not read.
pub(super) struct Io {
    socket: Secured,
    flow: Rc<ByteFlow>,
    is_shut: bool,
}

/// The state of the bytes of a connection, which the connection and its requests share.
pub(super) struct ByteFlow {
    signals: Rc<Signals>,
    metrics: Metrics,
    /// True if bytes were not read because the client did not read.
    was_refused: Cell<bool>,
    /// The received bytes since the last bytes that had a use.
    useless: Cell<u64>,
    /// The number of the last stream that was accepted.
    last_stream: Cell<u32>,
}

impl ByteFlow {
    pub(super) fn new(signals: Rc<Signals>, metrics: Metrics) -> Self {
        Self {
            signals,
            metrics,
            was_refused: Cell::new(false),
            useless: Cell::new(0),
            last_stream: Cell::new(0),
        }
    }

    pub(super) fn signals(&self) -> &Rc<Signals> {
        &self.signals
    }

    /// Reports that received bytes had a use: a request, a part of a body, or the room for a part of a response.
    pub(super) fn had_use(&self) {
        self.useless.set(0);
    }

    pub(super) fn accepted(&self, stream: u32) {
        self.had_use();
        self.last_stream.set(stream);
    }

    /// Returns true if a read that was refused can continue now. No event reports this, so the caller must poll again.
    pub(super) fn may_read_again(&self) -> bool {
        !self.signals.is_stuck() && self.was_refused.replace(false)
    }
}

impl Io {
    pub(super) fn new(socket: Secured, flow: Rc<ByteFlow>) -> Self {
        Self {
            socket,
            flow,
            is_shut: false,
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flow = &this.flow;
        if flow.signals.is_stuck() {
            flow.was_refused.set(true);
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        flow.metrics.received(read);
        let useless = flow.useless.get() + read as u64;
        flow.useless.set(useless);
        if useless > MOST_USELESS {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.socket).poll_write(cx, bytes))?;
        this.flow.metrics.sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.is_shut = true;
        Pin::new(&mut this.socket).poll_shutdown(cx)
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        if self.is_shut || self.flow.signals.is_stuck() {
            return;
        }
        let goaway = goaway(self.flow.last_stream.get());
        self.socket.end(Some(&goaway));
    }
}

/// The frame that closes a connection (RFC 9113 section 6.8), with the last stream that the server handled, and without an
/// error. A client may repeat requests with higher numbers.
fn goaway(last_stream: u32) -> [u8; 17] {
    let mut frame = [0; 17];
    let [a, b, c, d] = last_stream.to_be_bytes();
    // The length of the payload, the type, no flags, and the stream 0. The code of no error is 0.
    frame[..9].copy_from_slice(&[0, 0, 8, 7, 0, 0, 0, 0, 0]);
    frame[9..13].copy_from_slice(&[a, b, c, d]);
    frame
}

/// The largest number of received bytes without a use. A client that pings once a second reaches it in four hours without a
/// request, and a flood of frames in a fraction of a second.
const MOST_USELESS: u64 = 256 * 1024;
