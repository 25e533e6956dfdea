//! The receiving side of notifications: what a subscriber subscribed to, and what has changed since its last delivery.
//!
//! A subscriber can be a stream, a session or any other task. Other modules decide who may subscribe and who may
//! receive.
//!
//! INVARIANT: a mailbox holds at most one pending change for each list and for each URI of its subscription. Publishing
//! therefore never waits for a subscriber, and a slow subscriber loses only duplicates.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::{fmt, mem};

/// A set of lists whose changes clients can subscribe to. The list of resources includes the resource templates.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct ChangedLists {
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
    pub(crate) tools: bool,
}

impl ChangedLists {
    pub(crate) fn is_empty(self) -> bool {
        !(self.prompts || self.resources || self.tools)
    }

    fn and(self, other: Self) -> Self {
        Self {
            prompts: self.prompts && other.prompts,
            resources: self.resources && other.resources,
            tools: self.tools && other.tools,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            prompts: self.prompts || other.prompts,
            resources: self.resources || other.resources,
            tools: self.tools || other.tools,
        }
    }
}

/// The changes of which the client has not been notified yet.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) lists: ChangedLists,
    /// The changed resources, in the order of their first change. Each URI occurs once.
    pub(crate) uris: VecDeque<Arc<str>>,
}

/// All subscribers of a server.
#[derive(Default)]
pub(super) struct Hub(Mutex<Subscribers>);

#[derive(Default)]
struct Subscribers {
    /// Every mailbox, by its address.
    all: HashMap<usize, Arc<Mailbox>>,
    /// The mailboxes that subscribed to a URI.
    of_uri: HashMap<Arc<str>, Vec<Arc<Mailbox>>>,
}

struct Mailbox {
    /// The organization in which the subscriber acts. Empty while the subscriber acts in no organization.
    organization: OnceLock<String>,
    wanted: ChangedLists,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    changes: Changes,
    /// The tasks that wait for a change: more than one if a session has more than one stream.
    wakers: Vec<Waker>,
}

impl Hub {
    /// Adds a subscriber of these lists, who acts in this organization.
    pub(super) fn open(
        self: &Arc<Self>,
        organization: Option<String>,
        wanted: ChangedLists,
    ) -> Subscription {
        let mailbox = Arc::new(Mailbox {
            organization: organization.map(OnceLock::from).unwrap_or_default(),
            wanted,
            pending: Mutex::default(),
        });
        let address = Arc::as_ptr(&mailbox).addr();
        self.lock().all.insert(address, Arc::clone(&mailbox));
        Subscription {
            hub: Arc::clone(self),
            mailbox,
            uris: Vec::new(),
        }
    }

    /// Records a change for every subscriber of one of the lists.
    pub(super) fn lists_changed(&self, lists: ChangedLists) {
        let subscribers = self.lock();
        let told = subscribers.all.values();
        let woken: Vec<_> = told.flat_map(|mailbox| mailbox.put(lists)).collect();
        drop(subscribers);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Records a change for every subscriber of the URI who acts in `organization`. `None` means all subscribers of the
    /// URI, also subscribers without an organization.
    pub(super) fn resource_updated(&self, uri: &str, organization: Option<&str>) {
        let subscribers = self.lock();
        let Some((uri, mailboxes)) = subscribers.of_uri.get_key_value(uri) else {
            return;
        };
        let acts_there = |mailbox: &&Arc<Mailbox>| {
            organization.is_none() || mailbox.organization.get().map(String::as_str) == organization
        };
        let told = mailboxes.iter().filter(acts_there);
        let woken: Vec<_> = told.flat_map(|mailbox| mailbox.put_uri(uri)).collect();
        drop(subscribers);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Returns the number of subscribers.
    pub(super) fn count(&self) -> usize {
        self.lock().all.len()
    }

    /// Ignores poisoning: no code panics while it holds this lock, so the value cannot be half changed.
    fn lock(&self) -> MutexGuard<'_, Subscribers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscribers {
    /// Returns the key of the table for a URI, so that all subscribers of the URI share one text.
    fn add(&mut self, uri: &str, mailbox: &Arc<Mailbox>) -> Arc<str> {
        let key = match self.of_uri.get_key_value(uri) {
            Some((known, _)) => Arc::clone(known),
            None => uri.into(),
        };
        let mailboxes = self.of_uri.entry(Arc::clone(&key)).or_default();
        mailboxes.push(Arc::clone(mailbox));
        key
    }

    fn remove(&mut self, uri: &Arc<str>, mailbox: &Arc<Mailbox>) {
        let Entry::Occupied(mut entry) = self.of_uri.entry(Arc::clone(uri)) else {
            return;
        };
        let mailboxes = entry.get_mut();
        mailboxes.retain(|other| !Arc::ptr_eq(other, mailbox));
        if mailboxes.is_empty() {
            entry.remove();
        } else if mailboxes.capacity() > 4 * mailboxes.len() {
            mailboxes.shrink_to_fit();
        }
    }
}

impl Mailbox {
    /// Records changes of lists that the subscriber wants. Returns the wakers of the tasks that wait.
    fn put(&self, lists: ChangedLists) -> Vec<Waker> {
        let lists = lists.and(self.wanted);
        if lists.is_empty() {
            return Vec::new();
        }
        let mut pending = self.lock();
        pending.changes.lists = pending.changes.lists.or(lists);
        mem::take(&mut pending.wakers)
    }

    fn put_uri(&self, uri: &Arc<str>) -> Vec<Waker> {
        let mut pending = self.lock();
        let uris = &mut pending.changes.uris;
        if !uris.iter().any(|other| Arc::ptr_eq(other, uri)) {
            uris.push_back(Arc::clone(uri));
        }
        mem::take(&mut pending.wakers)
    }

    /// Ignores poisoning: no code panics while it holds this lock, so the value cannot be half changed.
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A subscriber: its mailbox, and its URIs. Dropping the value ends the subscription.
pub(crate) struct Subscription {
    hub: Arc<Hub>,
    mailbox: Arc<Mailbox>,
    uris: Vec<Arc<str>>,
}

impl Subscription {
    /// Sets the organization in which the subscriber acts, unless the organization is already set.
    pub(crate) fn act_in(&self, organization: &str) {
        self.mailbox
            .organization
            .get_or_init(|| organization.to_owned());
    }

    /// Returns the organization in which the subscriber acts.
    pub(crate) fn organization(&self) -> Option<&str> {
        self.mailbox.organization.get().map(String::as_str)
    }

    /// Returns the URIs.
    pub(crate) fn uris(&self) -> &[Arc<str>] {
        &self.uris
    }

    /// Returns the number of resources.
    pub(crate) fn count(&self) -> usize {
        self.uris.len()
    }

    /// Returns true if the subscription is for this resource.
    pub(crate) fn has(&self, uri: &str) -> bool {
        self.uris.iter().any(|known| &**known == uri)
    }

    /// Subscribes to changes of a resource. A second subscription to the same URI has no effect.
    pub(crate) fn add(&mut self, uri: &str) {
        if !self.has(uri) {
            let uri = self.hub.lock().add(uri, &self.mailbox);
            self.uris.push(uri);
        }
    }

    /// Ends the subscription to a resource, and removes the pending change of the resource.
    pub(crate) fn remove(&mut self, uri: &str) {
        let Some(at) = self.uris.iter().position(|known| &**known == uri) else {
            return;
        };
        let uri = self.uris.swap_remove(at);
        self.hub.lock().remove(&uri, &self.mailbox);
        let mut pending = self.mailbox.lock();
        pending
            .changes
            .uris
            .retain(|other| !Arc::ptr_eq(other, &uri));
    }

    /// Returns true if the subscription has no list and no resource.
    pub(crate) fn is_empty(&self) -> bool {
        self.uris.is_empty() && self.mailbox.wanted.is_empty()
    }

    /// Records changes of lists for this subscriber alone.
    pub(crate) fn changed(&self, lists: ChangedLists) {
        let woken = self.mailbox.put(lists);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Records a change of a resource for this subscriber alone, unless the subscription to the resource ended.
    pub(crate) fn updated(&self, uri: &Arc<str>) {
        if self.uris.iter().any(|known| Arc::ptr_eq(known, uri)) {
            let woken = self.mailbox.put_uri(uri);
            woken.into_iter().for_each(Waker::wake);
        }
    }

    /// Takes the pending changes.
    pub(crate) fn take(&self) -> Changes {
        mem::take(&mut self.mailbox.lock().changes)
    }

    /// Completes when a change is pending. Each task that polls is woken.
    pub(crate) fn poll_pending(&self, cx: &Context<'_>) -> Poll<()> {
        let mut pending = self.mailbox.lock();
        let Changes { lists, uris } = &pending.changes;
        if !(lists.is_empty() && uris.is_empty()) {
            return Poll::Ready(());
        }
        let wakers = &mut pending.wakers;
        if wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        // Some of the tasks may have ended without a change. The other tasks poll again.
        let woken = match wakers.len() < MOST_WAKERS {
            true => Vec::new(),
            false => mem::take(wakers),
        };
        wakers.push(cx.waker().clone());
        drop(pending);
        woken.into_iter().for_each(Waker::wake);
        Poll::Pending
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut subscribers = self.hub.lock();
        for uri in &self.uris {
            subscribers.remove(uri, &self.mailbox);
        }
        let address = Arc::as_ptr(&self.mailbox).addr();
        subscribers.all.remove(&address);
    }
}

/// Prints only counts, because URIs may contain data of the caller.
impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("lists", &self.mailbox.wanted)
            .field("uris", &self.uris.len())
            .finish_non_exhaustive()
    }
}

/// The largest number of stored wakers. A session has fewer streams.
const MOST_WAKERS: usize = 64;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::thread;

    use super::*;

    const TOOLS: ChangedLists = ChangedLists {
        prompts: false,
        resources: false,
        tools: true,
    };
    const ALL: ChangedLists = ChangedLists {
        prompts: true,
        resources: true,
        tools: true,
    };
    const NONE: ChangedLists = ChangedLists {
        prompts: false,
        resources: false,
        tools: false,
    };

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn taken(subscription: &Subscription) -> (ChangedLists, Vec<String>) {
        let Changes { lists, uris } = subscription.take();
        (lists, uris.iter().map(|uri| uri.to_string()).collect())
    }

    fn subscribed(hub: &Arc<Hub>, lists: ChangedLists, uris: &[&str]) -> Subscription {
        let mut subscription = hub.open(None, lists);
        for uri in uris {
            subscription.add(uri);
        }
        subscription
    }

    #[test]
    fn changes_reach_their_subscribers_and_no_others() {
        let hub = Arc::default();
        let tools = subscribed(&hub, TOOLS, &[]);
        let both = subscribed(&hub, NONE, &["a:1", "a:2"]);
        hub.lists_changed(ALL);
        hub.resource_updated("a:2", None);
        hub.resource_updated("a:3", None);
        assert_eq!(taken(&tools), (TOOLS, vec![]));
        assert_eq!(taken(&both), (NONE, vec!["a:2".to_owned()]));
        assert_eq!(taken(&tools), (NONE, vec![]));
    }

    #[test]
    fn changes_coalesce_and_keep_the_order_of_their_first() {
        let hub = Arc::default();
        let slow = subscribed(&hub, ALL, &["a:1", "a:2", "a:3"]);
        for _ in 0..1_000 {
            for uri in ["a:2", "a:1", "a:2"] {
                hub.resource_updated(uri, None);
            }
            hub.lists_changed(TOOLS);
        }
        let expected = vec!["a:2".to_owned(), "a:1".to_owned()];
        assert_eq!(taken(&slow), (TOOLS, expected));
    }

    #[test]
    fn a_change_in_one_organization_reaches_its_subscribers_only() {
        let hub: Arc<Hub> = Arc::default();
        let mut subscriptions =
            [Some("org_1"), Some("org_2"), None].map(|org| hub.open(org.map(str::to_owned), NONE));
        for subscription in &mut subscriptions {
            subscription.add("a:1");
        }
        let told =
            |each: &[Subscription; 3]| each.each_ref().map(|one| taken(one).1.len()).to_vec();
        hub.resource_updated("a:1", Some("org_2"));
        assert_eq!(told(&subscriptions), [0, 1, 0]);
        hub.resource_updated("a:1", None);
        assert_eq!(told(&subscriptions), [1, 1, 1]);
    }

    #[test]
    fn a_subscriber_stays_in_the_first_organization_in_which_it_acts() {
        let hub: Arc<Hub> = Arc::default();
        let subscription = subscribed(&hub, NONE, &["a:1"]);
        let told = |organization| {
            hub.resource_updated("a:1", Some(organization));
            taken(&subscription).1.len()
        };
        assert_eq!((told("org_1"), subscription.organization()), (0, None));
        subscription.act_in("org_1");
        subscription.act_in("org_2");
        assert_eq!(subscription.organization(), Some("org_1"));
        assert_eq!((told("org_1"), told("org_2")), (1, 0));
    }

    #[test]
    fn a_removed_uri_has_no_pending_change_and_gets_no_further() {
        let hub = Arc::default();
        let mut subscription = subscribed(&hub, NONE, &["a:1", "a:1", "a:2"]);
        hub.resource_updated("a:1", None);
        let uri = subscription.take().uris.pop_front().unwrap();
        subscription.updated(&uri);
        subscription.remove("a:1");
        subscription.updated(&uri);
        hub.resource_updated("a:1", None);
        assert_eq!(taken(&subscription).1, Vec::<String>::new());
        assert!(!subscription.is_empty());
        subscription.remove("a:2");
        assert!(subscription.is_empty());
        assert!(hub.lock().of_uri.is_empty());
    }

    #[test]
    fn a_subscriber_that_waits_is_woken_once_and_one_that_does_not_is_not() {
        let hub = Arc::default();
        let subscription = subscribed(&hub, TOOLS, &["a:1"]);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        assert!(subscription.poll_pending(&cx).is_pending());
        hub.resource_updated("a:1", None);
        hub.resource_updated("a:1", None);
        hub.lists_changed(ALL);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(subscription.poll_pending(&cx).is_ready());
        subscription.take();
        assert!(subscription.poll_pending(&cx).is_pending());
    }

    #[test]
    fn every_task_that_waits_is_woken_and_few_wakers_are_stored() {
        let hub = Arc::default();
        let subscription = subscribed(&hub, TOOLS, &["a:1"]);
        let tasks: Vec<_> = (0..4).map(|_| Arc::new(Woken::default())).collect();
        for _ in 0..2 {
            for task in &tasks {
                let waker = Waker::from(Arc::clone(task));
                let cx = Context::from_waker(&waker);
                assert!(subscription.poll_pending(&cx).is_pending());
            }
        }
        hub.resource_updated("a:1", None);
        let woken = tasks.iter().map(|task| task.0.load(Ordering::SeqCst));
        assert_eq!(woken.collect::<Vec<_>>(), [1; 4]);
        subscription.take();
        for _ in 0..10 * MOST_WAKERS {
            let waker = Waker::from(Arc::new(Woken::default()));
            let cx = Context::from_waker(&waker);
            assert!(subscription.poll_pending(&cx).is_pending());
        }
        assert!(subscription.mailbox.lock().wakers.len() <= MOST_WAKERS);
    }

    #[test]
    fn subscribers_come_and_go_on_eight_threads_and_leave_nothing() {
        let hub: Arc<Hub> = Arc::default();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for round in 0..200 {
                        let uri = format!("a:{}", round % 7);
                        let one = subscribed(&hub, ALL, &["a:0", &uri]);
                        let mut two = subscribed(&hub, ALL, &[&uri]);
                        hub.resource_updated(&uri, None);
                        hub.lists_changed(TOOLS);
                        assert!(taken(&one).1.contains(&uri));
                        two.remove(&uri);
                    }
                });
            }
        });
        let left = hub.lock();
        assert!(left.all.is_empty() && left.of_uri.is_empty());
    }
}
