//! A budget of questions to the identity provider, in total and for each network of unknown
//! clients. A question is one request to the identity provider.
//!
//! The customer's own application shares the rate limit of the instance, so the server uses only a part of this limit.
//! Each made-up opaque token costs a question, so a network gets only a few questions about tokens that do not prove
//! good.
//!
//! The crate `governor` does not fit, because it cannot refund a question and has no queue in order of arrival.
//! [`Queue`](crate::limits::Queue) does not fit either. Its places become free when they are returned, but questions
//! become free as time passes.

mod ledger;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::identity::log_throttle::LogThrottle;
use crate::limits::Network;

use ledger::{Blocked, Cost, Ledger, PERIOD};

/// A budget of questions.
///
/// At most [`BudgetLimits::most`] questions begin in any ten seconds. Each network (an IPv4 address or an IPv6 /64) may
/// ask ten questions at once, and then one question a second. If the response to a question proves that its token is
/// good, the network gets the question back at once, so only the response time of the identity provider limits honest
/// clients. An attacker can have many networks. The networks of one site (an IPv4 /24 or an IPv6 /48) therefore
/// together use at most half of the budget for tokens that do not prove good.
///
/// If a request may not ask now, but its turn may come in time, the request waits in a queue, first come first served.
/// The requests of one site take at most half of the queue.
#[derive(Clone)]
pub(crate) struct Budget(Arc<Shared>);

/// The limits of a budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BudgetLimits {
    /// The data that is looked up, for the log.
    pub(crate) what: &'static str,
    /// The limit: at most this number of look-ups begin in any ten seconds.
    pub(crate) most: usize,
    /// At most this number of requests wait for a look-up.
    pub(crate) most_waiting: usize,
    pub(crate) longest_wait: Duration,
}

/// The budget is used up, so the question is not asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the budget for requests to the identity provider is used up")]
pub(crate) struct OverBudget {
    /// The time after which another question may be possible.
    pub(crate) retry_after: Duration,
}

/// Permission to ask one question. Dropping the permission before the question is asked refunds it.
pub(crate) struct Question {
    budget: Budget,
    number: u64,
    network: Option<Network>,
    cost: Cost,
    is_settled: bool,
}

struct Shared {
    limits: BudgetLimits,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Held by the one waiting request that hands out turns to all waiting requests.
    watch: tokio::sync::Mutex<()>,
    warned: LogThrottle,
    /// How often a question was not asked.
    refused: AtomicU64,
}

struct State {
    ledger: Ledger,
    /// The requests that wait, in order of arrival. At most [`BudgetLimits::most_waiting`].
    waiting: VecDeque<Waiting>,
}

/// A request that waits for its turn.
struct Waiting {
    network: Option<Network>,
    turn: oneshot::Sender<Result<Question, Blocked>>,
}

/// Receives the turn of a waiting request, or the reason why no turn will come in time.
type Turn = oneshot::Receiver<Result<Question, Blocked>>;

/// The response of the budget to a request: a question, or a place in the queue.
enum Entry {
    Question(Question),
    Queued(Turn),
}

impl Budget {
    pub(crate) fn new(limits: BudgetLimits, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            limits,
            clock,
            state: Mutex::new(State {
                ledger: Ledger::new(limits),
                waiting: VecDeque::new(),
            }),
            watch: tokio::sync::Mutex::new(()),
            warned: LogThrottle::default(),
            refused: AtomicU64::new(0),
        }))
    }

    /// Creates a budget for opaque tokens that the issuer never confirmed.
    pub(crate) fn of_new_tokens(most: usize, clock: Arc<dyn Clock>) -> Self {
        let limits = BudgetLimits {
            what: "new opaque tokens",
            most,
            most_waiting: 256,
            longest_wait: Duration::from_secs(5),
        };
        Self::new(limits, clock)
    }

    /// Creates a budget for look-ups of memberships. A look-up may wait for 30 s, so the queue has room for as many
    /// look-ups as the budget allows in 30 s.
    pub(crate) fn of_memberships(most: usize, clock: Arc<dyn Clock>) -> Self {
        let limits = BudgetLimits {
            what: "organization memberships",
            most,
            most_waiting: most.saturating_mul(3),
            longest_wait: Duration::from_secs(30),
        };
        Self::new(limits, clock)
    }

    /// Takes a question. If `network` is given, that network pays for the question.
    ///
    /// # Errors
    /// [`OverBudget`] if no question is free and no question will become free in time, or if the queue is full.
    pub(crate) async fn take(&self, network: Option<Network>) -> Result<Question, OverBudget> {
        let turn = match self.take_or_queue(network) {
            Ok(Entry::Question(question)) => return Ok(question),
            Ok(Entry::Queued(turn)) => turn,
            Err(blocked) => return Err(self.exhausted(blocked)),
        };
        let watch = pin!(self.watch());
        match timeout(self.0.limits.longest_wait, select(turn, watch)).await {
            Ok(Either::Left((Ok(turn), _))) => turn.map_err(|blocked| self.exhausted(blocked)),
            Ok(Either::Right((never, _))) => match never {},
            // The turn did not come in time.
            Ok(Either::Left((Err(_), _))) | Err(_) => {
                let now = self.0.clock.uptime();
                let blocked = self.lock().ledger.check(now, network).err();
                Err(self.exhausted(blocked.unwrap_or(Blocked::Full(PERIOD))))
            }
        }
    }

    /// Takes a question, or a place in the queue if a turn may come in time.
    fn take_or_queue(&self, network: Option<Network>) -> Result<Entry, Blocked> {
        let limits = &self.0.limits;
        let mut state = self.lock();
        let now = self.0.clock.uptime();
        // A network that has spent its questions may send a flood of tokens. A token of this flood must not cost a walk
        // through the queue.
        if let Err(blocked) = state.ledger.check(now, network)
            && blocked.is_hopeless(limits)
        {
            return Err(blocked);
        }
        self.serve(&mut state, now);
        let blocked = match state.ledger.take(now, network) {
            Ok(number) => return Ok(Entry::Question(self.question(number, network))),
            Err(blocked) => blocked,
        };
        if blocked.is_hopeless(limits) || !state.has_room(limits, network) {
            return Err(blocked);
        }
        let (sender, turn) = oneshot::channel();
        state.waiting.push_back(Waiting {
            network,
            turn: sender,
        });
        Ok(Entry::Queued(turn))
    }

    /// Hands out turns as they become free, and never returns. Only one waiting request does this for all waiting
    /// requests. When that request leaves, the next request takes over. A long queue therefore costs no more than a
    /// short queue.
    async fn watch(&self) -> Infallible {
        let _watch = self.0.watch.lock().await;
        loop {
            let soonest = {
                let mut state = self.lock();
                let now = self.0.clock.uptime();
                self.serve(&mut state, now)
            };
            sleep(soonest.unwrap_or(PERIOD).max(SHORTEST_PAUSE)).await;
        }
    }

    /// Returns how often a question was not asked because the budget was used up.
    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Returns true if at least half of the budget is free and no request waits.
    pub(crate) fn is_half_free(&self) -> bool {
        let mut state = self.lock();
        let now = self.0.clock.uptime();
        self.serve(&mut state, now);
        state.ledger.forget_before(now);
        state.waiting.is_empty() && state.ledger.asked() <= self.0.limits.most / 2
    }

    /// Hands out turns in the order in which the requests arrived. A request that must wait because of its network or
    /// site does not delay the requests behind it. Returns the time until the next turn may become free, if any request
    /// waits.
    fn serve(&self, state: &mut State, now: Duration) -> Option<Duration> {
        let limits = &self.0.limits;
        let mut soonest: Option<Duration> = None;
        let mut place = 0;
        while let Some(waiting) = state.waiting.get(place) {
            if waiting.turn.is_closed() {
                state.waiting.remove(place);
                continue;
            }
            let network = waiting.network;
            let turn = match state.ledger.take(now, network) {
                Ok(number) => Ok(self.question(number, network)),
                Err(blocked) if blocked.is_hopeless(limits) => Err(blocked),
                Err(blocked) => {
                    soonest = Some(soonest.map_or(blocked.wait(), |wait| wait.min(blocked.wait())));
                    if matches!(blocked, Blocked::Full(_)) {
                        break;
                    }
                    place += 1;
                    continue;
                }
            };
            let waiting = state.waiting.remove(place);
            let unheard = waiting.and_then(|waiting| waiting.turn.send(turn).err());
            if let Some(Ok(mut question)) = unheard {
                // The request is gone. Settle the question here, because dropping the question would take the lock
                // again.
                question.settle(state);
            }
        }
        soonest
    }

    fn question(&self, number: u64, network: Option<Network>) -> Question {
        Question {
            budget: self.clone(),
            number,
            network,
            cost: Cost::Nothing,
            is_settled: false,
        }
    }

    fn exhausted(&self, blocked: Blocked) -> OverBudget {
        let Shared {
            limits,
            clock,
            warned,
            refused,
            ..
        } = &*self.0;
        refused.fetch_add(1, Ordering::Relaxed);
        if let Some(requests) = warned.due(clock.uptime()) {
            let what = limits.what;
            tracing::warn!(
                target: "mcp_auth", fact = "budget_spent", what, requests,
                "the budget for requests to the identity provider is used up; the server answers clients with 503"
            );
        }
        OverBudget {
            retry_after: blocked.wait(),
        }
    }

    /// Locks the state. Ignores poisoning: no code panics while it holds this lock, so the state cannot be half
    /// changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question {
    /// Makes the network pay for the question, which is asked now.
    pub(crate) fn pay(&mut self) {
        self.cost = Cost::Network;
    }

    /// Refunds the network, because the response proved that the token is good, or does not show whether it is good.
    pub(crate) fn give_back(&mut self) {
        self.cost = Cost::Budget;
    }

    fn settle(&mut self, state: &mut State) {
        if !self.is_settled {
            self.is_settled = true;
            state.ledger.settle(self.number, self.network, self.cost);
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let budget = self.budget.clone();
        let mut state = budget.lock();
        self.settle(&mut state);
        let now = budget.0.clock.uptime();
        budget.serve(&mut state, now);
    }
}

impl State {
    /// Returns true if one more request of this network may wait.
    fn has_room(&mut self, limits: &BudgetLimits, network: Option<Network>) -> bool {
        self.waiting.retain(|waiting| !waiting.turn.is_closed());
        let Some(network) = network else {
            return self.waiting.len() < limits.most_waiting;
        };
        let site = network.site();
        let sites = self.waiting.iter().filter_map(|waiting| waiting.network);
        let of_site = sites.filter(|other| other.site() == site).count();
        self.waiting.len() < limits.most_waiting && of_site < limits.most_waiting / 2
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

/// The shortest time between two rounds of [`Budget::watch`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
