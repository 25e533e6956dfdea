//! A client that uses few instructions: it sends prepared bytes and compares the received bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A connection that stays open as long as the server keeps it open.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    /// Whether the server closes the connection after each answer.
    closes: bool,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            closes: false,
            answer: Vec::new(),
        }
    }

    /// Sends a request and reads an answer of any length.
    pub(crate) fn ask(&mut self, request: &[u8]) -> &[u8] {
        let mut stream = self.send(request);
        self.answer.clear();
        let head = loop {
            if let Some(head) = Head::of(&self.answer) {
                break head;
            }
            let mut piece = [0; 4096];
            let length = stream.read(&mut piece).unwrap();
            assert!(length > 0, "the server hung up");
            self.answer.extend_from_slice(&piece[..length]);
        };
        let read = self.answer.len();
        self.answer.resize(head.length + head.body, 0);
        stream.read_exact(&mut self.answer[read..]).unwrap();
        self.closes = head.closes;
        self.done(stream)
    }

    /// Sends a request and reads an answer with the length of the previous one.
    pub(crate) fn ask_again(&mut self, request: &[u8]) -> &[u8] {
        let mut stream = self.send(request);
        stream.read_exact(&mut self.answer).unwrap();
        self.done(stream)
    }

    fn send(&mut self, request: &[u8]) -> TcpStream {
        let mut stream = self.stream.take().unwrap_or_else(|| {
            let stream = TcpStream::connect(self.address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream
        });
        stream.write_all(request).unwrap();
        stream
    }

    fn done(&mut self, stream: TcpStream) -> &[u8] {
        self.stream = (!self.closes).then_some(stream);
        &self.answer
    }
}

/// The body of an answer.
pub(crate) fn body(answer: &[u8]) -> &[u8] {
    let head = Head::of(answer).expect("the head has an end");
    &answer[head.length..]
}

/// The values of an answer's head.
struct Head {
    length: usize,
    body: usize,
    closes: bool,
}

impl Head {
    /// Reads a head; `None` if the head is incomplete.
    fn of(answer: &[u8]) -> Option<Self> {
        let end = b"\r\n\r\n";
        let start = answer.windows(end.len()).position(|bytes| bytes == end)?;
        let text = String::from_utf8_lossy(&answer[..start]).to_ascii_lowercase();
        let (_, body) = text.split_once("\r\ncontent-length: ").expect("a length");
        Some(Self {
            length: start + end.len(),
            body: body.lines().next()?.parse().expect("a number"),
            closes: text.contains("\r\nconnection: close"),
        })
    }
}
