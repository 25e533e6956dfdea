//! Frames of HTTP/2 written by hand, for requests that no client library sends (RFC 9113 section 4).

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// A frame as bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header block without compression (RFC 7541 section 6.2.2).
pub(crate) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in headers {
        bytes.push(0);
        for text in [name, value] {
            length(&mut bytes, text.len());
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

/// An integer with a prefix of seven bits (RFC 7541 section 5.1).
fn length(bytes: &mut Vec<u8>, mut length: usize) {
    if length < 127 {
        bytes.push(length as u8);
        return;
    }
    bytes.push(127);
    length -= 127;
    while length >= 128 {
        bytes.push((length % 128) as u8 | 128);
        length /= 128;
    }
    bytes.push(length as u8);
}

/// A frame that the server sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The error code of a `RST_STREAM`.
    pub(crate) fn code(&self) -> u32 {
        u32::from_be_bytes(self.payload[..4].try_into().unwrap())
    }

    /// The error code of a `GOAWAY`.
    pub(crate) fn code_of_goaway(&self) -> u32 {
        u32::from_be_bytes(self.payload[4..8].try_into().unwrap())
    }
}

/// A connection that sends exactly the given frames.
pub(crate) struct Frames<S> {
    stream: S,
    /// The bytes that were received and not read as frames.
    received: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            received: Vec::new(),
        }
    }

    pub(crate) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        assert!(self.try_write(bytes).await, "the connection is closed");
    }

    /// Returns false if the connection is closed.
    pub(crate) async fn try_write(&mut self, bytes: &[u8]) -> bool {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        written.await.is_ok()
    }

    /// Reads the bytes that have arrived.
    pub(crate) async fn read_some(&mut self) {
        let mut buffer = [0; 16_384];
        while let Ok(Ok(1..)) =
            timeout(Duration::from_millis(1), self.stream.read(&mut buffer)).await
        {}
    }

    /// The next frame. `None` if the connection ends.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let [a, b, c, kind, flags, s, t, u, v, payload @ ..] = &self.received[..] {
                let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
                if payload.len() >= length {
                    let frame = Frame {
                        kind: *kind,
                        flags: *flags,
                        stream: u32::from_be_bytes([*s, *t, *u, *v]),
                        payload: payload[..length].to_vec(),
                    };
                    self.received.drain(..9 + length);
                    return Some(frame);
                }
            }
            let read = self.stream.read_buf(&mut self.received);
            let read = timeout(PATIENCE, read).await.expect("no frame in time");
            if !matches!(read, Ok(1..)) {
                return None;
            }
        }
    }

    /// Reads up to a frame of this kind, on this stream if one is given.
    pub(crate) async fn until(&mut self, kind: u8, stream: Option<u32>) -> Frame {
        loop {
            let next = self.next().await.expect("the connection ended");
            if next.kind == kind && stream.is_none_or(|stream| stream == next.stream) {
                return next;
            }
            self.answer(&next).await;
        }
    }

    async fn answer(&mut self, frame_of_server: &Frame) {
        if frame_of_server.kind == PING && frame_of_server.flags & ACK == 0 {
            let pong = frame(PING, ACK, 0, &frame_of_server.payload);
            self.try_write(&pong).await;
        }
    }

    /// Answers pings until the connection ends.
    pub(crate) async fn answer_pings(&mut self) {
        while let Some(next) = self.next().await {
            self.answer(&next).await;
        }
    }

    /// Waits until the server closes the connection.
    pub(crate) async fn ended(&mut self) {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut rest));
        // A reset also counts as closing.
        let _ = read.await.expect("the connection stays open");
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
