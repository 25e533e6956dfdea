//! An open stream of `subscriptions/listen`: it waits for changes, decides again who may get them, and ends when the
//! token does.
//!
//! INVARIANT: a notification is written only after the token was accepted for this batch of changes, and for a
//! resource only after its guard and its `authorize` allowed the caller again, with a membership that is at most 30 s
//! old.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream;
use tokio::time::{Instant, sleep, sleep_until};

use crate::guard::Visible;
use crate::identity::{AuthError, Client, KeptToken, RevocationChanges, Standing};
use crate::primitive::{ChangedLists, Changes, List, Subscription};

use super::super::subscriptions::{
    Filter, ListName, Place, acknowledged, list_changed, resource_updated,
};
use super::listen::{Cost, Reader};
use super::{Endpoint, MessageStream};

/// An open stream.
pub(super) struct Listening {
    endpoint: Arc<Endpoint>,
    /// The id of the request, as the client wrote it.
    id: String,
    reader: Reader,
    /// `None` if the stream was opened without a token.
    token: Option<KeptToken>,
    subscription: Subscription,
    watched: Vec<Watched>,
    /// The changes that are being delivered.
    batch: Changes,
    /// The uptime at which the token was last verified, or could not be verified.
    checked: Duration,
    /// The uptime at which the watched lists were last compared.
    compared: Duration,
    /// The time before which no further batch is taken.
    not_before: Option<Instant>,
    revocations: RevocationChanges,
    _place: Place,
}

/// A list that depends on the caller's membership, with the entries that the caller saw last.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) list: List,
    pub(super) visible: Visible,
}

/// Whether the token of a stream is still accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token {
    Accepted,
    /// The token cannot be verified now.
    Later,
    /// The token is no longer accepted.
    Over,
}

impl Listening {
    pub(super) fn new(
        endpoint: &Arc<Endpoint>,
        id: &str,
        reader: Reader,
        token: Option<KeptToken>,
        (subscription, place): (Subscription, Place),
    ) -> Self {
        let now = endpoint.config.clock.uptime();
        Self {
            revocations: endpoint.config.streams.authenticator.revocation_changes(),
            endpoint: Arc::clone(endpoint),
            id: id.to_owned(),
            reader,
            token,
            subscription,
            watched: Vec::new(),
            batch: Changes::default(),
            checked: now,
            compared: now,
            not_before: None,
            _place: place,
        }
    }

    /// Tells the client also when what the caller sees of these lists changes.
    pub(super) fn watching(self, watched: Vec<Watched>) -> Self {
        Self { watched, ..self }
    }

    /// Returns the messages: the acknowledgement, the notifications, and at the end the response.
    pub(super) fn stream(self, honored: &Filter) -> MessageStream {
        let acknowledged = acknowledged(&self.id, honored);
        let messages = stream::unfold(
            (Some(acknowledged), Some(self)),
            |(first, listening)| async {
                if let Some(first) = first {
                    return Some((first, (None, listening)));
                }
                let mut listening = listening?;
                let stopping = listening.endpoint.config.streams.stopping.clone();
                let stopped = pin!(stopping.cancelled());
                let message = match select(stopped, pin!(listening.next())).await {
                    Either::Left(((), _)) => None,
                    Either::Right((message, _)) => message,
                };
                Some(match message {
                    Some(message) => (message, (None, Some(listening))),
                    None => (listening.end(), (None, None)),
                })
            },
        );
        MessageStream::of(messages)
    }

    /// Returns the next notification. `None` if the stream ends.
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(message) = self.deliver().await {
                return Some(message);
            }
            if self.subscription.is_empty() {
                return None;
            }
            let is_changed = self.wait().await;
            match self.token(is_changed).await {
                Token::Over => return None,
                Token::Later if is_changed => self.try_later(),
                Token::Accepted if is_changed => {
                    self.batch = self.subscription.take();
                    self.not_before = Instant::now().checked_add(DELIVERY_INTERVAL);
                }
                Token::Accepted | Token::Later => {}
            }
            self.compare().await;
        }
    }

    /// Returns the response to the request.
    fn end(&self) -> Vec<u8> {
        self.endpoint.results.end_of_stream(&self.id)
    }

    /// Returns the next notification of the batch that the caller may get.
    async fn deliver(&mut self) -> Option<Vec<u8>> {
        if let Some(list) = next_list(&mut self.batch.lists) {
            return Some(list_changed(&self.id, list));
        }
        while let Some(uri) = self.batch.uris.pop_front() {
            // The box keeps the stream small while it waits.
            match Box::pin(self.endpoint.may_read(&self.reader, &uri, Cost::Free)).await {
                Ok(true) => return Some(resource_updated(&self.id, &uri)),
                Ok(false) => self.subscription.remove(&uri),
                Err(_) => {
                    self.subscription.updated(&uri);
                    self.try_later();
                }
            }
        }
        None
    }

    /// Waits until a change is pending, until the token may have been revoked, or until the clock should be looked at
    /// again. Returns true for a change.
    async fn wait(&mut self) -> bool {
        let revocation = pin!(self.revocations.next());
        let not_before = self.not_before.take();
        let tick = self.endpoint.config.clock.tick();
        let changed = async {
            if let Some(time) = not_before {
                sleep_until(time).await;
            }
            let changed = pin!(poll_fn(|cx| self.subscription.poll_pending(cx)));
            match select(changed, pin!(sleep(tick))).await {
                Either::Left(_) => true,
                Either::Right(_) => false,
            }
        };
        match select(revocation, pin!(changed)).await {
            Either::Left(_) => {
                self.not_before = not_before;
                false
            }
            Either::Right((is_changed, _)) => is_changed,
        }
    }

    /// Takes no further batch for some time, because something could not be looked up.
    fn try_later(&mut self) {
        let tick = self.endpoint.config.clock.tick();
        self.not_before = Instant::now().checked_add(tick);
    }

    /// Returns whether the token is still accepted. If only the identity provider can tell, an idle stream asks it once in
    /// [`IDLE_CHECK`], and a stream that has something to deliver asks at once.
    async fn token(&mut self, delivers: bool) -> Token {
        let (Some(token), Some(caller)) = (&self.token, &self.reader.caller) else {
            return Token::Accepted;
        };
        let streams = &self.endpoint.config.streams;
        let now = self.endpoint.config.clock.uptime();
        match streams.authenticator.standing(&token.bearer(), caller) {
            Standing::Over => return Token::Over,
            Standing::Accepted => {
                self.checked = now;
                return Token::Accepted;
            }
            Standing::Unknown { asks_provider } => {
                let is_recent = now.saturating_sub(self.checked) < IDLE_CHECK;
                if asks_provider && !delivers && is_recent {
                    return Token::Accepted;
                }
            }
        }
        let Ok(_turn) = streams.turn().await else {
            return Token::Over;
        };
        let client = Client::of_stream();
        let bearer = token.bearer();
        let verified = streams.authenticator.authenticate_from(client, &bearer);
        let verified = Box::pin(verified).await;
        self.checked = now;
        match verified {
            Ok(_) => Token::Accepted,
            Err(AuthError::Invalid(_)) => Token::Over,
            Err(
                AuthError::FailsOften
                | AuthError::Misconfigured
                | AuthError::OverBudget(_)
                | AuthError::Unavailable(_),
            ) => Token::Later,
        }
    }

    /// Compares the watched lists with the caller's current membership, once in [`COMPARE_INTERVAL`], and records the
    /// lists that differ. If requests of clients use half of the budget for look-ups, the comparison waits.
    async fn compare(&mut self) {
        let now = self.endpoint.config.clock.uptime();
        let is_due = now.saturating_sub(self.compared) >= COMPARE_INTERVAL;
        if self.watched.is_empty() || !is_due {
            return;
        }
        let Ok(_turn) = self.endpoint.config.streams.turn().await else {
            return;
        };
        if !self.endpoint.config.organizations.is_idle() {
            return;
        }
        let mut changed = ChangedLists::default();
        for Watched { list, visible } in &mut self.watched {
            let (caller, url) = (self.reader.caller.as_ref(), &self.reader.url_org);
            let Ok(current) = Box::pin(self.endpoint.visible(*list, caller, url)).await else {
                continue;
            };
            if current == *visible {
                continue;
            }
            *visible = current;
            match list {
                List::Prompts => changed.prompts = true,
                List::Resources | List::Templates => changed.resources = true,
                List::Tools => changed.tools = true,
            }
        }
        self.compared = now;
        self.subscription.changed(changed);
    }
}

/// Takes one list from a set.
fn next_list(lists: &mut ChangedLists) -> Option<ListName> {
    for (changed, name) in [
        (&mut lists.tools, ListName::Tools),
        (&mut lists.prompts, ListName::Prompts),
        (&mut lists.resources, ListName::Resources),
    ] {
        if std::mem::take(changed) {
            return Some(name);
        }
    }
    None
}

/// The shortest time between two batches of one stream. Changes within that time are delivered together.
const DELIVERY_INTERVAL: Duration = Duration::from_millis(100);
/// The largest age of a cached membership, and the time for which clients may cache a list.
const COMPARE_INTERVAL: Duration = Duration::from_secs(30);
/// The time after which an idle stream asks the identity provider about its token or its user.
const IDLE_CHECK: Duration = Duration::from_secs(300);
