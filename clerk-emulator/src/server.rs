//! An [`Instance`] behind HTTP, on a loopback address and on a thread of its own.

use std::error::Error as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use std::{fmt, io};

use actix_rt::task::JoinHandle;
use actix_rt::time::timeout;
use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web;
use actix_web::{App, HttpServer};
use tokio::net::TcpSocket;
use tokio::sync::{mpsc, oneshot};

use crate::directory::Directory;
use crate::error::Error;
use crate::instance::Instance;
use crate::local_only::local_only;
use crate::routes;
use crate::routes::inject_faults::inject_faults;
use crate::state_file::{State, StateFile};

/// A running emulator. It stops when it is dropped.
///
/// An emulator has its own thread and runtime, so it can be started under any runtime. The crate's
/// documentation lists the routes.
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

    /// Stops the emulator. Returns when its port is free and its state file is closed. Running
    /// requests are cut off.
    pub async fn stop(mut self) {
        self.control.command(Command::Stop);
        // An error means that the thread has ended.
        let _ = (&mut self.ended).await;
        if let Some(file) = self.instance.state_file() {
            file.close();
        }
    }

    /// Refuses connections for `duration`, as if the port were closed, and cuts off open
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

    /// The file that keeps the emulator's state; `None` if the state ends with the emulator.
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

    /// The instance that the emulator serves. It can be changed while the emulator runs.
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

/// The options of an emulator.
///
/// The default is a free port of 127.0.0.1, [`Directory::default`], and no state file.
///
/// ```
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use clerk_emulator::{Directory, Emulator, EmulatorOptions};
///
/// # let folder = tempfile::tempdir()?;
/// let options = EmulatorOptions::default()
///     .address("[::1]:4400".parse()?)
///     .directory(Directory::parse("users.kay = {}")?)
///     .state_file(".clerk-emulator.json");
/// # let options = options.address("127.0.0.1:4400".parse()?).state_file(folder.path().join("keys"));
/// // Or any free port:
/// let emulator = Emulator::start(options.port(0)).await?;
/// assert!(emulator.instance().directory().user("kay").is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EmulatorOptions {
    address: SocketAddr,
    directory: Directory,
    state_file: Option<StateFileOption>,
    mcp_servers: Vec<String>,
}

#[derive(Clone, Debug)]
struct StateFileOption {
    path: PathBuf,
    /// Whether the emulator starts without a state file if the file cannot be used.
    is_optional: bool,
}

impl StateFileOption {
    fn open(self) -> Result<Option<State>, Error> {
        if !self.is_optional {
            return State::open(&self.path).map(Some);
        }
        match State::open_or_replace(&self.path) {
            Ok(state) => Ok(Some(state)),
            Err(error) => {
                let cause = error.source().map(tracing::field::display);
                tracing::warn!(
                    %error, cause,
                    "the local Clerk runs without a state file: clients must sign in again after a restart"
                );
                Ok(None)
            }
        }
    }
}

impl EmulatorOptions {
    /// Listens on this address, which must be a loopback address: 127.0.0.0/8 or `[::1]`. Port 0
    /// means any free port.
    #[must_use]
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Listens on this port. Port 0 means any free port; with a state file it means the port of the
    /// last start if that port is free.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.address.set_port(port);
        self
    }

    /// Uses this directory of people and organizations.
    #[must_use]
    pub fn directory(mut self, directory: Directory) -> Self {
        self.directory = directory;
        self
    }

    /// Keeps keys, port, clients, grants and opaque tokens in this file, so that they survive a
    /// restart; see [`Instance::with_state_in`].
    #[must_use]
    pub fn state_file(self, path: impl Into<PathBuf>) -> Self {
        self.with_state_file(path.into(), false)
    }

    /// Keeps the state like [`state_file`](Self::state_file), but starts the emulator even if the
    /// file cannot be used. The log then has the reason:
    ///
    /// - A file that holds no state, or that other users can read, is renamed to `….unusable` and
    ///   replaced by a new file.
    /// - If another emulator uses the file, or if the file cannot be read or written, the emulator
    ///   has no state file: [`Emulator::state_file`] is `None`.
    ///
    /// Missing folders are created.
    ///
    /// ```
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use clerk_emulator::{Emulator, EmulatorOptions};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("folder/state.json");
    /// let options = EmulatorOptions::default().optional_state_file(&path);
    /// let first = Emulator::start(options.clone()).await?;
    /// let second = Emulator::start(options).await?;
    /// assert_eq!(first.state_file(), Some(path.as_path()));
    /// assert_eq!(second.state_file(), None);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn optional_state_file(self, path: impl Into<PathBuf>) -> Self {
        self.with_state_file(path.into(), true)
    }

    fn with_state_file(mut self, path: PathBuf, is_optional: bool) -> Self {
        self.state_file = Some(StateFileOption { path, is_optional });
        self
    }

    /// Registers an MCP server before the emulator answers requests; see
    /// [`Instance::register_mcp_server`]. Call this method once for each server.
    ///
    /// ```
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use clerk_emulator::{Emulator, EmulatorOptions};
    ///
    /// let options = EmulatorOptions::default().mcp_server("http://127.0.0.1:3000/mcp");
    /// let emulator = Emulator::start(options).await?;
    /// assert!(emulator.instance().settings().audience_claim);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn mcp_server(mut self, url: impl Into<String>) -> Self {
        self.mcp_servers.push(url.into());
        self
    }
}

impl Default for EmulatorOptions {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            directory: Directory::default(),
            state_file: None,
            mcp_servers: Vec::new(),
        }
    }
}

/// Listens at the address. If its port is 0, the port of the last start is tried first.
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

/// A command for the thread that owns the listener.
pub(crate) enum Command {
    /// Closes the listener, and opens it again after `duration`. `closed` is notified when the
    /// listener is closed.
    Close {
        duration: Duration,
        closed: oneshot::Sender<()>,
    },
    /// Closes the listener and ends the thread.
    Stop,
}

/// Sends commands to the thread that owns the listener.
#[derive(Clone)]
pub(crate) struct ListenerControl {
    commands: mpsc::UnboundedSender<Command>,
}

impl ListenerControl {
    fn new() -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (commands, received) = mpsc::unbounded_channel();
        (Self { commands }, received)
    }

    pub(crate) fn command(&self, command: Command) {
        // An error means that the thread has ended, so the listener is closed.
        let _ = self.commands.send(command);
    }
}

/// The application data of the routes.
#[derive(Clone)]
struct AppData {
    instance: web::Data<Instance>,
    control: web::Data<ListenerControl>,
}

/// Serves until a command stops the server. Notifies `started` once.
async fn serve(
    data: AppData,
    listener: TcpListener,
    address: SocketAddr,
    mut commands: mpsc::UnboundedReceiver<Command>,
    started: oneshot::Sender<io::Result<()>>,
) {
    let mut server = match run(&data, listener) {
        Ok(server) => server,
        Err(error) => {
            // An error here means that the caller no longer waits.
            let _ = started.send(Err(error));
            return;
        }
    };
    if started.send(Ok(())).is_err() {
        server.stop().await;
        return;
    }
    let issuer = String::from(data.instance.issuer());
    let warnings = actix_rt::spawn(warn_repeatedly(issuer, WARNING_INTERVAL));
    loop {
        let command = commands.recv().await;
        server.stop().await;
        let Some(Command::Close { duration, closed }) = command else {
            break;
        };
        // An error means that the sender of the command no longer waits.
        let _ = closed.send(());
        match reopen(&data, address, duration, &mut commands).await {
            Some(again) => server = again,
            None => break,
        }
    }
    warnings.abort();
}

/// A server that listens.
struct RunningServer {
    handle: ServerHandle,
    task: JoinHandle<()>,
}

impl RunningServer {
    /// Closes the listener and all connections. Returns when they are closed.
    async fn stop(self) {
        self.handle.stop(false).await;
        // An error means that the task has ended by itself.
        let _ = self.task.await;
    }
}

fn run(data: &AppData, listener: TcpListener) -> io::Result<RunningServer> {
    let data = data.clone();
    let app = move || {
        // actix runs the middleware that is wrapped last first: `local_only` refuses a request
        // before faults are injected.
        App::new()
            .app_data(web::Data::clone(&data.instance))
            .app_data(web::Data::clone(&data.control))
            .wrap(from_fn(inject_faults))
            .wrap(from_fn(local_only))
            .configure(routes::configure)
    };
    let server = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    let task = actix_rt::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the Clerk emulator failed");
        }
    });
    Ok(RunningServer { handle, task })
}

/// Waits for `duration` and listens again; `None` if `Command::Stop` arrives before.
/// `Command::Close` starts the wait anew.
async fn reopen(
    data: &AppData,
    address: SocketAddr,
    mut duration: Duration,
    commands: &mut mpsc::UnboundedReceiver<Command>,
) -> Option<RunningServer> {
    let mut reserved = reserve(address);
    loop {
        match timeout(duration, commands.recv()).await {
            Ok(Some(Command::Close {
                duration: again,
                closed,
            })) => {
                duration = again;
                let _ = closed.send(());
            }
            Ok(Some(Command::Stop) | None) => return None,
            Err(_) => {
                let listener = reserved.and_then(|socket| socket.listen(BACKLOG)?.into_std());
                match listener.and_then(|listener| run(data, listener)) {
                    Ok(server) => return Some(server),
                    Err(error) => {
                        tracing::error!(%error, %address, "the Clerk emulator cannot listen again yet");
                        duration = BETWEEN_ATTEMPTS;
                        reserved = reserve(address);
                    }
                }
            }
        }
    }
}

/// Binds a socket to the address without listening: no other program can take the port, and
/// connections are refused.
fn reserve(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Like the standard library: connections that were cut off still occupy the port for a while.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Logs a warning at each interval, so that a log which is read later still shows that this is an
/// emulator.
async fn warn_repeatedly(issuer: String, every: Duration) {
    loop {
        tracing::warn!(
            %issuer,
            "this is the Clerk emulator, for development only: anybody who reaches it can sign in as any user"
        );
        actix_rt::time::sleep(every).await;
    }
}

const BACKLOG: u32 = 1024;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::fs::File;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_log_repeats_the_warning() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let writer = Arc::new(File::create(&path).unwrap());
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(writer)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            actix_rt::System::new().block_on(async {
                let forever = warn_repeatedly(
                    String::from("http://127.0.0.1:4400"),
                    Duration::from_millis(1),
                );
                let ended = timeout(Duration::from_millis(200), forever).await;
                assert!(ended.is_err());
            });
        });
        let log = fs::read_to_string(&path).unwrap();
        assert!(log.lines().count() > 1);
        for line in log.lines() {
            assert!(
                line.contains(" WARN ") && line.contains("this is the Clerk emulator"),
                "{line}"
            );
        }
    }
}
