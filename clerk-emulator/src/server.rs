//! An [`Instance`] behind HTTP, on a loopback address and on a thread of its own.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use actix_web::App;
use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web;
use tokio::sync::oneshot;

use crate::directory::Directory;
use crate::error::Error;
use crate::guard::guard;
use crate::instance::Instance;
use crate::routes;

/// A running emulator. It stops when dropped.
///
/// It brings its own thread and runtime, so it can be started under any; what it serves is in the crate's
/// documentation.
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
    handle: ServerHandle,
    ended: oneshot::Receiver<()>,
}

impl Emulator {
    /// Starts an emulator, and returns when it listens.
    ///
    /// # Errors
    /// - [`Error::NotLoopback`]: the address could be reached from elsewhere.
    /// - [`Error::Bind`]: the address is taken or not there.
    /// - [`Error::KeyFile`], [`Error::KeyFileContent`], [`Error::KeyFileMode`]: the key file can't be used.
    /// - [`Error::KeyGeneration`]: the system has no randomness.
    /// - [`Error::Start`]: the server's thread can't be started.
    pub async fn start(options: EmulatorOptions) -> Result<Self, Error> {
        let EmulatorOptions {
            address,
            directory,
            keys_file,
        } = options;
        let listener = listen(address)?;
        let bound = listener
            .local_addr()
            .map_err(|source| Error::Bind { address, source })?;
        let issuer = format!("http://{bound}");
        let instance = match keys_file {
            Some(path) => Instance::with_keys_in(&path, issuer, directory)?,
            None => Instance::new(issuer, directory)?,
        };
        let (started, start) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        let served = instance.clone();
        thread::Builder::new()
            .name(String::from("clerk-emulator"))
            .spawn(move || {
                serve(served, listener, started);
                // Nobody may be waiting for the end.
                let _ = ending.send(());
            })
            .map_err(|source| Error::Start { source })?;
        let handle = start
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the server's thread ended")))
            .map_err(|source| Error::Start { source })?;
        Ok(Self {
            instance,
            handle,
            ended,
        })
    }

    /// Stops the emulator, and returns when its port is free. Requests on their way are cut off.
    pub async fn stop(mut self) {
        drop(self.handle.stop(false));
        // An error means that the thread is gone, which is what was wanted.
        let _ = (&mut self.ended).await;
    }

    /// Where it listens, and the issuer of its tokens: `http://`, address and port, without a final slash.
    #[must_use]
    pub fn url(&self) -> &str {
        self.instance.issuer()
    }

    /// The instance it serves, to change while it runs.
    #[must_use]
    pub fn instance(&self) -> &Instance {
        &self.instance
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The command is sent at once; the future would only wait for its end.
        drop(self.handle.stop(false));
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

/// How an emulator is started.
///
/// The default is a free port of 127.0.0.1, [`Directory::default`], and keys that end with the emulator.
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
///     .keys_file(".clerk-emulator.json");
/// # let options = options.address("127.0.0.1:4400".parse()?).keys_file(folder.path().join("keys"));
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
    keys_file: Option<PathBuf>,
}

impl EmulatorOptions {
    /// Listens on this address, which must be a loopback one: 127.0.0.0/8 or `[::1]`. The port 0 is any
    /// free one.
    #[must_use]
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Listens on this port of the same address; 0 is any free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.address.set_port(port);
        self
    }

    /// Knows these people.
    #[must_use]
    pub fn directory(mut self, directory: Directory) -> Self {
        self.directory = directory;
        self
    }

    /// Keeps its keys in this file, so that tokens and the secret key outlive a restart; see
    /// [`Instance::with_keys_in`].
    #[must_use]
    pub fn keys_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.keys_file = Some(path.into());
        self
    }
}

impl Default for EmulatorOptions {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            directory: Directory::default(),
            keys_file: None,
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    if !address.ip().is_loopback() {
        return Err(Error::NotLoopback { address });
    }
    TcpListener::bind(address).map_err(|source| Error::Bind { address, source })
}

/// The server's thread. Tells `started` once, and returns when the server was stopped.
fn serve(
    instance: Instance,
    listener: TcpListener,
    started: oneshot::Sender<io::Result<ServerHandle>>,
) {
    actix_rt::System::new().block_on(async move {
        let issuer = String::from(instance.issuer());
        let data = web::Data::new(instance);
        let app = move || {
            App::new()
                .app_data(web::Data::clone(&data))
                .wrap(from_fn(guard))
                .configure(routes::configure)
        };
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .listen(listener);
        let server = match server {
            Ok(server) => server.run(),
            Err(error) => {
                // An error here means that the caller is gone, and nothing is to be served.
                let _ = started.send(Err(error));
                return;
            }
        };
        if started.send(Ok(server.handle())).is_err() {
            return;
        }
        let reminder = actix_rt::spawn(remind(issuer, REMINDER));
        if let Err(error) = server.await {
            tracing::error!(%error, "the Clerk emulator failed");
        }
        reminder.abort();
    });
}

/// Says again and again that anybody can be anyone here, for the log that somebody reads only later.
async fn remind(issuer: String, every: Duration) {
    loop {
        tracing::warn!(%issuer, "this is the Clerk emulator: whoever reaches it can be anyone; for development only");
        actix_rt::time::sleep(every).await;
    }
}

const REMINDER: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::fs::File;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_log_says_again_and_again_what_this_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let writer = Arc::new(File::create(&path).unwrap());
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(writer)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            actix_rt::System::new().block_on(async {
                let forever = remind(
                    String::from("http://127.0.0.1:4400"),
                    Duration::from_millis(1),
                );
                let ended = actix_rt::time::timeout(Duration::from_millis(200), forever).await;
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
