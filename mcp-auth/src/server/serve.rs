//! Listening: what `serve!` does beyond building a server.

use std::io::{self, IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, dev};
use futures_util::future::{Either, join, select};
use tracing_subscriber::EnvFilter;

use super::builder::ServerBuilder;
use super::environment::{self, Environment};
use super::error::{Error, Result, StartError};
use super::settings::bind_address;
use super::start::{self, Server};

/// A server that listens, until it is stopped or dropped with its runtime.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    issuer: String,
    handle: ServerHandle,
}

impl Running {
    /// Returns the address the server listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the issuer whose tokens the server accepts: with the emulator, its base URL.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Stops listening, and waits until the calls in flight have ended.
    pub async fn stop(self) {
        self.handle.stop(true).await;
    }
}

impl ServerBuilder {
    /// Serves until SIGTERM or Ctrl-C, then lets the calls in flight end, for up to 30 s.
    ///
    /// Prints what it serves, and installs a `tracing` subscriber if there is none.
    ///
    /// # Errors
    ///
    /// Those of [`build`](Self::build), and an address that cannot be listened on.
    pub async fn serve(self) -> Result<()> {
        let filter =
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
        // An application that has a subscriber of its own keeps it.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .try_init();
        let (listener, server) = self.listen().await?;
        let report = server.report.to_string();
        let running = http(&server, listener)?;
        // A closed standard output is no reason not to serve.
        let _ = io::stdout().write_all(report.as_bytes());
        until_stopped(running).await?;
        Ok(())
    }

    /// Serves in the background of this runtime: for tests, and for programs that do more than
    /// serve. Prints nothing, leaves signals and `tracing` alone.
    ///
    /// # Errors
    ///
    /// Those of [`serve`](Self::serve).
    pub async fn start(self) -> Result<Running> {
        let (listener, server) = self.listen().await?;
        let address = listener.local_addr()?;
        let issuer = server.report.issuer.clone();
        let running = http(&server, listener)?;
        let handle = running.handle();
        tokio::spawn(running);
        Ok(Running {
            address,
            issuer,
            handle,
        })
    }

    /// Binds before building: with port 0 the canonical URL is known only then.
    async fn listen(mut self) -> Result<(TcpListener, Server)> {
        let env = Environment(&environment::process);
        let (host, port) = bind_address(&self, &env).map_err(Error::start)?;
        let bind = |source| {
            Error::start(StartError::Bind {
                address: format!("{host}:{port}"),
                source,
            })
        };
        let listener = TcpListener::bind((host.trim_matches(['[', ']']), port)).map_err(bind)?;
        self.port = Some(listener.local_addr()?.port());
        let server = start::build(self, env).await.map_err(Error::start)?;
        Ok((listener, server))
    }
}

fn http(server: &Server, listener: TcpListener) -> Result<dev::Server> {
    let server = server.clone();
    let http = HttpServer::new(move || {
        App::new()
            .configure(server.well_known())
            .configure(server.routes())
    })
    // A client that hangs up cancels its call; half-open connections would hide that it did.
    .h1_allow_half_closed(false)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    // actix would drop the calls in flight on Ctrl-C.
    .disable_signals();
    Ok(http.listen(listener)?.run())
}

/// Runs until a signal, then lets the calls in flight end; a second signal ends that as well.
async fn until_stopped(running: dev::Server) -> io::Result<()> {
    let mut signals = StopSignals::listen()?;
    let handle = running.handle();
    let mut running = pin!(running);
    if let Either::Left((ended, _)) = select(&mut running, pin!(signals.next())).await {
        return ended;
    }
    tracing::info!(target: "mcp_auth", "stopping; calls in flight have {SHUTDOWN_SECONDS} s");
    let stopped = pin!(join(running, handle.stop(true)));
    match select(stopped, pin!(signals.next())).await {
        Either::Left(((ended, ()), _)) => ended,
        Either::Right(_) => Ok(()),
    }
}

/// SIGTERM and Ctrl-C. Listened to all along: one that comes between two waits is not lost.
struct StopSignals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl StopSignals {
    fn listen() -> io::Result<Self> {
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

    async fn next(&mut self) {
        #[cfg(unix)]
        select(pin!(self.terminate.recv()), pin!(self.interrupt.recv())).await;
        #[cfg(windows)]
        self.interrupt.recv().await;
    }
}

/// actix's own start-up lines repeat what is printed.
const DEFAULT_LOG: &str = "info,actix_server=warn";
const SHUTDOWN_SECONDS: u64 = 30;
