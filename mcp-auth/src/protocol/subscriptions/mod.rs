//! The parts of `subscriptions/listen` that do not depend on the server's tools, prompts and resources: the filter of
//! a request, the messages, and the limits of open streams.
//!
//! Source: MCP 2026-07-28, basic/patterns/subscriptions.

mod filter;
mod messages;

use std::sync::Arc;

use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::guard::Visible;
use crate::identity::{Authenticator, Caller, Clock, LogThrottle, Org};
use crate::limits::{Exhausted, Party, Pool, Shares, Taken};
use crate::primitive::List;

use super::calls::{Calls, Full, RunningCall};

pub(super) use self::filter::Filter;
pub(super) use self::messages::{ListName, SUBSCRIPTION_ID};
pub(super) use self::messages::{
    acknowledged, list_changed, resource_updated, session_list_changed, session_resource_updated,
    task_changed,
};

/// The open streams of a server: their limits, and the parts that all of them share. The streams are subscriptions, the
/// streams that sessions open with a GET, and the calls of sessions that wait for a person.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(super) authenticator: Arc<Authenticator>,
    /// Cancelled when the server stops.
    pub(super) stopping: CancellationToken,
    /// Counts the open streams of each principal, each user and each network.
    callers: Arc<Calls>,
    /// Counts all open streams.
    all: Arc<Pool>,
    /// Counts the memory of subscribed URIs, in bytes.
    uris: Arc<Pool>,
    /// Limits how many streams may ask the identity provider at the same time.
    questions: Semaphore,
    refusals: LogThrottle,
    clock: Arc<dyn Clock>,
}

/// For each list, the entries that a caller saw last.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<(List, Visible)>);

impl Seen {
    /// Records the entries of a list that the caller sees now. Returns true if the caller saw other entries before.
    pub(super) fn record(&mut self, list: List, visible: Visible) -> bool {
        match self.0.iter_mut().find(|(seen, _)| *seen == list) {
            Some((_, before)) => {
                let is_changed = *before != visible;
                *before = visible;
                is_changed
            }
            None => {
                self.0.push((list, visible));
                false
            }
        }
    }
}

/// The place of one open stream. Dropping the value makes room for another stream.
#[derive(Debug)]
pub(super) struct Place {
    _caller: RunningCall,
    _all: Taken,
    uris: UriMemory,
}

/// The counted memory of the URIs of a stream or a session.
#[derive(Debug)]
pub(super) struct UriMemory(Taken);

impl UriMemory {
    /// Counts a URI. Returns false if there is no memory for the URI.
    pub(super) fn add(&mut self, uri: &str) -> bool {
        self.0.grow(uri.len() + URI_OVERHEAD).is_ok()
    }

    /// Stops counting a URI.
    pub(super) fn remove(&mut self, uri: &str) {
        self.0.shrink(uri.len() + URI_OVERHEAD);
    }
}

/// The limit that a new stream would exceed. The text is for the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum TooMany {
    #[error("the number of open subscriptions and session streams in total")]
    All,
    #[error("the number of open subscriptions without a token, for one network")]
    Network,
    #[error(
        "the number of open subscriptions and session streams, for one user with one client in one organization"
    )]
    Principal,
    #[error("the memory for URIs")]
    Uris,
    #[error("the number of open subscriptions and session streams, for one user or machine")]
    User,
}

impl Streams {
    /// Makes the limits. At most `most` streams can be open.
    pub(crate) fn new(
        most: usize,
        authenticator: Arc<Authenticator>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let strangers = (most / 4).max(1);
        let of_strangers = Shares::of_strangers(strangers, MOST_OF_NETWORK.min(strangers));
        let all = Shares {
            all: most,
            known: most,
            strangers: most,
            site: most,
            network: most,
        };
        Self {
            authenticator,
            stopping: CancellationToken::new(),
            callers: Arc::new(Calls::new(MOST_OF_PRINCIPAL, MOST_OF_USER, of_strangers)),
            all: Arc::new(Pool::new(all)),
            uris: Arc::new(Pool::new(Shares::of(
                MOST_URI_BYTES,
                MOST_URI_BYTES / 16,
                1024,
            ))),
            questions: Semaphore::new(MOST_QUESTIONS),
            refusals: LogThrottle::default(),
            clock,
        }
    }

    /// Takes a place for a stream, or returns the limit that is reached. Logs at most one refusal a minute.
    pub(super) fn enter(
        &self,
        caller: Option<&Caller>,
        org: Option<&Org>,
        party: Party,
    ) -> Result<Place, TooMany> {
        self.place(caller, org, party)
            .inspect_err(|limit| self.count(*limit))
    }

    fn place(
        &self,
        caller: Option<&Caller>,
        org: Option<&Org>,
        party: Party,
    ) -> Result<Place, TooMany> {
        let entered = self.callers.enter(caller, org, party);
        let of_caller = entered.map_err(|full| match full {
            Full::Anonymous(_) => TooMany::Network,
            Full::Principal => TooMany::Principal,
            Full::User => TooMany::User,
        })?;
        let all = self.all.take(party, 1).map_err(|_: Exhausted| TooMany::All);
        Ok(Place {
            _caller: of_caller,
            _all: all?,
            uris: self.memory(party)?,
        })
    }

    /// Returns the memory for the URIs of a stream or a session, which counts no URI yet.
    pub(super) fn memory(&self, party: Party) -> Result<UriMemory, TooMany> {
        let none = self.uris.take(party, 0);
        none.map(UriMemory).map_err(|_| TooMany::Uris)
    }

    /// Returns the number of open streams.
    pub(super) fn open(&self) -> usize {
        self.all.taken()
    }

    /// Counts a subscribed URI for the memory of its stream.
    pub(super) fn add_uri(&self, place: &mut Place, uri: &str) -> Result<(), TooMany> {
        let added = place.uris.add(uri).then_some(()).ok_or(TooMany::Uris);
        added.inspect_err(|limit| self.count(*limit))
    }

    /// Waits until this stream may ask the identity provider.
    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.questions.acquire().await
    }

    fn count(&self, limit: TooMany) {
        if let Some(refused) = self.refusals.due(self.clock.uptime()) {
            tracing::warn!(target: "mcp_auth", fact = "limit_hit", %limit, refused, "subscription refused: a limit is reached");
        }
    }
}

/// The largest number of streams of a user with one client in one organization.
const MOST_OF_PRINCIPAL: usize = 16;
/// The largest number of streams of a user or a machine. A user can register any number of clients.
const MOST_OF_USER: usize = 64;
/// The largest number of streams without a token of one network.
const MOST_OF_NETWORK: usize = 64;
/// The largest number of bytes of URIs of all streams. One user or machine gets at most a sixteenth of these bytes.
const MOST_URI_BYTES: usize = 64 * 1024 * 1024;
/// The estimated number of bytes that a subscribed URI takes in addition to its text.
const URI_OVERHEAD: usize = 128;
/// The number of streams that may ask the identity provider at once. Further streams wait, so that ten thousand streams
/// do not use up the budget of look-ups that requests of clients need.
const MOST_QUESTIONS: usize = 8;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::identity::test_support;
    use crate::limits::Network;

    fn streams(most: usize) -> (Streams, Caller) {
        let authenticator = test_support::offline(test_support::policy());
        let caller = test_support::oauth_caller(&test_support::oauth_claims());
        let streams = Streams::new(most, Arc::new(authenticator), test_support::clock());
        (streams, caller)
    }

    #[test]
    fn a_principal_has_sixteen_streams_and_a_place_that_is_dropped_is_free() {
        let (streams, caller) = streams(100);
        let enter = |org: Option<&Org>| streams.enter(Some(&caller), org, caller.party());
        let mut places: Vec<_> = (0..16).map(|_| enter(None).unwrap()).collect();
        assert_eq!(enter(None).unwrap_err(), TooMany::Principal);
        places.pop();
        places.push(enter(None).unwrap());
        let orgs = ["org_1", "org_2", "org_3"].map(|id| Org::only_id(id.to_owned()));
        for org in &orgs {
            places.extend((0..16).map(|_| enter(Some(org)).unwrap()));
        }
        let fourth = Org::only_id("org_4".to_owned());
        assert_eq!(enter(Some(&fourth)).unwrap_err(), TooMany::User);
    }

    #[test]
    fn all_streams_and_the_streams_of_a_network_are_limited() {
        let (streams, caller) = streams(4);
        let stranger = Party::Stranger(Network::V4(Ipv4Addr::LOCALHOST));
        let _first = streams.enter(None, None, stranger).unwrap();
        let second = streams.enter(None, None, stranger);
        assert_eq!(second.unwrap_err(), TooMany::Network);
        let enter = || streams.enter(Some(&caller), None, caller.party());
        let _others: Vec<_> = (0..3).map(|_| enter().unwrap()).collect();
        assert_eq!(enter().unwrap_err(), TooMany::All);
    }

    #[test]
    fn the_uris_of_a_user_take_a_bounded_memory() {
        let (streams, caller) = streams(100);
        let mut place = streams.enter(Some(&caller), None, caller.party()).unwrap();
        let uri = "x".repeat(2048 - URI_OVERHEAD);
        let added = (0..3_000).map_while(|_| streams.add_uri(&mut place, &uri).ok());
        assert_eq!(added.count(), MOST_URI_BYTES / 16 / 2048);
        drop(place);
        let mut place = streams.enter(Some(&caller), None, caller.party()).unwrap();
        assert!(streams.add_uri(&mut place, &uri).is_ok());
        // A URI that is no longer subscribed leaves its room.
        let mut memory = streams.memory(caller.party()).unwrap();
        while memory.add(&uri) {}
        memory.remove(&uri);
        assert!(memory.add(&uri) && !memory.add(&uri));
    }
}
