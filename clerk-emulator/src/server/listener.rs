//! The thread of an emulator, which owns the listener.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_rt::task::JoinHandle;
use actix_rt::time::timeout;
use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web;
use actix_web::{App, HttpServer};
use tokio::net::TcpSocket;
use tokio::sync::{mpsc, oneshot};

use crate::control::{Command, ListenerControl};
use crate::instance::Instance;
use crate::routes;
use crate::routes::inject_faults::inject_faults;
use crate::routes::local_only::local_only;

/// The application data of the routes.
#[derive(Clone)]
pub(super) struct AppData {
    pub(super) instance: web::Data<Instance>,
    pub(super) control: web::Data<ListenerControl>,
}

/// Serves until a command stops the server. Notifies `started` once.
pub(super) async fn serve(
    data: AppData,
    listener: TcpListener,
    address: SocketAddr,
    mut commands: mpsc::UnboundedReceiver<Command>,
    started: oneshot::Sender<io::Result<()>>,
) {
    let mut server = match run(&data, listener) {
        Ok(server) => server,
        Err(error) => {
            // An error means that the caller no longer waits.
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
        // actix runs the middleware that was added last first. So `local_only` refuses a request before faults are
        // injected.
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

/// Waits for `duration` and then listens again. Returns `None` if `Command::Stop` arrives during
/// the wait. `Command::Close` restarts the wait.
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

/// Binds a socket to the address without listening. Connections are then refused, and no other program can take the
/// port.
fn reserve(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // The standard library sets this option too. Without it, aborted connections would occupy the
    // port for a while.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Logs a warning at each interval, so that every part of the log shows that this is an emulator.
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
