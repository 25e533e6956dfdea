//! Serves the client until stdin ends, the client reads no more, or the process is told to stop.

use std::io::{self, Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join, select};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::identity::Authenticator;
use crate::limits::{Party, Pool, UNCOUNTED};
use crate::protocol::{Endpoint, Outline, Problem};

use super::connection::Connection;
use super::credentials::Credentials;
use super::input::{Line, lines};
use super::output::Output;
use super::refusal;

/// The parts and settings of a server over stdio.
#[derive(Debug)]
pub(crate) struct StdioConfig {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) credentials: Credentials,
    /// The largest length of a line, in bytes.
    pub(crate) line_limit: usize,
    /// The bytes of lines in memory.
    pub(crate) line_bytes: Arc<Pool>,
    /// The largest number of messages that are handled at once.
    pub(crate) messages: usize,
}

/// Serves the client until the input ends or `stop` completes. Running calls then have the time [`GRACE`] to end. After
/// that, the client has the time [`GRACE`] to read the responses.
///
/// # Errors
///
/// If a thread cannot be started.
pub(crate) async fn serve(
    config: StdioConfig,
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let lines = lines(input, config.line_limit)?;
    let (output, all_written) = Output::start(output)?;
    let endpoint = Arc::clone(&config.endpoint);
    let connection = Arc::new(Connection::new(
        config.endpoint,
        config.authenticator,
        config.credentials,
        output.clone(),
    ));
    let mut handling = JoinSet::new();
    let reader = Reader {
        connection,
        line_bytes: config.line_bytes,
        turns: Arc::new(Semaphore::new(config.messages)),
    };
    {
        let reading = pin!(reader.read(lines, &mut handling));
        let (closed, stop) = (pin!(output.closed()), pin!(stop));
        select(reading, select(closed, stop)).await;
    }
    endpoint.stop_streams();
    let all_handled = async { while handling.join_next().await.is_some() {} };
    let tasks = endpoint.tasks();
    if timeout(GRACE, join(all_handled, tasks.stop()))
        .await
        .is_err()
    {
        tracing::warn!(target: "mcp_auth", "calls were cancelled, because the client is gone");
    }
    handling.abort_all();
    // The thread that writes ends with the last clone of the output.
    drop((reader, output));
    let _ = timeout(GRACE, all_written).await;
    Ok(())
}

struct Reader {
    connection: Arc<Connection>,
    line_bytes: Arc<Pool>,
    /// The permits that limit how many messages are handled at once.
    turns: Arc<Semaphore>,
}

impl Reader {
    /// Handles each line in a task of its own, until the input ends.
    async fn read(&self, mut lines: Receiver<io::Result<Line>>, handling: &mut JoinSet<()>) {
        loop {
            // The semaphore is never closed.
            let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else {
                return;
            };
            while handling.try_join_next().is_some() {}
            let body = match lines.recv().await {
                None => return,
                Some(Err(error)) => {
                    tracing::warn!(target: "mcp_auth", %error, "stdin cannot be read");
                    return;
                }
                Some(Ok(Line::TooLong)) => Err(refusal::too_long().message(None)),
                Some(Ok(Line::Message(line))) if line.trim_ascii().is_empty() => continue,
                Some(Ok(Line::Message(line))) => self.counted(line),
            };
            let connection = Arc::clone(&self.connection);
            let pending = match body {
                Ok(body) => self.connection.note(body),
                Err(refused) => {
                    handling.spawn(async move {
                        let _turn = turn;
                        // A client that no longer reads gets no error.
                        let _ = connection.output.send(refused).await;
                    });
                    continue;
                }
            };
            if pending.opens_session() {
                connection.handle(pending).await;
                continue;
            }
            handling.spawn(async move {
                let _turn = turn;
                connection.handle(pending).await;
            });
        }
    }

    /// Counts the bytes of a long line until the line is dropped. Returns the error for the client
    /// if too many bytes are in memory.
    fn counted(&self, line: Bytes) -> Result<Bytes, Bytes> {
        if line.len() <= UNCOUNTED {
            return Ok(line);
        }
        match self.line_bytes.take(ONLY_CLIENT, line.len()) {
            Ok(taken) => Ok(taken.until_dropped(line)),
            Err(_) => {
                let outline = Outline::of(&line);
                Err(Problem::bodies().message(outline.id()))
            }
        }
    }
}

/// The party whose limit the bytes of lines count for.
const ONLY_CLIENT: Party = Party::Known(0);
/// The longest time for which the server waits until running calls end. After that, the server waits once more, at most for
/// the same time, until the client has read the responses. Clients send SIGTERM two seconds after they closed stdin.
const GRACE: Duration = Duration::from_millis(900);
