//! The traits of sinks.

use std::io;

use super::record::AuditRecord;

/// A place that keeps the records of the audit log, such as a file or a message queue.
/// [`ServerBuilder::audit_sink`](crate::ServerBuilder::audit_sink) adds a sink to a server.
///
/// The server calls each sink on a separate thread, so a sink may block. Each sink has a queue of records. While the sink
/// blocks or fails, the queue fills up. When the queue is full, [`audit_wait`](crate::ServerBuilder::audit_wait) decides
/// whether calls wait or records are dropped.
///
/// ```
/// use std::io;
/// use std::sync::mpsc::Sender;
///
/// use mcp_auth::{AuditRecord, AuditSink};
///
/// struct Forward(Sender<String>);
///
/// impl AuditSink for Forward {
///     fn write(&mut self, record: &AuditRecord) -> io::Result<()> {
///         self.0.send(record.to_json()).map_err(io::Error::other)
///     }
/// }
///
/// let (sender, _receiver) = std::sync::mpsc::channel();
/// let builder = mcp_auth::server!().audit_sink(Forward(sender));
/// # let _ = builder;
/// ```
pub trait AuditSink: Send + 'static {
    /// Takes a record. The records come in the order in which their decisions ended.
    ///
    /// # Errors
    ///
    /// If the sink did not take the record. The server calls this method again with the same record, after a pause.
    fn write(&mut self, record: &AuditRecord) -> io::Result<()>;

    /// Makes sure that the records of earlier [`write`](Self::write) calls are kept. The server calls this method when no
    /// other record waits, after at most 256 records, and at least once a second.
    ///
    /// # Errors
    ///
    /// If the sink could not keep the records. The server calls this method again, after a pause.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink of the server's own, which takes records as lines of text.
///
/// The thread of a call writes the record as text, so that no other thread has to free the parts of the record.
pub(crate) trait LineSink: Send {
    /// Takes records as JSON, each with a line break.
    fn add_lines(&mut self, lines: &str);

    /// Makes sure that the lines are kept. The server calls this method again after an error.
    fn keep_lines(&mut self) -> io::Result<()>;
}

/// A sink, with the form in which it takes records.
pub(crate) enum Sink {
    Lines(Box<dyn LineSink>),
    Records(Box<dyn AuditSink>),
}
