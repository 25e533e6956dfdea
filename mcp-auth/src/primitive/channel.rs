//! The channel between a running function and the code that answers the function's request. Through the channel the
//! function sends progress and log messages, asks questions, and learns that its call was cancelled.
//!
//! A call has a channel only if its function takes a [`Context`](super::Context), or a type that is made from a
//! `Context`.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::dialogue::Dialogue;
use super::log_level::LogLevel;

/// The messages that the client asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Wanted {
    /// True if the client sent a progress token.
    pub(crate) progress: bool,
    /// The least severe level of the log messages. `None` for no log messages.
    pub(crate) level: Option<LogLevel>,
    /// True if the function may close its stream before the result, because the client can resume the stream.
    pub(crate) closing: bool,
}

impl Wanted {
    /// Returns true if the function may send at least one kind of message.
    pub(crate) fn is_some(self) -> bool {
        self.progress || self.level.is_some() || self.closing
    }
}

/// A message that a function sends before its result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    /// The connection of the stream ends now. The client resumes the stream later.
    Close,
    Log(LogMessage),
    Progress(Progress),
}

/// A log message for the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LogMessage {
    pub(crate) level: LogLevel,
    pub(crate) logger: Option<String>,
    /// The data, as JSON.
    pub(crate) data: String,
}

/// The progress of a function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Progress {
    pub(crate) done: f64,
    pub(crate) total: Option<f64>,
    pub(crate) message: Option<String>,
}

/// The next message of a channel, if there is a message.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// This message is sent now.
    Message(Message),
    /// The next message is a progress message, which must not be sent before this time.
    At(Instant),
    /// There is no message.
    Nothing,
}

/// The channel of one call.
pub(crate) struct Channel {
    /// The name of the function, for the log.
    name: &'static str,
    wanted: Wanted,
    /// True for a plain `fn`. While the client does not read the messages, a plain `fn` waits on its thread, and an
    /// `async fn` is not polled.
    waits: bool,
    /// The shortest time between two progress messages.
    interval: Duration,
    state: Mutex<State>,
    /// Notified when a message was taken, and when the channel was closed.
    taken: Condvar,
    waker: AtomicWaker,
    cancelled: CancellationToken,
    dialogue: Dialogue,
}

#[derive(Debug, Default)]
struct State {
    /// The last reported progress, and the time of the report.
    reported: Option<(f64, Instant)>,
    /// The progress that is sent next. A newer report replaces an older report.
    progress: Option<Progress>,
    /// The time of the last progress message.
    sent: Option<Instant>,
    logs: VecDeque<LogMessage>,
    /// The size of the log messages, in bytes.
    bytes: usize,
    /// True if the function closed its stream. The stream ends after the log messages and the progress.
    closes: bool,
    /// The number of log messages that were not sent because the queue was full.
    lost: usize,
    /// True if the body of the function has begun. Earlier messages are dropped, because they would show a caller whom
    /// `authorize` denies that a prompt or a resource exists.
    is_open: bool,
    /// True if the body of the function has waited for anything but an answer to a question. In a plain `fn`, true if
    /// the body has begun, or would begin if its MCP task were stored.
    has_waited: bool,
    /// True while the MCP task of the function is not stored. An `async fn` is not polled after it has waited. The body
    /// of a plain `fn` does not begin.
    is_stopped_by_wait: bool,
    /// True if no message can be sent any more.
    is_closed: bool,
    /// Wakes the Tokio task of an `async fn` that is not polled until the client has read some messages, and a function
    /// whose MCP task is not stored.
    held: Option<Waker>,
}

impl State {
    fn accepts_messages(&self) -> bool {
        self.is_open && !self.is_closed
    }

    fn is_full(&self) -> bool {
        self.logs.len() >= MOST_LOGS || self.bytes >= MOST_BYTES
    }

    /// Returns true if the queue is at least half full. An `async fn` is then not polled, because a single poll may add
    /// up to half a queue of messages.
    fn is_half_full(&self) -> bool {
        self.logs.len() >= MOST_LOGS / 2 || self.bytes >= MOST_BYTES / 2
    }
}

impl Channel {
    pub(super) fn new(
        name: &'static str,
        wanted: Wanted,
        waits: bool,
        interval: Duration,
        dialogue: Dialogue,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            wanted,
            waits,
            interval,
            state: Mutex::default(),
            taken: Condvar::new(),
            waker: AtomicWaker::new(),
            cancelled: CancellationToken::new(),
            dialogue,
        })
    }
}

/// Methods for the function.
impl Channel {
    /// Reports that the body of the function begins. Earlier messages are not sent.
    pub(super) fn open(&self) {
        self.lock().is_open = true;
        self.dialogue.open();
        if self.waits {
            self.wait();
        }
    }

    /// Waits until [`proceed`](Self::proceed) is called, if [`stop_at_wait`](Self::stop_at_wait) was called.
    pub(super) async fn until_stored(&self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if !state.is_stopped_by_wait {
                return Poll::Ready(());
            }
            state.has_waited = true;
            state.held = Some(cx.waker().clone());
            drop(state);
            self.waker.wake();
            Poll::Pending
        })
        .await;
    }

    /// Reports progress. Ignores a value that is not greater than the last value, because MCP requires
    /// values that increase.
    pub(super) fn report(&self, progress: Progress) {
        let mut state = self.lock();
        let increases = state.reported.is_none_or(|(last, _)| progress.done > last);
        if !increases || !progress.done.is_finite() || !state.is_open {
            return;
        }
        state.reported = Some((progress.done, Instant::now()));
        if self.wanted.progress && !state.is_closed {
            let is_first = state.progress.replace(progress).is_none();
            drop(state);
            if is_first {
                self.waker.wake();
            }
        }
    }

    /// Closes the stream. Does nothing if the client would not resume it.
    pub(super) fn close_stream(&self) {
        let mut state = self.lock();
        if self.wanted.closing && state.accepts_messages() {
            state.closes = true;
            drop(state);
            self.waker.wake();
        }
    }

    /// Returns true if the client asked for messages of this level.
    pub(super) fn wants(&self, level: LogLevel) -> bool {
        self.wanted.level.is_some_and(|least| level >= least)
    }

    /// Sends a log message. A plain `fn` waits until there is room for the message.
    pub(super) fn log(&self, message: LogMessage) {
        let mut state = self.lock();
        while self.waits && state.is_full() && state.accepts_messages() {
            let waited = self.taken.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if !state.accepts_messages() {
            return;
        }
        if state.is_full() {
            state.lost += 1;
            return;
        }
        state.bytes += message.size();
        state.logs.push_back(message);
        drop(state);
        self.waker.wake();
    }

    pub(super) fn dialogue(&self) -> &Dialogue {
        &self.dialogue
    }

    pub(super) fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }
}

/// Methods for the code that runs the function.
impl Channel {
    /// Returns true if the client asked for at least one kind of message.
    pub(crate) fn is_used(&self) -> bool {
        self.wanted.is_some()
    }

    /// Reports that the function waits for anything but an answer to a question. Has no effect before the body of the
    /// function begins.
    pub(super) fn wait(&self) {
        let mut state = self.lock();
        if state.is_open && !state.has_waited {
            state.has_waited = true;
            drop(state);
            self.waker.wake();
        }
    }

    /// Stops an `async fn` at its first wait, and a plain `fn` before its body, until [`proceed`](Self::proceed) is
    /// called.
    pub(crate) fn stop_at_wait(&self) {
        self.lock().is_stopped_by_wait = true;
    }

    /// Lets a stopped function continue.
    pub(crate) fn proceed(&self) {
        let mut state = self.lock();
        state.is_stopped_by_wait = false;
        let held = state.held.take();
        drop(state);
        if let Some(held) = held {
            held.wake();
        }
    }

    /// Returns true if the body of the function has waited for anything but an answer to a question. If the body
    /// has not waited yet, the task of `waker` is woken when the body waits. Only a call whose messages nobody
    /// takes may use this method.
    pub(crate) fn has_waited(&self, waker: &Waker) -> bool {
        self.waker.register(waker);
        self.lock().has_waited
    }

    /// Returns a guard. Dropping the guard cancels the call.
    pub(super) fn cancel_on_drop(&self) -> DropGuard {
        self.cancelled.clone().drop_guard()
    }

    /// Returns the time at which the call times out. This is `timeout` after the last progress report, or after the
    /// start if there was no report, but at most `longest` after the start.
    pub(super) fn deadline(
        &self,
        start: Instant,
        timeout: Duration,
        longest: Duration,
    ) -> Option<Instant> {
        let reported = self.lock().reported;
        let since = reported.map_or(start, |(_, at)| at.max(start));
        let last = start.checked_add(longest)?;
        Some(since.checked_add(timeout)?.min(last))
    }

    /// Returns true if the function must not be polled, because the client has not read the messages of the function,
    /// or because the function is stopped. The task of `waker` is woken when the function may be polled again.
    pub(super) fn holds(&self, waker: &Waker) -> bool {
        if self.waits {
            return false;
        }
        let mut state = self.lock();
        let is_stopped = state.is_stopped_by_wait && state.has_waited;
        let holds = !state.is_closed && (state.is_half_full() || is_stopped);
        state.held = holds.then(|| waker.clone());
        holds
    }

    /// Takes the next message. Progress that is due comes first.
    pub(crate) fn next(&self, now: Instant) -> Next {
        let mut state = self.lock();
        let due = state.sent.and_then(|sent| sent.checked_add(self.interval));
        let due = due.filter(|due| *due > now);
        if due.is_none()
            && let Some(progress) = state.progress.take()
        {
            state.sent = Some(now);
            return Next::Message(Message::Progress(progress));
        }
        if let Some(log) = self.next_log(&mut state) {
            return Next::Message(log);
        }
        match due {
            Some(due) if state.progress.is_some() => Next::At(due),
            Some(_) | None if mem::take(&mut state.closes) => Next::Message(Message::Close),
            Some(_) | None => Next::Nothing,
        }
    }

    /// Takes the next message of a function that has ended. The last progress report is sent at once.
    pub(crate) fn rest(&self) -> Option<Message> {
        let mut state = self.lock();
        let log = self.next_log(&mut state);
        log.or_else(|| state.progress.take().map(Message::Progress))
    }

    fn next_log(&self, state: &mut State) -> Option<Message> {
        let log = state.logs.pop_front()?;
        state.bytes = state.bytes.saturating_sub(log.size());
        self.taken.notify_all();
        if !state.is_half_full()
            && let Some(held) = state.held.take()
        {
            held.wake();
        }
        Some(Message::Log(log))
    }

    /// Registers the task of `waker`, which is woken when the function sends a message.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Reports that the call has ended. Later messages are dropped, because a plain `fn` may still run after a
    /// time-out.
    pub(super) fn finish(&self) {
        self.lock().is_closed = true;
        self.taken.notify_all();
    }

    /// Drops the messages that were not taken, and all later messages. A function that waits continues.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.logs.clear();
        state.progress = None;
        state.closes = false;
        let held = state.held.take();
        drop(state);
        self.taken.notify_all();
        if let Some(held) = held {
            held.wake();
        }
    }

    /// Locks the state. Ignores poisoning: no code panics while it holds this lock, so the state cannot be half
    /// changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogMessage {
    fn size(&self) -> usize {
        self.data.len() + self.logger.as_ref().map_or(0, String::len)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let lost = self.lock().lost;
        if lost > 0 {
            let name = self.name;
            tracing::warn!(
                target: "mcp_auth",
                name,
                lost,
                "log messages were not sent, because the function sent too many without an `await`"
            );
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

/// The largest number of log messages that wait for the client.
const MOST_LOGS: usize = 256;
/// When the waiting log messages have this size in bytes, no more messages are accepted.
const MOST_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests;
