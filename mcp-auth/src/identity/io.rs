//! The runtime of all requests to the identity provider.
//!
//! Each worker that serves requests has a runtime of its own. A pooled connection on this runtime would stall while the
//! worker is busy, and a fetch would end with the request that started it. Connections and fetches therefore run on a
//! separate runtime.

use std::{io, thread};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread with a single-threaded runtime. Dropping the value stops the thread.
#[derive(Debug)]
pub(crate) struct IoRuntime {
    handle: Handle,
    /// Dropping the sender stops the thread.
    _running: oneshot::Sender<()>,
}

impl IoRuntime {
    /// Starts the thread.
    ///
    /// # Errors
    /// The error of the operating system, if the system cannot create the thread or the event queue.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, stopped) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("mcp-auth-io".to_owned())
            .spawn(move || {
                // The receiver resolves when the sender is dropped.
                let _ended = runtime.block_on(stopped);
                runtime.shutdown_background();
            })?;
        Ok(Self {
            handle,
            _running: running,
        })
    }

    /// Returns the handle that spawns work. The handle may outlive the runtime. Work that is spawned after the end of
    /// the runtime is dropped.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn spawned_work_runs_on_its_own_thread() {
        let io = IoRuntime::start().unwrap();
        let (tell, told) = mpsc::channel();
        io.handle().spawn(async move {
            tell.send(thread::current().name().map(str::to_owned))
                .unwrap();
        });
        let name = told.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!(name.as_deref(), Some("mcp-auth-io"));
    }

    #[test]
    fn dropping_it_drops_what_runs_there() {
        let io = IoRuntime::start().unwrap();
        let (tell, told) = mpsc::channel::<()>();
        io.handle().spawn(async move {
            std::future::pending::<()>().await;
            drop(tell);
        });
        drop(io);
        let outcome = told.recv_timeout(Duration::from_secs(5));
        assert_eq!(outcome, Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
