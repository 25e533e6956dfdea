//! Serves an [`Instance`] over HTTP, on a loopback address and on a separate thread.

mod listener;
mod options;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::thread;
use std::time::Duration;
use std::{fmt, io};

use actix_web::web;
use tokio::sync::oneshot;

use crate::control::{Command, ListenerControl};
use crate::error::Error;
use crate::instance::Instance;
use crate::server::listener::{AppData, serve};
pub use crate::server::options::EmulatorOptions;
use crate::server::options::StateFileOption;
use crate::state_file::StateFile;

/// A running emulator. It stops when the value is dropped.
///
/// An emulator has its own thread and runtime, so you can start it under any runtime. The crate's documentation lists
/// the routes.
///
/// ```
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use clerk_emulator::{Emulator, EmulatorOptions};
///
/// let emulator = Emulator::start(EmulatorOptions::default()).await?;
/// assert_eq!(emulator.url(), emulator.instance().issuer());
/// emulator.stop().await;
/// # Ok(())
/// # }
/// ```
pub struct Emulator {
    instance: Instance,
    control: ListenerControl,
    ended: oneshot::Receiver<()>,
}

impl Emulator {
    /// Starts an emulator. Returns when the emulator listens.
    ///
    /// # Errors
    /// - [`Error::NotLoopback`]: the address is not a loopback address.
    /// - [`Error::Bind`]: the address is in use or does not exist.
    /// - [`Error::McpServer`]: an MCP server cannot be registered.
    /// - [`Error::StateFile`], [`Error::StateFileContent`], [`Error::StateFileInUse`],
    ///   [`Error::StateFileMode`]: the state file cannot be used. With
    ///   [`EmulatorOptions::optional_state_file`] these errors do not occur.
    /// - [`Error::KeyGeneration`]: the system has no randomness.
    /// - [`Error::Start`]: the server's thread cannot be started.
    pub async fn start(options: EmulatorOptions) -> Result<Self, Error> {
        let EmulatorOptions {
            address,
            directory,
            state_file,
            mcp_servers,
        } = options;
        let state = state_file.map_or(Ok(None), StateFileOption::open)?;
        let listener = listen(address, state.as_ref().and_then(|state| state.port))?;
        let bound = listener
            .local_addr()
            .map_err(|source| Error::Bind { address, source })?;
        let issuer = format!("http://{bound}");
        let instance = match state {
            Some(state) => Instance::with_state(state, issuer, directory)?,
            None => Instance::new(issuer, directory)?,
        };
        if let Some(file) = instance.state_file() {
            file.save_port(bound.port());
        }
        for url in &mcp_servers {
            instance.register_mcp_server(url)?;
        }
        let (started, start) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        let (control, commands) = ListenerControl::new();
        let data = AppData {
            instance: web::Data::new(instance.clone()),
            control: web::Data::new(control.clone()),
        };
        thread::Builder::new()
            .name(String::from("clerk-emulator"))
            .spawn(move || {
                actix_rt::System::new().block_on(serve(data, listener, bound, commands, started));
                // An error means that no call of `stop` is waiting.
                let _ = ending.send(());
            })
            .map_err(|source| Error::Start { source })?;
        start
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the server's thread ended")))
            .map_err(|source| Error::Start { source })?;
        Ok(Self {
            instance,
            control,
            ended,
        })
    }

    /// Stops the emulator. Returns when its port is free and its state file is closed. Requests in
    /// progress are aborted.
    pub async fn stop(mut self) {
        self.control.command(Command::Stop);
        // An error means that the thread has ended.
        let _ = (&mut self.ended).await;
        if let Some(file) = self.instance.state_file() {
            file.close();
        }
    }

    /// Refuses new connections for `duration`, as if the port were closed, and closes open
    /// connections. Returns as soon as connections are refused. After `duration` the emulator
    /// listens on the same port again.
    ///
    /// ```
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use clerk_emulator::{Emulator, EmulatorOptions};
    ///
    /// let emulator = Emulator::start(EmulatorOptions::default()).await?;
    /// emulator.refuse_connections(Duration::from_secs(30)).await;
    /// assert!(reqwest::get(emulator.url()).await.unwrap_err().is_connect());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn refuse_connections(&self, duration: Duration) {
        let (closed, closing) = oneshot::channel();
        self.control.command(Command::Close { duration, closed });
        // An error means that the thread has ended, so all connections are refused.
        let _ = closing.await;
    }

    /// The URL of the emulator, which is also the issuer of its tokens: `http://`, address and
    /// port, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> &str {
        self.instance.issuer()
    }

    /// The file that stores the emulator's state. `None` if the emulator has no state file.
    ///
    /// ```
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use clerk_emulator::{Emulator, EmulatorOptions};
    ///
    /// let emulator = Emulator::start(EmulatorOptions::default()).await?;
    /// assert!(emulator.state_file().is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn state_file(&self) -> Option<&Path> {
        self.instance.state_file().map(StateFile::path)
    }

    /// The instance that the emulator serves. You can change the instance while the emulator runs.
    #[must_use]
    pub fn instance(&self) -> &Instance {
        &self.instance
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.control.command(Command::Stop);
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

/// Listens on the address. If the port of the address is 0, tries the port of the last start first.
fn listen(address: SocketAddr, last_port: Option<u16>) -> Result<TcpListener, Error> {
    if !address.ip().is_loopback() {
        return Err(Error::NotLoopback { address });
    }
    if let (0, Some(port)) = (address.port(), last_port) {
        let last = SocketAddr::new(address.ip(), port);
        match TcpListener::bind(last) {
            Ok(listener) => return Ok(listener),
            Err(error) => tracing::warn!(
                %error, address = %last,
                "the local Clerk cannot listen on the port of the last start and takes another one: \
                 clients must sign in again"
            ),
        }
    }
    TcpListener::bind(address).map_err(|source| Error::Bind { address, source })
}
