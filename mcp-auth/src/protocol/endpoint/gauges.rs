//! The numbers that a scrape of metrics reads, and whether the stores can be reached.

use std::sync::Arc;

use crate::identity::Service;

use super::{Endpoint, Sessions};

impl Endpoint {
    /// Returns the number of calls that run now.
    pub(crate) fn calls_in_flight(&self) -> usize {
        self.calls.in_flight()
    }

    /// Returns the number of open streams of `subscriptions/listen`.
    pub(crate) fn open_subscriptions(&self) -> usize {
        self.config.streams.open()
    }

    /// Returns the number of open sessions.
    pub(crate) fn open_sessions(&self) -> usize {
        let sessions = self.sessions.as_ref();
        sessions.map_or(0, Sessions::open_sessions)
    }

    /// Returns the number of tasks that run in this process.
    pub(crate) fn running_tasks(&self) -> usize {
        self.config.tasks.count()
    }

    /// Returns the service that looks memberships up. `None` if this server makes no look-ups.
    pub(crate) fn membership_service(&self) -> Option<&Arc<Service>> {
        self.config.organizations.service()
    }

    /// Returns true if the stores that calls need can be reached.
    pub(crate) async fn reaches_stores(&self) -> bool {
        !self.config.registry.has_tasks() || self.config.tasks.is_reachable().await
    }
}
