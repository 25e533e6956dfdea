//! Writes whole messages to stdout, one at a time, on a thread of its own. A client that does not read blocks only the
//! thread, and then the tasks that send a message.

use std::io::{self, Write};
use std::thread;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// Takes messages for stdout.
#[derive(Clone, Debug)]
pub(super) struct Output(mpsc::Sender<Vec<u8>>);

/// The client no longer reads stdout.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Closed;

impl Output {
    /// Starts the thread. Returns a sender and a receiver. The receiver completes when all clones of the sender are
    /// dropped and the thread has written all messages.
    pub(super) fn start(
        mut output: impl Write + Send + 'static,
    ) -> io::Result<(Self, oneshot::Receiver<()>)> {
        let (sender, mut messages) = mpsc::channel::<Vec<u8>>(WAITING);
        let (written, all_written) = oneshot::channel();
        let write = move || {
            while let Some(line) = messages.blocking_recv() {
                if output.write_all(&line).is_err() || output.flush().is_err() {
                    return;
                }
            }
            // The receiver may have stopped waiting.
            let _ = written.send(());
        };
        thread::Builder::new()
            .name("mcp-auth-stdout".to_owned())
            .spawn(write)?;
        Ok((Self(sender), all_written))
    }

    /// Sends a JSON-RPC message. Waits while the client does not read.
    pub(super) async fn send(&self, message: impl Into<Bytes>) -> Result<(), Closed> {
        let sent = self.0.send(line(&message.into())).await;
        sent.map_err(|_| Closed)
    }

    /// Completes when the client no longer reads stdout.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }
}

/// Writes a message as one line. In JSON a line break is white space between values, and it becomes a blank.
fn line(message: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(message.len() + 1);
    line.extend(message.iter().map(|byte| match byte {
        b'\n' | b'\r' => b' ',
        other => *other,
    }));
    line.push(b'\n');
    line
}

/// The number of messages that may wait for the thread.
const WAITING: usize = 8;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;
    use crate::identity::test_support::block_on;

    /// A writer that passes each write on.
    struct Pieces(Sender<Vec<u8>>);

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_message_is_written_whole_on_one_line() {
        let (sender, pieces) = channel();
        block_on(async {
            let (output, written) = Output::start(Pieces(sender)).unwrap();
            output.send("{\"a\":\r\n1}").await.unwrap();
            output.send("{}").await.unwrap();
            drop(output);
            written.await.unwrap();
        });
        let pieces: Vec<_> = pieces.iter().collect();
        assert_eq!(pieces, [b"{\"a\":  1}\n".to_vec(), b"{}\n".to_vec()]);
    }

    #[test]
    fn a_client_that_is_gone_is_noticed() {
        let (sender, pieces) = channel();
        drop(pieces);
        block_on(async {
            let (output, _written) = Output::start(Pieces(sender)).unwrap();
            output.send("{}").await.unwrap();
            output.closed().await;
            assert_eq!(output.send("{}").await, Err(Closed));
        });
    }
}
