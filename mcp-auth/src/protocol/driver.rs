//! Runs a call, and takes the messages that its function sends before the result.

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use crate::primitive::{Channel, ClientMessage, Next, Output};

use super::era::Era;
use super::record::Ended;

/// A call with a channel for messages. The function runs in its own Tokio task, so it still times out while the client
/// does not read the messages.
pub(super) struct Driver {
    task: Task,
    channel: Arc<Channel>,
    /// Fires when the next progress message is due.
    timer: Option<Pin<Box<Sleep>>>,
    outcome: Option<Result<Output, Ended>>,
}

/// The next event of a call. `D` is the driver of a call that continues.
pub(super) enum Step<D = ()> {
    /// The function sent a message.
    Message(ClientMessage, D),
    /// The function ended, and all its messages were taken from the channel.
    End(Result<Output, Ended>),
}

impl Driver {
    /// Runs the function until it sends its first message, or until it ends. Dropping the driver drops a modern call. A
    /// legacy call continues without its client (MCP 2025-11-25, basic/transports).
    pub(super) async fn start(
        work: impl Future<Output = Result<Output, Ended>> + Send + 'static,
        channel: Arc<Channel>,
        era: Era,
    ) -> Step<Self> {
        let handle = tokio::spawn(work.in_current_span().with_current_subscriber());
        let mut driver = Self {
            task: Task {
                handle,
                is_dropped: era == Era::Modern,
            },
            channel,
            timer: None,
            outcome: None,
        };
        match driver.step().await {
            Step::Message(message, ()) => Step::Message(message, driver),
            Step::End(outcome) => Step::End(outcome),
        }
    }

    /// Waits until the function sends a message, or until it ends.
    pub(super) async fn step(&mut self) -> Step {
        poll_fn(|cx| self.poll_step(cx)).await
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            if let Some(outcome) = self.outcome.take() {
                let Some(message) = self.channel.rest() else {
                    return Poll::Ready(Step::End(outcome));
                };
                self.outcome = Some(outcome);
                return Poll::Ready(Step::Message(message, ()));
            }
            // The function runs in another Tokio task. Register this task before reading the queue, so that no wake-up
            // is lost.
            self.channel.register(cx.waker());
            let due = match self.channel.next(Instant::now()) {
                Next::Message(message) => return Poll::Ready(Step::Message(message, ())),
                Next::At(due) => Some(due),
                Next::Nothing => None,
            };
            if let Poll::Ready(outcome) = self.task.poll(cx) {
                self.outcome = Some(outcome);
                continue;
            }
            let Some(due) = due else {
                return Poll::Pending;
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.channel.close();
    }
}

/// The Tokio task of a call.
struct Task {
    handle: JoinHandle<Result<Output, Ended>>,
    /// True if dropping this value drops the call.
    is_dropped: bool,
}

impl Task {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Output, Ended>> {
        Pin::new(&mut self.handle).poll(cx).map(|ended| {
            ended.unwrap_or_else(|error| match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => Err(Ended::Error("The server is stopping".to_owned())),
            })
        })
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.is_dropped {
            self.handle.abort();
        }
    }
}
