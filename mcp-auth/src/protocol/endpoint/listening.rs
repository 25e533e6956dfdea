//! An open stream of `subscriptions/listen`. The stream waits for changes, decides again who may get each change, and
//! ends when the token ends.
//!
//! INVARIANT: a notification is written only after the server has accepted the token for this batch of changes. A
//! notification about a resource is written only after the guard and `authorize` of the resource have allowed the
//! caller again, with a membership that was looked up at most 30 s ago. `task_watch` has the invariant for tasks.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream;
use tokio::time::{Instant, sleep, sleep_until};

use crate::identity::RevocationChanges;
use crate::primitive::{Changes, Subscription};

use super::super::subscriptions::{
    Filter, ListName, Place, Seen, acknowledged, list_changed, resource_updated,
};
use super::list_watch::ListWatch;
use super::reader::{Cost, Reader};
use super::task_watch::{Later, TaskWatch};
use super::token_watch::{Token, TokenWatch};
use super::{Endpoint, MessageStream};

/// An open stream.
pub(super) struct Listening {
    endpoint: Arc<Endpoint>,
    /// The id of the request, as written in the body.
    id: String,
    reader: Reader,
    token: TokenWatch,
    subscription: Subscription,
    lists: ListWatch,
    seen: Seen,
    tasks: TaskWatch,
    /// The changes that are being delivered.
    batch: Changes,
    /// The time before which no further batch is taken.
    not_before: Option<Instant>,
    revocations: RevocationChanges,
    _place: Place,
}

impl Listening {
    pub(super) fn new(
        endpoint: &Arc<Endpoint>,
        id: &str,
        reader: Reader,
        token: TokenWatch,
        (lists, seen): (ListWatch, Seen),
        (subscription, tasks, place): (Subscription, TaskWatch, Place),
    ) -> Self {
        Self {
            revocations: endpoint.config.streams.authenticator.revocation_changes(),
            endpoint: Arc::clone(endpoint),
            id: id.to_owned(),
            reader,
            token,
            subscription,
            lists,
            seen,
            tasks,
            batch: Changes::default(),
            not_before: None,
            _place: place,
        }
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
            if self.subscription.is_empty() && self.tasks.is_empty() {
                return None;
            }
            let is_changed = self.wait().await;
            let (endpoint, caller) = (&self.endpoint, self.reader.caller.as_ref());
            match self.token.check(endpoint, caller, is_changed).await {
                Token::Over => return None,
                Token::Later if is_changed => self.try_later(),
                Token::Accepted if is_changed => {
                    self.batch = self.subscription.take();
                    self.tasks.take();
                    self.not_before = Instant::now().checked_add(DELIVERY_INTERVAL);
                }
                Token::Accepted | Token::Later => {}
            }
            let record = &mut |list, visible| self.seen.record(list, visible);
            let changed = self.lists.changed(&self.endpoint, &self.reader, record);
            let changed = changed.await;
            self.subscription.changed(changed);
            self.tasks.read(&self.endpoint).await;
        }
    }

    /// Returns the response to the request.
    fn end(&self) -> Vec<u8> {
        self.endpoint.results.end_of_stream(&self.id)
    }

    /// Returns the next notification of the batch, and skips changes that the caller may not learn of.
    async fn deliver(&mut self) -> Option<Vec<u8>> {
        if let Some(list) = ListName::take(&mut self.batch.lists) {
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
        let task = self.tasks.deliver(&self.endpoint, &self.reader, &self.id);
        task.await.unwrap_or_else(|Later| {
            self.try_later();
            None
        })
    }

    /// Waits until a change is pending, until the revocations change, or until the time to check the token again. Returns true
    /// if a change is pending.
    async fn wait(&mut self) -> bool {
        let revocation = pin!(self.revocations.next());
        let not_before = self.not_before.take();
        let tick = self.endpoint.config.clock.tick();
        let changed = async {
            if let Some(time) = not_before {
                sleep_until(time).await;
            }
            let changed = pin!(poll_fn(|cx| {
                let task = self.tasks.poll_pending(cx);
                match self.subscription.poll_pending(cx) {
                    Poll::Pending => task,
                    ready @ Poll::Ready(()) => ready,
                }
            }));
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

    /// Takes no further batch for some time, because a look-up failed.
    fn try_later(&mut self) {
        let tick = self.endpoint.config.clock.tick();
        self.not_before = Instant::now().checked_add(tick);
    }
}

/// The shortest time between two batches of one stream. Changes within this time are delivered together.
const DELIVERY_INTERVAL: Duration = Duration::from_millis(100);
