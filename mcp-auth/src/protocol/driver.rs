//! Runs a call, and takes the messages that its function sends before the result.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::primitive::{Channel, ClientMessage, Next, Output};

use super::record::Ended;

/// A call with a channel.
///
/// The driver polls the function only after all messages were taken. A client that does not read its
/// messages therefore stops an `async fn` at its next `await`.
pub(super) struct Driver {
    work: Work,
    channel: Arc<Channel>,
    /// Fires when the next progress message is due.
    timer: Option<Pin<Box<Sleep>>>,
    outcome: Option<Result<Output, Ended>>,
}

/// The work of a call.
pub(super) type Work = Pin<Box<dyn Future<Output = Result<Output, Ended>> + Send>>;

/// The next event of a call. `D` is the driver, if the event has it.
pub(super) enum Step<D = ()> {
    /// The function sent a message.
    Message(ClientMessage, D),
    /// The function ended, and all its messages were taken.
    End(Result<Output, Ended>),
}

impl Driver {
    /// Runs the function until it sends its first message, or until it ends.
    pub(super) async fn start(work: Work, channel: Arc<Channel>) -> Step<Self> {
        let mut driver = Self {
            work,
            channel,
            timer: None,
            outcome: None,
        };
        match driver.step().await {
            Step::Message(message, ()) => Step::Message(message, driver),
            Step::End(outcome) => Step::End(outcome),
        }
    }

    /// Runs the function until it sends a message, or until it ends.
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
            // A plain `fn` sends from its thread, so the task must be registered before the queue is read.
            self.channel.register(cx.waker());
            if let Next::Message(message) = self.channel.next(Instant::now()) {
                return Poll::Ready(Step::Message(message, ()));
            }
            if let Poll::Ready(outcome) = self.work.as_mut().poll(cx) {
                self.outcome = Some(outcome);
                continue;
            }
            let due = match self.channel.next(Instant::now()) {
                Next::Message(message) => return Poll::Ready(Step::Message(message, ())),
                Next::At(due) => due,
                Next::Nothing => return Poll::Pending,
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
        // A legacy call continues without its client.
        self.channel.close();
    }
}
