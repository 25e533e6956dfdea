//! Sends the requests, and keeps what the client sees of each.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use crate::raw::{Raw, post};
use crate::reply::Reply;
use crate::support::{Era, LEGACY, MODERN, client, modern_meta};

use super::kinds::{End, Planned, Tokens};

/// The client of the server under test.
pub(super) struct Sender {
    pub(super) endpoint: String,
    pub(super) metrics: String,
    pub(super) tokens: Tokens,
    pub(super) gate: Gate,
}

/// A request that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) planned: Planned,
    /// `None` if the client left before the response.
    pub(super) seen: Option<Seen>,
}

/// The parts of a response that the comparison needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    pub(super) status: u16,
    /// The code of the JSON-RPC error.
    pub(super) error: Option<i64>,
    /// True for a tool result with `isError`.
    pub(super) is_error: bool,
}

/// Sends all requests, over this number of connections.
pub(super) async fn send_all(
    sender: &Sender,
    planned: Vec<Planned>,
    connections: usize,
) -> Vec<Sent> {
    let queue = RefCell::new(VecDeque::from(planned));
    let sent = RefCell::new(Vec::new());
    let send = async || {
        let http = client();
        loop {
            let Some(planned) = queue.borrow_mut().pop_front() else {
                return;
            };
            let seen = match planned.kind.end {
                End::Left => {
                    sender.leave(planned).await;
                    None
                }
                _ => Some(sender.send(&http, planned).await),
            };
            sent.borrow_mut().push(Sent { planned, seen });
        }
    };
    join_all((0..connections).map(|_| send())).await;
    sent.into_inner()
}

impl Sender {
    async fn send(&self, http: &Client, planned: Planned) -> Seen {
        let mut request = http.post(&self.endpoint).body(self.body(planned));
        for (name, value) in self.headers(planned) {
            request = request.header(name, value);
        }
        let reply = Reply::read(request.send().await.unwrap()).await;
        let json = match reply.body.is_empty() {
            true => Value::Null,
            false => reply.json(),
        };
        Seen {
            status: reply.status,
            error: json["error"]["code"].as_i64(),
            is_error: json["result"]["isError"] == true,
        }
    }

    /// Sends a call, waits until its function began, and closes the connection.
    async fn leave(&self, planned: Planned) {
        let address: SocketAddr = self
            .endpoint
            .strip_prefix("http://")
            .and_then(|rest| rest.strip_suffix("/mcp"))
            .unwrap()
            .parse()
            .unwrap();
        let began = self.gate.began(planned.number);
        let mut raw = Raw::connect(address).await;
        let mut head = vec![format!("Host: {address}")];
        head.extend(
            self.headers(planned)
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        let head: Vec<_> = head.iter().map(String::as_str).collect();
        raw.write(&post("/mcp", &head, self.body(planned).as_bytes()))
            .await;
        began.await.unwrap();
    }

    fn headers(&self, Planned { kind, era, number }: Planned) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json, text/event-stream".to_owned()),
            (
                "traceparent",
                format!("00-{}-00f067aa0ba902b7-01", trace_of(number)),
            ),
        ];
        match era {
            Era::Legacy => headers.push(("mcp-protocol-version", LEGACY.to_owned())),
            Era::Modern => {
                headers.push(("mcp-protocol-version", MODERN.to_owned()));
                headers.push(("mcp-method", kind.method.to_owned()));
            }
        }
        let params = self.params(Planned { kind, era, number });
        let name = ["name", "uri"].map(|member| params[member].as_str());
        if let (Era::Modern, Some(name)) = (era, name.into_iter().flatten().next()) {
            headers.push(("mcp-name", name.to_owned()));
        }
        if let Some(token) = self.tokens.text(kind.token) {
            headers.push(("authorization", format!("Bearer {token}")));
        }
        headers
    }

    fn params(&self, Planned { kind, number, .. }: Planned) -> Value {
        let params = (kind.params)();
        match (kind.method, kind.end) {
            ("tools/call", End::Left) => json!({
                "name": kind.name,
                "arguments": { "gate": self.gate.address.to_string(), "call": number.to_string() },
            }),
            ("tools/call", _) => json!({ "name": kind.name, "arguments": params }),
            _ => params,
        }
    }

    fn body(&self, planned: Planned) -> String {
        let Planned { kind, era, number } = planned;
        let mut params = self.params(planned);
        if era == Era::Modern {
            params["_meta"] = modern_meta();
        }
        if ["work", "fail_late"].contains(&kind.name) {
            params["_meta"]["progressToken"] = number.into();
        }
        let mut message = json!({ "jsonrpc": "2.0", "method": kind.method, "params": params });
        if kind.end != End::Accepted {
            message["id"] = number.into();
        }
        let mut body = message.to_string();
        if kind.end == End::Malformed {
            body.pop();
        }
        body
    }

    /// Reads the metrics until a condition holds, or until it has not held for a long time. Returns the last text, whose
    /// comparison then shows what is missing.
    pub(super) async fn until(&self, holds: impl Fn(&str) -> bool) -> String {
        let http = client();
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let response = http.get(&self.metrics).send().await.unwrap();
            let text = response.text().await.unwrap();
            if holds(&text) || Instant::now() > deadline {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The trace id of a request.
pub(super) fn trace_of(number: usize) -> String {
    format!("{:032x}", number + 1)
}

/// The place where calls wait whose clients leave.
pub(super) struct Gate {
    address: SocketAddr,
    waiting: Rc<RefCell<BTreeMap<usize, oneshot::Sender<()>>>>,
    closed: watch::Sender<bool>,
}

impl Gate {
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Self {
            address: listener.local_addr().unwrap(),
            waiting: Rc::default(),
            closed: watch::Sender::new(false),
        };
        let waiting = Rc::clone(&gate.waiting);
        let closed = gate.closed.subscribe();
        actix_web::rt::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (waiting, closed) = (Rc::clone(&waiting), closed.clone());
                actix_web::rt::spawn(hold(stream, waiting, closed));
            }
        });
        gate
    }

    /// Completes when the function of this call began.
    fn began(&self, number: usize) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().insert(number, sender);
        receiver
    }

    /// Lets all calls end.
    pub(super) fn let_go(&self) {
        self.closed.send_replace(true);
    }
}

async fn hold(
    stream: TcpStream,
    waiting: Rc<RefCell<BTreeMap<usize, oneshot::Sender<()>>>>,
    mut closed: watch::Receiver<bool>,
) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    let number = line.trim().parse().unwrap();
    let began = waiting.borrow_mut().remove(&number).unwrap();
    began.send(()).unwrap();
    // The server closes the connection of a call that it cancels.
    tokio::select! {
        _ = closed.wait_for(|closed| *closed) => {}
        _ = stream.read_u8() => {}
    }
}
