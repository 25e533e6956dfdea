//! Tells the client of a legacy session that a resource or a list changed, on the stream that belongs to no call, and ends
//! a stream whose token is no longer accepted.
//!
//! INVARIANT: a notification is written only after the token was accepted for this batch of changes, and for a resource
//! only after its guard and its `authorize` allowed the caller again, with a membership that is at most 30 s old.
//!
//! Source: MCP 2025-11-25, server/resources, subscriptions, and the list changed notifications of each list.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::Stream;
use tokio::time::sleep;

use crate::primitive::Changes;

use super::super::sessions::Session;
use super::super::subscriptions::{ListName, session_list_changed, session_resource_updated};
use super::list_watch::ListWatch;
use super::reader::{Cost, Reader};
use super::token_watch::{Token, TokenWatch};
use super::{Endpoint, MessageStream, StreamEvent};

/// The work beside an open stream of a session.
pub(super) struct Updates {
    endpoint: Arc<Endpoint>,
    session: Arc<Session>,
    /// The caller that opened the stream.
    reader: Reader,
    token: TokenWatch,
    lists: ListWatch,
}

/// A stream of a session, with the work that writes notifications on it.
struct WithUpdates {
    events: MessageStream,
    /// The work, which completes when the token is no longer accepted. `None` after that.
    updates: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Updates {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        session: Arc<Session>,
        reader: Reader,
        token: TokenWatch,
        lists: ListWatch,
    ) -> Self {
        Self {
            endpoint,
            session,
            reader,
            token,
            lists,
        }
    }

    /// Returns the stream with this work. The stream ends when the token is no longer accepted.
    pub(super) fn on(self, events: MessageStream) -> impl Stream<Item = StreamEvent> + Send {
        WithUpdates {
            events,
            updates: Some(Box::pin(self.run())),
        }
    }

    async fn run(mut self) {
        loop {
            self.compare().await;
            let is_changed = self.wait().await;
            let caller = self.reader.caller.as_ref();
            match self.token.check(&self.endpoint, caller, is_changed).await {
                Token::Over => return,
                Token::Accepted if is_changed => sleep(self.deliver().await).await,
                Token::Later if is_changed => sleep(self.endpoint.config.clock.tick()).await,
                Token::Accepted | Token::Later => {}
            }
        }
    }

    /// Waits until a change is pending, or until the clock should be looked at again. Returns true for a change.
    async fn wait(&self) -> bool {
        let tick = self.endpoint.config.clock.tick();
        let changed = pin!(poll_fn(|cx| self.session.poll_pending(cx)));
        match select(changed, pin!(sleep(tick))).await {
            Either::Left(_) => true,
            Either::Right(_) => false,
        }
    }

    /// Records the lists of which the caller sees something else than before.
    async fn compare(&mut self) {
        let session = &self.session;
        let record = &mut |list, visible| session.saw(list, visible);
        let changed = self.lists.changed(&self.endpoint, &self.reader, record);
        session.lists_changed(changed.await);
    }

    /// Delivers the pending changes. Returns the time to wait before the next delivery.
    async fn deliver(&mut self) -> Duration {
        let session = &self.session;
        // Changes in one organization must not reach the caller in another.
        self.reader.org = session.organization();
        let mut undelivered = Undelivered {
            session,
            changes: session.take_changes(),
        };
        while let Some(list) = ListName::take(&mut undelivered.changes.lists) {
            session.notify(session_list_changed(list));
        }
        let mut wait = INTERVAL;
        while let Some(uri) = undelivered.changes.uris.front().cloned() {
            let may = self.endpoint.may_read(&self.reader, &uri, Cost::Free).await;
            undelivered.changes.uris.pop_front();
            match may {
                Ok(true) => session.notify(session_resource_updated(&uri)),
                Ok(false) => session.unsubscribe(&uri),
                Err(_) => {
                    session.updated(&uri);
                    wait = self.endpoint.config.clock.tick();
                }
            }
        }
        wait
    }
}

impl Stream for WithUpdates {
    type Item = StreamEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(updates) = &mut self.updates else {
            return Poll::Ready(None);
        };
        // The notifications become events of the stream. The work comes first, so that a stream that always has an event
        // ends too.
        if updates.as_mut().poll(cx).is_ready() {
            self.updates = None;
            return Poll::Ready(None);
        }
        Pin::new(&mut self.events).poll_next(cx)
    }
}

/// Changes that are being delivered. If the stream ends first, the next stream delivers them.
struct Undelivered<'a> {
    session: &'a Session,
    changes: Changes,
}

impl Drop for Undelivered<'_> {
    fn drop(&mut self) {
        for uri in &self.changes.uris {
            self.session.updated(uri);
        }
    }
}

/// The shortest time between two deliveries.
const INTERVAL: Duration = Duration::from_millis(100);
