//! Commands for the thread that owns the listener of an emulator.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

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
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (commands, received) = mpsc::unbounded_channel();
        (Self { commands }, received)
    }

    pub(crate) fn command(&self, command: Command) {
        // An error means that the thread has ended, so the listener is closed.
        let _ = self.commands.send(command);
    }
}
