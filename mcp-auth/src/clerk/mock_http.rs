//! A server on loopback for tests. It records the requests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use url::Url;

/// A server that answers for as long as the process lives.
pub(super) struct Stub {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    bodies: Arc<Mutex<Vec<String>>>,
}

/// The response to a request.
pub(super) enum Reply {
    /// Sends these bytes and closes the connection.
    Bytes(Vec<u8>),
    /// Sends a body without an end, as fast as it is read.
    Endless,
    /// Sends a body without an end, a byte at a time.
    Slow,
}

impl Reply {
    /// Creates a response with this status, these further headers (each with its line end) and this
    /// body.
    pub(super) fn http(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Bytes(
            format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
            )
            .into_bytes(),
        )
    }

    pub(super) fn json(body: &serde_json::Value) -> Self {
        Self::http(200, "Content-Type: application/json\r\n", &body.to_string())
    }
}

impl Stub {
    /// Starts a server that answers each request by its head.
    pub(super) fn answering(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let kept = (Arc::clone(&heads), Arc::clone(&bodies));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let Some(head) = read_head(&mut stream) else {
                    continue;
                };
                let body = read_body(&mut stream, &head).unwrap_or_default();
                kept.0.lock().unwrap().push(head.clone());
                kept.1.lock().unwrap().push(body);
                let reply = reply(&head);
                // The client may be gone: some tests close the connection.
                thread::spawn(move || drop(send(&mut stream, &reply)));
            }
        });
        Self {
            address,
            heads,
            bodies,
        }
    }

    pub(super) fn url(&self) -> Url {
        Url::parse(&format!("http://{}", self.address)).unwrap()
    }

    /// Returns the heads of the requests so far.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Returns the bodies of the requests so far. A body is empty if the request had none.
    pub(super) fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }
}

fn read_body(stream: &mut TcpStream, head: &str) -> Option<String> {
    let head = head.to_lowercase();
    let (_, length) = head.split_once("content-length: ")?;
    let length = length.split_once("\r\n")?.0.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn send(stream: &mut TcpStream, reply: &Reply) -> std::io::Result<()> {
    match reply {
        Reply::Bytes(bytes) => stream.write_all(bytes),
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[b' '; 64 * 1024])?;
            }
        }
        Reply::Slow => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(b" ")?;
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
