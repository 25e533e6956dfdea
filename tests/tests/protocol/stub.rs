//! A mock issuer over plain HTTP on loopback. The test defines its responses.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;

/// The response to a request.
pub(crate) enum Answer {
    /// A status, header lines and a body.
    Now(u16, Vec<String>, Vec<u8>),
    /// An endless body.
    Endless,
    /// A head without a body.
    Stall,
}

impl Answer {
    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::Now(
            200,
            vec!["Content-Type: application/json".to_owned()],
            body.into(),
        )
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Now(status, Vec::new(), b"{}".to_vec())
    }
}

/// A running mock. Its threads end with the process.
#[derive(Clone)]
pub(crate) struct Stub {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    written: Arc<AtomicUsize>,
}

impl Stub {
    /// Starts a mock. `answer` gets the path and the URL of the mock, and returns the response.
    pub(crate) fn start(answer: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let stub = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            requests: Arc::default(),
            written: Arc::default(),
        };
        let serving = stub.clone();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let serving = serving.clone();
                let answer = Arc::clone(&answer);
                thread::spawn(move || serving.serve(connection, &*answer));
            }
        });
        stub
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The heads of all received requests.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn requests_to(&self, path: &str) -> usize {
        let starts = format!("GET {path}");
        self.requests()
            .iter()
            .filter(|head| head.starts_with(&starts))
            .count()
    }

    /// The number of sent bytes of endless bodies.
    pub(crate) fn written(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }

    /// The metadata of an authorization server at this URL.
    pub(crate) fn metadata(url: &str) -> String {
        // A proxy that rewrites JSON would lose the odd spacing.
        format!("{{ \"issuer\" :\"{url}\",\n  \"x\": [1.0, 1e2] }}")
    }

    fn serve(&self, mut connection: TcpStream, answer: &dyn Fn(&str, &str) -> Answer) {
        let Some(head) = read_head(&mut connection) else {
            return;
        };
        // Closing a connection with unread data would reset it, and the response would be lost.
        drop(read_body(&mut connection, &head));
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        self.requests.lock().unwrap().push(head);
        // Some tests hang up on purpose.
        let _ = match answer(&path, &self.url) {
            Answer::Now(status, lines, body) => {
                let mut head = format!(
                    "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n",
                    body.len()
                );
                for line in lines {
                    head.push_str(&line);
                    head.push_str("\r\n");
                }
                head.push_str("\r\n");
                connection.write_all(&[head.as_bytes(), &body].concat())
            }
            Answer::Endless => self.write_for_ever(connection),
            Answer::Stall => {
                let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
                thread::sleep(Duration::from_secs(30));
                Ok(())
            }
        };
    }

    fn write_for_ever(&self, mut connection: TcpStream) -> std::io::Result<()> {
        connection.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"keys\":[\"")?;
        loop {
            connection.write_all(&[b'x'; 64 * 1024])?;
            self.written.fetch_add(64 * 1024, Ordering::SeqCst);
        }
    }
}

/// A key set without keys.
pub(crate) fn no_keys() -> Answer {
    Answer::json(json!({ "keys": [] }).to_string())
}

fn read_body(connection: &mut TcpStream, head: &str) -> Option<Vec<u8>> {
    let head = head.to_lowercase();
    let (_, length) = head.split_once("content-length: ")?;
    let length = length.split_once("\r\n")?.0.parse().ok()?;
    let mut body = vec![0; length];
    connection.read_exact(&mut body).ok()?;
    Some(body)
}

fn read_head(connection: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if connection.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}
