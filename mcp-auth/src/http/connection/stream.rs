//! The stream between actix and the socket.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::metrics::Metrics;

use super::signals::{MOST_AHEAD, Signals};
use super::socket::Socket;

/// A stream that passes one exchange at a time to actix, and reads no more than [`MOST_AHEAD`] bytes in advance.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    /// The bytes that were read ahead.
    kept: BytesMut,
    is_at_end: bool,
    signals: Rc<Signals>,
    metrics: Metrics,
}

impl Stream {
    pub(super) fn new(socket: Socket, signals: Rc<Signals>, metrics: Metrics) -> Self {
        Self {
            socket,
            kept: BytesMut::new(),
            is_at_end: false,
            signals,
            metrics,
        }
    }

    pub(super) fn signals(&self) -> &Rc<Signals> {
        &self.signals
    }

    /// Reads from the socket while actix must not get bytes, to notice that the client closed the connection.
    fn read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_at_end {
            let free = MOST_AHEAD.saturating_sub(self.kept.len());
            let (socket, kept) = (&mut self.socket, &mut self.kept);
            let read = with_scratch(free, |scratch| {
                if scratch.capacity() == 0 {
                    return Poll::Pending;
                }
                ready!(Pin::new(socket).poll_read(cx, scratch))?;
                kept.extend_from_slice(scratch.filled());
                Poll::Ready(Ok::<_, io::Error>(scratch.filled().len()))
            });
            match read {
                Poll::Ready(Ok(0)) => self.is_at_end = true,
                Poll::Ready(Ok(read)) => self.metrics.received(read),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        self.signals
            .refuse_read(!self.kept.is_empty() || self.is_at_end);
        if self.is_at_end && self.signals.is_busy() {
            // If a client closes the connection, it gets no response to any of its requests.
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let room = this.signals.room().min(buffer.remaining());
        if room == 0 {
            return this.read_ahead(cx);
        }
        if this.signals.is_evicted() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if !this.kept.is_empty() {
            let there = this.kept.get(..room.min(this.kept.len()));
            let there = there.unwrap_or_default();
            let taken = this.signals.take(there);
            buffer.put_slice(there.get(..taken).unwrap_or_default());
            this.kept.advance(taken);
            if this.kept.is_empty() {
                this.kept = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        if this.is_at_end {
            return Poll::Ready(Ok(()));
        }
        let (socket, kept, signals) = (&mut this.socket, &mut this.kept, &this.signals);
        let metrics = &this.metrics;
        with_scratch(room, |scratch| {
            ready!(Pin::new(socket).poll_read(cx, scratch))?;
            let there = scratch.filled();
            metrics.received(there.len());
            let taken = signals.take(there);
            let (now, later) = there.split_at_checked(taken).unwrap_or((there, &[]));
            buffer.put_slice(now);
            kept.extend_from_slice(later);
            Poll::Ready(Ok(()))
        })
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.signals.writes();
        let written = Pin::new(&mut this.socket).poll_write(cx, bytes);
        match &written {
            Poll::Ready(written) => {
                if let Ok(written) = written {
                    this.metrics.sent(*written);
                }
                if !this.socket.reports_writes() {
                    this.signals.wrote();
                }
            }
            Poll::Pending => this.signals.is_blocked(),
        }
        written
    }

    /// actix calls this method when it has no more bytes to write for now.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.socket).poll_flush(cx))?;
        this.signals.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let last = self.signals.last_words();
        self.socket.end(last, self.signals.is_stuck());
    }
}

/// Runs `read` with a buffer of at most `most` bytes that belongs to the thread. actix's own buffer cannot be used,
/// because its free space can be larger than `most`, and a [`ReadBuf`] cannot be shortened without `unsafe`.
fn with_scratch<R>(most: usize, read: impl FnOnce(&mut ReadBuf<'_>) -> R) -> R {
    thread_local! {
        static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
    }
    SCRATCH.with_borrow_mut(|scratch| {
        let most = most.min(scratch.len());
        read(&mut ReadBuf::new(
            scratch.get_mut(..most).unwrap_or_default(),
        ))
    })
}

const SCRATCH_BYTES: usize = 16 * 1024;
