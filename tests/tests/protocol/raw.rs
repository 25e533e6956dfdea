//! HTTP written by hand, for requests that no client library sends.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::reply::Reply;

/// A connection that sends exactly the given bytes, over TLS or not.
pub(crate) struct Raw(Box<dyn Stream>);

/// A stream of bytes in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

impl Raw {
    pub(crate) fn of(stream: impl Stream + 'static) -> Self {
        Self(Box::new(stream))
    }

    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).await.unwrap())
    }

    /// The stream under this value.
    pub(crate) fn stream(&mut self) -> &mut dyn Stream {
        &mut self.0
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Closes the sending direction with a clean FIN. The response stays unread.
    pub(crate) async fn close(mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Waits until the server closes the connection. Returns the bytes that it sent before.
    pub(crate) async fn ended(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.0.read_to_end(&mut rest));
        // A reset also counts as closing.
        let _ = read.await.expect("the connection stays open");
        rest
    }

    /// Reads one response.
    pub(crate) async fn reply(&mut self) -> Reply {
        let reply = timeout(PATIENCE, self.read_reply());
        reply.await.expect("no whole answer in time")
    }

    async fn read_reply(&mut self) -> Reply {
        let mut received = Vec::new();
        let head_end = loop {
            if let Some(at) = find(&received, b"\r\n\r\n") {
                break at;
            }
            self.more(&mut received).await;
        };
        let head = String::from_utf8(received[..head_end].to_vec()).unwrap();
        let (status, headers) = parse(&head);
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.to_str().unwrap().parse().unwrap());
        let body_start = head_end + 4;
        while received.len() < body_start + length {
            self.more(&mut received).await;
        }
        Reply {
            status,
            headers,
            body: received[body_start..body_start + length].to_vec(),
        }
    }

    async fn more(&mut self, received: &mut Vec<u8>) {
        let read = self.0.read_buf(received).await.unwrap();
        assert!(
            read > 0,
            "the connection ended after {:?}",
            String::from_utf8_lossy(received)
        );
    }
}

/// A POST as bytes. `head` lines are `Name: value`.
pub(crate) fn post(target: &str, head: &[&str], body: &[u8]) -> Vec<u8> {
    request("POST", target, head, body)
}

pub(crate) fn request(method: &str, target: &str, head: &[&str], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    for line in head {
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn parse(head: &str) -> (u16, HeaderMap) {
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value.trim()).unwrap(),
        );
    }
    (status.parse().unwrap(), headers)
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .position(|window| window == pattern)
}

const PATIENCE: Duration = Duration::from_secs(10);
