//! The sink that writes records as log lines.

use std::io;

use tracing::Dispatch;
use tracing::dispatcher::{get_default, with_default};
use tracing::subscriber::NoSubscriber;

use super::sink::LineSink;

/// Writes each record as one event of `tracing`, at `info`, with the target `mcp_auth::audit`.
#[derive(Debug)]
pub(crate) struct AuditLines {
    /// The subscriber of the thread that made the sink. `None` if that thread had no subscriber; the global subscriber then
    /// gets the events.
    subscriber: Option<Dispatch>,
}

impl AuditLines {
    pub(crate) fn new() -> Self {
        let subscriber = get_default(Dispatch::clone);
        Self {
            subscriber: Some(subscriber).filter(|one| !one.is::<NoSubscriber>()),
        }
    }
}

impl LineSink for AuditLines {
    fn add_lines(&mut self, lines: &str) {
        let write = || {
            for record in lines.lines() {
                tracing::info!(target: "mcp_auth::audit", record);
            }
        };
        match &self.subscriber {
            Some(subscriber) => with_default(subscriber, write),
            None => write(),
        }
    }

    fn keep_lines(&mut self) -> io::Result<()> {
        Ok(())
    }
}
