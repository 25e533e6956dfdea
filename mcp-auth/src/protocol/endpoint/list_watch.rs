//! Finds out whether a list has changed for the caller of an open stream: whether the caller would see other entries.

use std::time::Duration;

use crate::guard::Visible;
use crate::identity::TokenKind;
use crate::primitive::{ChangedLists, List};

use super::Endpoint;
use super::reader::Reader;

/// The lists of a stream that depend on the caller's membership.
#[derive(Debug)]
pub(super) struct ListWatch {
    lists: Vec<List>,
    /// The uptime at which the lists were last compared. `None` before the first comparison.
    compared: Option<Duration>,
}

impl ListWatch {
    pub(super) fn new(endpoint: &Endpoint, lists: ChangedLists, reader: &Reader) -> Self {
        let kind = reader.caller.as_ref().map(|caller| caller.token_kind());
        let is_watched = |list: &List| {
            let is_asked = match list {
                List::Prompts => lists.prompts,
                List::Resources | List::Templates => lists.resources,
                List::Tools => lists.tools,
            };
            // The server looks up the memberships of OAuth callers only.
            is_asked && kind == Some(TokenKind::OAuth) && endpoint.depends_on_membership(*list)
        };
        Self {
            lists: List::ALL.into_iter().filter(is_watched).collect(),
            compared: None,
        }
    }

    /// Returns the lists.
    pub(super) fn lists(&self) -> &[List] {
        &self.lists
    }

    /// Once in [`COMPARE_INTERVAL`], finds the entries that the caller sees with the current membership, and returns
    /// the lists whose entries changed. `record` records the entries of a list, and returns true if the caller saw
    /// other entries before. While requests of clients use half of the budget for look-ups, the comparison waits.
    pub(super) async fn changed(
        &mut self,
        endpoint: &Endpoint,
        reader: &Reader,
        record: &mut (dyn FnMut(List, Visible) -> bool + Send),
    ) -> ChangedLists {
        let mut changed = ChangedLists::default();
        let now = endpoint.config.clock.uptime();
        let compared = self.compared;
        let is_due = compared.is_none_or(|last| now.saturating_sub(last) >= COMPARE_INTERVAL);
        if self.lists.is_empty() || !is_due {
            return changed;
        }
        let Ok(_turn) = endpoint.config.streams.turn().await else {
            return changed;
        };
        if !endpoint.config.organizations.is_idle() {
            return changed;
        }
        for list in &self.lists {
            let (caller, url) = (reader.caller.as_ref(), &reader.url_org);
            let Ok(current) = Box::pin(endpoint.visible(*list, caller, url)).await else {
                continue;
            };
            if !record(*list, current) {
                continue;
            }
            match list {
                List::Prompts => changed.prompts = true,
                List::Resources | List::Templates => changed.resources = true,
                List::Tools => changed.tools = true,
            }
        }
        self.compared = Some(now);
        changed
    }

    /// States that the lists were compared just now.
    pub(super) fn compared_now(mut self, endpoint: &Endpoint) -> Self {
        self.compared = Some(endpoint.config.clock.uptime());
        self
    }
}

/// The largest age of a cached membership, and the time for which clients may cache a list.
const COMPARE_INTERVAL: Duration = Duration::from_secs(30);
