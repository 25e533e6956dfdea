//! Listens, and serves until a signal.

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;

use actix_http::{Request, Response};
use actix_web::dev::{self, ServerHandle, fn_service};
use futures_util::future::{Either, join, select};
use serde_json::json;
use tokio::time::sleep;

use crate::audit::Audit;
use crate::http::{Flow, ProcessSignals, SHUTDOWN_SECONDS, listen};

use super::assemble::may_show_page;
use super::builder::ServerBuilder;
use super::codes;
use super::environment::Environment;
use super::error::{Error, Result, chain};
use super::explain;
use super::finding::Finding;
use super::gate;
use super::log::{self, Beside};
use super::matrix::AccessMatrix;
use super::resolve::Purpose;
use super::setting::Source;
use super::spans;
use super::start::{self, Server};

/// A running server. It listens until it is stopped, or until its runtime ends.
///
/// ```no_run
/// # async fn example() -> mcp_auth::Result<()> {
/// let running = mcp_auth::server!().port(0).start().await?;
/// println!("http://{}/mcp takes tokens of {}", running.address(), running.issuer());
/// running.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RunningServer {
    address: SocketAddr,
    issuer: String,
    handle: ServerHandle,
    server: Server,
}

impl RunningServer {
    /// Returns the address that the server listens on. If the configured port is 0, the address has
    /// the port that the system chose.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the issuer whose tokens the server accepts, without a final slash. With the
    /// emulator, the issuer is the base URL of the emulator.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the address of the metrics. `None` if the server has no metrics. If the configured port is 0, the address
    /// has the port that the system chose.
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.server.metrics_address()
    }

    /// Makes `/readyz` answer 503, waits for the [`drain_delay`](ServerBuilder::drain_delay), stops listening, ends open
    /// subscriptions, and waits up to 30 s until the calls in flight have ended. Running MCP tasks end as failed.
    pub async fn stop(self) {
        stop(&self.server, &self.handle).await;
        close(self.server.audit()).await;
        spans::flush().await;
    }
}

impl ServerBuilder {
    /// Serves until SIGTERM or Ctrl-C, and then waits up to 30 s until the calls in flight have
    /// ended.
    ///
    /// Prints a report to standard output. If the application has installed no `tracing`
    /// subscriber, the server installs a subscriber that writes to standard error and follows
    /// `RUST_LOG`. A second signal ends the server at once.
    ///
    /// ```no_run
    /// #[actix_web::main]
    /// async fn main() -> mcp_auth::Result<()> {
    ///     mcp_auth::server!().require_scope("documents").serve().await
    /// }
    /// ```
    ///
    /// With `MCP_AUTH=check` in the environment, `serve` prints the report of
    /// [`check`](Self::check) instead of serving. `serve` returns an error if the report has an error. If
    /// the only error is that Clerk could not be asked, the process ends with status 2.
    /// `MCP_AUTH_ACCEPT` lists the codes of findings that you accept, separated by commas.
    /// `MCP_CHECK_FORMAT=json` prints the report as JSON. `MCP_MATRIX` names a file with an access
    /// matrix, and the check reports an error if a caller may do more than the matrix says.
    ///
    /// With `MCP_AUTH=tools` in the environment, `serve` prints the
    /// [`AccessMatrix`](crate::AccessMatrix) instead of serving; `tools-markdown` and `tools-json`
    /// print it in another format. The matrix needs no Clerk instance and no network, but the code
    /// must set the state that the tools take.
    ///
    /// With `MCP_AUTH=explain` in the environment, `serve` prints an [`Explanation`](crate::Explanation) instead of serving:
    /// why a caller may or may not use a tool. `explain-json` prints the explanation as JSON. The facts about the caller are
    /// JSON in `MCP_AUTH_CALLER`, or in the standard input if that variable is unset.
    ///
    /// # Errors
    ///
    /// - [`build`](Self::build) fails.
    /// - The check found errors.
    /// - The server cannot listen on the address.
    /// - The server cannot register handlers for signals, or cannot accept connections.
    pub async fn serve(self) -> Result<()> {
        let env = Environment::process();
        let Some(mut builder) = self.unless_printed(env).await? else {
            return Ok(());
        };
        let beside = Beside {
            keeps_lines: may_show_page(cfg!(debug_assertions), &builder, &env),
            service: Some((&builder.name, &builder.version)),
        };
        builder.lines = log::subscribe(&env, &beside);
        let (listener, server) = builder.listen().await?;
        let report = server.report.to_string();
        let running = http(&server, listener)?;
        // A closed standard output does not stop the server.
        let _ = io::stdout().write_all(report.as_bytes());
        let ended = until_stopped(running, &server).await;
        close(server.audit()).await;
        spans::flush().await;
        Ok(ended?)
    }

    /// Prints the text that `MCP_AUTH` selects. Returns the builder if the variable is not set, so that the server starts.
    pub(super) async fn unless_printed(self, env: Environment<'static>) -> Result<Option<Self>> {
        if env.get("MCP_AUTH").as_deref() == Some("check") {
            return gate::run(self, env).await.map(|()| None);
        }
        if let Some(text) = asked_for(&self, env).map_err(Error::start)? {
            io::stdout().write_all(text.as_bytes())?;
            return Ok(None);
        }
        Ok(Some(self))
    }

    /// Serves in the background on the current runtime, for tests and for programs that also do
    /// other work. Returns as soon as the server listens. Prints nothing, handles no signals, and
    /// installs no `tracing` subscriber.
    ///
    /// ```no_run
    /// # async fn work() {}
    /// #[actix_web::main]
    /// async fn main() -> mcp_auth::Result<()> {
    ///     let running = mcp_auth::server!().start().await?;
    ///     work().await;
    ///     running.stop().await;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`build`](Self::build) fails.
    /// - The server cannot listen on the address.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn start(self) -> Result<RunningServer> {
        let (listener, server) = self.listen().await?;
        let address = listener.local_addr()?;
        let issuer = server.report.issuer.clone();
        let running = http(&server, listener)?;
        let handle = running.handle();
        tokio::spawn(running);
        Ok(RunningServer {
            address,
            issuer,
            handle,
            server,
        })
    }

    /// Binds the address before it builds, because with port 0 the canonical URL is known only after binding.
    async fn listen(mut self) -> Result<(TcpListener, Server)> {
        let env = Environment::process();
        let address = self.serving.address(&env).map_err(Error::start)?;
        let (host, port) = (&address.host.value, address.port.value);
        let listener = TcpListener::bind((host.trim_matches(['[', ']']), port));
        let listener = listener.map_err(|error| {
            let what = format!("cannot listen on {host}:{port}: {}", chain(&error));
            let port = address.port.source;
            let remedy =
                format!("set {port} to another port, or stop the program that uses this port");
            Error::start(Finding::new(&codes::LISTEN_FAILED, what).remedy_is(remedy))
        })?;
        self.serving.port = Some(listener.local_addr()?.port());
        let server = start::build(self, env, Purpose::Listen).await;
        let server = server.map_err(Error::start)?;
        Ok((listener, server))
    }
}

/// Returns the text to print instead of serving, if `MCP_AUTH` asks for a text.
fn asked_for(builder: &ServerBuilder, env: Environment<'_>) -> Result<Option<String>, Finding> {
    let Some(value) = env.get("MCP_AUTH") else {
        return Ok(None);
    };
    let write = match value.as_str() {
        "explain" => {
            let all = explain::explain(builder, &env)?;
            let texts: Vec<_> = all.iter().map(ToString::to_string).collect();
            return Ok(Some(texts.join("\n")));
        }
        "explain-json" => {
            let all = json!(explain::explain(builder, &env)?);
            return Ok(Some(format!("{all:#}\n")));
        }
        "tools" => |matrix: &AccessMatrix| matrix.to_string(),
        "tools-json" => AccessMatrix::to_json,
        "tools-markdown" => AccessMatrix::to_markdown,
        _ => {
            let expected = "`check`, `explain`, `explain-json`, `tools`, `tools-json` or `tools-markdown` is expected";
            return Err(Source::Variable("MCP_AUTH").invalid(value, expected));
        }
    };
    Ok(Some(write(&start::matrix(builder, &env)?)))
}

fn http(server: &Server, listener: TcpListener) -> Result<dev::Server> {
    let limits = Arc::clone(&server.connections);
    let server = server.clone();
    let stopping = Arc::downgrade(&server.site());
    let factory = move || {
        let (site, judge) = (server.site(), server.site());
        Flow {
            // The site answers requests directly, without an actix-web application, which would add
            // routing and middleware.
            service: fn_service(move |request: Request| {
                let site = Arc::clone(&site);
                async move {
                    let (head, body) = request.into_parts();
                    Ok::<_, Infallible>(site.answer(&head, body).await)
                }
            }),
            expect: fn_service(move |request: Request| {
                let site = Arc::clone(&judge);
                async move { site.judge(request).await.map_err(Response::from) }
            }),
        }
    };
    let at_shutdown = move || {
        if let Some(site) = stopping.upgrade() {
            site.health.begin_to_stop();
            site.endpoint.stop_streams();
        }
    };
    let signals = ProcessSignals::Caller;
    Ok(listen(listener, &limits, signals, at_shutdown, factory)?)
}

/// Runs until a signal, and then ends the tasks and waits for the calls in flight. A second signal ends the wait.
async fn until_stopped(running: dev::Server, server: &Server) -> io::Result<()> {
    let mut signals = StopSignals::listen()?;
    let handle = running.handle();
    let mut running = pin!(running);
    if let Either::Left((ended, _)) = select(&mut running, pin!(signals.next())).await {
        return ended;
    }
    tracing::info!(target: "mcp_auth", "stopping; calls in flight have {SHUTDOWN_SECONDS} s to end");
    let stopped = pin!(join(running, stop(server, &handle)));
    match select(stopped, pin!(signals.next())).await {
        Either::Left(((ended, ()), _)) => ended,
        Either::Right(_) => Ok(()),
    }
}

/// Lets load balancers learn that the server stops, ends the tasks, and waits for the calls in flight.
async fn stop(server: &Server, handle: &ServerHandle) {
    server.site().health.begin_to_stop();
    if !server.drain.is_zero() {
        sleep(server.drain).await;
    }
    // The workers run the MCP tasks, so the tasks must end before the workers.
    server.tasks().stop().await;
    handle.stop(true).await;
}

/// Waits until the audit log has written its records, which may block.
pub(super) async fn close(audit: Option<Arc<Audit>>) {
    if let Some(audit) = audit {
        let _ = tokio::task::spawn_blocking(move || audit.close()).await;
    }
}

/// Waits for SIGTERM and Ctrl-C. A signal that arrives between two calls of `next` is not lost.
pub(super) struct StopSignals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl StopSignals {
    pub(super) fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            })
        }
        #[cfg(windows)]
        Ok(Self {
            interrupt: tokio::signal::windows::ctrl_c()?,
        })
    }

    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        select(pin!(self.terminate.recv()), pin!(self.interrupt.recv())).await;
        #[cfg(windows)]
        self.interrupt.recv().await;
    }
}
