//! One session of a legacy client.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::guard::Visible;
use crate::identity::{Clock, Org};
use crate::primitive::{ChangedLists, Changes, ClientAbilities, List, LogLevel, Subscription};

use super::super::subscriptions::{Seen, UriMemory};
use super::event_log::{EventId, EventLog, STANDALONE, Taken};
use super::requests::{ClientRequest, ClientResponse, Requests, Unanswered};
use super::stream::{SessionEnded, SessionStream, StreamWriter};

/// A session: the state that the server keeps for a client from `initialize` to the end of the session. Only requests
/// of the principal that opened the session find it ([`Sessions`](super::Sessions)).
pub(crate) struct Session {
    version: &'static str,
    abilities: ClientAbilities,
    clock: Arc<dyn Clock>,
    opened: Duration,
    lifetime: Lifetime,
    resumes: bool,
    state: Mutex<State>,
}

/// The times after which a session ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    /// A session ends after this time without a request and without a connection that reads a
    /// stream.
    pub(super) idle: Duration,
    /// A session ends this long after `initialize`, even if it is in use.
    pub(super) age: Duration,
}

struct State {
    log: EventLog,
    level: Option<LogLevel>,
    /// The lists and the resources whose changes the client learns, and what changed. `None` after the end.
    subscription: Option<Subscription>,
    /// The counted memory of the URIs of the subscription. `None` before the first URI.
    uris: Option<UriMemory>,
    /// For each list that depends on the caller's membership: the entries when the client last read the list.
    seen: Seen,
    requests: Requests,
    /// The requests that run, by their ids as written in the body.
    running: HashMap<Box<str>, (u64, CancellationToken)>,
    next_serial: u64,
    /// The uptime at which the session was last used.
    used: Duration,
    is_ended: bool,
    /// True if the server is stopping.
    is_stopping: bool,
}

/// The reason why a session subscribes to no further resource.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::protocol) enum TooManySubscriptions {
    /// There is no memory for the URI.
    NoMemory,
    /// The session already has the largest number of subscriptions, or the URI is too long.
    OfSession,
}

impl Session {
    pub(super) fn new(
        version: &'static str,
        abilities: ClientAbilities,
        subscription: Subscription,
        clock: &Arc<dyn Clock>,
        lifetime: Lifetime,
        log: EventLog,
        resumes: bool,
    ) -> Self {
        let now = clock.uptime();
        Self {
            version,
            abilities,
            clock: Arc::clone(clock),
            opened: now,
            lifetime,
            resumes,
            state: Mutex::new(State {
                log,
                level: None,
                subscription: Some(subscription),
                uris: None,
                seen: Seen::default(),
                requests: Requests::default(),
                running: HashMap::new(),
                next_serial: 0,
                used: now,
                is_ended: false,
                is_stopping: false,
            }),
        }
    }

    /// Returns the capabilities that the client declared in `initialize`.
    pub(crate) fn abilities(&self) -> ClientAbilities {
        self.abilities
    }

    /// Returns the level of the log messages that the client asked for in this session.
    pub(in crate::protocol) fn level(&self) -> Option<LogLevel> {
        self.lock().level
    }

    pub(in crate::protocol) fn set_level(&self, level: LogLevel) {
        self.lock().level = Some(level);
    }

    /// Returns true if the client resumes a stream that the server closed before its end. MCP 2025-11-25 introduced
    /// this, with events that have no message. Older clients fail on an event without a message. Over stdio there are no
    /// events.
    pub(in crate::protocol) fn polls(&self) -> bool {
        self.resumes && self.version == WITH_POLLING
    }

    /// Locks the state. Ignores poisoning: no code panics while it holds this lock, so the state cannot be half
    /// changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The methods for the streams of a session.
impl Session {
    /// Opens the stream of a call. The connection of the POST reads it.
    pub(crate) fn open_stream(self: &Arc<Self>) -> (StreamWriter, SessionStream) {
        let mut state = self.lock();
        let (number, reader) = state.log.begin();
        self.prime(&mut state, number);
        drop(state);
        let writer = StreamWriter::new(Arc::clone(self), number);
        (writer, SessionStream::new(Arc::clone(self), number, reader))
    }

    /// Opens the stream for messages that belong to no call, or resumes the stream of an event. The connection ends at
    /// the time `until`. `None` if the session has no such event.
    ///
    /// A new connection replaces the connection that reads the stream, because a client whose network failed reconnects
    /// before the server notices the failure.
    pub(in crate::protocol) fn connect(
        self: &Arc<Self>,
        last: Option<EventId>,
        until: Option<u64>,
    ) -> Option<SessionStream> {
        let now = self.clock.uptime();
        let mut state = self.lock();
        let (number, reader) = match last {
            // If the event was already removed, because the client was away for too long, continue the stream for
            // messages that belong to no call.
            Some(last) if last.stream == STANDALONE => {
                let resumed = state.log.resume(last, now);
                (
                    STANDALONE,
                    resumed.or_else(|| state.log.attach(STANDALONE))?,
                )
            }
            Some(last) => (last.stream, state.log.resume(last, now)?),
            None => (STANDALONE, state.log.attach(STANDALONE)?),
        };
        if number == STANDALONE {
            self.prime(&mut state, number);
        }
        drop(state);
        Some(SessionStream::new(Arc::clone(self), number, reader).until(until))
    }

    /// Sends a message that belongs to no call. If no connection reads the stream for such messages, the message is
    /// kept for a client that opens the stream soon.
    pub(crate) fn notify(&self, message: Vec<u8>) {
        let now = self.clock.uptime();
        let mut state = self.lock();
        if !state.is_ended {
            state.log.append(STANDALONE, message.into(), now);
        }
    }

    /// Sends the client an id with which it can resume the stream.
    fn prime(&self, state: &mut State, number: u64) {
        if self.polls() {
            state.log.append(number, Bytes::new(), self.clock.uptime());
        }
    }

    pub(super) fn take(
        &self,
        number: u64,
        reader: u64,
        until: Option<u64>,
        waker: &Waker,
    ) -> Taken {
        let mut state = self.lock();
        let is_over = state.is_ended
            || until.is_some_and(|until| self.clock.unix_ms() >= until)
            || (state.is_stopping && number == STANDALONE)
            || self.clock.uptime().saturating_sub(self.opened) >= self.lifetime.age;
        if is_over {
            return Taken::Over;
        }
        state.log.take(number, reader, waker)
    }

    pub(super) fn detach(&self, number: u64, reader: u64) {
        let now = self.clock.uptime();
        let mut state = self.lock();
        state.log.detach(number, reader);
        state.used = now;
    }

    pub(super) fn poll_send(
        &self,
        number: u64,
        message: &mut Option<Bytes>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), SessionEnded>> {
        let now = self.clock.uptime();
        let mut state = self.lock();
        if state.is_ended {
            return Poll::Ready(Err(SessionEnded));
        }
        if state.log.is_full(number, cx.waker()) {
            return Poll::Pending;
        }
        if let Some(message) = message.take() {
            state.log.append(number, message, now);
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn close_connection(&self, number: u64) {
        if self.polls() {
            self.lock().log.close(number);
        }
    }

    pub(super) fn end_stream(&self, number: u64) {
        self.lock().log.end(number);
    }
}

/// The methods for requests in both directions.
impl Session {
    /// Makes a request to the client, with an id that no other client knows. The caller must put the message of the
    /// request on the stream of the call that asks (MCP 2025-11-25, basic/transports, sending messages to the server),
    /// and await the answer.
    ///
    /// # Errors
    ///
    /// - [`Unanswered::TooMany`] if 16 requests of the session already wait for an answer.
    /// - [`Unanswered::SessionEnded`] if the session has ended.
    pub(crate) fn request<P: Serialize + ?Sized>(
        self: &Arc<Self>,
        method: &str,
        params: &P,
    ) -> Result<ClientRequest, Unanswered> {
        let state = self.lock();
        if state.is_ended || state.is_stopping {
            return Err(Unanswered::SessionEnded);
        }
        drop(state);
        ClientRequest::new(self, method, params)
    }

    /// Passes the client's response to the call that waits for it. Returns false if no call waits for this id.
    pub(in crate::protocol) fn answer(&self, response: ClientResponse<'_>) -> bool {
        self.lock().requests.answer(response)
    }

    pub(super) fn with_requests<R>(&self, change: impl FnOnce(&mut Requests) -> R) -> R {
        change(&mut self.lock().requests)
    }

    /// Records that a request runs. If the client uses the id of a running request again, a cancellation of this id
    /// stops the newer request.
    pub(super) fn enter(&self, id: &str, cancelled: CancellationToken) -> u64 {
        let mut state = self.lock();
        let serial = state.next_serial;
        state.next_serial += 1;
        state.running.insert(id.into(), (serial, cancelled));
        serial
    }

    pub(super) fn leave(&self, id: &str, serial: u64) {
        let now = self.clock.uptime();
        let mut state = self.lock();
        state.used = now;
        if (state.running.get(id)).is_some_and(|(running, _)| *running == serial) {
            state.running.remove(id);
        }
    }

    /// Cancels a running request of this session. `id` is the id as written in the body.
    pub(in crate::protocol) fn cancel(&self, id: &str) {
        if let Some((_, cancelled)) = self.lock().running.get(id) {
            cancelled.cancel();
        }
    }
}

/// The methods for the subscriptions of a session.
impl Session {
    /// Remembers that the client wants to know when a resource changes. The caller has checked that the client may
    /// read the resource. `org` is the organization in which the client acts. `memory` returns the memory of the
    /// caller's URIs.
    ///
    /// # Errors
    ///
    /// - [`TooManySubscriptions::OfSession`] if the session has 256 subscriptions, or if the URI has more than 2048 bytes.
    /// - [`TooManySubscriptions::NoMemory`] if there is no memory for the URI.
    pub(in crate::protocol) fn subscribe(
        &self,
        org: Option<&Org>,
        uri: &str,
        memory: impl FnOnce() -> Option<UriMemory>,
    ) -> Result<(), TooManySubscriptions> {
        let mut state = self.lock();
        let State {
            subscription, uris, ..
        } = &mut *state;
        let Some(subscription) = subscription else {
            return Ok(());
        };
        let is_new = !subscription.has(uri);
        let is_full = subscription.count() >= MOST_SUBSCRIPTIONS;
        if uri.len() > MOST_URI || is_full && is_new {
            return Err(TooManySubscriptions::OfSession);
        }
        if is_new {
            *uris = uris.take().or_else(memory);
            let is_counted = uris.as_mut().is_some_and(|uris| uris.add(uri));
            if !is_counted {
                return Err(TooManySubscriptions::NoMemory);
            }
        }
        if let Some(org) = org {
            subscription.act_in(org.id());
        }
        subscription.add(uri);
        Ok(())
    }

    pub(in crate::protocol) fn unsubscribe(&self, uri: &str) {
        let mut state = self.lock();
        let State {
            subscription, uris, ..
        } = &mut *state;
        if let Some(subscription) = subscription
            && subscription.has(uri)
        {
            subscription.remove(uri);
            if let Some(uris) = uris {
                uris.remove(uri);
            }
        }
    }

    /// Returns the organization in which the client acted when it subscribed to a resource.
    pub(in crate::protocol) fn organization(&self) -> Option<String> {
        let state = self.lock();
        let organization = state.subscription.as_ref()?.organization();
        organization.map(str::to_owned)
    }

    /// Completes when a change is pending. Each task that polls is woken.
    pub(in crate::protocol) fn poll_pending(&self, cx: &Context<'_>) -> Poll<()> {
        match &self.lock().subscription {
            Some(subscription) => subscription.poll_pending(cx),
            None => Poll::Pending,
        }
    }

    /// Takes the pending changes.
    pub(in crate::protocol) fn take_changes(&self) -> Changes {
        let state = self.lock();
        let changes = state.subscription.as_ref().map(Subscription::take);
        changes.unwrap_or_default()
    }

    /// Records again that a resource changed, because the change could not be delivered.
    pub(in crate::protocol) fn updated(&self, uri: &Arc<str>) {
        if let Some(subscription) = &self.lock().subscription {
            subscription.updated(uri);
        }
    }

    /// Records what the caller sees of a list now. Returns true if the caller saw something else before.
    pub(in crate::protocol) fn saw(&self, list: List, visible: Visible) -> bool {
        self.lock().seen.record(list, visible)
    }

    /// Records changes of lists.
    pub(in crate::protocol) fn lists_changed(&self, lists: ChangedLists) {
        if let Some(subscription) = &self.lock().subscription {
            subscription.changed(lists);
        }
    }
}

/// The methods that end a session, or show that the session has ended.
impl Session {
    /// Records a use of the session. Returns false if the session has ended or expired.
    pub(super) fn touch(&self, now: Duration) -> bool {
        let mut state = self.lock();
        if self.is_over(&state, now) {
            return false;
        }
        state.used = now;
        true
    }

    /// Returns true if the session has ended or expired. Removes events that are too old.
    pub(super) fn tidy(&self, now: Duration) -> bool {
        let mut state = self.lock();
        state.log.expire(now);
        self.is_over(&state, now)
    }

    fn is_over(&self, state: &State, now: Duration) -> bool {
        let is_idle = || !state.is_in_use() && now.saturating_sub(state.used) >= self.lifetime.idle;
        state.is_ended || now.saturating_sub(self.opened) >= self.lifetime.age || is_idle()
    }

    /// Returns the uptime at which the session was last used. `None` if a request runs or a connection reads a
    /// stream.
    pub(super) fn idle_since(&self) -> Option<Duration> {
        let state = self.lock();
        (!state.is_in_use()).then_some(state.used)
    }

    /// Ends the session: its streams end, and its requests to the client get no answer. Running calls continue without
    /// a client, as after a disconnection.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.is_ended = true;
        state.requests.clear();
        state.subscription = None;
        state.uris = None;
        state.log.clear();
        state.log.wake_all();
    }

    /// Ends the stream for messages that belong to no call, because the server is stopping. Also ends the
    /// requests to the client.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.is_stopping = true;
        state.requests.clear();
        state.log.wake_all();
    }

    /// Returns the numbers of running requests, of connections and of requests to the client.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let state = self.lock();
        (
            state.running.len(),
            state.log.readers(),
            state.requests.count(),
        )
    }
}

impl State {
    fn is_in_use(&self) -> bool {
        !self.running.is_empty() || self.log.readers() > 0
    }
}

/// Prints no URI and no message.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("version", &self.version)
            .field("capabilities", &self.abilities)
            .finish_non_exhaustive()
    }
}

/// The first revision in which a client resumes a stream that the server closed before its end.
const WITH_POLLING: &str = "2025-11-25";
/// The largest number of resources that a session can subscribe to.
const MOST_SUBSCRIPTIONS: usize = 256;
/// The largest length of the URI of a subscription, in bytes.
const MOST_URI: usize = 2048;
