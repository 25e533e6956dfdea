//! Tells the client of a legacy session that a resource or a list changed, on the stream that belongs to no call. Ends a
//! stream whose token is no longer accepted.
//!
//! INVARIANT: a notification is written only after the server has accepted the token for this batch of changes. A
//! notification about a resource is written only after the guard and `authorize` of the resource have allowed the
//! caller again, with a membership that was looked up at most 30 s ago.
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
use super::super::subscriptions::{
    ListName, Place, session_list_changed, session_resource_updated,
};
use super::list_watch::ListWatch;
use super::reader::{Cost, Reader};
use super::token_watch::{Token, TokenWatch};
use super::{Endpoint, MessageStream, StreamEvent};

/// The part of an open stream of a session that waits for changes, and writes notifications.
pub(super) struct Updates {
    endpoint: Arc<Endpoint>,
    session: Arc<Session>,
    /// The caller that opened the stream.
    reader: Reader,
    token: TokenWatch,
    lists: ListWatch,
    _place: Option<Place>,
}

/// The events of a stream, with the future that writes notifications on the stream.
struct WithUpdates {
    events: MessageStream,
    /// The future of [`Updates::run`], which completes when the token is no longer accepted. `None` after it completed.
    updates: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Updates {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        session: Arc<Session>,
        reader: Reader,
        token: TokenWatch,
        lists: ListWatch,
        place: Option<Place>,
    ) -> Self {
        Self {
            endpoint,
            session,
            reader,
            token,
            lists,
            _place: place,
        }
    }

    /// Adds the notifications to a stream. The stream ends when the token is no longer accepted.
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

    /// Waits until a change is pending, or for one tick of the clock. Returns true if a change is pending.
    async fn wait(&self) -> bool {
        let tick = self.endpoint.config.clock.tick();
        let changed = pin!(poll_fn(|cx| self.session.poll_pending(cx)));
        match select(changed, pin!(sleep(tick))).await {
            Either::Left(_) => true,
            Either::Right(_) => false,
        }
    }

    /// Records the lists in which the caller now sees other entries than before.
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
        // The future writes the notifications as events of the stream. Poll the future before the events, so that a stream
        // ends even if it always has an event.
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
