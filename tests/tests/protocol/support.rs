//! Servers under test, each with its own Clerk, clock and counter, and requests to them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use clerk_emulator::{Emulator, EmulatorOptions, Instance, TokenRequest};
use mcp_auth::ServerBuilder;
use mcp_auth::testing::TestClock;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Mutex, oneshot};
use tokio::time::{Instant, sleep};

use crate::raw::Raw;
use crate::reply::Reply;
use crate::secured::Secured;

pub(crate) const MODERN: &str = "2026-07-28";
pub(crate) const LEGACY: &str = "2025-11-25";
pub(crate) const PERMISSION_DENIED: &str = "Forbidden: org:documents:delete permission required";
pub(crate) const ORGANIZATION_REQUIRED: &str = "Organization context required";

/// The number of tool runs of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Arc<AtomicUsize>);

impl Runs {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn total(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

pub(crate) const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

/// A server that listens on its own thread until this value is dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    /// The address of the metrics, if the server has metrics.
    pub(crate) metrics: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    stopped: Option<oneshot::Receiver<()>>,
}

impl Serving {
    pub(crate) async fn start(builder: ServerBuilder) -> Self {
        let (started, start) = oneshot::channel();
        let (stop, stopping) = oneshot::channel::<()>();
        let (ended, stopped) = oneshot::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let running = builder.port(0).start().await.unwrap();
                let addresses = (running.address(), running.metrics_address());
                started.send(addresses).unwrap();
                // An error means that the test has ended, so the server stops too.
                let _ = stopping.await;
                running.stop().await;
                let _ = ended.send(());
            });
        });
        let (address, metrics) = start.await.expect("the server did not start");
        Self {
            address,
            metrics,
            stop: Some(stop),
            stopped: Some(stopped),
        }
    }

    /// Begins the shutdown. The receiver is notified when the shutdown is complete.
    pub(crate) fn stop(&mut self) -> oneshot::Receiver<()> {
        self.stop.take().unwrap().send(()).unwrap();
        self.stopped.take().unwrap()
    }
}

/// A server, its Clerk and its clock.
pub(crate) struct World {
    pub(crate) clerk: Option<Emulator>,
    pub(crate) instance: Instance,
    pub(crate) clock: TestClock,
    pub(crate) server: Serving,
    pub(crate) runs: Runs,
    http: Client,
    /// The certificate of the server, if the server speaks TLS.
    secured: Option<Secured>,
}

/// A builder that is configured with the instance, but without tools.
pub(crate) fn builder(clerk: &Emulator) -> ServerBuilder {
    mcp_auth::server!()
        .frontend_api_url(clerk.url())
        .secret_key(clerk.instance().secret_key().expose())
        .api_url(clerk.url())
}

pub(crate) async fn emulator() -> Emulator {
    Emulator::start(EmulatorOptions::default()).await.unwrap()
}

/// A client without a proxy, redirects and with a time-out.
pub(crate) fn client() -> Client {
    client_at(None)
}

/// A client that connects from this address of the local machine. On Linux these are all of
/// 127.0.0.0/8.
pub(crate) fn client_at(address: Option<IpAddr>) -> Client {
    Client::builder()
        .local_address(address)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(20))
        .tls_certs_only([])
        .build()
        .unwrap()
}

impl World {
    /// A server of the shared tools.
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// A server of the shared tools with further settings.
    pub(crate) async fn with(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        Self::of("protocol::tools", settings).await
    }

    /// A server of the tools of one module.
    pub(crate) async fn of(
        module: &str,
        settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        Self::at(emulator().await, module, settings).await
    }

    /// A server of an existing instance.
    pub(crate) async fn at(
        clerk: Emulator,
        module: &str,
        settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        Self::built(clerk, module, settings, builder).await
    }

    /// A server of an existing instance, from a custom builder.
    pub(crate) async fn built(
        clerk: Emulator,
        module: &str,
        settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
        builder: impl FnOnce(&Emulator) -> ServerBuilder,
    ) -> Self {
        let clock = TestClock::new();
        let runs = Runs::default();
        let builder = builder(&clerk)
            .tools_of(module)
            .clock(&clock)
            .state(runs.clone());
        Self {
            server: Serving::start(settings(builder)).await,
            instance: clerk.instance().clone(),
            clerk: Some(clerk),
            clock,
            runs,
            http: client(),
            secured: None,
        }
    }

    /// A server of the tools of one module that speaks TLS. The requests of this value trust its certificate.
    pub(crate) async fn secured(
        module: &str,
        settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        let secured = Secured::new();
        let files = |builder| settings(secured.apply(builder));
        let world = Self::of(module, files).await;
        Self {
            http: secured.client(),
            secured: Some(secured),
            ..world
        }
    }

    /// The certificate of a server that speaks TLS.
    pub(crate) fn certificate(&self) -> &Secured {
        self.secured.as_ref().unwrap()
    }

    pub(crate) fn origin(&self) -> String {
        let scheme = if self.secured.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.server.address)
    }

    /// The canonical URL of the endpoint.
    pub(crate) fn url(&self) -> String {
        format!("{}/mcp", self.origin())
    }

    pub(crate) fn metadata_url(&self) -> String {
        format!("{}/.well-known/oauth-protected-resource/mcp", self.origin())
    }

    /// The first challenge of a server with the default scopes and a tool that requires an
    /// organization.
    pub(crate) fn sign_in_challenge(&self) -> String {
        format!(
            r#"Bearer resource_metadata="{}", scope="profile email user:org:read""#,
            self.metadata_url()
        )
    }

    pub(crate) fn invalid_token_challenge(&self) -> String {
        format!(
            r#"Bearer error="invalid_token", error_description="The access token is invalid or expired", resource_metadata="{}", scope="profile email user:org:read""#,
            self.metadata_url()
        )
    }

    /// The challenge for a token with these scopes, after a denial with this text.
    pub(crate) fn insufficient_scope_challenge(&self, scopes: &str, text: &str) -> String {
        format!(
            r#"Bearer error="insufficient_scope", error_description="{text}", scope="{scopes}", resource_metadata="{}""#,
            self.metadata_url()
        )
    }

    pub(crate) fn mint(&self, request: &TokenRequest) -> String {
        self.instance
            .mint(request, self.clock.unix_seconds())
            .unwrap()
    }

    /// An OAuth token of `ada`, admin of `acme`, who may read, write and delete documents.
    pub(crate) fn ada(&self) -> String {
        self.mint(&TokenRequest::oauth("ada").org("acme"))
    }

    /// An OAuth token of `grace`, member of `acme`, who may read documents.
    pub(crate) fn grace(&self) -> String {
        self.mint(&TokenRequest::oauth("grace").org("acme"))
    }

    /// An OAuth token of `linus`, who is in no organization.
    pub(crate) fn linus(&self) -> String {
        self.mint(&TokenRequest::oauth("linus"))
    }

    pub(crate) async fn raw(&self) -> Raw {
        self.raw_on(TcpStream::connect(self.server.address).await.unwrap())
            .await
    }

    /// A connection from this address of the local machine.
    pub(crate) async fn raw_from(&self, from: &str) -> Raw {
        let socket = TcpSocket::new_v4().unwrap();
        let from = SocketAddr::new(from.parse().unwrap(), 0);
        socket.bind(from).unwrap();
        let stream = socket.connect(self.server.address).await.unwrap();
        self.raw_on(stream).await
    }

    /// A connection with small buffers.
    pub(crate) async fn raw_small(&self) -> Raw {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.set_send_buffer_size(64 * 1024).unwrap();
        let stream = socket.connect(self.server.address).await.unwrap();
        self.raw_on(stream).await
    }

    async fn raw_on(&self, stream: TcpStream) -> Raw {
        stream.set_nodelay(true).unwrap();
        match &self.secured {
            Some(secured) => Raw::of(secured.connect(stream).await.unwrap()),
            None => Raw::of(stream),
        }
    }

    /// `Host: …` for a raw request.
    pub(crate) fn host_line(&self) -> String {
        format!("Host: {}", self.server.address)
    }

    #[track_caller]
    pub(crate) fn expect_runs(&self, runs: usize) {
        assert_eq!(self.runs.total(), runs, "runs of the tools");
    }

    /// A request with nothing but its target.
    pub(crate) fn request(&self, method: Method, path: &str) -> Ask {
        Ask {
            http: self.http.clone(),
            method,
            url: format!("{}{path}", self.origin()),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path).send().await
    }

    /// A POST of these bytes to the endpoint, as JSON.
    pub(crate) fn post(&self, body: impl Into<Vec<u8>>) -> Ask {
        let mut ask = self.request(Method::POST, "/mcp");
        ask.body = body.into();
        ask.header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
    }

    /// A JSON-RPC request in one of the eras.
    pub(crate) fn ask(&self, era: Era, method: &str, params: Value) -> Ask {
        match era {
            Era::Legacy => self
                .post(message(method, params))
                .header("mcp-protocol-version", LEGACY),
            Era::Modern => self.modern(method, params),
        }
    }

    fn modern(&self, method: &str, mut params: Value) -> Ask {
        let name = ["name", "uri", "taskId"].map(|member| params[member].as_str());
        let name = name.into_iter().flatten().next();
        let name = name.map(str::to_owned);
        params["_meta"] = modern_meta();
        let ask = self
            .post(message(method, params))
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", method);
        match name {
            Some(name) => ask.header("mcp-name", &name),
            None => ask,
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write it with `json!`"
    )]
    pub(crate) fn call(&self, era: Era, tool: &str, arguments: Value) -> Ask {
        let params = json!({ "name": tool, "arguments": arguments });
        self.ask(era, "tools/call", params)
    }

    pub(crate) fn list(&self, era: Era) -> Ask {
        self.ask(era, "tools/list", json!({}))
    }

    /// Expects that the server continues to serve: a call with a token succeeds.
    #[track_caller]
    pub(crate) fn still_serves(&self) -> impl Future<Output = ()> {
        let ask = self
            .call(Era::Legacy, "who_am_i", json!({}))
            .bearer(&self.ada());
        async move {
            ask.send().await.expect_text("user_ada");
        }
    }
}

/// A request that is being built.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Ask {
    http: Client,
    method: Method,
    url: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Ask {
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sets a header, and replaces one with the same name.
    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        let mut ask = self.without(name);
        ask.headers.push((name.to_owned(), value.to_owned()));
        ask
    }

    /// Adds a header, and keeps others with the same name.
    pub(crate) fn and_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Sends the request from this address of the local machine.
    pub(crate) fn from(self, address: &str) -> Self {
        self.over(&client_at(Some(address.parse().unwrap())))
    }

    /// Sends the request over this client's connections.
    pub(crate) fn over(mut self, http: &Client) -> Self {
        self.http = http.clone();
        self
    }

    /// Adds a query to the URL.
    pub(crate) fn query(mut self, query: &str) -> Self {
        self.url = format!("{}?{query}", self.url);
        self
    }

    pub(crate) async fn send(self) -> Reply {
        Reply::read(self.start().await).await
    }

    /// Sends the request, and returns the response when its head arrived.
    pub(crate) async fn start(self) -> reqwest::Response {
        let mut request = self.http.request(self.method, self.url).body(self.body);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.send().await.unwrap()
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "callers write them with `json!`"
)]
pub(crate) fn message(method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

pub(crate) fn modern_meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "tests", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// A test that keeps both cores busy for seconds holds this lock, so that no two such tests run at the same time.
pub(crate) static LOAD: Mutex<()> = Mutex::const_new(());

/// Polls until the condition holds. Fails if that takes too long.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
