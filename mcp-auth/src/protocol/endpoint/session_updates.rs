//! Tells the client of a legacy session that a resource changed, on the stream that belongs to no call.
//!
//! INVARIANT: a notification is written only after the guard and `authorize` allowed the caller to read the resource
//! again, with a membership that is at most 30 s old.
//!
//! Source: MCP 2025-11-25, server/resources, subscriptions.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::Stream;
use tokio::time::sleep;

use super::super::sessions::Session;
use super::super::subscriptions::session_resource_updated;
use super::listen::{Cost, Reader};
use super::{Endpoint, MessageStream, StreamEvent};

/// A stream of a session. While the stream is polled, it also writes the notifications of the session's subscriptions.
pub(super) struct WithUpdates {
    events: MessageStream,
    /// Writes the notifications. Never completes.
    updates: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl WithUpdates {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        session: Arc<Session>,
        reader: Reader,
        events: MessageStream,
    ) -> Self {
        Self {
            events,
            updates: Box::pin(deliver(endpoint, session, reader)),
        }
    }
}

impl Stream for WithUpdates {
    type Item = StreamEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = Pin::new(&mut self.events).poll_next(cx);
        if event.is_pending() {
            // This work puts notifications on the stream as events, which then wake this Tokio task.
            let _ = self.updates.as_mut().poll(cx);
        }
        event
    }
}

async fn deliver(endpoint: Arc<Endpoint>, session: Arc<Session>, reader: Reader) {
    loop {
        let uris = poll_fn(|cx| session.poll_changes(cx)).await;
        let mut undelivered = Undelivered {
            session: &session,
            uris,
        };
        let mut wait = INTERVAL;
        while let Some(uri) = undelivered.uris.front().cloned() {
            let may = endpoint.may_read(&reader, &uri, Cost::Free).await;
            undelivered.uris.pop_front();
            match may {
                Ok(true) => session.notify(session_resource_updated(&uri)),
                Ok(false) => session.unsubscribe(&uri),
                Err(_) => {
                    session.updated(&uri);
                    wait = endpoint.config.clock.tick();
                }
            }
        }
        drop(undelivered);
        sleep(wait).await;
    }
}

/// Changes that are being delivered. If the stream ends first, the next stream delivers them.
struct Undelivered<'a> {
    session: &'a Session,
    uris: VecDeque<Arc<str>>,
}

impl Drop for Undelivered<'_> {
    fn drop(&mut self) {
        for uri in &self.uris {
            self.session.updated(uri);
        }
    }
}

/// The shortest time between two deliveries.
const INTERVAL: Duration = Duration::from_millis(100);
